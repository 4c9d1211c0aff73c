"""One frozen vector an item, for models that read a picture or a text as a whole; kept in the corpus's cache."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from unimp_bench.corpus.features.stored import features_of
from unimp_bench.corpus.reader import Items
from unimp_bench.files import kept_array
from unimp_bench.records import BoolArray, FloatArray, IntArray

_SILENT = 1e-6


@dataclass(frozen=True)
class ItemVectors:
    """Standardised vectors of the items of a corpus.

    Every channel has mean 0 and variance ``1 / width`` over the items that have a vector, so that these are about one
    long and differ from each other. Normalising their length does not do that: the vectors of one encoder, CLIP's
    above all, mostly share one direction, and a small learning rate sees little else.

    Attributes:
        values: (items, width) float32, memory-mapped; zero, which is the mean, for items without a vector.
        known: (items,) bool, whether an item has one.
        name: of the encoder.
    """

    values: npt.NDArray[np.float32]
    known: BoolArray
    name: str

    @property
    def width(self) -> int:
        return int(self.values.shape[1])


def moved(vectors: ItemVectors | None, source: IntArray) -> ItemVectors | None:
    """The vectors of other items at the places of items; zero, which is the mean, for none.

    Args:
        vectors: of all items.
        source: (items,) the item whose vector each one has, -1 for none.
    """
    if vectors is None:
        return None
    known = (source >= 0) & vectors.known[source]
    return ItemVectors(np.where(known[:, None], vectors.values[source], np.float32(0)), known, vectors.name)


def feature_remarks(
    pictures: ItemVectors | None, text: ItemVectors | None, items: Items | None = None
) -> tuple[str, ...]:
    """What a result must say of a multi-modal model's features where one of the two is absent (``Model.remarks``).

    Args:
        pictures, text: the features of the two.
        items: where a user may have left one of them out.
    """
    if pictures is None and text is None:
        return ("no pictures and no text in this corpus: no item features at all",)
    if pictures is None:
        return (f"{_absence('pictures', items)}: text features alone",)
    if text is None:
        return (f"{_absence('text', items)}: picture features alone",)
    return ()


def _absence(modality: str, items: Items | None) -> str:
    left_out = items is not None and modality in items.features and items.features[modality] is None
    return f"{modality} left out" if left_out else f"no {modality} in this corpus"


def given_vectors(items: Items, modality: str, cache: Path) -> ItemVectors | None:
    """The stored features that ``items.features`` has of a modality; None where it is left out."""
    stored = features_of(items, modality)
    if stored is None:
        return None
    path = cache / f"stored-vectors-{stored.record.key}.npy"
    return kept_vectors(path, stored.record.name, lambda: (stored.rows(), stored.known))


def kept_vectors(path: Path, name: str, compute: Callable[[], tuple[FloatArray, BoolArray]]) -> ItemVectors | None:
    """Vectors from ``path``, computed and written there where they are not; None where no item has one.

    Args:
        path: of a ``.npy`` file.
        name: of the encoder.
        compute: gives the encoder's vectors of the items that have one, (known, width), and which these are, (items,).
    """

    def fill(partial: Path) -> None:
        vectors, known = compute()
        values = np.zeros((len(known), vectors.shape[1]), dtype=np.float32)
        values[known] = Channels.of(vectors)(vectors)
        np.save(partial, values, allow_pickle=False)

    values = kept_array(path, fill)
    present: BoolArray = np.asarray(values.any(axis=1))
    return ItemVectors(values, present, name) if present.any() else None


@dataclass(frozen=True)
class Channels:
    """How the channels of vectors are brought to mean 0 and variance 1 / width; one that is the same everywhere to 0.

    Attributes:
        mean: (width,) of each channel.
        spread: (width,) standard deviation, 1 for silent ones.
        silent: (width,) bool, whether it says the same of everything.
    """

    mean: FloatArray
    spread: FloatArray
    silent: BoolArray

    @classmethod
    def of(cls, vectors: FloatArray) -> Channels:
        """The channels of some vectors, (n, width)."""
        mean = vectors.mean(axis=0, dtype=np.float64)
        spread = (vectors - mean).std(axis=0)
        silent = spread <= _SILENT * spread.max(initial=0)
        return cls(mean, np.where(silent, 1, spread), silent)

    def __call__(self, vectors: FloatArray) -> FloatArray:
        """Standardised vectors, (n, width)."""
        scaled: FloatArray = (vectors - self.mean) / (self.spread * np.sqrt(vectors.shape[1]))
        return np.where(self.silent, 0, scaled)
