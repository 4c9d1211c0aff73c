"""Frozen features of items, by row of a recommender's item table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from baselines.learning.network import TrainingSettings
from unimp_bench.corpus import Items
from unimp_bench.corpus.features.pictures import picture_vectors
from unimp_bench.corpus.features.text import text_vectors
from unimp_bench.corpus.features.vectors import feature_remarks
from unimp_bench.errors import UsageError
from unimp_bench.records import IntArray

_NO_FEATURES = "this corpus has neither pictures nor text, and this model requires one of them"


@dataclass(frozen=True)
class VisualSettings(TrainingSettings):
    """Settings of a training, and the encoders of pictures and texts.

    Attributes:
        encoder: ``tiny``, or the name of an open_clip model (``ViT-L-14``).
        pretrained: open_clip's tag of the encoder's weights (``openai``).
        text_encoder: ``lsa``, or a model of transformers. VBPR and CausalRec use texts on a corpus without pictures.
    """

    encoder: str = "tiny"
    pretrained: str = ""
    text_encoder: str = "lsa"


def item_looks(
    settings: VisualSettings, catalogue: IntArray, items: Items, cache: Path
) -> tuple[Tensor, tuple[str, ...]]:
    """Visual features of the given items, (I, F) float32, zero for an item without a picture; and remarks.

    On a corpus without pictures, features of the item texts replace them.

    Args:
        catalogue: (I,) item numbers.

    Raises:
        UsageError: the corpus has neither pictures nor text, or an encoder cannot be loaded.
    """
    vectors = picture_vectors(items, settings.encoder, settings.pretrained, cache)
    remarks: tuple[str, ...] = ()
    if vectors is None:
        vectors = text_vectors(items, settings.text_encoder, cache)
        remarks = feature_remarks(None, vectors, items)
    if vectors is None:
        raise UsageError(f"{_NO_FEATURES}; run mf or p5 instead")
    return torch.from_numpy(vectors.values[catalogue]), remarks


def modalities(
    settings: VisualSettings, catalogue: IntArray, items: Items, cache: Path
) -> tuple[tuple[Tensor, ...], tuple[str, ...]]:
    """Features of the given items, one table per modality of the corpus, and remarks on missing modalities.

    Returns:
        Tables of pictures and of text, (I, F) float32 each, zero for an item without one; and the remarks.

    Raises:
        UsageError: the corpus has neither pictures nor text, or an encoder cannot be loaded.
    """
    pictures = picture_vectors(items, settings.encoder, settings.pretrained, cache)
    text = text_vectors(items, settings.text_encoder, cache)
    tables = tuple(torch.from_numpy(vectors.values[catalogue]) for vectors in (pictures, text) if vectors is not None)
    if not tables:
        raise UsageError(f"{_NO_FEATURES}; run lightgcn, or use another corpus")
    return tables, feature_remarks(pictures, text, items)


def joined(tables: tuple[Tensor, ...]) -> Tensor:
    """The normalised features of all modalities side by side, (I, sum of widths)."""
    return torch.cat([functional.normalize(table) for table in tables], dim=1)
