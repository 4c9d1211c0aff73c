"""Equal times, which leave the order of interactions open."""

from __future__ import annotations

import numpy as np

from unimp_bench.audit.corpus.measures import Ties
from unimp_bench.audit.corpus.shares import mean, share
from unimp_bench.corpus import Corpus
from unimp_bench.records import BoolArray, Examples

_DAY = 86_400


def ties(corpus: Corpus) -> Ties | None:
    """Ties over all interactions; None for a corpus without clock times."""
    if not corpus.has_clock:
        return None
    histories = corpus.histories
    users = np.repeat(np.arange(histories.users), histories.lengths())
    neighbours = users[1:] == users[:-1]
    tied = neighbours & (histories.times[1:] == histories.times[:-1])
    return Ties(
        neighbours=share(tied.sum(), neighbours.sum()),
        users=share(len(np.unique(users[1:][tied])), histories.users),
        whole_days=mean(histories.times % _DAY == 0),
    )


def tied_targets(corpus: Corpus, test: Examples) -> BoolArray:
    """(n,) whether the target has the time of the last interaction of its history."""
    assert test.rows is not None
    asked = np.flatnonzero(test.ends > test.starts())
    tied = np.zeros(len(test), dtype=np.bool_)
    tied[asked] = test.histories.times[test.ends[asked] - 1] == corpus.histories.times[test.rows[asked]]
    return tied
