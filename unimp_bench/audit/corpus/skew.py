"""How unequal items and users are: what popularity alone can win."""

from __future__ import annotations

import numpy as np

from unimp_bench.audit.corpus.history import in_history
from unimp_bench.audit.corpus.measures import TOPS, Skew, Top
from unimp_bench.audit.corpus.shares import mean, share, spread
from unimp_bench.audit.corpus.training import Training
from unimp_bench.records import Examples, IntArray


def skew(training: Training, test: Examples) -> Skew:
    """Popularity, lengths of histories, density and repeats of one split."""
    counts = training.counts[training.catalogue]
    pairs = int((training.histories.lengths() > 0).sum()) * len(training.catalogue)
    return Skew(
        gini=gini(counts),
        tops=tuple(_top(training, test, part) for part in TOPS),
        history=spread(test.ends - test.starts()),
        density=share(len(training.histories), pairs),
        repeats=mean(in_history(test, np.equal)),
    )


def gini(counts: IntArray) -> float:
    """Gini coefficient of numbers that are not negative: half their mean absolute difference by their mean."""
    ordered = np.sort(counts)
    ranks = np.arange(1, len(ordered) + 1)
    return share(int(((2 * ranks - len(ordered) - 1) * ordered).sum()), len(ordered) * int(ordered.sum()))


def _top(training: Training, test: Examples, part: float) -> Top:
    assert test.targets is not None
    items = training.most_popular(part)
    return Top(
        share=part,
        items=len(items),
        interactions=share(training.counts[items].sum(), len(training.histories)),
        targets=mean(np.isin(test.targets, items)),
    )
