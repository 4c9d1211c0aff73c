"""HGN, hierarchical gating networks (Ma, Kang and Liu, KDD 2019).

The last L items ``e_1 .. e_L`` of user ``u`` pass a feature gate, then an instance gate:

    G_k = e_k * sigmoid(A e_k + C p_u + a)                      (Eq. 2)
    t_k = sigmoid(v . G_k + p_u . m_k)                          (Eq. 3; m_k is the vector of position k)
    s   = (sum_k t_k G_k) / (sum_k t_k)                         (Eq. 5)
    y(u, j) = p_u . w_j + s . w_j + sum_k e_k . w_j + b_j       (Eq. 7)
    L   = sum of -log sigmoid(y(u, j) - y(u, i))                over the T items j after a window, i not an item of u

The squared norms of all weights are added by Adam's ``weight_decay``. Every window of L + T items is a sample; shorter
sequences form one window, left-padded. Padding is masked in all sums; in the authors' program it is treated as an item.
In their program ``v`` and ``m`` keep their initial values, since they are not registered as parameters; here they are
trained. RecBole reads complete histories, and its BPR takes negatives from the input embeddings; here from ``w``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.learning.interactions import Interactions, NegativeSampler
from baselines.learning.model import LearnedRanker
from baselines.learning.network import Network, TrainingSettings, shuffled
from unimp_bench.ragged import spans
from unimp_bench.records import Examples, IntArray
from unimp_bench.settings import Count, Weight


@dataclass(frozen=True)
class HGNConfig(TrainingSettings):
    """Settings.

    Attributes:
        batch_size: windows of users' sequences per step.
        length: L, input items of a window.
        targets: T, the number of following items to predict.
        width: of all vectors.
        weight_decay: of Adam, relative to the sum of the losses of a batch.
    """

    epochs: Count = 500
    batch_size: Count = 4096
    validate_every: Count = 5
    length: Count = 5
    targets: Count = 3
    width: Count = 64
    weight_decay: Weight = 1e-3


class Samples(NamedTuple):
    """A batch of windows, as rows.

    Attributes:
        users: (B,).
        items: (B, L) the input items, left-padded with I.
        positives: (B, T) the following items, left-padded with I.
        negatives: (B, T) items without interaction of the user.
    """

    users: Tensor
    items: Tensor
    positives: Tensor
    negatives: Tensor


class HGNNetwork(Network):
    """The gates, and the embeddings of users, input items and output items."""

    adam_options: ClassVar[Mapping[str, Any]] = {"foreach": True}

    def __init__(self, interactions: Interactions, config: HGNConfig) -> None:
        super().__init__()
        self.interactions, self.config, self.weight_decay = interactions, config, config.weight_decay
        self.padding, width = len(interactions.items), config.width
        self.users = nn.Embedding(len(interactions.users), width)
        self.items = nn.Embedding(self.padding + 1, width, padding_idx=self.padding)
        self.outputs = nn.Embedding(self.padding + 1, width, padding_idx=self.padding)
        self.biases = nn.Parameter(torch.zeros(self.padding + 1))
        self.feature_gate_item = nn.Linear(width, width)
        self.feature_gate_user = nn.Linear(width, width, bias=False)
        self.item_gate = nn.Parameter(torch.empty(width, 1))
        self.place_gates = nn.Parameter(torch.empty(width, config.length))
        for table in (self.users, self.items, self.outputs):
            nn.init.normal_(table.weight, std=1 / width)
        for gate in (self.item_gate, self.place_gates):
            nn.init.xavier_uniform_(gate)
        self._windows: tuple[IntArray, IntArray] | None = None
        self._sampler: NegativeSampler | None = None

    def batches(self, rng: np.random.Generator) -> Iterator[Samples]:
        config = self.config
        self._windows = self._windows or sliding_windows(self.interactions, config.length + config.targets)
        self._sampler = self._sampler or NegativeSampler(self.interactions)
        users, items = self._windows
        for rows in shuffled(len(users), config.batch_size, rng):
            owners, (shown, positives) = users[rows], np.split(items[rows], [config.length], axis=1)
            negatives = self._sampler.draw(np.repeat(owners[:, None], config.targets, axis=1), rng)
            yield Samples(*map(self.tensor, (owners, shown, positives, negatives)))

    def loss(self, batch: Samples) -> Tensor:
        queries = self.queries(batch.users, batch.items)[:, None]
        apart = (queries * (self.outputs(batch.positives) - self.outputs(batch.negatives))).sum(dim=2)
        apart = apart + self.biases[batch.positives] - self.biases[batch.negatives]
        return (functional.softplus(-apart) * (batch.positives != self.padding)).sum()

    def queries(self, users: Tensor, items: Tensor) -> Tensor:
        """Query vectors ``p_u + s + sum_k e_k``, (B, width); scores are their products with output items.

        Args:
            users: (B,) rows.
            items: (B, L) rows, left-padded with I.
        """
        real = (items != self.padding).unsqueeze(2)
        tastes, shown = self.users(users), self.items(items) * real
        gated = shown * torch.sigmoid(self.feature_gate_item(shown) + self.feature_gate_user(tastes)[:, None])
        gates = torch.sigmoid(gated @ self.item_gate + (tastes @ self.place_gates)[:, :, None]) * real
        pooled = (gates * gated).sum(dim=1) / gates.sum(dim=1).clamp(min=torch.finfo(gates.dtype).tiny)
        queries: Tensor = tastes + pooled + shown.sum(dim=1)
        return queries

    def score(self, examples: Examples) -> Tensor:
        last = examples.last_items(self.config.length)
        known = last >= 0
        items = np.full(last.shape, self.padding, dtype=np.int64)
        items[known] = self.interactions.item_rows(last[known])
        users = self.interactions.user_rows(examples.users)
        queries = self.queries(self.tensor(users), self.tensor(items))
        return torch.addmm(self.biases[:-1], queries, self.outputs.weight[:-1].T)


def sliding_windows(interactions: Interactions, length: int) -> tuple[IntArray, IntArray]:
    """All windows of ``length`` consecutive items per user; a shorter sequence is one window, left-padded with I.

    Returns:
        (n,) user rows, and (n, length) item rows.
    """
    begins, ends = interactions.sequences.offsets[:-1], interactions.sequences.offsets[1:]
    counts = np.maximum(1, ends - begins - length + 1)
    users, back = spans(np.zeros_like(counts), counts)
    positions = (ends[users] - back)[:, None] + np.arange(-length, 0)
    inside = positions >= begins[users, None]
    items = interactions.sequences.values[np.where(inside, positions, 0)]
    return users, np.where(inside, items, len(interactions.items))


class HGN(LearnedRanker[HGNConfig]):
    """See the module."""

    Config = HGNConfig
    network_class = HGNNetwork
    name = "hgn"
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "learning_rate": (1e-3, 5e-4, 2e-3),
        "weight_decay": (1e-4, 1e-3, 1e-2, 1e-1),
        "targets": (1, 3),
        "width": (50, 64, 128),
    }
