"""The measures of an audit, run over a corpus and its test examples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from unimp_bench import registry
from unimp_bench.corpus import Corpus, Items
from unimp_bench.errors import UsageError
from unimp_bench.records import SPLITS, BoolArray, Examples, Split
from unimp_bench.reports.audit.corpus.cuts import FEW_INTERACTIONS, HEAD_SHARE, SHORT_HISTORY
from unimp_bench.reports.audit.corpus.duplicates import (
    TITLE,
    Likeness,
    copied,
    copies,
    duplicates,
    picture_likeness,
    title_likeness,
)
from unimp_bench.reports.audit.corpus.file_order import file_order, with_file
from unimp_bench.reports.audit.corpus.measures import SplitMeasures
from unimp_bench.reports.audit.corpus.order import (
    Training,
    asked_splits,
    from_the_future,
    in_history,
    leaks,
    mean,
    one_transition,
    skew,
    tied_targets,
    ties,
    transitions,
)
from unimp_bench.reports.audit.corpus.record import CorpusAudit, ExampleSet, pack_mask


def example_sets(
    corpus: Corpus, trainings: Iterable[Training], titles: Likeness | None, pictures: Likeness | None
) -> tuple[ExampleSet, ...]:
    """One set for all tasks that ask the same users for the same targets after the same histories.

    Tasks have their own options. A task or split that the corpus does not serve has no set.
    """
    return tuple(
        ExampleSet(
            tasks=tuple(tasks),
            split=training.split,
            examples=len(test),
            masks={name: pack_mask(mask) for name, mask in cuts(corpus, training, test, titles, pictures).items()},
        )
        for training in trainings
        for tasks, test in _distinct(corpus, training.split)
    )


def cuts(
    corpus: Corpus, training: Training, test: Examples, titles: Likeness | None, pictures: Likeness | None
) -> Mapping[str, BoolArray]:
    """(n,) bool of each cut of ``cuts.CUTS`` that says something of the corpus, by its name."""
    assert test.targets is not None
    masks = {
        "transition": one_transition(training, test),
        "file_order": with_file(corpus, test),
        "repeat": in_history(test, np.equal),
        "cold_user": test.ends - test.starts() < SHORT_HISTORY,
        "cold_item": training.counts[test.targets] < FEW_INTERACTIONS,
        "head": np.isin(test.targets, training.most_popular(HEAD_SHARE)),
    }
    if corpus.has_clock:
        masks |= {"future": from_the_future(corpus, training, test), "tied": tied_targets(corpus, test)}
    copy = copied(test, titles, pictures)
    return masks if copy is None else {**masks, "copy": copy}


def _distinct(corpus: Corpus, split: Split) -> list[tuple[list[str], Examples]]:
    """The names of tasks with the same test examples, sorted, and those examples."""
    found: dict[tuple[bytes, ...], tuple[list[str], Examples]] = {}
    for name in sorted(registry.task_cards()):
        task = registry.make_task(name)
        if split not in task.splits:
            continue
        try:
            test = task.examples(corpus, split, "test")
        except UsageError:
            continue  # the corpus has not what the task needs
        key = tuple(np.asarray(column).tobytes() for column in (test.users, test.ends, test.targets))
        found.setdefault(key, ([], test))[0].append(name)
    return list(found.values())


def audit_corpus(corpus: Corpus) -> CorpusAudit:
    """Everything that an audit tells; the same corpus gives the same record.

    Raises:
        UsageError: the corpus has no test examples.
        DataError: a file of it cannot be read.
    """
    asked = asked_splits(corpus, SPLITS)
    titles, pictures = title_likeness(corpus.items), picture_likeness(corpus.items)
    names = _names(corpus.items)
    return CorpusAudit(
        name=corpus.name,
        fingerprint=corpus.fingerprint,
        synthetic=corpus.manifest.synthetic,
        ties=ties(corpus),
        order=file_order(corpus),
        titles=duplicates(titles, names),
        pictures=duplicates(pictures, names),
        splits=tuple(_split(corpus, training, test, titles, pictures) for training, test in asked),
        sets=example_sets(corpus, [training for training, _ in asked], titles, pictures),
    )


def _split(
    corpus: Corpus, training: Training, test: Examples, titles: Likeness | None, pictures: Likeness | None
) -> SplitMeasures:
    return SplitMeasures(
        split=training.split,
        examples=len(test),
        catalogue=len(training.catalogue),
        training=len(training.histories),
        transitions=transitions(training, test),
        skew=skew(training, test),
        leaks=leaks(corpus, training, test),
        tied=mean(tied_targets(corpus, test)) if corpus.has_clock else None,
        copies=copies(test, titles, pictures),
    )


def _names(items: Items) -> list[str]:
    """What readers know items by: their titles, or their ids where they have none."""
    if TITLE not in items.attributes:
        return items.names
    return [title or name for title, name in zip(items.text(TITLE), items.names, strict=True)]
