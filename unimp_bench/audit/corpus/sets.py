"""The cuts of the test examples of every task and split that a corpus serves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from unimp_bench import registry
from unimp_bench.audit.corpus.cuts import FEW_INTERACTIONS, HEAD_SHARE, SHORT_HISTORY
from unimp_bench.audit.corpus.file_order import with_file
from unimp_bench.audit.corpus.history import in_history
from unimp_bench.audit.corpus.leaks import from_the_future
from unimp_bench.audit.corpus.likeness import Likeness, copied
from unimp_bench.audit.corpus.record import ExampleSet, pack_mask
from unimp_bench.audit.corpus.ties import tied_targets
from unimp_bench.audit.corpus.training import Training
from unimp_bench.audit.corpus.transitions import one_transition
from unimp_bench.corpus import Corpus
from unimp_bench.errors import UsageError
from unimp_bench.records import BoolArray, Examples, Split


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
