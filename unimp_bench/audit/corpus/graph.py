"""Who went where: the transitions of training as a graph of items."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from unimp_bench.records import BoolArray, Histories, IntArray

_NEVER = np.iinfo(np.int64).max


class TransitionGraph:
    """Edges between the items of neighbouring interactions of a user, each once.

    Attributes:
        forward: (items + 1, items) bool, true where somebody went from the row's item to the column's; the last row,
            which ``-1`` picks too, is empty: nothing leads on from no item.
    """

    def __init__(self, histories: Histories, items: int) -> None:
        rows = np.setdiff1d(np.arange(len(histories)), histories.offsets[:-1])  # that have one before them
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
        """As ``forward``, with every edge in both directions."""
        sources, targets = np.divmod(self._edges, self._items)
        return _matrix(np.concatenate([sources, targets]), np.concatenate([targets, sources]), self._items)

    def within_two(self, sources: IntArray) -> csr_array:
        """(n, items) bool: where one or two edges lead from each of some items."""
        near = self.forward[sources]
        return near + near @ self.forward[: self._items]

    def first_times(self, sources: IntArray, targets: IntArray, users: IntArray) -> tuple[BoolArray, IntArray]:
        """(n,) whether anybody but the user of each pair went from source to target, and (n,) int64 when first.

        The times are any numbers where nobody did. A source of ``-1`` is no item: its edges are negative, so none.
        """
        if not len(self._edges):
            return np.zeros(len(sources), dtype=np.bool_), np.zeros(len(sources), dtype=np.int64)
        edges = sources.astype(np.int64) * self._items + targets
        places = np.minimum(np.searchsorted(self._edges, edges), len(self._edges) - 1)
        first = np.where(self._leader[places] == users, self._first_of_others[places], self._first[places])
        return (self._edges[places] == edges) & (first < _NEVER), first


def _matrix(sources: IntArray, targets: IntArray, items: int) -> csr_array:
    return csr_array((np.ones(len(sources), dtype=np.bool_), (sources, targets)), shape=(items + 1, items))
