"""Picture features: every picture goes through a frozen open_clip encoder once, and the result is kept on disk."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from unimp_bench.corpus import Items
from unimp_bench.corpus.features import VERSIONS
from unimp_bench.corpus.features.encoder import RANDOM_SEED, TINY, TINY_VISION, encode_pictures, load_encoder
from unimp_bench.corpus.features.stored import features_of
from unimp_bench.corpus.features.vectors import ItemVectors, given_vectors, kept_vectors, moved
from unimp_bench.corpus.pictures import PIXELS
from unimp_bench.files import kept_array, mapped
from unimp_bench.records import BoolArray, FloatArray, IntArray

_SAMPLE = 1000
_BLOCK = 4096
_WIDEST = 1e4  # standard deviations


@dataclass(frozen=True)
class PictureFeatures:
    """Patch tokens of the pictures of a corpus.

    Attributes:
        rows: (items,) int64 row of each item's picture in ``tokens``, -1 for items without one.
        tokens: (pictures, patches, width) float16, memory-mapped.
        mean, spread: (width,) float32 over the pictures (a sample of them where they are many).
    """

    rows: IntArray
    tokens: npt.NDArray[np.float16]
    mean: npt.NDArray[np.float32]
    spread: npt.NDArray[np.float32]

    @property
    def width(self) -> int:
        return int(self.tokens.shape[2])

    def of(self, items: IntArray) -> npt.NDArray[np.float32]:
        """(items, patches, width) float32 of items that have a picture, each channel standardised.

        Most of an encoder's output is common to all pictures and does not distinguish them.
        """
        return (self.tokens[self.rows[items]].astype(np.float32) - self.mean) / self.spread


def picture_features(items: Items, encoder: str, pretrained: str, cache: Path) -> PictureFeatures | None:
    """Features of all pictures, from ``cache`` where they were computed before; None for a corpus without pictures.

    The patch tokens are those before the encoder's final projection, without the class token (OpenFlamingo). Where a
    user named a stored set, its regions are the tokens of a picture, or its vector the only one. At test the features
    are those of the fit, moved where a view moves pictures.

    Raises:
        UsageError: open_clip has no such encoder or weights.
        DataError: a picture file cannot be decoded.
    """
    if items.origin is not None:
        source, found = items.moved("pictures"), picture_features(items.origin, encoder, pretrained, cache)
        return None if found is None else replace(found, rows=np.where(source < 0, -1, found.rows[source]))
    if "pictures" in items.features:
        return _given_features(items, cache)
    if not items.has_picture.any():
        return None
    path = cache / f"pictures-{_key(items, encoder, pretrained)}.npy"
    pictures = int(items.has_picture.sum())
    tokens = kept_array(path, lambda partial: _write_tokens(partial, items, encoder, pretrained), pictures)
    return _features(items.has_picture, tokens)


def _features(known: BoolArray, tokens: npt.NDArray[np.float16]) -> PictureFeatures:
    rows = np.where(known, np.cumsum(known) - 1, -1)
    seen = tokens[:: max(1, len(tokens) // _SAMPLE)].astype(np.float32)
    return PictureFeatures(rows, tokens, seen.mean(axis=(0, 1)), seen.std(axis=(0, 1)) + 1e-6)


def _given_features(items: Items, cache: Path) -> PictureFeatures | None:
    stored = features_of(items, "pictures")
    if stored is None:
        return None
    numbers = np.flatnonzero(stored.known)
    sample = stored.values[numbers[:: max(1, len(numbers) // _SAMPLE)]].reshape(-1, stored.values.shape[-1])
    mean, spread = sample.mean(axis=0), sample.std(axis=0) + 1e-6

    def write(path: Path) -> None:
        """In the range of float16, whatever the scale of the encoder."""
        regions = stored.values.shape[1] if stored.values.ndim == 3 else 1
        table = mapped(path, np.float16, (len(numbers), regions, stored.values.shape[-1]))
        for start in range(0, len(numbers), _BLOCK):
            block = stored.values[numbers[start : start + _BLOCK]]
            scaled = np.clip((block - mean) / spread, -_WIDEST, _WIDEST)
            table[start : start + len(block)] = scaled.reshape(len(block), regions, -1)
        table.flush()

    tokens = kept_array(cache / f"stored-tokens-{stored.record.key}.npy", write, len(numbers))
    return _features(stored.known, tokens)


def picture_vectors(items: Items, encoder: str, pretrained: str, cache: Path) -> ItemVectors | None:
    """One vector per picture, from ``cache`` where it was computed before; None for a corpus without pictures.

    An open_clip encoder gives its pooled and projected output (768 for ViT-L/14). ``tiny`` is untrained and has no
    pooling: the vector is the mean and spread of its patch tokens (256), since the spread shows patterns and shapes of
    the sample's pictures better than the mean alone. A stored set that a user named is read instead. At test they are
    those of the fit, moved where a view moves pictures.

    Raises:
        UsageError: open_clip has no such encoder or weights.
        DataError: a picture file cannot be decoded.
    """
    if items.origin is not None:
        return moved(picture_vectors(items.origin, encoder, pretrained, cache), items.moved("pictures"))
    if "pictures" in items.features:
        return given_vectors(items, "pictures", cache)
    if not items.has_picture.any():
        return None

    def compute() -> tuple[FloatArray, BoolArray]:
        if encoder == TINY:
            features = picture_features(items, encoder, pretrained, cache)
            assert features is not None
            return _patch_statistics(features.tokens), items.has_picture
        visual, prepare = load_encoder(encoder, pretrained)
        pooled = [batch.float().cpu().numpy() for batch in encode_pictures(items, visual, prepare)]
        return np.concatenate(pooled), items.has_picture

    path = cache / f"picture-vectors-{_key(items, encoder, pretrained)}.npy"
    return kept_vectors(path, f"{encoder} {pretrained}".strip(), compute)


def _key(items: Items, encoder: str, pretrained: str) -> str:
    weights = pretrained or f"random {RANDOM_SEED}"
    inputs = f"{VERSIONS['pictures']}/{PIXELS}/{encoder}/{weights}/{TINY_VISION}/{items.fingerprint}"
    return hashlib.sha256(inputs.encode()).hexdigest()[:16]


def _write_tokens(path: Path, items: Items, encoder: str, pretrained: str) -> None:
    """Encode all pictures, a batch at a time, straight into the file."""
    visual, prepare = load_encoder(encoder, pretrained, tokens=True)
    table: npt.NDArray[np.float16] | None = None
    start = 0
    for _, batch in encode_pictures(items, visual, prepare):
        tokens = batch.to(torch.float16).cpu().numpy()
        if table is None:
            table = mapped(path, np.float16, (int(items.has_picture.sum()), *tokens.shape[1:]))
        table[start : start + len(tokens)] = tokens
        start += len(tokens)
    assert isinstance(table, np.memmap)
    table.flush()


def _patch_statistics(tokens: npt.NDArray[np.float16]) -> FloatArray:
    """(pictures, 2 * width) float32: mean and standard deviation of the tokens of each picture, channel by channel."""
    blocks = (tokens[start : start + _BLOCK].astype(np.float32) for start in range(0, len(tokens), _BLOCK))
    return np.concatenate([np.concatenate([block.mean(axis=1), block.std(axis=1)], axis=1) for block in blocks])
