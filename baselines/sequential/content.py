"""Base of sequential recommenders whose item vectors are functions of content, such as a text.

    s = Transformer(t_1 .. t_n) at n,        score(j) = cos(s, t_j) / tau,        t_j = vectors(j)
    L = mean over positions of  -log softmax(score)_next

The softmax is over the items with a training interaction, or against sampled ones; then a step computes the vectors of
its own items alone, each once: of the histories, of the next items, and of the negatives.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from baselines.learning.interactions import Interactions
from baselines.learning.model import LearnedRanker, SettingsT
from baselines.learning.network import Network
from baselines.learning.objectives import catalogue_loss
from baselines.learning.sequences import batches, ends_of_histories, windows
from baselines.sequential.next_item import HistoryEncoder, end_states, inputs_and_targets
from baselines.sequential.objectives import SampledSoftmax
from unimp_bench.contracts import FitData
from unimp_bench.corpus import Items
from unimp_bench.corpus.features.text import NO_TEXT, item_texts, text_vectors
from unimp_bench.corpus.features.vectors import ItemVectors
from unimp_bench.errors import UsageError
from unimp_bench.records import Examples, FloatArray, IntArray


class Batch(NamedTuple):
    """Item rows, (B, N), right-padded; the item after each real position, (positions,); negatives, (samples,)."""

    items: Tensor
    targets: Tensor
    negatives: Tensor


class ContentNetwork(Network):
    """A causal transformer over item vectors; a system adds ``history`` and implements ``vectors``.

    Args:
        interactions: the training part.
        length: maximum number of items of a history.
        batch_size: windows per step.
        temperature: tau.
        sampled: the loss against sampled items; None for that over all items of training.

    Attributes:
        history: the transformer.
        targets: (A,) rows of the items with a training interaction.
    """

    history: HistoryEncoder
    targets: Tensor
    _target_of: Tensor

    def __init__(
        self,
        interactions: Interactions,
        length: int,
        batch_size: int,
        temperature: float,
        sampled: SampledSoftmax | None,
    ) -> None:
        super().__init__()
        self.interactions, self.length, self.batch_size = interactions, length, batch_size
        self.temperature, self.sampled = temperature, sampled
        self.padding = len(interactions.items)
        targets, target_of = np.unique(interactions.sequences.values), np.zeros(self.padding + 1, dtype=np.int64)
        target_of[targets] = np.arange(len(targets))
        for name, values in {"targets": targets, "_target_of": target_of}.items():
            self.register_buffer(name, torch.as_tensor(values), persistent=False)
        self._windows = windows(interactions, length)
        self._table, self._directions = torch.zeros(0), torch.zeros(0)

    @abstractmethod
    def vectors(self, rows: Tensor) -> Tensor:
        """Item vectors ``t``, (n, width), of different rows."""

    def batches(self, rng: np.random.Generator) -> Iterator[Batch]:
        for rows in batches(self._windows, self.batch_size, rng, by_items=True):
            items, targets = inputs_and_targets(self.interactions, self._windows.take(rows))
            negatives = targets[:0] if self.sampled is None else self.sampled.draw(rng)
            yield Batch(*map(self.tensor, (items, targets, negatives)))

    def loss(self, batch: Batch) -> Tensor:
        if self.sampled is not None:
            return self._sampled_loss(batch, self.sampled)
        table = self.vectors(self.targets)
        states = self.history(functional.embedding(self._target_of[batch.items], table))[batch.items != self.padding]
        directions = functional.normalize(states, dim=1) / self.temperature
        return catalogue_loss(directions, functional.normalize(table, dim=1), self._target_of[batch.targets])

    def _sampled_loss(self, batch: Batch, objective: SampledSoftmax) -> Tensor:
        real = batch.items != self.padding
        parts = (batch.items[real], batch.targets, batch.negatives)
        different, indices = torch.unique(torch.cat(parts), return_inverse=True)
        table = self.vectors(different)
        histories, targets, negatives = indices.split([len(part) for part in parts])
        inputs = torch.zeros_like(batch.items).masked_scatter(real, histories)  # padding is not attended to
        states = self.history(functional.embedding(inputs, table))[real]
        scaled, directions = functional.normalize(states, dim=1), functional.normalize(table, dim=1)
        scaled = scaled / self.temperature
        wanted = (scaled * functional.embedding(targets, directions)).sum(dim=1)
        others = scaled @ functional.embedding(negatives, directions).T
        return objective.compare(wanted, others, batch.targets, batch.negatives)

    def prepare(self) -> None:
        self._table = self.vectors(torch.arange(self.padding, device=self.device))
        self._directions = functional.normalize(self._table, dim=1)

    def score(self, examples: Examples) -> Tensor:
        return self.ends(examples) @ self._directions.T

    def score_among(self, examples: Examples, rows: IntArray) -> Tensor:
        """Scores of the given items, (examples, rows)."""
        return self.ends(examples) @ self._directions[self.tensor(rows)].T

    def ends(self, examples: Examples) -> Tensor:
        """Normalised last states of the histories divided by tau, (examples, width)."""
        items, lengths = ends_of_histories(examples, self.interactions, self.length)
        items = np.where(items == self.padding, 0, items)  # padding on the right is not attended to

        def encode(ids: Tensor) -> Tensor:
            states: Tensor = self.history(functional.embedding(ids, self._table))
            return states

        states = end_states(self, items, lengths, self._table.shape[1], encode)
        return functional.normalize(states, dim=1) / self.temperature


class InductiveRanker(LearnedRanker[SettingsT]):
    """Scores items unseen in training: the catalogue of its network is the whole corpus, so rows are corpus numbers."""

    def gather(self, data: FitData) -> Interactions:
        return super().gather(replace(data, catalogue=np.arange(len(data.items))))

    def score(self, examples: Examples, catalogue: IntArray) -> FloatArray:
        network = self.prepared()
        assert isinstance(network, ContentNetwork)
        with torch.no_grad():
            return network.score_among(examples, np.asarray(catalogue, dtype=np.int64)).cpu().numpy()


def required_vectors(items: Items, encoder: str, cache: Path, name: str) -> ItemVectors:
    """The text vectors of items (``text_vectors``) for a model that needs some.

    Raises:
        UsageError: there are none, with the reason; or the encoder cannot be read.
    """
    vectors = text_vectors(items, encoder, cache)
    if vectors is None:
        reason = "the texts of all items have equal vectors" if any(item_texts(items)) else NO_TEXT
        reason = "text=none leaves no text features" if items.features.get("text", True) is None else reason
        raise UsageError(f"{reason}, and {name} reads texts; run sasrec instead")
    return vectors
