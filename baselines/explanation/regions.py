"""Pictures as regions, for MRG."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from unimp_bench.corpus import Items
from unimp_bench.corpus.features.pictures import picture_features
from unimp_bench.corpus.features.text import text_vectors
from unimp_bench.corpus.features.vectors import feature_remarks
from unimp_bench.records import FloatArray, IntArray


class Regions:
    """Patch tokens of the pictures of I items; zero for an item without a picture.

    On a corpus without pictures the text vector of an item is its only region.

    Args:
        numbers: (I,) corpus numbers of the items.
        encoder, pretrained: encoder of pictures, see ``unimp_bench.corpus.features``.
        text_encoder: encoder of texts.

    Attributes:
        shape: regions per picture, and channels per region.
        remarks: on the features that replace pictures.
    """

    def __init__(
        self, items: Items, numbers: IntArray, encoder: str, pretrained: str, text_encoder: str, cache: Path
    ) -> None:
        self.shape: tuple[int, int] = (1, 1)
        self.remarks: tuple[str, ...] = ()
        self._numbers = numbers
        self._pictures = picture_features(items, encoder, pretrained, cache)
        self._texts = None
        if self._pictures is not None:
            self.shape = (self._pictures.tokens.shape[1], self._pictures.width)
            return
        vectors = text_vectors(items, text_encoder, cache)
        self.remarks = feature_remarks(None, vectors, items)
        if vectors is not None:
            self._texts = vectors.values[numbers]
            self.shape = (1, vectors.width)

    def of(self, rows: IntArray) -> FloatArray:
        """Regions of item rows, (n, regions, channels) float32."""
        if self._texts is not None:
            return np.asarray(self._texts[rows][:, None, :])
        grids = np.zeros((len(rows), *self.shape), dtype=np.float32)
        if self._pictures is not None:
            numbers = self._numbers[rows]
            seen = self._pictures.rows[numbers] >= 0
            grids[seen] = self._pictures.of(numbers[seen])
        return grids
