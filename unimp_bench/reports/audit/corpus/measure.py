"""Audits a corpus: runs all measures over its interactions, items and test examples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from unimp_bench import registry
from unimp_bench.corpus import Corpus, Items
from unimp_bench.errors import UsageError
from unimp_bench.records import SPLITS, BoolArray, Examples, Split
from unimp_bench.reports.audit.corpus.cuts import FEW_INTERACTIONS, HEAD_SHARE, HOPS, LOGICS, SHORT_HISTORY
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
from unimp_bench.reports.audit.corpus.interactions import (
    Training,
    evaluated_splits,
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
from unimp_bench.reports.audit.corpus.logics import classes, smallest_hops
from unimp_bench.reports.audit.corpus.record import CorpusAudit, ExampleSet, Logics, SplitMeasures, pack_mask


def example_sets(
    corpus: Corpus, trainings: Iterable[Training], titles: Likeness | None, pictures: Likeness | None
) -> tuple[ExampleSet, ...]:
    """One set for all tasks with the same users, histories and targets, under the default options of each task.

    Tasks and splits that the corpus does not serve are absent.
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
    """(n,) bool for each cut of ``CUTS`` that applies to the corpus, by name."""
    assert test.targets is not None
    masks = {
        "transition": one_transition(training, test),
        "file_order": with_file(corpus, test),
        "repeat": in_history(test, np.equal),
        "cold_user": test.ends - test.starts() < SHORT_HISTORY,
        "cold_item": training.counts[test.targets] < FEW_INTERACTIONS,
        "head": np.isin(test.targets, training.most_popular(HEAD_SHARE)),
        **classes(smallest_hops(training.histories, training.items, test)),
    }
    if corpus.has_clock:
        masks |= {"future": from_the_future(corpus, training, test), "tied": tied_targets(corpus, test)}
    copy = copied(test, titles, pictures)
    return masks if copy is None else {**masks, "copy": copy}


def _distinct(corpus: Corpus, split: Split) -> list[tuple[list[str], Examples]]:
    """Groups of tasks with the same test examples: their sorted names and the examples."""
    found: dict[tuple[bytes, ...], tuple[list[str], Examples]] = {}
    for name in sorted(registry.task_cards()):
        task = registry.make_task(name)
        if split not in task.splits:
            continue
        try:
            test = task.examples(corpus, split, "test")
        except UsageError:
            continue  # the corpus lacks what the task needs
        key = tuple(np.asarray(column).tobytes() for column in (test.users, test.ends, test.targets))
        found.setdefault(key, ([], test))[0].append(name)
    return list(found.values())


def audit_corpus(corpus: Corpus) -> CorpusAudit:
    """The whole audit; deterministic.

    Raises:
        UsageError: the corpus has no test examples.
        DataError: a file of the corpus cannot be read.
    """
    evaluated = evaluated_splits(corpus, SPLITS)
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
        splits=tuple(_split(corpus, training, test, titles, pictures) for training, test in evaluated),
        sets=example_sets(corpus, [training for training, _ in evaluated], titles, pictures),
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
        logics=logics(training, test),
    )


def logics(training: Training, test: Examples) -> Logics:
    """What the targets require of a model, by the transitions of training."""
    hops = smallest_hops(training.histories, training.items, test)
    return Logics(
        memorised=mean(hops["memorised"] > 0),
        hops={name: tuple(mean(hops[name] == hop) for hop in range(1, HOPS + 1)) for name in LOGICS[1:]},
        none=mean(classes(hops)["none"]),
    )


def _names(items: Items) -> list[str]:
    """Titles of items, or their ids without one."""
    if TITLE not in items.attributes:
        return items.names
    return [title or name for title, name in zip(items.text(TITLE), items.names, strict=True)]
