"""UniSRec: sequential recommendation with items represented by text (Hou et al., KDD 2022).

The transductive form has item embeddings; the inductive form has none and can score items unseen in training. The text
vector ``x_j`` of item j is mapped by the adaptor, a mixture of whitening experts (Eq. 2 to 4), to ``v_j``:

    t_j = v_j + id_j (transductive)  or  v_j (inductive)
    s = Transformer(t_1 .. t_n) at n
    score(j) = cos(s, t_j) / tau
    L = mean over positions of  -log softmax(score)_next                                        (section 2.3)

(``baselines.sequential.content``.) In the authors' code every prefix of a sequence is a sample; here one pass trains
all positions, equivalent except for dropout. Text vectors are scaled to channels of variance 1, about the scale of
BERT's.

Contrastive pre-training, on text alone and on the training part of the same corpus:

    s = Transformer(v_1 .. v_n) at n,   s' the same for a copy of the history with dropped items,   v of the next item
    L_SI = mean over samples i of  -log( exp(cos(s_i, v_i) / tau) / sum_j exp(cos(s_i, v_j) / tau) )
    L_SS = mean over samples i of  -log( exp(cos(s_i, s'_i) / tau) / sum_j exp(cos(s_i, s'_j) / tau) )
    L = L_SI + copy_weight L_SS                                                                 (section 2.2)

``j`` runs over the batch, across all domains, except other samples with the same next item, which are not negatives.
(In the authors' program they stay in the sum, with a logit of zero.) Copies only drop items; a tenth of the authors'
copies drop words of the texts instead. Their epoch has all histories; here an epoch samples as many as there are users,
uniformly and without replacement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.learning.encoder import INIT_STD, init_weights, last_states
from baselines.learning.interactions import Interactions
from baselines.learning.network import Network, Trainable
from baselines.learning.sequences import Windows, batches, padded
from baselines.learning.training import Outcome
from baselines.selection.selectors import SelectingRanker
from baselines.sequential.content import ContentNetwork, InductiveRanker, required_vectors
from baselines.sequential.next_item import HistoryEncoder, TransformerSettings, pretrain
from baselines.sequential.objectives import SampledSettings, SampledSoftmax
from unimp_bench.contracts import FitData
from unimp_bench.corpus import Items
from unimp_bench.corpus.features.text import LSA
from unimp_bench.kinds.early_stopping import Scores
from unimp_bench.records import FloatArray, IntArray
from unimp_bench.settings import Count, Number, Rate, Share, Weight, added

_MIN_NOISE = 1e-2


@dataclass(frozen=True)
class UniSRecConfig(SampledSettings, TransformerSettings):
    """Settings.

    Attributes:
        batch_size: windows of users' sequences per step.
        form: of fine-tuning; ``ce``, the softmax over the items of training, or ``sampled``, against some of them.
        text: the frozen encoder of item texts, see ``unimp_bench.corpus.features.text.text_vectors``.
        experts, adaptor_dropout: number of experts, and dropout of their text vectors.
        temperature: tau, of all cosines.
        pretraining_epochs: of pre-training, each with as many histories as there are users; 0 skips pre-training.
        pretraining_rate: learning rate of pre-training.
        pretraining_batch_size: histories, with their next items, per step of pre-training.
        item_drop: share of a history's items dropped in its copy.
        copy_weight: weight of the loss between a history and its copy.
        frozen: whether the transformer and position embeddings are frozen after pre-training.
    """

    epochs: Count = 300
    validate_every: Count = 5
    patience: Count = 5
    batch_size: Count = 512
    form: Literal["ce", "sampled"] = added("ce")
    text: str = LSA
    experts: Count = 8
    adaptor_dropout: Share = 0.2
    temperature: Rate = 0.07
    pretraining_epochs: Number = 50
    pretraining_rate: Rate = 1e-3
    pretraining_batch_size: Count = 1024
    item_drop: Share = 0.2
    copy_weight: Weight = 1e-3
    frozen: bool = True


OFFICIAL = UniSRecConfig(
    width=300,
    text="bert-base-uncased",
    batch_size=300,  # windows, with about as many positions as the authors' 2048 prefixes
    epochs=300,
    pretraining_epochs=300,
    pretraining_batch_size=8192,
)


class Adaptor(nn.Module):
    """``v = sum_k softmax(x G + e (softplus(x N) + 0.01))_k (x - b_k) W_k``, with normal noise ``e`` in training only.

    All gates are equal initially. All experts share one dropout of ``x``; in the authors' program each has its own.
    """

    def __init__(self, inputs: int, width: int, experts: int, dropout: float) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(experts, inputs))
        self.weight = nn.Parameter(torch.randn(experts, inputs, width) * INIT_STD)
        self.gate = nn.Parameter(torch.zeros(inputs, experts))
        self.noise = nn.Parameter(torch.zeros(inputs, experts))
        self.dropout = nn.Dropout(dropout)

    def forward(self, text: Tensor) -> Tensor:
        """Map text vectors (n, inputs) to (n, width)."""
        experts, inputs, width = self.weight.shape
        whitened = self.dropout(text) @ self.weight.transpose(0, 1).reshape(inputs, experts * width)
        shift = torch.einsum("ki,kiw->kw", self.bias, self.weight)
        mixed: Tensor = torch.einsum("nk,nkw->nw", self.gates(text), whitened.unflatten(1, (experts, width)) - shift)
        return mixed

    def gates(self, text: Tensor) -> Tensor:
        """Weights of the experts, (n, experts)."""
        logits = text @ self.gate
        if self.training:
            logits = logits + torch.randn_like(logits) * (functional.softplus(text @ self.noise) + _MIN_NOISE)
        return logits.softmax(dim=1)


class UniSRecNetwork(ContentNetwork):
    """Adaptor, transformer, and in the transductive form item embeddings.

    Args:
        interactions: the training part.
        text: (I, inputs) text vectors of its items.
        with_ids: whether items have embeddings in addition to text.
        config: the settings.
    """

    text: Tensor

    def __init__(self, interactions: Interactions, text: FloatArray, with_ids: bool, config: UniSRecConfig) -> None:
        sampled = SampledSoftmax(interactions, config) if config.form == "sampled" else None
        super().__init__(interactions, config.max_length, config.batch_size, config.temperature, sampled)
        self.config = config
        self.adaptor = Adaptor(text.shape[1], config.width, config.experts, config.adaptor_dropout)
        self.history = HistoryEncoder(config, causal=True)
        self.ids = nn.Embedding(self.padding, config.width) if with_ids else None
        self.apply(init_weights)
        scaled = torch.from_numpy(text * np.float32(np.sqrt(text.shape[1])))
        self.register_buffer("text", scaled, persistent=False)

    def vectors(self, rows: Tensor) -> Tensor:
        adapted: Tensor = self.adaptor(self.text[rows])
        return adapted if self.ids is None else adapted + self.ids(rows)


class Pairs(NamedTuple):
    """Histories and next items.

    Attributes:
        items: (B, N) item rows, right-padded; ``lengths`` (B,).
        copies: (B, N) the same with dropped items; ``copy_lengths`` (B,).
        targets: (B,) next items.
    """

    items: Tensor
    lengths: Tensor
    copies: Tensor
    copy_lengths: Tensor
    targets: Tensor


class Pretraining(Trainable):
    """The recommender in pre-training: trains adaptor and transformer."""

    def __init__(self, network: UniSRecNetwork) -> None:
        super().__init__()
        self.network, self.config = network, network.config

    def batches(self, rng: np.random.Generator) -> Iterator[Pairs]:
        interactions = self.network.interactions
        begins = interactions.sequences.offsets[interactions.owners]
        with_past = np.flatnonzero(np.arange(len(interactions)) > begins)
        nexts = rng.choice(with_past, min(len(interactions.users), len(with_past)), replace=False)
        starts = np.maximum(begins[nexts], nexts - self.config.max_length)
        histories = Windows(interactions.owners[nexts], starts, nexts)
        for rows in batches(histories, self.config.pretraining_batch_size, rng):
            yield self.pairs(starts[rows], nexts[rows], rng)

    def pairs(self, starts: IntArray, nexts: IntArray, rng: np.random.Generator) -> Pairs:
        """Pairs from the histories ``values[start:next]`` of the concatenated sequences."""
        sequence, padding = self.network.interactions.sequences.values, self.network.padding
        items = padded(sequence, starts, nexts, padding)
        dropped = rng.random(items.shape) < self.config.item_drop
        dropped[:, 0] = False
        dropped |= items == padding
        kept_first = np.argsort(dropped, axis=1, kind="stable")
        copies = np.take_along_axis(np.where(dropped, padding, items), kept_first, axis=1)
        arrays = (items, nexts - starts, copies, (~dropped).sum(axis=1), sequence[nexts])
        return Pairs(*map(self.tensor, arrays))

    def loss(self, batch: Pairs) -> Tensor:
        network = self.network
        rows = torch.cat([batch.items.flatten(), batch.copies.flatten(), batch.targets])
        different, indices = torch.unique(rows.masked_fill(rows == network.padding, 0), return_inverse=True)
        size = batch.items.numel()
        vectors = functional.embedding(indices, network.adaptor(network.text[different]))
        items, copies = (part.view(*batch.items.shape, -1) for part in (vectors[:size], vectors[size : 2 * size]))
        states = functional.normalize(last_states(network.history(items), batch.lengths), dim=1)
        others = functional.normalize(last_states(network.history(copies), batch.copy_lengths), dim=1)
        nexts = functional.normalize(vectors[2 * size :], dim=1)
        tau = self.config.temperature
        between = in_batch_loss(states, nexts, batch.targets, tau)
        return between + self.config.copy_weight * in_batch_loss(states, others, batch.targets, tau)


class UniSRec(SelectingRanker[UniSRecConfig]):
    """Transductive: text and item embeddings."""

    Config = UniSRecConfig
    name = "unisrec"
    presets: ClassVar[Mapping[str, Any]] = {"small": UniSRecConfig(), "official": OFFICIAL}
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "frozen": (True, False),
        "dropout": (0.2, 0.5),
        "width": (64, 128),
        "pretraining_epochs": (0, 50, 150),
    }
    with_ids: ClassVar[bool] = True

    def build(self, interactions: Interactions, items: Items, cache: Path) -> UniSRecNetwork:
        vectors = required_vectors(items, self.config.text, cache, self.name)
        return UniSRecNetwork(interactions, vectors.values[interactions.items], self.with_ids, self.config)

    def learn(self, network: Network, data: FitData, validate: Callable[[], Scores]) -> Outcome:
        assert isinstance(network, UniSRecNetwork)
        if not self.config.pretraining_epochs:
            return super().learn(network, data, validate)
        first = pretrain(
            Pretraining(network).to(network.device),
            data,
            self.name,
            epochs=self.config.pretraining_epochs,
            learning_rate=self.config.pretraining_rate,
            batch_size=self.config.pretraining_batch_size,
        )
        frozen = (network.history.places, network.history.encoder)
        for module in frozen:
            module.requires_grad_(not self.config.frozen)
        outcome = super().learn(network, data, validate).after(first)
        for module in frozen:
            module.requires_grad_()  # trained in the first stage
        return outcome


class InductiveUniSRec(InductiveRanker[UniSRecConfig], UniSRec):
    """Inductive: text alone."""

    name = "unisrec-inductive"
    with_ids = False


def in_batch_loss(states: Tensor, partners: Tensor, targets: Tensor, temperature: float) -> Tensor:
    """Mean of ``-log softmax(states @ partners.T / temperature)`` on the diagonal, a scalar.

    Args:
        states, partners: (B, width) unit vectors.
        targets: (B,) next items; rows with the same next item are not negatives.
        temperature: tau.
    """
    rows = torch.arange(len(targets), device=targets.device)
    twins = (targets[:, None] == targets) & (rows[:, None] != rows)
    logits = (states @ partners.T / temperature).masked_fill(twins, -torch.inf)
    return functional.cross_entropy(logits, rows)
