"""The prefixes of item ids as a trie, which constrains what a decoder generates to ids of items."""

from __future__ import annotations

import numpy as np

from unimp_bench.ragged import BoolArray, IntArray, Ragged, spans

ROOT, OUTSIDE = 0, -1


class Trie:
    """All prefixes of some ids, as nodes that are numbered breadth first, siblings in the order of their tokens.

    An id may be a prefix of another one. No two ids are the same.

    Args:
        ids: tokens of each id, at least one.

    Attributes:
        size: number of ids.
        depth: tokens of the longest id.
        tokens: (nodes,) int64 last token of each prefix; -1 for the root.
        children: (nodes + 1,) int64; the children of node ``n`` are the nodes ``children[n]:children[n + 1]``.
        levels: (depth + 2,) int64; the prefixes of ``d`` tokens are the nodes ``levels[d]:levels[d + 1]``.
        leaves: (nodes,) int64 row of the id that ends at a node, -1 for none.
    """

    def __init__(self, ids: Ragged) -> None:
        lengths = ids.lengths()
        self.size, self.depth = len(ids), int(lengths.max())
        node = np.full(len(ids), ROOT)
        parents, tokens, levels = [], [np.array([-1])], [0, 1]
        self._paths = np.full((len(ids), self.depth), OUTSIDE)
        for level in range(self.depth):
            longer = np.flatnonzero(lengths > level)
            steps = np.stack([node[longer], ids.values[ids.offsets[longer] + level]], axis=1)
            distinct, step = np.unique(steps, axis=0, return_inverse=True)
            node[longer] = levels[-1] + step
            self._paths[longer, level] = node[longer]
            parents.append(distinct[:, 0])
            tokens.append(distinct[:, 1])
            levels.append(levels[-1] + len(distinct))
        self.levels: IntArray = np.array(levels)
        self.tokens: IntArray = np.concatenate(tokens).astype(np.int64)
        parent = np.concatenate(parents)
        self.children: IntArray = np.searchsorted(parent, np.arange(len(self.tokens) + 1)) + 1
        self._vocabulary = int(self.tokens.max()) + 1
        self._steps = parent * self._vocabulary + self.tokens[1:]
        self.leaves: IntArray = np.full(len(self.tokens), -1)
        self.leaves[node] = np.arange(len(ids))

    def __len__(self) -> int:
        return len(self.tokens)

    def tokens_of(self, rows: IntArray) -> IntArray:
        """The tokens of ids of the greatest length, (rows, depth)."""
        found: IntArray = self.tokens[self._paths[rows]]
        return found

    def walk(self, tokens: IntArray) -> IntArray:
        """(rows,) nodes of some prefixes (rows, T), ``OUTSIDE`` where they are not prefixes of an id."""
        nodes: IntArray = np.full(len(tokens), ROOT)
        for column in tokens.T:
            nodes = self._step(nodes, column)
        return nodes

    def next_tokens(self, nodes: IntArray, end: int) -> tuple[IntArray, IntArray]:
        """What may follow some prefixes: pairs of row and token.

        Args:
            nodes: (rows,) from ``walk``.
            end: the token that follows a whole id; after it comes 0, padding.
        """
        owners, children = self._children_of(nodes)
        ended, outside = np.flatnonzero(self._is_id(nodes)), np.flatnonzero(nodes == OUTSIDE)
        rows = np.concatenate([owners, ended, outside])
        return rows, np.concatenate([self.tokens[children], np.full(len(ended), end), np.zeros_like(outside)])

    def next_in_lists(self, tokens: IntArray, candidates: BoolArray, end: int) -> tuple[IntArray, IntArray]:
        """What may follow in lists of ids, each of a candidate that is not yet in the list: pairs of row and token.

        Args:
            tokens: (rows, T) generated so far.
            candidates: (rows, ids) bool.
            end: the token that follows a list; after it comes 0, padding.
        """
        remaining = candidates.copy()
        below = np.zeros((len(tokens), len(self) + 1), dtype=np.int32)  # remaining ids below a node; last column unused
        owners: IntArray
        owners, ids = np.nonzero(remaining)
        np.add.at(below, (np.repeat(owners, self.depth), self._paths[ids].ravel()), 1)
        nodes: IntArray = np.full(len(tokens), ROOT)
        for column in tokens.T:
            following = self._step(nodes, column)
            restarts: IntArray = np.flatnonzero(self._is_id(nodes) & (following == OUTSIDE) & (column != end))
            listed = self.leaves[nodes[restarts]]
            remaining[restarts, listed] = False
            np.subtract.at(below, (np.repeat(restarts, self.depth), self._paths[listed].ravel()), 1)
            following[restarts] = self._step(np.full(len(restarts), ROOT), column[restarts])
            nodes = following
        owners, children = self._children_of(nodes)
        allowed = below[owners, children] > 0
        ended: IntArray = np.flatnonzero(self._is_id(nodes))
        ended = ended[remaining[ended, self.leaves[nodes[ended]]]]
        # The id that ends here still counts as remaining, so another may begin where more than this one remain.
        begun, firsts = self._children_of(np.full(len(ended), ROOT))
        own = self._paths[self.leaves[nodes[ended]], 0][begun] == firsts
        more = below[ended[begun], firsts] > own
        outside = np.flatnonzero(nodes == OUTSIDE)
        rows = [owners[allowed], ended, ended[begun][more], outside]
        found = [self.tokens[children[allowed]], np.full(len(ended), end), self.tokens[firsts[more]]]
        return np.concatenate(rows), np.concatenate([*found, np.zeros_like(outside)])

    def _is_id(self, nodes: IntArray) -> BoolArray:
        whole: BoolArray = (nodes != OUTSIDE) & (self.leaves[np.maximum(nodes, ROOT)] >= 0)
        return whole

    def _step(self, nodes: IntArray, tokens: IntArray) -> IntArray:
        keys = nodes * self._vocabulary + tokens
        index = np.minimum(np.searchsorted(self._steps, keys), len(self._steps) - 1)
        known = (nodes != OUTSIDE) & (tokens < self._vocabulary) & (self._steps[index] == keys)
        return np.where(known, index + 1, OUTSIDE)

    def _children_of(self, nodes: IntArray) -> tuple[IntArray, IntArray]:
        """Row and node of every child of some nodes."""
        inside = np.maximum(nodes, ROOT)
        starts, stops = self.children[inside], self.children[inside + 1]
        return spans(starts, np.where(nodes == OUTSIDE, starts, stops))
