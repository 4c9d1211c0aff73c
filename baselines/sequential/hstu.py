"""HSTU, hierarchical sequential transduction unit (Zhai et al., ICML 2024), on item ids and, optionally, times.

    x_t = sqrt(d) e_{i_t} + p_t                                          places from the oldest item
    [u, v, q, k] = SiLU(W LN(x))                                         LN without weights, heads of d / heads each
    a_ts = SiLU(q_t . k_s + b_(t - s) + c_bucket(t, s)) / N              for s <= t, per head; no softmax
    x_t = x_t + O ( u_t * LN(sum over s of a_ts v_s) )                   all heads concatenated; O has a bias
    r(j | i_1 .. i_n) = cos(x_n, e_j) / tau

``*`` is elementwise; ``N`` is the maximum length (in the authors' program 11 more), which acts through the
epsilon of the second norm alone; ``b`` and ``c`` are shared by the heads of a layer. There is no feed-forward layer.
All positions predict their next item against negatives drawn uniformly. Here all positions of a batch share them; in
the authors' program each has its own.

``time=past`` adds the bias ``c``, with ``bucket = min(128, floor(ln(max(T_t - T_s, 1)) / 0.301))`` for the times T of
the items in seconds. In the authors' program ``T_t`` is the time of the *next* item, at test of the target; this is
not offered, since no model of this benchmark sees it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.learning.encoder import INIT_STD, last_states
from baselines.learning.interactions import Interactions
from baselines.learning.model import LearnedRanker
from baselines.learning.network import Network, TrainingSettings
from baselines.learning.sequences import Windows, ends_of_histories, of_like_length, padded
from baselines.learning.training import Outcome
from baselines.sequential.next_item import NextItemNetwork, Steps
from baselines.sequential.objectives import Loss, SampledSettings, objective_of
from unimp_bench.contracts import FitData
from unimp_bench.kinds.early_stopping import Scores
from unimp_bench.records import Examples, IntArray
from unimp_bench.settings import Count, Rate, Share

NORM_EPSILON = 1e-6
BUCKETS = 129
_BUCKET = 0.301


@dataclass(frozen=True)
class HSTUConfig(SampledSettings, TrainingSettings):
    """Settings.

    Attributes:
        batch_size: windows of users' sequences per step.
        max_length: maximum number of items of a history, the last ones.
        width: of item vectors and states, a multiple of ``heads``.
        layers, heads: of the network.
        dropout: of the embedded history, and of each layer's gated output.
        loss: ``sampled``, sampled softmax, or ``ce``, cross-entropy over the catalogue.
        temperature: tau, of the cosines.
        time: ``past`` adds a bias for the time between two items; ``none`` reads no times.
    """

    epochs: Count = 200
    validate_every: Count = 2
    batch_size: Count = 128
    max_length: Count = 50
    width: Count = 64
    layers: Count = 2
    heads: Count = 2
    dropout: Share = 0.2
    loss: Loss = "sampled"
    log_q: bool = False
    temperature: Rate = 0.05
    time: Literal["none", "past"] = "none"

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} must be a multiple of the {self.heads} heads")


class HSTULayer(nn.Module):
    """One layer, see the module."""

    def __init__(self, config: HSTUConfig) -> None:
        super().__init__()
        self.heads, self.longest = config.heads, config.max_length
        self.project = nn.Linear(config.width, 4 * config.width, bias=False)
        self.gather = nn.Linear(config.width, config.width)
        self.distances = nn.Parameter(torch.empty(config.max_length).normal_(std=INIT_STD))
        timed = config.time == "past"
        self.gaps = nn.Parameter(torch.empty(BUCKETS).normal_(std=INIT_STD)) if timed else None
        self.dropout = nn.Dropout(config.dropout)
        nn.init.normal_(self.project.weight, std=INIT_STD)
        nn.init.xavier_uniform_(self.gather.weight)
        nn.init.zeros_(self.gather.bias)

    def forward(self, states: Tensor, buckets: Tensor | None) -> Tensor:
        """States of all positions, (B, N, width).

        Args:
            states: (B, N, width).
            buckets: (B, N, N) of the time from each key (column) to each query (row), or None.
        """
        gates, values, queries, keys = functional.silu(self.project(_normed(states))).chunk(4, dim=-1)
        values, queries, keys = (
            part.reshape(*part.shape[:2], self.heads, -1).transpose(1, 2) for part in (values, queries, keys)
        )
        places = torch.arange(states.shape[1], device=states.device)
        logits = queries @ keys.transpose(2, 3) + self.distances[(places[:, None] - places).clamp(min=0)]
        if self.gaps is not None and buckets is not None:
            logits = logits + self.gaps[buckets][:, None]
        weights = functional.silu(logits).tril() / self.longest
        seen = (weights @ values).transpose(1, 2).flatten(2)
        gathered: Tensor = states + self.gather(self.dropout(gates * _normed(seen)))
        return gathered


class HSTUNetwork(NextItemNetwork):
    """HSTU layers over item and position embeddings; states and item vectors are compared by cosines."""

    decoupled = True
    adam_options: ClassVar[Mapping[str, Any]] = {"betas": (0.9, 0.98), "fused": True}

    def __init__(self, interactions: Interactions, config: HSTUConfig) -> None:
        objective = objective_of(config.loss, interactions, config)
        super().__init__(interactions, config.width, config.max_length, config.batch_size, objective)
        self.timed, self.temperature = config.time == "past", config.temperature
        self.places = nn.Embedding(config.max_length, config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.layers = nn.ModuleList(HSTULayer(config) for _ in range(config.layers))
        nn.init.normal_(self.places.weight, std=config.width**-0.5)
        nn.init.normal_(self.items.weight, std=INIT_STD)
        self._times: IntArray | None = None

    def learn_times(self, times: IntArray) -> None:
        """Keep the times of the training interactions, in the order of ``interactions``."""
        self._times = times if self.timed else None

    def steps(self, chosen: Windows, rng: np.random.Generator) -> Steps:
        steps = super().steps(chosen, rng)
        if self._times is None:
            return steps
        return steps._replace(times=self.tensor(padded(self._times, chosen.starts, chosen.stops - 1, 0)))

    def states(self, batch: Steps) -> Tensor:
        return self.encode(batch.items, batch.times)

    def encode(self, items: Tensor, times: Tensor | None = None) -> Tensor:
        """Directions of states over tau, (B, N, width); ``times`` (B, N) are read by ``time=past`` alone."""
        scaled = math.sqrt(self.items.embedding_dim) * self.items(items)
        states = self.dropout(scaled + self.places.weight[: items.shape[1]])
        gaps = None if times is None else buckets(times[:, :, None] - times[:, None, :])
        for layer in self.layers:
            states = layer(states, gaps)
        return functional.normalize(states, dim=-1) / self.temperature

    def table(self) -> Tensor:
        return functional.normalize(self.items.weight[:-1], dim=1)

    def score(self, examples: Examples) -> Tensor:
        if not self.timed:
            return super().score(examples)
        items, lengths = ends_of_histories(examples, self.interactions, self.length)
        times = padded(examples.histories.times, examples.ends - lengths, examples.ends, 0)
        states = self.items.weight.new_empty(len(items), self.items.embedding_dim)
        for rows in of_like_length(lengths):
            longest = lengths[rows].max()
            read = self.encode(self.tensor(items[rows, :longest]), self.tensor(times[rows, :longest]))
            states[self.tensor(rows)] = last_states(read, self.tensor(lengths[rows]))
        return states @ self.table().T


def buckets(gaps: Tensor) -> Tensor:
    """``min(128, floor(ln(max(gap, 1)) / 0.301))`` of the absolute times in seconds, int64 of the same shape."""
    return (gaps.abs().clamp(min=1).double().log() / _BUCKET).long().clamp(max=BUCKETS - 1)


def _normed(states: Tensor) -> Tensor:
    return functional.layer_norm(states, states.shape[-1:], eps=NORM_EPSILON)


class HSTU(LearnedRanker[HSTUConfig]):
    """See the module."""

    Config = HSTUConfig
    network_class = HSTUNetwork
    name = "hstu"
    presets: ClassVar[Mapping[str, Any]] = {"small": HSTUConfig(), "past": HSTUConfig(time="past")}
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "learning_rate": (1e-3, 5e-4, 2e-3),
        "dropout": (0.2, 0.5),
        "width": (64, 128),
        "layers": (2, 4),
    }

    def learn(self, network: Network, data: FitData, validate: Callable[[], Scores]) -> Outcome:
        assert isinstance(network, HSTUNetwork)
        network.learn_times(data.examples[self.validated_by(data)].train.histories.times)
        return super().learn(network, data, validate)
