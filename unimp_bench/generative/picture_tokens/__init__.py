"""Pictures as short sequences of discrete codes: the tokenizer of a corpus and the codes of its catalogue, both cached.

This module loads torch only when it is needed.
"""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from unimp_bench.corpus import Items
from unimp_bench.corpus.pictures import PIXELS, picture_files
from unimp_bench.errors import DataError, UsageError
from unimp_bench.files import kept_array, locked, mapped
from unimp_bench.generative.picture_tokens.pictures import UInt8Array, read_pictures
from unimp_bench.progress import progress
from unimp_bench.records import IntArray

if TYPE_CHECKING:
    from unimp_bench.generative.picture_tokens.tokenizer import PictureTokenizer, TokenizerConfig

_BATCH = 256


@dataclass(frozen=True)
class CatalogueTokens:
    """Codes of the pictures of a corpus.

    Attributes:
        rows: (items,) int64 row of each item's picture in ``codes``, -1 for items without one.
        codes: (pictures, length) int16, memory-mapped.
    """

    rows: IntArray
    codes: npt.NDArray[np.int16]


def open_tokenizer(items: Items, preset: str, cache: Path, weights: str = "") -> PictureTokenizer:
    """The tokenizer of a corpus: loaded from ``weights`` (``paper``), or trained on its pictures once.

    Training reads the pictures of the whole catalogue and no interaction.

    Args:
        items: the catalogue.
        preset: ``tiny``, ``base`` or ``paper``.
        cache: folder for recomputable data.
        weights: for ``paper``, a VQGAN checkpoint file or its folder.

    Raises:
        UsageError: unknown preset, no pictures, weights missing or unused, or another process is training.
        DataError: a picture or the weights cannot be read.
    """
    from unimp_bench.generative.picture_tokens.tokenizer import PictureTokenizer, tokenizer_config
    from unimp_bench.generative.picture_tokens.training import train_tokenizer
    from unimp_bench.generative.picture_tokens.vqgan import load_vqgan

    config = tokenizer_config(preset)
    if not items.has_picture.any():
        raise UsageError("this corpus has no pictures to tokenise; choose another corpus")
    if not config.steps:
        if not weights:
            raise UsageError(f"the picture tokenizer {preset!r} needs a VQGAN checkpoint; set weights to its file")
        return load_vqgan(Path(weights), config)
    if weights:
        raise UsageError(f"the picture tokenizer {preset!r} is trained on the corpus; do not set weights")
    folder = cache / f"picture-tokenizer-{_key(config, items.fingerprint)}"
    with contextlib.suppress(DataError):  # missing or damaged
        return PictureTokenizer.load(folder)
    with locked(folder):
        train_tokenizer(config, _training_pictures(items, config)).save(folder)
    return PictureTokenizer.load(folder)


def catalogue_tokens(tokenizer: PictureTokenizer, items: Items, cache: Path) -> CatalogueTokens:
    """Codes of all pictures, from ``cache`` where they were computed before.

    Raises:
        DataError: a picture file cannot be decoded.
    """
    path = cache / f"picture-tokens-{_key(tokenizer.fingerprint, items.fingerprint)}.npy"
    codes = kept_array(path, lambda partial: _write(partial, tokenizer, items), int(items.has_picture.sum()))
    rows = np.where(items.has_picture, np.cumsum(items.has_picture) - 1, -1)
    return CatalogueTokens(rows, codes)


def _training_pictures(items: Items, config: TokenizerConfig) -> UInt8Array:
    """At most ``most_pictures`` of the catalogue, drawn with the configuration's seed."""
    pictured = np.flatnonzero(items.has_picture)
    if len(pictured) > config.most_pictures:
        drawn = np.random.default_rng(config.seed).choice(pictured, config.most_pictures, replace=False)
        pictured = np.sort(drawn)
    return read_pictures(picture_files(items, pictured), config.side)


def _write(path: Path, tokenizer: PictureTokenizer, items: Items) -> None:
    """Encode all pictures, a batch at a time."""
    paths = picture_files(items, np.flatnonzero(items.has_picture))
    table = mapped(path, np.int16, (len(paths), tokenizer.length))
    for start in progress(range(0, len(paths), _BATCH), "tokenising pictures", unit="batch"):
        table[start : start + _BATCH] = tokenizer.encode(paths[start : start + _BATCH])
    table.flush()


def _key(*parts: object) -> str:
    return hashlib.sha256("/".join(str(part) for part in (*parts, PIXELS)).encode()).hexdigest()[:16]
