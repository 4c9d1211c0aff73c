"""What training knows of the time after a target: a cut by user is none by time."""

from __future__ import annotations

import numpy as np

from unimp_bench.audit.corpus.measures import Leaks
from unimp_bench.audit.corpus.shares import mean, spread
from unimp_bench.audit.corpus.training import Training
from unimp_bench.audit.corpus.transitions import last_items, one_transition
from unimp_bench.corpus import Corpus
from unimp_bench.records import BoolArray, Examples, FloatArray, Histories, IntArray


def leaks(corpus: Corpus, training: Training, test: Examples) -> Leaks | None:
    """How far training reaches beyond the targets; None for a corpus without clock times."""
    if not corpus.has_clock:
        return None
    assert test.targets is not None
    times = _times(corpus, test)
    near = one_transition(training, test)
    known = training.counts[test.targets] > 0
    return Leaks(
        after=spread(later_share(training.histories, test.users, times)),
        before_median=mean(times < np.median(training.histories.times)),
        transitions=mean(from_the_future(corpus, training, test)[near]) if near.any() else None,
        items=mean(known & (training.first_times[test.targets] > times)),
        unseen=mean(~known),
    )


def from_the_future(corpus: Corpus, training: Training, test: Examples) -> BoolArray:
    """(n,) whether the target is one transition away, and every such transition was made later than the target."""
    assert test.targets is not None
    near, first = training.graph.first_times(last_items(test), test.targets, test.users)
    later: BoolArray = near & (first > _times(corpus, test))
    return later


def _times(corpus: Corpus, test: Examples) -> IntArray:
    """(n,) times of the targets."""
    assert test.rows is not None
    return np.asarray(corpus.histories.times[test.rows])


def later_share(train: Histories, users: IntArray, times: IntArray) -> FloatArray:
    """(n,) share of the interactions of others than ``users`` that are later than ``times``; 0 where there are none."""
    distinct, ranks = np.unique(train.times, return_inverse=True)
    rank = np.searchsorted(distinct, times, side="right")  # later interactions have this rank or a higher one
    later = len(train) - np.searchsorted(np.sort(ranks), rank)
    # One sorted list of (user, rank) keys holds every user's own times in order.
    span = len(distinct) + 1
    keys = np.sort(np.repeat(np.arange(train.users), train.lengths()) * span + ranks)
    own_later = train.offsets[users + 1] - np.searchsorted(keys, users.astype(np.int64) * span + rank)
    others = len(train) - train.lengths()[users]
    return (later - own_later) / np.maximum(others, 1)
