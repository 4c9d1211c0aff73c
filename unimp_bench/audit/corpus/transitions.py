"""Targets that a graph of transitions alone finds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.sparse import csr_array

from unimp_bench.audit.corpus.measures import Reach, Transitions
from unimp_bench.audit.corpus.shares import mean
from unimp_bench.audit.corpus.training import Training
from unimp_bench.records import BoolArray, Examples, IntArray

_BLOCK = 512


def transitions(training: Training, test: Examples) -> Transitions:
    """Where the targets lie in the graph of training, seen from the last item of each history."""
    graph, last = training.graph, last_items(test)
    undirected = graph.undirected
    return Transitions(
        out_degree=mean(np.diff(graph.forward.indptr)[last]),
        direct=_reach(training, test, lambda sources: graph.forward[sources]),
        undirected=_reach(training, test, lambda sources: undirected[sources]),
        two=_reach(training, test, graph.within_two),
    )


def one_transition(training: Training, test: Examples) -> BoolArray:
    """(n,) whether somebody else in training went from the last item of the history to the target directly.

    A user's own way is left out: where a task asks for several items of a user at once, training on others holds it.
    """
    assert test.targets is not None
    return training.graph.first_times(last_items(test), test.targets, test.users)[0]


def last_items(test: Examples) -> IntArray:
    """(n,) int64 last item of each history, -1 where it is empty."""
    last: IntArray = test.last_items(1)[:, 0]
    return last


def _reach(training: Training, test: Examples, reached_from: Callable[[IntArray], csr_array]) -> Reach:
    """Args: reached_from: the items that lead on from each of some items, (n, items) bool."""
    assert test.targets is not None
    uniform = np.zeros(training.items)
    uniform[training.catalogue] = 1 / len(training.catalogue)
    popular = training.counts / max(1, training.counts.sum())
    sources, place = np.unique(last_items(test), return_inverse=True)
    hit = np.zeros(len(test), dtype=np.bool_)
    chances = np.zeros((len(test), 2))
    for start in range(0, len(sources), _BLOCK):
        reached = reached_from(sources[start : start + _BLOCK])
        here = np.flatnonzero((place >= start) & (place < start + _BLOCK))
        rows = place[here] - start
        hit[here] = reached[rows, test.targets[here]]
        chances[here] = (reached @ np.stack([uniform, popular], axis=1))[rows]
    return Reach(share=mean(hit), random_item=mean(chances[:, 0]), random_interaction=mean(chances[:, 1]))
