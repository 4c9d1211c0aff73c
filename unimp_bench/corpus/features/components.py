"""Principal components of stored features, for models whose size follows that of the features they read."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from unimp_bench.corpus import Corpus
from unimp_bench.corpus.features.names import digest_of
from unimp_bench.corpus.features.stored import FeatureSet, Stored, new_folder, open_set, write_set
from unimp_bench.errors import UsageError
from unimp_bench.records import IntArray

_BLOCK = 4096
_Vectors = npt.NDArray[np.float64]


def reduce(corpus: Corpus, source: str, components: int, name: str) -> FeatureSet:
    """Store the first principal components of a set, those of largest variance first.

    They are fitted on all items that have features; of regions, on all regions alike. The key of the new set depends on
    that of the source and on the number of components, so that it is the same on every machine.

    Args:
        corpus: as stored, without views.
        source: name of the set.
        components: number of components.
        name: of the new set.

    Raises:
        UsageError: there is no such set, it is too small, or the new name is taken or not allowed.
        DataError: the set is damaged.
    """
    stored = open_set(corpus, source)
    record = stored.record
    new_folder(corpus.folder, name, record.modality)  # refuses before the work
    width = record.shape[-1]
    if components >= width:
        raise UsageError(f"features {source!r} have {width:,} numbers a vector; choose fewer --components than that")
    mean, axes = _principal(stored, components)
    values = np.zeros((record.items, *record.shape[:-1], components), np.float32)
    for rows, vectors in _blocks(stored):
        values[rows] = ((vectors - mean) @ axes).reshape(len(rows), *values.shape[1:])
    told = f"{components} principal components of {record.name} {record.key}"
    key = digest_of(record.key, "principal components", str(components))
    return write_set(
        corpus.folder, corpus.items.names, name, record.modality, values, stored.known, told, key=key, part=record.part
    )


def _principal(stored: Stored, components: int) -> tuple[_Vectors, _Vectors]:
    """The mean vector, (width,), and the axes of largest variance, (width, components).

    The sign of an axis is arbitrary: its largest entry is positive.

    Raises:
        UsageError: the vectors have fewer directions than components.
    """
    width = stored.record.shape[-1]
    count, total, products = 0, np.zeros(width), np.zeros((width, width))
    first: _Vectors | None = None
    for _, vectors in _blocks(stored):
        first = vectors[0] if first is None else first
        near = vectors - first  # of vectors far from zero, products would lose the digits in which they differ
        count, total, products = count + len(near), total + near.sum(axis=0), products + near.T @ near
    assert first is not None
    mean = total / count
    spread, axes = np.linalg.eigh(products / count - np.outer(mean, mean))
    if (directions := int((spread > spread[-1] * 1e-9).sum())) < components:
        raise UsageError(
            f"features {stored.record.name!r} vary in {directions:,} directions only; choose fewer --components"
        )
    axes = axes[:, ::-1][:, :components]
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(components)])
    return first + mean, axes


def _blocks(stored: Stored) -> Iterator[tuple[IntArray, _Vectors]]:
    """Numbers of items with features and their vectors, (items x regions, width)."""
    known = np.flatnonzero(stored.known)
    for start in range(0, len(known), _BLOCK):
        rows = known[start : start + _BLOCK]
        yield rows, stored.values[rows].reshape(-1, stored.record.shape[-1]).astype(np.float64)
