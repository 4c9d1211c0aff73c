"""The ids of a catalogue as a tree, which tells what may follow a beginning of an id."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from unimp_bench.records import IntArray


@dataclass(frozen=True)
class Level:
    """The beginnings of one length, in the order of their tokens.

    Attributes:
        tokens: (nodes,) int64, the last token of each.
        first: (nodes of the level before + 1,) int64, where the ones begin that go on from each of those.
        most: the largest number of ways to go on.
    """

    tokens: Tensor
    first: Tensor
    most: int

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True)
class Trie:
    """All beginnings of the ids of a catalogue.

    Attributes:
        levels: a level for each token of an id.
        items: (n,) int64, the place in the catalogue of each node of the last level.
    """

    levels: tuple[Level, ...]
    items: IntArray

    @classmethod
    def of(cls, ids: IntArray, items: IntArray, device: torch.device) -> Trie:
        """Of the ids (n, levels), which stand at the places ``items`` (n,) of a catalogue."""
        order = np.lexsort(ids.T[::-1])
        sorted_ids = ids[order]
        levels = []
        fresh = np.zeros(len(ids), dtype=np.bool_)
        fresh[0] = True
        node = np.zeros(len(ids), dtype=np.int64)
        for column in sorted_ids.T:
            count = int(node[-1]) + 1
            fresh[1:] |= np.diff(column) != 0
            first = np.searchsorted(node[fresh], np.arange(count + 1))
            tokens = torch.from_numpy(column[fresh]).to(device)
            levels.append(Level(tokens, torch.from_numpy(first).to(device), int(np.diff(first).max())))
            node = np.cumsum(fresh) - 1
        return cls(tuple(levels), items[order])
