"""Answers of one token: one forward pass scores the whole catalogue, or all ratings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from unimp_bench.records import FloatArray, IntArray
from unimp_bench.unimp.network.model import UniMPModel
from unimp_bench.unimp.network.vision import PictureFeatures
from unimp_bench.unimp.sentence.batches import Batch, collate, planned
from unimp_bench.unimp.sentence.sentences import Sentences
from unimp_bench.unimp.sentence.tokens import Vocabulary


@dataclass(frozen=True)
class Asked:
    """Sentences that end at ``<answer>``, one an example, and what is needed to read them."""

    sentences: Sentences
    features: PictureFeatures | None
    vocabulary: Vocabulary
    batch_tokens: int

    def batches(self, device: torch.device) -> Iterator[tuple[IntArray, Batch]]:
        """The sentences in batches of like length, with their numbers."""
        for chosen in planned(self.sentences, self.batch_tokens, seed=None):
            yield chosen, collate(self.sentences, chosen, self.features, self.vocabulary).to(device)


@torch.inference_mode()
def catalogue_scores(model: UniMPModel, asked: Asked, catalogue: IntArray) -> FloatArray:
    """Logits of the catalogue's atomic ids after each sentence's ``<answer>``, (sentences, catalogue) float32.

    They order the items as their next-token probabilities do, which is how the paper's beam search orders them.
    """
    rows = torch.from_numpy(asked.vocabulary.item_tokens(catalogue)[:, 0]).to(model.device)
    table = model.decoder.output_rows(rows)
    scores = np.empty((len(asked.sentences), len(catalogue)), dtype=np.float32)
    for chosen, batch in asked.batches(model.device):
        scores[chosen] = (last_states(model.hidden(batch), batch) @ table.T).float().cpu().numpy()
    return scores


@torch.inference_mode()
def probabilities(model: UniMPModel, asked: Asked, tokens: IntArray) -> FloatArray:
    """Of some tokens after each sentence's ``<answer>``, among the whole vocabulary, (sentences, tokens) float64."""
    found = np.empty((len(asked.sentences), len(tokens)))
    for chosen, batch in asked.batches(model.device):
        logits = model.logits(last_states(model.hidden(batch), batch))
        found[chosen] = logits.double().softmax(dim=-1)[:, torch.from_numpy(tokens).to(model.device)].cpu().numpy()
    return found


def last_states(hidden: Tensor, batch: Batch) -> Tensor:
    """Of the last token of each sentence, (B, width)."""
    return hidden[torch.arange(len(hidden), device=hidden.device), batch.lengths - 1]


def posterior(focal: FloatArray, gamma: float) -> FloatArray:
    """The class probabilities that a model means which was trained by the focal loss, rows summing to 1.

    The focal loss rewards less certainty than there is: where its mean is least, the true probability of a class is
    proportional to ``1 / -l'(p)`` with ``l(p) = -(1 - p)^gamma log p`` (Charoenphakdee et al., 2021, Theorem 11). The
    order of the classes stays.

    Args:
        focal: (n, classes) the model's probabilities, positive.
        gamma: the exponent that it was trained with; 0 leaves the probabilities as they are.
    """
    p = np.clip(focal, 1e-12, 1 - 1e-9)
    slope = (1 - p) ** gamma / p - gamma * (1 - p) ** (gamma - 1) * np.log(p)
    chances: FloatArray = 1 / (slope * (1 / slope).sum(axis=1, keepdims=True))
    return chances
