"""Semantic ids: the content of items as short codes, like items sharing their first ones (TIGER, Rajput et al., 2023).

TIGER quantises by an RQ-VAE, whose encoder learns a space in which residuals cluster well. Here that space is given by
the leading singular vectors, the catalogue is fixed, and each level is k-means on what the levels before left over: the
same residual quantisation, fitted level by level, without weights to train and without dead codes, against which an
RQ-VAE needs a beginning by k-means and restarts.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.cluster.vq import kmeans2, vq
from scipy.sparse.linalg import svds

from unimp_bench.contracts import FitData
from unimp_bench.corpus import Items
from unimp_bench.corpus.features.pictures import PictureFeatures, picture_features
from unimp_bench.records import FloatArray, IntArray
from unimp_bench.unimp.config import UniMPConfig
from unimp_bench.unimp.sentence.ids import ItemIds
from unimp_bench.unimp.sentence.prompt import plain

WIDTH = 64
"""Numbers that tell an item's text, and as many its picture."""

_ROUNDS = 30
_SAMPLE = 16384
_BLOCK = 1024
_NOTHING = 1e-9


def item_ids(data: FitData, config: UniMPConfig) -> ItemIds:
    """Of a fit's items, as its settings want them; a model without pictures has none in its ids either."""
    if config.ids == "atomic":
        return ItemIds.atomic(len(data.items))
    features = None
    if config.fusion != "none":
        features = picture_features(data.items, config.encoder, config.pretrained, data.cache)
    return semantic_ids(data.items, features, config.id_levels, config.id_codes, data.seed)


def semantic_ids(items: Items, features: PictureFeatures | None, levels: int, codes: int, seed: int) -> ItemIds:
    """``levels`` codes of at most ``codes`` values, then one that tells items apart whose other codes are the same.

    Args:
        features: of the items' pictures; None where the corpus has no pictures.
        seed: of the choice of the first centres.
    """
    rng = np.random.default_rng(seed)
    content = [text_content(items, rng)]
    if features is not None:
        content.append(picture_content(features, rng))
    return ItemIds(resolved(quantised(np.concatenate(content, axis=1), levels, codes, rng)))


def text_content(items: Items, rng: np.random.Generator) -> FloatArray:
    """TF-IDF of the words of all attributes in its leading directions, (items, at most ``WIDTH``) unit or zero rows."""
    texts = (" ".join(parts) for parts in zip(*(items.text(name) for name in items.attributes), strict=True))
    words = [plain(text).lower().split() for text in texts] or [[] for _ in range(len(items))]
    numbers: dict[str, int] = {}
    columns = np.array([numbers.setdefault(word, len(numbers)) for row in words for word in row], dtype=np.int64)
    owners = np.repeat(np.arange(len(words)), [len(row) for row in words])
    counts = sparse.coo_array((np.ones(len(columns)), (owners, columns)), (len(words), max(1, len(numbers)))).tocsr()
    counts.data = 1 + np.log(counts.data)
    bearers = np.bincount(counts.indices, minlength=counts.shape[1])
    weighted = counts @ sparse.diags_array(np.log((1 + len(words)) / (1 + bearers)) + 1)
    scale = sparse.linalg.norm(weighted, axis=1)
    return _leading(sparse.diags_array(1 / np.where(scale > 0, scale, 1)) @ weighted, rng)


def picture_content(features: PictureFeatures, rng: np.random.Generator) -> FloatArray:
    """The mean of each picture's features in their leading directions, (items, at most ``WIDTH``) unit or zero rows."""
    means = np.zeros((len(features.rows), features.width))
    pictured = np.flatnonzero(features.rows >= 0)
    for begin in range(0, len(pictured), _BLOCK):
        block = pictured[begin : begin + _BLOCK]
        means[block] = features.of(block).mean(axis=1)
    means[pictured] -= means[pictured].mean(axis=0)
    return _leading(means, rng)


def quantised(content: FloatArray, levels: int, codes: int, rng: np.random.Generator) -> IntArray:
    """Residual k-means, (items, levels) int64: each level codes what the centres of those before left over."""
    left, found = content, []
    for _ in range(levels):
        sample = left if len(left) <= _SAMPLE else left[rng.choice(len(left), _SAMPLE, replace=False)]
        distinct = len(np.unique(sample.round(6), axis=0))
        centres, _ = kmeans2(sample, min(codes, distinct), iter=_ROUNDS, minit="++", seed=rng)
        code, _ = vq(left, centres)
        found.append(code.astype(np.int64))
        left = left - centres[code]
    return np.stack(found, axis=1)


def resolved(codes: IntArray) -> IntArray:
    """The codes (items, levels) and a last one, which counts the items that have all others in common."""
    _, group = np.unique(codes, axis=0, return_inverse=True)
    order = np.argsort(group, kind="stable")
    last = np.empty(len(codes), dtype=np.int64)
    last[order] = np.arange(len(codes)) - np.searchsorted(group[order], group[order])
    return np.concatenate([codes, last[:, None]], axis=1)


def _leading(rows: FloatArray | sparse.csr_array, rng: np.random.Generator) -> FloatArray:
    """Rows in the leading singular directions of their matrix, each of length 1 where there is anything in it."""
    width = min(WIDTH, min(rows.shape) - 1)
    if width < 1 or abs(rows).max() < _NOTHING:
        return np.zeros((rows.shape[0], 1))
    left, values, _ = svds(rows, width, v0=rng.random(min(rows.shape)))
    led: FloatArray = left * values
    scale = np.linalg.norm(led, axis=1, keepdims=True)
    return led / np.where(scale > _NOTHING, scale, 1)
