"""Statistics of interactions: transitions, time ties, leakage from the future, popularity, history lengths."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array

from unimp_bench.corpus import Corpus
from unimp_bench.corpus.splits import catalogue, target_examples
from unimp_bench.errors import UsageError
from unimp_bench.ragged import spans
from unimp_bench.records import BoolArray, Examples, FloatArray, Histories, IntArray, Split
from unimp_bench.reports.audit.corpus.record import TOPS, Leaks, Reach, Skew, Spread, Ties, Top, Transitions

_DIGITS = 6


def mean(values: BoolArray | IntArray | FloatArray) -> float:
    """The rounded mean of at least one value."""
    return round(float(np.mean(values, dtype=np.float64)), _DIGITS)


def share(part: float, whole: float) -> float:
    """``part / whole``, rounded; 0 if ``whole`` is 0."""
    return round(float(part) / float(whole), _DIGITS) if whole else 0.0


def spread(values: IntArray | FloatArray) -> Spread:
    """Mean and quartiles of at least one value."""
    low, median, high = (round(float(value), _DIGITS) for value in np.quantile(values, (0.25, 0.5, 0.75)))
    return Spread(mean=mean(values), low=low, median=median, high=high)


_STEPS = 1 << 20
"""Interactions per block; a longer history is a block of its own."""


def in_history(test: Examples, alike: Callable[[IntArray, IntArray], BoolArray]) -> BoolArray:
    """(n,) whether ``alike(items, targets)`` holds for any item of the example's history and its target."""
    assert test.targets is not None
    found = np.zeros(len(test), dtype=np.bool_)
    starts = test.starts()
    blocks = np.cumsum(test.ends - starts) // _STEPS
    for block in np.unique(blocks):
        chosen = np.flatnonzero(blocks == block)
        owners, rows = spans(starts[chosen], test.ends[chosen])
        examples = chosen[owners]
        yes = alike(test.histories.items[rows], test.targets[examples])
        found[examples[yes]] = True
    return found


_NEVER = np.iinfo(np.int64).max


class TransitionGraph:
    """Distinct edges between consecutive items of a user's sequence.

    Attributes:
        forward: (items + 1, items) bool, true if the column's item follows the row's; the last row is empty, so that
            an index of ``-1`` (no item) has no successors.
    """

    def __init__(self, histories: Histories, items: int) -> None:
        rows = np.setdiff1d(np.arange(len(histories)), histories.offsets[:-1])  # with a predecessor
        edges = histories.items[rows - 1].astype(np.int64) * items + histories.items[rows]
        users = np.searchsorted(histories.offsets, rows, side="right") - 1
        times = histories.times[rows]
        order = np.lexsort((users, times, edges))
        edges, users, times = edges[order], users[order], times[order]
        self._items = items
        self._edges, begins, edge_of_row = np.unique(edges, return_index=True, return_inverse=True)
        self._first, self._leader = times[begins], users[begins]
        self._first_of_others = np.full(len(self._edges), _NEVER)
        others = np.flatnonzero(users != self._leader[edge_of_row])
        np.minimum.at(self._first_of_others, edge_of_row[others], times[others])
        self.forward = _matrix(*np.divmod(self._edges, items), items)

    @property
    def undirected(self) -> csr_array:
        """As ``forward``, with edges in both directions."""
        sources, targets = np.divmod(self._edges, self._items)
        return _matrix(np.concatenate([sources, targets]), np.concatenate([targets, sources]), self._items)

    def within_two(self, sources: IntArray) -> csr_array:
        """(n, items) bool: the items reachable from each source along one or two edges."""
        near = self.forward[sources]
        return near + near @ self.forward[: self._items]

    def first_times(self, sources: IntArray, targets: IntArray, users: IntArray) -> tuple[BoolArray, IntArray]:
        """(n,) whether another user has the transition from source to target, and (n,) int64 time of the first one.

        The times are arbitrary without such a transition. A source of ``-1`` (no item) has none, as its edge numbers
        are negative.
        """
        if not len(self._edges):
            return np.zeros(len(sources), dtype=np.bool_), np.zeros(len(sources), dtype=np.int64)
        edges = sources.astype(np.int64) * self._items + targets
        places = np.minimum(np.searchsorted(self._edges, edges), len(self._edges) - 1)
        first = np.where(self._leader[places] == users, self._first_of_others[places], self._first[places])
        return (self._edges[places] == edges) & (first < _NEVER), first


def _matrix(sources: IntArray, targets: IntArray, items: int) -> csr_array:
    return csr_array((np.ones(len(sources), dtype=np.bool_), (sources, targets)), shape=(items + 1, items))


_TASK = "audit"


@dataclass(frozen=True)
class Training:
    """The training part of a split.

    Attributes:
        split: of the test examples.
        histories: the training interactions of all users.
        catalogue: sorted numbers of the candidate items.
        items: number of items of the corpus.
    """

    split: Split
    histories: Histories
    catalogue: IntArray
    items: int

    @cached_property
    def counts(self) -> IntArray:
        """(items,) training interactions of each item."""
        return np.bincount(self.histories.items, minlength=self.items)

    @cached_property
    def first_times(self) -> IntArray:
        """(items,) int64 time of each item's first training interaction; the largest int64 for an item without any."""
        first = np.full(self.items, _NEVER, dtype=np.int64)
        np.minimum.at(first, self.histories.items, self.histories.times)
        return first

    @cached_property
    def graph(self) -> TransitionGraph:
        """Transitions of the training interactions."""
        return TransitionGraph(self.histories, self.items)

    def most_popular(self, share: float) -> IntArray:
        """The ``share`` of the catalogue (rounded up) with the most training interactions; ties in order of numbers."""
        kept = math.ceil(round(share * len(self.catalogue), 6))  # 0.07 * 100 is a little above 7
        order = np.argsort(-self.counts[self.catalogue], kind="stable")
        chosen: IntArray = self.catalogue[order[:kept]]
        return chosen


def evaluated_splits(corpus: Corpus, splits: tuple[Split, ...]) -> list[tuple[Training, Examples]]:
    """The training part and the test examples of recommendation, for each split with test examples.

    Splits without a training part evaluate models fitted on ``loo``.

    Raises:
        UsageError: no split has test examples.
    """
    found = []
    for split in splits:
        try:
            test = target_examples(corpus, split, "test", _TASK)
        except UsageError:
            continue  # no such users
        found.append((_training(corpus, split), test))
    if not found:
        raise UsageError(f"corpus {corpus.name!r} has no test examples to audit: no user has three interactions")
    return found


def _training(corpus: Corpus, split: Split) -> Training:
    try:
        train = target_examples(corpus, split, "train", _TASK)
    except UsageError:
        train = target_examples(corpus, "loo", "train", _TASK)
    return Training(split, train.histories, catalogue(corpus, split), len(corpus.items))


_DAY = 86_400


def ties(corpus: Corpus) -> Ties | None:
    """Ties over all interactions; None without timestamps."""
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
    """(n,) whether the target has the timestamp of the last interaction of its history."""
    assert test.rows is not None
    begun = np.flatnonzero(test.ends > test.starts())
    tied = np.zeros(len(test), dtype=np.bool_)
    tied[begun] = test.histories.times[test.ends[begun] - 1] == corpus.histories.times[test.rows[begun]]
    return tied


_BLOCK = 512


def transitions(training: Training, test: Examples) -> Transitions:
    """How often targets are reachable from the last item of the history in the transition graph of training."""
    graph, last = training.graph, last_items(test)
    undirected = graph.undirected
    return Transitions(
        out_degree=mean(np.diff(graph.forward.indptr)[last]),
        direct=_reach(training, test, lambda sources: graph.forward[sources]),
        undirected=_reach(training, test, lambda sources: undirected[sources]),
        two=_reach(training, test, graph.within_two),
    )


def one_transition(training: Training, test: Examples) -> BoolArray:
    """(n,) whether another user's training sequence has the target directly after the last item of the history.

    The user's own transitions are excluded, as a task may have several targets of one user.
    """
    assert test.targets is not None
    return training.graph.first_times(last_items(test), test.targets, test.users)[0]


def last_items(test: Examples) -> IntArray:
    """(n,) int64 last item of each history; -1 if it is empty."""
    last: IntArray = test.last_items(1)[:, 0]
    return last


def _reach(training: Training, test: Examples, reached_from: Callable[[IntArray], csr_array]) -> Reach:
    """Args: reached_from: maps (n,) items to the items reachable from them, (n, items) bool."""
    assert test.targets is not None
    uniform = np.zeros(training.items)
    uniform[training.catalogue] = 1 / len(training.catalogue)
    popular = training.counts / max(1, training.counts.sum())
    sources, place = np.unique(last_items(test), return_inverse=True)
    hit = np.zeros(len(test), dtype=np.bool_)
    chances = np.zeros((len(test), 2))
    for start in range(0, len(sources), _BLOCK):
        reached = reached_from(sources[start : start + _BLOCK])
        chosen = np.flatnonzero((place >= start) & (place < start + _BLOCK))
        rows = place[chosen] - start
        hit[chosen] = reached[rows, test.targets[chosen]]
        chances[chosen] = (reached @ np.stack([uniform, popular], axis=1))[rows]
    return Reach(share=mean(hit), random_item=mean(chances[:, 0]), random_interaction=mean(chances[:, 1]))


def leaks(corpus: Corpus, training: Training, test: Examples) -> Leaks | None:
    """Training interactions later than the targets; None without timestamps."""
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
    """(n,) whether the target is one transition away and all such transitions are later than the target."""
    assert test.targets is not None
    near, first = training.graph.first_times(last_items(test), test.targets, test.users)
    later: BoolArray = near & (first > _times(corpus, test))
    return later


def _times(corpus: Corpus, test: Examples) -> IntArray:
    """(n,) times of the targets."""
    assert test.rows is not None
    return np.asarray(corpus.histories.times[test.rows])


def later_share(train: Histories, users: IntArray, times: IntArray) -> FloatArray:
    """(n,) share of other users' interactions that are later than ``times``; 0 without other users."""
    distinct, ranks = np.unique(train.times, return_inverse=True)
    rank = np.searchsorted(distinct, times, side="right")  # later interactions have this rank or a higher one
    later = len(train) - np.searchsorted(np.sort(ranks), rank)
    # One sorted list of (user, rank) keys holds every user's own times in order.
    span = len(distinct) + 1
    keys = np.sort(np.repeat(np.arange(train.users), train.lengths()) * span + ranks)
    own_later = train.offsets[users + 1] - np.searchsorted(keys, users.astype(np.int64) * span + rank)
    others = len(train) - train.lengths()[users]
    return (later - own_later) / np.maximum(others, 1)


def skew(training: Training, test: Examples) -> Skew:
    """Popularity, history lengths, density and repeats of one split."""
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
    """Gini coefficient of non-negative numbers: half their relative mean absolute difference."""
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
