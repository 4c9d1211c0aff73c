"""The first stage of S3-Rec: four views of a sequence are taught to know each other (Zhou et al., 2020, section 4).

    f_t = Transformer(a beginning of a sequence, some items hidden, always the last one) at t, from both sides
    AAP = sum over t not hidden, all attributes k of  BCE(a_k . P_aap f_t, whether item t has k)
    MIP = sum over hidden t of  -log sigmoid( sigmoid(P_mip f_t . e_t) - sigmoid(P_mip f_t . e_negative) )
    MAP = sum over hidden t, all attributes k of  BCE(a_k . P_map f_t, whether item t has k)
    SP  = sum over sequences of  -log sigmoid( sigmoid(P_sp c . s) - sigmoid(P_sp c . s') )
    L = aap AAP + mip MIP + map MAP + sp SP

with ``c`` the last state of the sequence without a segment of it, ``s`` that of the segment alone in its place, and
``s'`` that of as many items of the other sequences there. The second sigmoid is the paper's, whose measure of how well
two views match is a probability. Each ``P`` is a linear map of its own.

The paper goes over every beginning of every sequence in an epoch. Here an epoch draws as many of them as there are
users, uniformly and without replacement, so each step is the same in expectation and an epoch shorter. A beginning of
one item has no segment. The sums are divided by the number of samples, to which Adam is blind.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from baselines.learning.encoder import INIT_STD, init_weights, last_states
from baselines.learning.interactions import NegativeSampler
from baselines.learning.network import Network
from baselines.learning.sequences import Windows, batches, padded
from baselines.sequential.s3rec_finetuning import S3RecNetwork
from unimp_bench.records import Examples, IntArray

_CELLS = 1 << 22
"""Logits of attributes that are held at once."""


class Views(NamedTuple):
    """A batch of B beginnings, S of which have a segment.

    Attributes:
        items: (B, N) item rows, padding behind.
        hidden: (B, N) bool.
        negatives: (B, N) an item that the user's sequence lacks.
        context, segment, other: (S, N) ids, what is not there as the mask's.
        lengths: (S,) of these.
        places: (B, N) of each item among the ``sets``; at padding, of any.
        sets, set_offsets: the attributes of the batch's different items, as CSR.
    """

    items: Tensor
    hidden: Tensor
    negatives: Tensor
    context: Tensor
    segment: Tensor
    other: Tensor
    lengths: Tensor
    places: Tensor
    sets: Tensor
    set_offsets: Tensor


class Pretraining(Network):
    """The recommender, not causal yet, with what only its first stage needs.

    Attributes:
        masked: (width,) the vector of [MASK].
        mask: its id in views, behind the padding's.
        attributes: (attributes, width) embeddings.
        maps: the four linear maps.
    """

    def __init__(self, network: S3RecNetwork) -> None:
        super().__init__()
        self.network, self.config = network, network.config
        width = self.config.width
        self.mask = network.padding + 1
        self.masked = nn.Parameter(torch.randn(width) * INIT_STD)
        self.attributes = nn.Parameter(torch.randn(network.attributes.shape[1], width) * INIT_STD)
        self.maps = nn.ModuleDict({name: nn.Linear(width, width) for name in ("aap", "mip", "map", "sp")})
        self.maps.apply(init_weights)
        self._sampler = NegativeSampler(network.interactions)

    def batches(self, rng: np.random.Generator) -> Iterator[Views]:
        interactions = self.network.interactions
        ends = rng.choice(len(interactions), len(interactions.users), replace=False)
        owners = interactions.owners[ends]
        starts = np.maximum(interactions.offsets[owners], ends + 1 - self.config.max_length)
        beginnings = Windows(owners, starts, ends + 1)
        for rows in batches(beginnings, self.config.pretraining_batch_size, rng):
            yield self.views(owners[rows], starts[rows], ends[rows] + 1, rng)

    def views(self, users: IntArray, starts: IntArray, stops: IntArray, rng: np.random.Generator) -> Views:
        """Of the beginnings ``sequence[start:stop]``."""
        network = self.network
        items, lengths = padded(network.interactions.sequence, starts, stops, network.padding), stops - starts
        places = np.arange(items.shape[1])
        chosen = (places < lengths[:, None]) & (rng.random(items.shape) < self.config.mask_share)
        hidden = chosen | (places == lengths[:, None] - 1)
        negatives = self._sampler.draw(np.broadcast_to(users[:, None], items.shape), rng)
        different, inverse = np.unique(np.where(items == network.padding, items[0, 0], items), return_inverse=True)
        sets = network.attributes[different]
        arrays = (
            *(items, hidden, negatives),
            *self._segments(items[lengths > 1], lengths[lengths > 1], rng),
            *(inverse.reshape(items.shape), sets.indices.astype(np.int64), sets.indptr[:-1].astype(np.int64)),
        )
        return Views(*map(self.tensor, arrays))

    def _segments(self, items: IntArray, lengths: IntArray, rng: np.random.Generator) -> tuple[IntArray, ...]:
        """``context``, ``segment``, ``other`` and ``lengths`` of ``Views``."""
        sequence, mask = self.network.interactions.sequence, self.mask
        sizes = rng.integers(1, lengths // 2, endpoint=True)
        begins = rng.integers(0, lengths - sizes, endpoint=True)
        elsewhere = rng.integers(0, len(sequence) - sizes, endpoint=True)
        offsets = np.arange(items.shape[1]) - begins[:, None]
        inside = (offsets >= 0) & (offsets < sizes[:, None])
        outside = np.where(items == self.network.padding, items, mask)
        strange = sequence[np.where(inside, elsewhere[:, None] + offsets, 0)]
        views = (np.where(inside, mask, items), np.where(inside, items, outside), np.where(inside, strange, outside))
        return (*views, lengths)

    def loss(self, batch: Views) -> Tensor:
        masked = batch.items.masked_fill(batch.hidden, self.mask)
        states = self.states(torch.cat([masked, batch.context, batch.segment, batch.other]))
        first, views = states[: len(masked)], states[len(masked) :].chunk(3)
        shown = ~batch.hidden & (batch.items != self.network.padding)
        sums = functional.embedding_bag(batch.sets, self.attributes, batch.set_offsets, mode="sum")
        total = self.config.aap * self._attribute_loss("aap", first[shown], sums[batch.places[shown]])
        hidden = first[batch.hidden]
        total = total + self.config.map * self._attribute_loss("map", hidden, sums[batch.places[batch.hidden]])
        table = self.network.items.weight
        pair = table[batch.items[batch.hidden]], table[batch.negatives[batch.hidden]]
        total = total + self.config.mip * match_loss(self.maps["mip"](hidden), *pair)
        context, segment, other = (last_states(view, batch.lengths) for view in views)
        total = total + self.config.sp * match_loss(self.maps["sp"](context), segment, other)
        return total / len(masked)

    def states(self, items: Tensor) -> Tensor:
        """(B, N, width) of (B, N) ids, padding behind; each of all that is no padding."""
        hidden = items == self.mask
        vectors = self.network.items(items.masked_fill(hidden, self.network.padding))
        vectors = torch.where(hidden[:, :, None], self.masked, vectors)
        states: Tensor = self.network.history(vectors, items != self.network.padding)
        return states

    def _attribute_loss(self, name: str, states: Tensor, sums: Tensor) -> Tensor:
        """The cross-entropies of (p, width) states with all attributes, summed.

        ``BCE(z, y) = softplus(z) - y z``: what the items have comes in through the sums of its embeddings, (p, width),
        so no multi-hot target exists, and logits exist a block at a time.
        """
        mapped: Tensor = self.maps[name](states)
        rows = max(1, _CELLS // max(1, len(self.attributes)))
        total = -(mapped * sums).sum()
        for block in torch.split(mapped, rows):
            total = total + checkpoint(_softplus_sum, block, self.attributes, use_reentrant=False)
        return total

    def score(self, examples: Examples) -> Tensor:
        return self.network.score(examples)


def match_loss(states: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
    """Sum of ``-log sigmoid(sigmoid(state . positive) - sigmoid(state . negative))``; all (n, width)."""
    likely = torch.sigmoid((states * positives).sum(dim=1))
    unlikely = torch.sigmoid((states * negatives).sum(dim=1))
    return functional.softplus(unlikely - likely).sum()


def _softplus_sum(states: Tensor, table: Tensor) -> Tensor:
    return functional.softplus(states @ table.T).sum()
