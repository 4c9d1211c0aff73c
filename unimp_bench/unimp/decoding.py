"""From hidden states to answers: every item is one token, so one forward pass scores the whole catalogue."""

from __future__ import annotations

import numpy as np
import torch

from unimp_bench.records import FloatArray, IntArray
from unimp_bench.unimp.batches import collate, planned
from unimp_bench.unimp.model import UniMPModel
from unimp_bench.unimp.sentences import Sentences
from unimp_bench.unimp.tokens import Vocabulary
from unimp_bench.unimp.vision import PictureFeatures


@torch.inference_mode()
def catalogue_scores(
    model: UniMPModel,
    asked: Sentences,
    features: PictureFeatures | None,
    vocabulary: Vocabulary,
    catalogue: IntArray,
    batch_tokens: int,
) -> FloatArray:
    """Logits of the catalogue's item tokens after each sentence's ``<answer>``, (sentences, catalogue) float32.

    They order the items as their next-token probabilities do, which is how the paper's beam search orders them.
    """
    device = next(model.parameters()).device
    rows = torch.from_numpy(vocabulary.words + np.asarray(catalogue, dtype=np.int64)).to(device)
    table = model.decoder.get_output_embeddings().weight[rows]
    scores = np.empty((len(asked), len(catalogue)), dtype=np.float32)
    for chosen in planned(asked, batch_tokens, seed=None):
        batch = collate(asked, chosen, features, vocabulary).to(device)
        answers = model.hidden(batch).flatten(0, 1)[batch.answer_rows[batch.is_task]]
        scores[batch.examples[batch.is_task].cpu().numpy()] = (answers @ table.T).float().cpu().numpy()
    return scores
