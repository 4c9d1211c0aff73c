"""The item features that visually-aware recommenders see, as rows of their item tables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from baselines.learning.interactions import Interactions
from baselines.learning.network import TrainingSettings
from unimp_bench.corpus import Items
from unimp_bench.corpus.features.pictures import picture_vectors
from unimp_bench.corpus.features.text import text_vectors
from unimp_bench.corpus.features.vectors import feature_remarks
from unimp_bench.errors import UsageError
from unimp_bench.records import IntArray


@dataclass(frozen=True)
class VisualSettings(TrainingSettings):
    """Settings of a training, and the encoder of the pictures.

    Attributes:
        encoder: ``tiny``, or the name of an open_clip model (``ViT-L-14``).
        pretrained: open_clip's tag of the encoder's weights (``openai``).
        text_encoder: ``lsa``, or a model of transformers. VBPR and CausalRec read texts where there are no pictures.
    """

    encoder: str = "tiny"
    pretrained: str = ""
    text_encoder: str = "lsa"


def visual_features(
    settings: VisualSettings, interactions: Interactions, items: Items, cache: Path
) -> tuple[Tensor, tuple[str, ...]]:
    """``item_looks`` of the items of a training part."""
    return item_looks(settings, interactions.items, items, cache)


def item_looks(
    settings: VisualSettings, catalogue: IntArray, items: Items, cache: Path
) -> tuple[Tensor, tuple[str, ...]]:
    """What the catalogue's items look like, (I, F) float32, zero for an item without a picture, and what to remark.

    On a corpus without pictures, what is written about the items stands in for their looks.

    Args:
        catalogue: (I,) numbers of items.

    Raises:
        UsageError: the corpus has neither, or an encoder cannot be loaded.
    """
    vectors = picture_vectors(items, settings.encoder, settings.pretrained, cache)
    remarks: tuple[str, ...] = ()
    if vectors is None:
        vectors = text_vectors(items, settings.text_encoder, cache)
        remarks = feature_remarks(None, vectors)
    if vectors is None:
        raise UsageError("this corpus has neither pictures nor text, which this model reads; choose mf or p5")
    return torch.from_numpy(vectors.values[catalogue]), remarks
