"""Training interactions with the ids of the items: stored ones that a user names, else those of a quantizer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from baselines.learning.files import reading
from baselines.learning.interactions import Interactions
from unimp_bench.contracts import FitData
from unimp_bench.corpus import Items
from unimp_bench.corpus.features.stored import features_of, ids_of
from unimp_bench.corpus.features.text import NO_TEXT
from unimp_bench.errors import UsageError
from unimp_bench.files import damaged
from unimp_bench.generative.item_ids import text_content
from unimp_bench.generative.making import combined, quantised
from unimp_bench.generative.quantizers import QuantizerSettings, Vectors, as_vectors
from unimp_bench.records import IntArray

CODES = "codes.npy"


@dataclass(frozen=True)
class CodedInteractions(Interactions):
    """Interactions, and the ids of their items.

    Attributes:
        codes: (I, levels) int64, from 0 within each level; several items may have the same.
    """

    codes: IntArray

    @classmethod
    def read(cls, folder: Path) -> CodedInteractions:
        plain = Interactions.read(folder)
        path = folder / CODES
        with reading(path):
            codes = np.load(path, allow_pickle=False)
        if codes.dtype != np.int64 or codes.ndim != 2 or len(codes) != len(plain.items) or codes.min(initial=0) < 0:
            raise damaged(path, f"expected codes of {len(plain.items):,} items")
        return cls(plain.users, plain.items, plain.sequences, codes)

    def write(self, folder: Path) -> None:
        super().write(folder)
        np.save(folder / CODES, self.codes, allow_pickle=False)

    @property
    def sizes(self) -> list[int]:
        """Number of codes of each level."""
        return [int(size) for size in self.codes.max(axis=0) + 1]


def coded(plain: Interactions, data: FitData, quantizer: str, levels: int, codes: int, name: str) -> CodedInteractions:
    """Interactions with stored ids, or those of a quantizer fitted on the texts of the items with an interaction.

    Args:
        plain: of the fit.
        quantizer, levels, codes: where the user named no ids; fewer levels where the texts have fewer directions.
        name: of the system, for errors.

    Raises:
        UsageError: there are neither ids nor texts.
    """
    stored = ids_of(data.items)
    if stored is not None:
        found = stored.codes
    else:
        vectors = content(data.items, name)
        trained = plain.items[np.unique(plain.sequences.values)]
        if quantizer == "opq":
            levels = max(1, min(levels, int(np.linalg.matrix_rank(vectors[trained] - vectors[trained].mean(axis=0)))))
        found, _ = quantised(vectors, trained, quantizer, QuantizerSettings(levels, codes, data.seed % 2**31))
    return CodedInteractions(plain.users, plain.items, plain.sequences, found[plain.items])


def content(items: Items, name: str) -> Vectors:
    """Vectors of the texts of all items: stored ones that a user named, else TF-IDF in its leading directions.

    Raises:
        UsageError: there are none.
    """
    if "text" in items.features:
        stored = features_of(items, "text")
        if stored is None:
            raise UsageError(f"{name} needs ids or texts; 'unimp-bench ids' makes ids, --features ids=NAME reads them")
        return combined([stored])[0]
    vectors = text_content(items, np.random.default_rng(0))
    if not vectors.any():
        raise UsageError(f"{NO_TEXT}, and {name} makes ids of texts; 'unimp-bench ids' makes some of other features")
    return as_vectors(vectors)
