"""All modalities of the items, as rows of a recommender's item table."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from baselines.learning.interactions import Interactions
from baselines.multimodal.features import VisualSettings
from unimp_bench.corpus import Items
from unimp_bench.corpus.features.pictures import picture_vectors
from unimp_bench.corpus.features.text import text_vectors
from unimp_bench.corpus.features.vectors import feature_remarks
from unimp_bench.errors import UsageError


def modalities(
    settings: VisualSettings, interactions: Interactions, items: Items, cache: Path
) -> tuple[tuple[Tensor, ...], tuple[str, ...]]:
    """Frozen features of the catalogue's items, one table a modality that the corpus has, and what to remark.

    Returns:
        Tables of pictures and of text, (I, F) float32 each, zero for an item without one; and remarks on what the
        corpus lacks.

    Raises:
        UsageError: the corpus has neither pictures nor text, or an encoder cannot be loaded.
    """
    pictures = picture_vectors(items, settings.encoder, settings.pretrained, cache)
    text = text_vectors(items, settings.text_encoder, cache)
    tables = tuple(
        torch.from_numpy(vectors.values[interactions.items]) for vectors in (pictures, text) if vectors is not None
    )
    if not tables:
        raise UsageError(
            "this corpus has neither pictures nor text, which this model reads; choose lightgcn, or another corpus"
        )
    return tables, feature_remarks(pictures, text)
