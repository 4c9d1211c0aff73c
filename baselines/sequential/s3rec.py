"""S3-Rec: SASRec with self-supervised pre-training (Zhou et al., CIKM 2020).

The first stage, ``Pretraining``, maximises the mutual information between views of a sequence (section 4):

    f_t = BidirectionalTransformer(a prefix of a sequence with masked items, always including the last one) at t
    AAP = sum over t not masked, all attributes k of  BCE(a_k . P_aap f_t, whether item t has k)
    MIP = sum over masked t of  -log sigmoid( sigmoid(P_mip f_t . e_t) - sigmoid(P_mip f_t . e_negative) )
    MAP = sum over masked t, all attributes k of  BCE(a_k . P_map f_t, whether item t has k)
    SP  = sum over sequences of  -log sigmoid( sigmoid(P_sp c . s) - sigmoid(P_sp c . s') )
    L = aap AAP + mip MIP + map MAP + sp SP

where ``c`` is the last state of the sequence with a segment masked, ``s`` of the segment with the rest masked, and
``s'`` of as many items of other sequences in place of the segment. The inner sigmoid is the paper's, where the match of
two views is a probability. The ``P`` are separate linear maps.

The second stage is the recommender, a causal transformer (section 4.5):

    h_t = Transformer(items up to t)
    L = mean over positions of  -log sigmoid(h_t . e_next) - log(1 - sigmoid(h_t . e_negative))

with one negative per position, drawn among the items that are not in the user's training sequence (the authors' code
also excludes the held-out items).

In the paper an epoch has every prefix of every sequence. Here an epoch samples as many prefixes as there are users,
uniformly and without replacement, so steps are equal in expectation and epochs shorter. A prefix of one item has no
segment. The sums are divided by the number of samples, to which Adam is invariant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from baselines.learning.encoder import INIT_STD, init_weights, last_states
from baselines.learning.interactions import Interactions, NegativeSampler
from baselines.learning.network import Network, Trainable
from baselines.learning.sequences import Windows, batches, padded
from baselines.learning.training import Outcome
from baselines.selection.selectors import SelectingRanker
from baselines.sequential.next_item import HistoryEncoder, NextItemNetwork, TransformerSettings, pretrain
from baselines.sequential.objectives import BinaryEntropy
from unimp_bench.contracts import FitData
from unimp_bench.corpus import Items
from unimp_bench.kinds.early_stopping import Scores
from unimp_bench.records import IntArray
from unimp_bench.settings import Count, Number, Rate, Share, Weight

COLUMNS = ("category", "brand")
NO_ATTRIBUTES = "no category and no brand in this corpus: pre-trained on items and segments alone"

_CELLS = 1 << 22
"""Number of attribute logits in memory at once."""


@dataclass(frozen=True)
class S3RecConfig(TransformerSettings):
    """Settings.

    Attributes:
        batch_size: windows of users' sequences per step.
        pretraining_epochs: of the first stage, each with one prefix per user; 0 skips pre-training.
        pretraining_rate: learning rate of the first stage.
        pretraining_batch_size: prefixes per step of the first stage.
        mask_share: share of masked items of a prefix, in addition to the last one, which is always masked.
        aap: pre-training weight of the loss on item attributes.
        mip: pre-training weight of the loss on masked items.
        map: pre-training weight of the loss on attributes of masked items.
        sp: pre-training weight of the loss on segments.
    """

    epochs: Count = 200
    validate_every: Count = 5
    patience: Count = 5
    batch_size: Count = 256
    pretraining_epochs: Number = 100
    pretraining_rate: Rate = 1e-3
    pretraining_batch_size: Count = 256
    mask_share: Share = 0.2
    aap: Weight = 0.2
    mip: Weight = 1.0
    map: Weight = 1.0
    sp: Weight = 0.5


class S3RecNetwork(NextItemNetwork):
    """Item embeddings and the transformer, shared by both stages.

    Attributes:
        attributes: (I, attributes) bool matrix of the attributes of items.
    """

    def __init__(self, interactions: Interactions, attributes: sparse.csr_array, config: S3RecConfig) -> None:
        objective = BinaryEntropy(interactions)
        super().__init__(interactions, config.width, config.max_length, config.batch_size, objective)
        self.attributes, self.config = attributes, config
        self.history = HistoryEncoder(config, causal=True)
        self.apply(init_weights)
        if not attributes.shape[1]:
            self.remarks = (NO_ATTRIBUTES,)

    def encode(self, items: Tensor) -> Tensor:
        states: Tensor = self.history(self.items(items))
        return states


class Views(NamedTuple):
    """A batch of B prefixes, S of them with a segment.

    Attributes:
        items: (B, N) item rows, right-padded.
        hidden: (B, N) bool, true at masked items.
        negatives: (B, N) items that are not in the user's sequence.
        context, segment, other: (S, N) ids, the other positions masked.
        lengths: (S,) lengths of these.
        indices: (B, N) index of each item in ``sets``; arbitrary at padding.
        sets, set_offsets: the attributes of the distinct items of the batch, as CSR.
    """

    items: Tensor
    hidden: Tensor
    negatives: Tensor
    context: Tensor
    segment: Tensor
    other: Tensor
    lengths: Tensor
    indices: Tensor
    sets: Tensor
    set_offsets: Tensor


class Pretraining(Trainable):
    """The recommender without causal mask, plus the parameters of the first stage.

    Attributes:
        masked: (width,) the vector of [MASK].
        mask: id of [MASK] in views, after that of padding.
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
        starts = np.maximum(interactions.sequences.offsets[owners], ends + 1 - self.config.max_length)
        prefixes = Windows(owners, starts, ends + 1)
        for rows in batches(prefixes, self.config.pretraining_batch_size, rng):
            yield self.views(prefixes.take(rows), rng)

    def views(self, prefixes: Windows, rng: np.random.Generator) -> Views:
        """The views of the given prefixes."""
        network, lengths = self.network, prefixes.lengths()
        items = padded(network.interactions.sequences.values, prefixes.starts, prefixes.stops, network.padding)
        positions = np.arange(items.shape[1])
        chosen = (positions < lengths[:, None]) & (rng.random(items.shape) < self.config.mask_share)
        hidden = chosen | (positions == lengths[:, None] - 1)
        negatives = self._sampler.draw(np.broadcast_to(prefixes.users[:, None], items.shape), rng)
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
        sequence, mask = self.network.interactions.sequences.values, self.mask
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
        total = self.config.aap * self._attribute_loss("aap", first[shown], sums[batch.indices[shown]])
        hidden = first[batch.hidden]
        total = total + self.config.map * self._attribute_loss("map", hidden, sums[batch.indices[batch.hidden]])
        table = self.network.items.weight
        pair = table[batch.items[batch.hidden]], table[batch.negatives[batch.hidden]]
        total = total + self.config.mip * match_loss(self.maps["mip"](hidden), *pair)
        context, segment, other = (last_states(view, batch.lengths) for view in views)
        total = total + self.config.sp * match_loss(self.maps["sp"](context), segment, other)
        return total / len(masked)

    def states(self, items: Tensor) -> Tensor:
        """States (B, N, width) of ids (B, N), right-padded; each position attends to all except padding."""
        hidden = items == self.mask
        vectors = self.network.items(items.masked_fill(hidden, self.network.padding))
        vectors = torch.where(hidden[:, :, None], self.masked, vectors)
        states: Tensor = self.network.history(vectors, items != self.network.padding)
        return states

    def _attribute_loss(self, name: str, states: Tensor, sums: Tensor) -> Tensor:
        """The summed cross-entropies of states (p, width) over all attributes.

        ``BCE(z, y) = softplus(z) - y z``: the second term uses the sums of attribute embeddings, (p, width), which
        avoids multi-hot targets; logits are computed in blocks.
        """
        mapped: Tensor = self.maps[name](states)
        rows = max(1, _CELLS // max(1, len(self.attributes)))
        total = -(mapped * sums).sum()
        for block in torch.split(mapped, rows):
            total = total + checkpoint(_softplus_sum, block, self.attributes, use_reentrant=False)
        return total


class S3Rec(SelectingRanker[S3RecConfig]):
    """See the module."""

    Config = S3RecConfig
    name = "s3rec"
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "pretraining_epochs": (0, 100, 300),
        "dropout": (0.2, 0.5),
        "learning_rate": (1e-3, 5e-4),
    }

    def build(self, interactions: Interactions, items: Items, cache: Path) -> S3RecNetwork:
        return S3RecNetwork(interactions, item_attributes(items, interactions.items), self.config)

    def learn(self, network: Network, data: FitData, validate: Callable[[], Scores]) -> Outcome:
        assert isinstance(network, S3RecNetwork)
        if not self.config.pretraining_epochs:
            return super().learn(network, data, validate)
        network.history.encoder.causal = False
        first = pretrain(
            Pretraining(network).to(network.device),
            data,
            self.name,
            epochs=self.config.pretraining_epochs,
            learning_rate=self.config.pretraining_rate,
            batch_size=self.config.pretraining_batch_size,
        )
        network.history.encoder.causal = True
        return super().learn(network, data, validate).after(first)


def item_attributes(items: Items, numbers: IntArray) -> sparse.csr_array:
    """Categories and brands of items, (numbers, attributes) bool, without those of no item or of all items.

    The latter include the root of the category paths on a corpus with a single domain. A category and a brand of the
    same name are two attributes; a corpus without both gives no columns.
    """
    names: dict[tuple[str, str], int] = {}
    pairs: set[tuple[int, int]] = set()
    for column in COLUMNS:
        if column in items.attributes:
            values = items.column(column).to_pylist()
            for row, number in enumerate(numbers.tolist()):
                for value in _values(values[number]):
                    pairs.add((row, names.setdefault((column, value), len(names))))
    rows, columns = np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2).T
    ones = np.ones(len(rows), dtype=np.bool_)
    matrix = sparse.csr_array((ones, (rows, columns)), shape=(len(numbers), len(names)))
    counts = np.bincount(columns, minlength=len(names))
    informative: sparse.csr_array = matrix[:, np.flatnonzero(counts < len(numbers))]
    return informative


def _values(value: object) -> list[str]:
    if value is None:
        return []
    return [str(part) for part in value] if isinstance(value, list) else [str(value)]


def match_loss(states: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
    """Sum of ``-log sigmoid(sigmoid(state . positive) - sigmoid(state . negative))``; all (n, width)."""
    likely = torch.sigmoid((states * positives).sum(dim=1))
    unlikely = torch.sigmoid((states * negatives).sum(dim=1))
    return functional.softplus(unlikely - likely).sum()


def _softplus_sum(states: Tensor, table: Tensor) -> Tensor:
    return functional.softplus(states @ table.T).sum()
