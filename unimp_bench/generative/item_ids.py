"""Item ids: one token per item (atomic) or a short code of its content (semantic).

Semantic ids give similar items the same first codes (TIGER, Rajput et al., 2023). TIGER quantises by an RQ-VAE, whose
encoder learns a space in which residuals cluster well. Here that space is spanned by the leading singular vectors, the
catalogue is fixed, and each level is k-means on the residuals of the levels before: the same residual quantisation,
fitted level by level, without weights to train and without unused codes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from scipy import sparse
from scipy.cluster.vq import kmeans2, vq
from scipy.sparse.linalg import svds

from unimp_bench.corpus import Items
from unimp_bench.corpus.features.pictures import PictureFeatures
from unimp_bench.corpus.reader import PATH_SEPARATOR
from unimp_bench.files import damaged
from unimp_bench.ragged import offsets_of
from unimp_bench.records import FloatArray, IntArray

WIDTH = 64
"""Dimensions of an item's text content, and of its picture content."""

_ITERATIONS = 30
_SAMPLE = 16384
_BLOCK = 1024
_ZERO = 1e-9


@dataclass(frozen=True, eq=False)
class ItemIds:
    """The ids of all items, tuples of codes of one length.

    Levels share no tokens, and their tokens are numbered level by level, so that a token determines its level: a
    decoder need not count its position within an id (TIGER).

    Attributes:
        codes: (items, levels) int64, from 0 within each level; no two rows are equal.
    """

    codes: IntArray

    @classmethod
    def atomic(cls, items: int) -> ItemIds:
        """A token per item."""
        return cls(np.arange(items, dtype=np.int64)[:, None])

    @classmethod
    def load(cls, path: Path, items: int) -> ItemIds:
        """Read what ``save`` wrote.

        Raises:
            DataError: the file is missing, damaged or of another catalogue.
        """
        try:
            codes = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise damaged(path, error) from None
        valid = isinstance(codes, np.ndarray) and codes.dtype == np.int64 and codes.ndim == 2
        if not valid or len(codes) != items or codes.min(initial=0) < 0 or len(np.unique(codes, axis=0)) != items:
            raise damaged(path, f"expected distinct ids of {items} items")
        return cls(codes)

    def save(self, path: Path) -> None:
        np.save(path, self.codes, allow_pickle=False)

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def levels(self) -> int:
        """Tokens per id."""
        return int(self.codes.shape[1])

    @cached_property
    def bounds(self) -> IntArray:
        """(levels + 1,) the first token of each level, and the number of all tokens."""
        return offsets_of(self.codes.max(axis=0, initial=-1) + 1)

    @property
    def size(self) -> int:
        """Tokens of all levels."""
        return int(self.bounds[-1])

    def tokens(self, items: IntArray) -> IntArray:
        """Tokens of the ids of some items, from 0, (..., levels) int64."""
        tokens: IntArray = self.codes[items] + self.bounds[:-1]
        return tokens

    def name(self, token: int) -> str:
        """A readable name of a token: ``item_<n>``, or ``id<level>_<code>`` and ``idlast_<code>``."""
        level = int(np.searchsorted(self.bounds, token, side="right")) - 1
        code = token - int(self.bounds[level])
        if self.levels == 1:
            return f"item_{code}"
        return f"idlast_{code}" if level == self.levels - 1 else f"id{level}_{code}"


def semantic_ids(items: Items, features: PictureFeatures | None, levels: int, codes: int, seed: int) -> ItemIds:
    """``levels`` codes of at most ``codes`` values, then one that resolves collisions.

    Args:
        features: of the items' pictures; None where the corpus has no pictures.
        seed: of the initial cluster centres.
    """
    rng = np.random.default_rng(seed)
    content = [text_content(items, rng)]
    if features is not None:
        content.append(picture_content(features, rng))
    return ItemIds(resolve_collisions(quantise(np.concatenate(content, axis=1), levels, codes, rng)))


def text_content(items: Items, rng: np.random.Generator) -> FloatArray:
    """TF-IDF of the words of all attributes in its leading directions, (items, at most ``WIDTH``) unit or zero rows."""
    texts = (" ".join(parts).lower() for parts in zip(*(items.text(name) for name in items.attributes), strict=True))
    words = [[word for word in text.split() if word != PATH_SEPARATOR.strip()] for text in texts] or [[]] * len(items)
    columns: dict[str, int] = {}
    column = np.array([columns.setdefault(word, len(columns)) for row in words for word in row], dtype=np.int64)
    row = np.repeat(np.arange(len(words)), [len(row) for row in words])
    counts = sparse.coo_array((np.ones(len(column)), (row, column)), (len(words), max(1, len(columns)))).tocsr()
    counts.data = 1 + np.log(counts.data)
    documents = np.bincount(counts.indices, minlength=counts.shape[1])
    weighted = counts @ sparse.diags_array(np.log((1 + len(words)) / (1 + documents)) + 1)
    norm = sparse.linalg.norm(weighted, axis=1)
    return _leading_directions(sparse.diags_array(1 / np.where(norm > 0, norm, 1)) @ weighted, rng)


def picture_content(features: PictureFeatures, rng: np.random.Generator) -> FloatArray:
    """The mean of each picture's features in their leading directions, (items, at most ``WIDTH``) unit or zero rows."""
    means = np.zeros((len(features.rows), features.width))
    with_picture = np.flatnonzero(features.rows >= 0)
    for begin in range(0, len(with_picture), _BLOCK):
        block = with_picture[begin : begin + _BLOCK]
        means[block] = features.of(block).mean(axis=1)
    means[with_picture] -= means[with_picture].mean(axis=0)
    return _leading_directions(means, rng)


def quantise(content: FloatArray, levels: int, codes: int, rng: np.random.Generator) -> IntArray:
    """Residual k-means, (items, levels) int64: each level codes the residuals of the levels before it."""
    residual, found = content, []
    for _ in range(levels):
        sample = residual
        if len(residual) > _SAMPLE:
            sample = residual[rng.choice(len(residual), _SAMPLE, replace=False)]
        distinct = len(np.unique(sample.round(6), axis=0))
        centres, _ = kmeans2(sample, min(codes, distinct), iter=_ITERATIONS, minit="++", seed=rng)
        code, _ = vq(residual, centres)
        found.append(code.astype(np.int64))
        residual = residual - centres[code]
    return np.stack(found, axis=1)


def resolve_collisions(codes: IntArray) -> IntArray:
    """The codes (items, levels) and a last one, which numbers the items that share all others."""
    _, group = np.unique(codes, axis=0, return_inverse=True)
    order = np.argsort(group, kind="stable")
    last = np.empty(len(codes), dtype=np.int64)
    last[order] = np.arange(len(codes)) - np.searchsorted(group[order], group[order])
    return np.concatenate([codes, last[:, None]], axis=1)


def _leading_directions(rows: FloatArray | sparse.csr_array, rng: np.random.Generator) -> FloatArray:
    """Rows in the leading singular directions of their matrix, each of unit length unless it is zero."""
    width = min(WIDTH, min(rows.shape) - 1)
    if width < 1 or abs(rows).max() < _ZERO:
        return np.zeros((rows.shape[0], 1))
    left, values, _ = svds(rows, width, v0=rng.random(min(rows.shape)))
    projected: FloatArray = left * values
    norm = np.linalg.norm(projected, axis=1, keepdims=True)
    return projected / np.where(norm > _ZERO, norm, 1)
