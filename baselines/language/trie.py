"""The ids of all items as a tree of their tokens."""

from __future__ import annotations

import numpy as np

from baselines.language.phrases import END, Phrases
from unimp_bench.records import BoolArray, IntArray, slices

ROOT, OUTSIDE = 0, -1


class Trie:
    """Walks along the tokens of ids.

    Attributes:
        size: number of items.
        depth: tokens of the longest id.
        items: (nodes,) the item whose id ends at a node, or -1.
    """

    def __init__(self, ids: Phrases) -> None:
        lengths = ids.lengths()
        self.size, self.depth = len(ids), int(lengths.max())
        node = np.full(len(ids), ROOT)
        parents, tokens, size = [], [], 1
        self._paths = np.full((len(ids), self.depth), OUTSIDE)
        for level in range(self.depth):
            there = np.flatnonzero(lengths > level)
            steps = np.stack([node[there], ids.tokens[ids.offsets[there] + level]], axis=1)
            distinct, number_of = np.unique(steps, axis=0, return_inverse=True)
            node[there] = size + number_of
            self._paths[there, level] = node[there]
            parents.append(distinct[:, 0])
            tokens.append(distinct[:, 1])
            size += len(distinct)
        # Nodes are numbered by level, then parent, then token: the children of a node follow each other.
        self._parents, self._tokens = np.concatenate(parents), np.concatenate(tokens).astype(np.int64)
        self._firsts = np.searchsorted(self._parents, np.arange(size + 1))
        self._span = int(self._tokens.max()) + 1
        self._steps = self._parents * self._span + self._tokens
        self.items: IntArray = np.full(size, -1)
        self.items[node] = np.arange(len(ids))

    def __len__(self) -> int:
        return len(self.items)

    def walk(self, tokens: IntArray) -> IntArray:
        """(rows,) the nodes at which rows of tokens arrive from the root, or ``OUTSIDE``."""
        nodes: IntArray = np.full(len(tokens), ROOT)
        for column in tokens.T:
            nodes = self._step(nodes, column)
        return nodes

    def next_tokens(self, nodes: IntArray) -> tuple[IntArray, IntArray]:
        """What may follow: pairs of row and token. After an id its end, after the end padding."""
        owners, children = self._children(nodes)
        ended, over = np.flatnonzero(self._ends(nodes)), np.flatnonzero(nodes == OUTSIDE)
        rows = np.concatenate([owners, ended, over])
        return rows, np.concatenate([self._tokens[children - 1], np.full(len(ended), END), np.zeros_like(over)])

    def next_in_lists(self, tokens: IntArray, wanted: BoolArray) -> tuple[IntArray, IntArray]:
        """What may follow in lists of ids, each of a wanted item that is not yet in the list: pairs of row and token.

        Args:
            tokens: (rows, T) generated so far.
            wanted: (rows, items) bool.
        """
        left = np.zeros((len(tokens), len(self) + 1), dtype=np.int32)  # open items below a node; a column for none
        owners: IntArray
        owners, items = np.nonzero(wanted)
        np.add.at(left, (np.repeat(owners, self.depth), self._paths[items].ravel()), 1)
        wanted = wanted.copy()
        nodes: IntArray = np.full(len(tokens), ROOT)
        for column in tokens.T:
            onward = self._step(nodes, column)
            begun: IntArray = np.flatnonzero(self._ends(nodes) & (onward == OUTSIDE) & (column != END))
            chosen = self.items[nodes[begun]]
            wanted[begun, chosen] = False
            np.subtract.at(left, (np.repeat(begun, self.depth), self._paths[chosen].ravel()), 1)
            onward[begun] = self._step(np.full(len(begun), ROOT), column[begun])
            nodes = onward
        owners, children = self._children(nodes)
        open_ = left[owners, children] > 0
        ended: IntArray = np.flatnonzero(self._ends(nodes))
        ended = ended[wanted[ended, self.items[nodes[ended]]]]
        # The id that ends here is still counted as open, so another may begin where more than this one are.
        begun, firsts = self._children(np.full(len(ended), ROOT))
        own = self._paths[self.items[nodes[ended]], 0][begun] == firsts
        more = left[ended[begun], firsts] > own
        (over,) = np.nonzero(nodes == OUTSIDE)
        rows = [owners[open_], ended, ended[begun][more], over]
        following = [self._tokens[children[open_] - 1], np.full(len(ended), END), self._tokens[firsts[more] - 1]]
        return np.concatenate(rows), np.concatenate([*following, np.zeros_like(over)])

    def _ends(self, nodes: IntArray) -> BoolArray:
        ends: BoolArray = (nodes != OUTSIDE) & (self.items[np.maximum(nodes, ROOT)] >= 0)
        return ends

    def _step(self, nodes: IntArray, tokens: IntArray) -> IntArray:
        keys = nodes * self._span + tokens
        places = np.minimum(np.searchsorted(self._steps, keys), len(self._steps) - 1)
        known = (nodes != OUTSIDE) & (tokens < self._span) & (self._steps[places] == keys)
        return np.where(known, places + 1, OUTSIDE)

    def _children(self, nodes: IntArray) -> tuple[IntArray, IntArray]:
        """The row and number of every child of the nodes."""
        inside = np.maximum(nodes, ROOT)
        starts, stops = self._firsts[inside], self._firsts[inside + 1]
        owners, places = slices(starts, np.where(nodes == OUTSIDE, starts, stops))
        return owners, places + 1
