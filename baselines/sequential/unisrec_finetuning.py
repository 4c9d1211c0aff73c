"""UniSRec as a recommender: adapted text, a causal transformer, cosines (Hou et al., KDD 2022, section 2.3).

    t_j = v_j + id_j (transductive)  or  v_j (inductive),   v_j the adapted text of item j
    s = Transformer(t_1 .. t_n) at n
    score(j) = cos(s, t_j) / tau
    L = mean over positions of  -log softmax(score)_next

The softmax goes over the items that training interacts with. The authors make a sample of every prefix of a sequence;
here one pass over it learns at all positions, the same but for dropout. Text vectors come with channels of variance 1,
about the scale of BERT's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.learning.encoder import init_weights, last_states
from baselines.learning.interactions import Interactions
from baselines.learning.network import Network
from baselines.learning.objectives import catalogue_loss
from baselines.learning.sequences import batches, ends_of_histories, of_like_length, padded, windows
from baselines.sequential.transformer import HistoryEncoder, TransformerSettings
from baselines.sequential.unisrec_adaptor import Adaptor
from unimp_bench.corpus.features.text import LSA
from unimp_bench.records import Examples, FloatArray, IntArray
from unimp_bench.settings import Count, Number, Rate, Share, Weight


@dataclass(frozen=True)
class UniSRecConfig(TransformerSettings):
    """Settings.

    Attributes:
        batch_size: windows of users' sequences a step.
        text: the frozen encoder of item texts, as ``unimp_bench.corpus.features.text.text_vectors`` takes it.
        experts, adaptor_dropout: of the adaptor; the dropout is that of text vectors.
        temperature: tau, of all cosines.
        pretraining_epochs: of pre-training, each of as many histories as there are users; 0 leaves it out.
        pretraining_rate: learning rate of pre-training.
        pretraining_batch_size: histories, with their next items, a step of pre-training.
        item_drop: share of a history's items that its copy lacks.
        copy_weight: of the loss between a history and its copy.
        frozen: after pre-training leave the transformer and its places as they are.
    """

    epochs: Count = 100
    validate_every: Count = 5
    patience: Count = 5
    batch_size: Count = 512
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


class Windows(NamedTuple):
    """Item rows, (B, N), padding behind, and the item after each that is real, (positions,)."""

    items: Tensor
    targets: Tensor


class UniSRecNetwork(Network):
    """Adaptor, transformer, and item embeddings where there are any.

    Args:
        interactions: the training part.
        text: (I, inputs) text vectors of its items.
        with_ids: whether items have embeddings of their own beside their text.
        config: the settings.

    Attributes:
        answers: (A,) rows of the items that training interacts with.
    """

    text: Tensor
    answers: Tensor
    _answer_of: Tensor

    def __init__(self, interactions: Interactions, text: FloatArray, with_ids: bool, config: UniSRecConfig) -> None:
        super().__init__()
        self.interactions, self.config = interactions, config
        self.padding = len(interactions.items)
        self.adaptor = Adaptor(text.shape[1], config.width, config.experts, config.adaptor_dropout)
        self.history = HistoryEncoder(config, causal=True)
        self.ids = nn.Embedding(self.padding, config.width) if with_ids else None
        self.apply(init_weights)
        scaled = torch.from_numpy(text * np.float32(np.sqrt(text.shape[1])))
        answers, answer_of = np.unique(interactions.sequence), np.zeros(self.padding + 1, dtype=np.int64)
        answer_of[answers] = np.arange(len(answers))
        for name, values in {"text": scaled, "answers": answers, "_answer_of": answer_of}.items():
            self.register_buffer(name, torch.as_tensor(values), persistent=False)
        self._windows = windows(interactions, config.max_length)
        self._table, self._directions = scaled, scaled

    def batches(self, rng: np.random.Generator) -> Iterator[Windows]:
        sequence, chosen = self.interactions.sequence, self._windows
        for rows in batches(chosen, self.config.batch_size, rng, by_items=True):
            starts, stops = chosen.starts[rows], chosen.stops[rows]
            items = padded(sequence, starts, stops - 1, self.padding)
            targets = padded(sequence, starts + 1, stops, self.padding)[items != self.padding]
            yield Windows(self.tensor(items), self.tensor(targets))

    def loss(self, batch: Windows) -> Tensor:
        table = self.vectors(self.answers)
        states = self.history(functional.embedding(self._answer_of[batch.items], table))[batch.items != self.padding]
        directions = functional.normalize(states, dim=1) / self.config.temperature
        return catalogue_loss(directions, functional.normalize(table, dim=1), self._answer_of[batch.targets])

    def vectors(self, rows: Tensor) -> Tensor:
        """``t`` of items, (n, width)."""
        adapted: Tensor = self.adaptor(self.text[rows])
        return adapted if self.ids is None else adapted + self.ids(rows)

    def prepare(self) -> None:
        self._table = self.vectors(torch.arange(self.padding, device=self.device))
        self._directions = functional.normalize(self._table, dim=1)

    def score(self, examples: Examples) -> Tensor:
        return self.ends(examples) @ self._directions.T

    def score_among(self, examples: Examples, rows: IntArray) -> Tensor:
        """Scores of some items, (examples, rows)."""
        return self.ends(examples) @ self._directions[self.tensor(rows)].T

    def ends(self, examples: Examples) -> Tensor:
        """Directions of the histories' last states over tau, (examples, width)."""
        items, lengths = ends_of_histories(examples, self.interactions, self.config.max_length)
        items = np.where(items == self.padding, 0, items)  # what stands behind a history is not seen
        states = self._table.new_empty(len(items), self._table.shape[1])
        for rows in of_like_length(lengths):
            read = functional.embedding(self.tensor(items[rows, : lengths[rows].max()]), self._table)
            states[self.tensor(rows)] = last_states(self.history(read), self.tensor(lengths[rows]))
        return functional.normalize(states, dim=1) / self.config.temperature
