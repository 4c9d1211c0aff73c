"""Quantizers: vectors of items become codes, fitted on some items and applied to all.

Residual k-means (``rkmeans``), levels of K centroids each, with r_0 = x - mean and c_l(i) the nearest centroid:

    r_l = r_{l-1} - e_{l, c_l},        centroids e_l of the residuals r_{l-1} by k-means

Optimised product quantization (``opq``; Ge et al., 2013): the leading principal directions, whitened, are rotated by an
orthogonal R and cut into m sub-spaces of equal width, each with K centroids of its own. In turns, the centroids are
those of the rotated vectors, and R is the orthogonal matrix that takes the vectors x nearest to their centroids q:

    R = U V^T  with  U S V^T the singular value decomposition of  sum_i x_i q_i^T

RQ-VAE is in ``unimp_bench.generative.rqvae``, LETTER and CoST in ``unimp_bench.generative.letter_cost``.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from unimp_bench.errors import UsageError
from unimp_bench.records import FloatArray, IntArray

Vectors = npt.NDArray[np.float32]

ITERATIONS = 25
RESTARTS = 1
ROUNDS = 10
"""Of OPQ: alternations between centroids and rotation."""
WIDEST = 128
"""Principal directions that OPQ keeps at most."""
VERSION = 1

_BLOCK = 4096
_SMALL = 1e-6


@dataclass(frozen=True)
class QuantizerSettings:
    """Settings of a quantizer.

    Attributes:
        levels: codes per item; of ``opq`` the number of sub-spaces.
        codes: values of a code, at most.
        seed: of the initial centroids and weights.
    """

    levels: int
    codes: int
    seed: int = 0


class Quantizer(ABC):
    """A fitted quantizer."""

    @classmethod
    @abstractmethod
    def fit(cls, vectors: Vectors, settings: QuantizerSettings, behaviour: Vectors | None = None) -> Quantizer:
        """Fit on vectors (n, width).

        Args:
            vectors: of the items.
            settings: number and size of the codebooks.
            behaviour: (n, any) vectors of the same items from interactions, 0 for an item without any; read by
                ``letter`` alone.

        Raises:
            UsageError: the settings do not fit the vectors.
        """

    @abstractmethod
    def encode(self, vectors: Vectors) -> IntArray:
        """The codes of vectors (n, width), (n, levels) int64."""

    @abstractmethod
    def decode(self, codes: IntArray) -> Vectors:
        """The vectors (n, width) that codes (n, levels) stand for."""

    def error(self, vectors: Vectors) -> float:
        """Squared error of the reconstruction of vectors (n, width), as a share of their variance."""
        distance = np.square(vectors - self.decode(self.encode(vectors)), dtype=np.float64).sum()
        variance = np.square(vectors - vectors.mean(axis=0), dtype=np.float64).sum()
        return float(distance / max(variance, 1e-12))


def nearest(vectors: Vectors, centroids: Vectors) -> IntArray:
    """The nearest centroid (K, width) of each vector (n, width) in Euclidean distance, (n,) int64."""
    half = np.square(centroids).sum(axis=1) / 2
    found = np.empty(len(vectors), dtype=np.int64)
    for begin in range(0, len(vectors), _BLOCK):
        some = slice(begin, begin + _BLOCK)
        found[some] = (vectors[some] @ centroids.T - half).argmax(axis=1)
    return found


def k_means(vectors: Vectors, codes: int, seed: int, start: Vectors | None = None, iterations: int = 0) -> Vectors:
    """At most ``codes`` centroids (K, width) of vectors (n, width).

    Args:
        start: initial centroids; None for k-means++ with restarts.
        iterations: 0 for the default number.
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    count = codes if start is None else len(start)
    if start is None:
        different = np.unique(vectors, axis=0)
        if len(different) <= codes:
            return different
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # coinciding vectors
        model = KMeans(
            count,
            init="k-means++" if start is None else start,
            n_init=RESTARTS if start is None else 1,
            max_iter=iterations or ITERATIONS,
            random_state=seed,
        ).fit(vectors)
    return np.asarray(model.cluster_centers_, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class ResidualKMeans(Quantizer):
    """Residual k-means.

    Attributes:
        mean: (width,) of the vectors that it was fitted on.
        centroids: per level (K, width).
    """

    mean: Vectors
    centroids: tuple[Vectors, ...]

    @classmethod
    def fit(cls, vectors: Vectors, settings: QuantizerSettings, behaviour: Vectors | None = None) -> ResidualKMeans:
        mean = vectors.mean(axis=0)
        residuals, found = vectors - mean, []
        for level in range(settings.levels):
            centroids = k_means(residuals, settings.codes, settings.seed + level)
            residuals = residuals - centroids[nearest(residuals, centroids)]
            found.append(centroids)
        return cls(mean, tuple(found))

    def encode(self, vectors: Vectors) -> IntArray:
        residuals, codes = vectors - self.mean, []
        for centroids in self.centroids:
            codes.append(nearest(residuals, centroids))
            residuals = residuals - centroids[codes[-1]]
        return np.stack(codes, axis=1)

    def decode(self, codes: IntArray) -> Vectors:
        parts = (centroids[column] for centroids, column in zip(self.centroids, codes.T, strict=True))
        return np.asarray(self.mean + sum(parts), dtype=np.float32)


@dataclass(frozen=True, eq=False)
class ProductQuantizer(Quantizer):
    """Optimised product quantization of whitened principal directions.

    Attributes:
        mean: (width,) of the vectors that it was fitted on.
        whiten: (width, kept) to principal directions of variance 1; ``colour`` (kept, width) is the way back.
        rotation: (kept, kept) orthogonal.
        centroids: per sub-space (K, kept / levels).
    """

    mean: Vectors
    whiten: Vectors
    colour: Vectors
    rotation: Vectors
    centroids: tuple[Vectors, ...]

    @classmethod
    def fit(cls, vectors: Vectors, settings: QuantizerSettings, behaviour: Vectors | None = None) -> ProductQuantizer:
        mean = vectors.mean(axis=0)
        _, spread, directions = np.linalg.svd(vectors - mean, full_matrices=False)
        kept = min(WIDEST, int((spread > _SMALL * max(spread.max(initial=0), _SMALL)).sum()))
        kept -= kept % settings.levels
        if not kept:
            raise UsageError(
                f"features of {len(spread)} independent directions cannot be cut into {settings.levels} sub-spaces; "
                "name fewer --levels"
            )
        scale = spread[:kept, None] / np.sqrt(len(vectors))
        whiten, colour = (directions[:kept] / scale).T, directions[:kept] * scale
        points = np.ascontiguousarray((vectors - mean) @ whiten)
        rotation = np.eye(kept, dtype=np.float32)
        centroids: tuple[Vectors, ...] = ()
        for turn in range(ROUNDS):
            parts = np.split(points @ rotation, settings.levels, axis=1)
            if not centroids:
                centroids = tuple(k_means(part, settings.codes, settings.seed + m) for m, part in enumerate(parts))
            else:
                centroids = tuple(
                    k_means(part, settings.codes, settings.seed, start, 3)
                    for part, start in zip(parts, centroids, strict=True)
                )
            if turn + 1 < ROUNDS:
                coded = [each[nearest(part, each)] for part, each in zip(parts, centroids, strict=True)]
                left, _, right = np.linalg.svd(points.T @ np.concatenate(coded, axis=1))
                rotation = np.asarray(left @ right, dtype=np.float32)
        return cls(mean, whiten, colour, rotation, centroids)

    def encode(self, vectors: Vectors) -> IntArray:
        turned = (vectors - self.mean) @ self.whiten @ self.rotation
        parts = np.split(as_vectors(turned), len(self.centroids), axis=1)
        return np.stack([nearest(part, each) for part, each in zip(parts, self.centroids, strict=True)], axis=1)

    def decode(self, codes: IntArray) -> Vectors:
        parts = [each[column] for each, column in zip(self.centroids, codes.T, strict=True)]
        return np.asarray(np.concatenate(parts, axis=1) @ self.rotation.T @ self.colour + self.mean, dtype=np.float32)


def as_vectors(values: FloatArray) -> Vectors:
    """Values (n, width) as contiguous float32."""
    return np.ascontiguousarray(values, dtype=np.float32)
