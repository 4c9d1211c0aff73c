"""BERT4Rec: bidirectional prediction of masked items (Sun et al., CIKM 2019).

    h = Transformer(items, some of them [MASK]), every position attends to all others that are not padding
    P(item at a masked position t) = softmax(E LN(GELU(W h_t + c)) + b),   E the item embeddings
    L = mean over masked positions of  -log P(the original item)

To score, a [MASK] is appended to the history. With loss ``sampled``, the softmax is over the original item and some
items that the masked positions of a batch share, as in form ``sampled`` of ``sasrec``.

Differences from the authors' code: masks are redrawn in every epoch, instead of ten copies written beforehand; only the
last item is masked with probability ``last_share``, where theirs adds one such copy to the ten; long sequences are cut
into non-overlapping windows; the softmax is over items, without special tokens; the epoch is chosen on validation,
where theirs trains on the validation items too, for 400,000 steps at a tenth of the learning rate.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from baselines.learning.encoder import NORM_EPSILON, init_weights
from baselines.learning.interactions import Interactions
from baselines.learning.model import LearnedRanker
from baselines.learning.network import Network
from baselines.learning.sequences import batches, ends_of_histories, padded, windows
from baselines.sequential.next_item import HistoryEncoder, TransformerSettings, end_states
from baselines.sequential.objectives import Loss, SampledSettings, objective_of
from unimp_bench.records import Examples
from unimp_bench.settings import Count, Share, Weight, added


@dataclass(frozen=True)
class BERT4RecConfig(SampledSettings, TransformerSettings):
    """Settings.

    Attributes:
        batch_size: windows of users' sequences per step.
        mask_share: share of masked items per window, rho of the paper; one or more.
        last_share: share of the windows in which only the last item is masked, as in scoring.
        weight_decay: decoupled, not on biases and norms.
        loss: ``ce``, cross-entropy over the catalogue, or ``sampled``, sampled softmax.
    """

    epochs: Count = 300
    patience: Count = 20
    validate_every: Count = 5
    batch_size: Count = 256
    attention_dropout: Share = 0.2
    mask_share: Annotated[float, Field(gt=0, lt=1)] = 0.6
    last_share: Annotated[float, Field(ge=0, le=1)] = 0.2
    weight_decay: Weight = 0.01
    loss: Loss = added("ce")


class Cloze(NamedTuple):
    """A batch; positions index the flattened (B, N).

    Attributes:
        items: (B, N) int64 item rows, masked ones replaced by the mask id, right-padded.
        hidden: (m,) int64 positions of the masked items.
        targets: (m,) int64 rows of the masked items.
        negatives: (samples,) int64 rows of drawn items; none where the softmax is over the catalogue.
    """

    items: Tensor
    hidden: Tensor
    targets: Tensor
    negatives: Tensor


class BERT4RecNetwork(Network):
    """Item embeddings, the bidirectional transformer, and the output head."""

    clip_norm = 5.0
    decoupled = True
    adam_options: ClassVar[Mapping[str, Any]] = {"eps": 1e-6, "fused": True}

    def __init__(self, interactions: Interactions, config: BERT4RecConfig) -> None:
        super().__init__()
        self.interactions, self.config, self.weight_decay = interactions, config, config.weight_decay
        self.objective = objective_of(config.loss, interactions, config)
        self.padding = len(interactions.items)
        self.mask = self.padding + 1
        self.items = nn.Embedding(self.mask + 1, config.width)
        self.history = HistoryEncoder(config, causal=False)
        self.head = nn.Sequential(
            nn.Linear(config.width, config.width), nn.GELU(), nn.LayerNorm(config.width, eps=NORM_EPSILON)
        )
        self.bias = nn.Parameter(torch.zeros(self.padding))
        self._windows = windows(interactions, config.max_length, shared=0, min_length=1)
        self.apply(init_weights)

    def batches(self, rng: np.random.Generator) -> Iterator[Cloze]:
        for rows in batches(self._windows, self.config.batch_size, rng, by_items=True):
            starts, stops = self._windows.starts[rows], self._windows.stops[rows]
            items = padded(self.interactions.sequences.values, starts, stops, self.padding)
            negatives = self.objective.negatives(self._windows.users[rows], rng)
            yield self.cloze(*map(self.tensor, (items, negatives)))

    def cloze(self, items: Tensor, negatives: Tensor) -> Cloze:
        """Mask some items of each row, or only its last one; (B, N) item rows, right-padded."""
        real = items != self.padding
        lengths = real.sum(dim=1, keepdim=True)
        share = _random_order(real) < (lengths * self.config.mask_share).round().clamp(min=1)
        last = torch.arange(items.shape[1], device=items.device) == lengths - 1
        last_alone = torch.rand(lengths.shape, device=items.device) < self.config.last_share
        hidden = torch.where(last_alone, last, share & real)
        return Cloze(items.masked_fill(hidden, self.mask), hidden.flatten().nonzero()[:, 0], items[hidden], negatives)

    def loss(self, batch: Cloze) -> Tensor:
        hidden = self.states(batch.items).flatten(0, 1)[batch.hidden]
        table = self.items.weight[: self.padding]
        return self.objective.loss(self.head(hidden), table, self.bias, batch.targets, batch.negatives)

    def states(self, items: Tensor) -> Tensor:
        """States (B, N, width) of ids (B, N), right-padded."""
        states: Tensor = self.history(self.items(items), items != self.padding)
        return states

    def score(self, examples: Examples) -> Tensor:
        known, lengths = ends_of_histories(examples, self.interactions, self.config.max_length - 1)
        items = np.pad(known, ((0, 0), (0, 1)), constant_values=self.padding)
        items[np.arange(len(items)), lengths] = self.mask
        states = end_states(self, items, lengths + 1, self.config.width, self.states)
        return functional.linear(self.head(states), self.items.weight[: self.padding], self.bias)

    def decays(self, weight: nn.Parameter) -> bool:
        """Embedding tables and matrices decay, biases and norms do not."""
        return weight.ndim > 1

    def pace(self, epoch: int) -> float:
        """Linear decay to zero at the last epoch; the first epoch at half the rate replaces the authors' 100 warm-up
        steps.
        """
        return (0.5 if epoch == 0 else 1.0) * (1 - epoch / self.config.epochs)


class BERT4Rec(LearnedRanker[BERT4RecConfig]):
    """See the module."""

    Config = BERT4RecConfig
    network_class = BERT4RecNetwork
    name = "bert4rec"
    presets: ClassVar[Mapping[str, Any]] = {"default": BERT4RecConfig(), "sampled": BERT4RecConfig(loss="sampled")}
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "mask_share": (0.2, 0.4, 0.6),
        "last_share": (0.2, 0.5),
        "dropout": (0.2, 0.5),
    }


def _random_order(real: Tensor) -> Tensor:
    """The rank of each position in a random order of its row, (B, N), with padding last."""
    keys = torch.rand(real.shape, device=real.device).masked_fill(~real, 2.0)
    return keys.argsort(dim=1).argsort(dim=1)
