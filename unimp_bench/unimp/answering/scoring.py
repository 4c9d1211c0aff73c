"""Answers of one token: one forward pass scores the whole catalogue, or all ratings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from unimp_bench.corpus.features.pictures import PictureFeatures
from unimp_bench.progress import progress
from unimp_bench.records import FloatArray, IntArray
from unimp_bench.unimp.network.model import UniMPModel
from unimp_bench.unimp.network.vision import VisualEmbeddings
from unimp_bench.unimp.sentence.batches import Batch, collate, planned
from unimp_bench.unimp.sentence.pieces import FIRST_ITEM_PIECE
from unimp_bench.unimp.sentence.sentences import Sentences
from unimp_bench.unimp.sentence.tokens import Vocabulary

_RESAMPLED = 2**30
_PICTURES = 256


@dataclass(frozen=True)
class Asked:
    """Sentences that end at ``<answer>``, one an example, and what is needed to read them."""

    sentences: Sentences
    features: PictureFeatures | None
    vocabulary: Vocabulary
    batch_tokens: int

    def batches(self, model: UniMPModel) -> Iterator[tuple[IntArray, Batch]]:
        """The sentences in batches of like length, with their numbers, on the device of the model.

        An item stands in many sentences, so the resampler reads each picture once for all of them, where what it makes
        of them fits ``_RESAMPLED`` bytes.
        """
        features = self.features if self.features is None else self._resampled(model, self.features)
        plan = list(planned(self.sentences, self.batch_tokens, seed=None))
        for chosen in progress(plan, "unimp: answering", unit="batch"):
            yield chosen, collate(self.sentences, chosen, features, self.vocabulary).to(model.device)

    def _resampled(self, model: UniMPModel, features: PictureFeatures) -> PictureFeatures | VisualEmbeddings:
        resampler = model.resampler
        items = np.unique(self.sentences.runs) - FIRST_ITEM_PIECE
        items = items[(items >= 0) & (items < self.vocabulary.items)]
        items = items[features.rows[items] >= 0]
        if resampler is None or 4 * len(items) * resampler.latents.numel() > _RESAMPLED:
            return features
        rows = np.full(self.vocabulary.items, -1, dtype=np.int64)
        rows[items] = np.arange(len(items))
        tokens = np.empty((len(items), *resampler.latents.shape), dtype=np.float32)
        for begin in range(0, len(items), _PICTURES):
            block = torch.from_numpy(features.of(items[begin : begin + _PICTURES])).to(model.device)
            tokens[begin : begin + _PICTURES] = resampler(block).float().cpu().numpy()
        return VisualEmbeddings(rows, tokens)


@torch.inference_mode()
def catalogue_scores(model: UniMPModel, asked: Asked, catalogue: IntArray) -> FloatArray:
    """Logits of the catalogue's atomic ids after each sentence's ``<answer>``, (sentences, catalogue) float32.

    They order the items as their next-token probabilities do, which is how the paper's beam search orders them.
    """
    rows = torch.from_numpy(asked.vocabulary.item_tokens(catalogue)[:, 0]).to(model.device)
    table = model.decoder.output_rows(rows)
    scores = np.empty((len(asked.sentences), len(catalogue)), dtype=np.float32)
    for chosen, batch in asked.batches(model):
        scores[chosen] = (last_states(model.hidden(batch), batch) @ table.T).float().cpu().numpy()
    return scores


@torch.inference_mode()
def probabilities(model: UniMPModel, asked: Asked, tokens: IntArray) -> FloatArray:
    """Of some tokens after each sentence's ``<answer>``, among the whole vocabulary, (sentences, tokens) float64."""
    found = np.empty((len(asked.sentences), len(tokens)))
    for chosen, batch in asked.batches(model):
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
