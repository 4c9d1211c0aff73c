"""Numbers of the examples of a result as text: zlib-packed, base64. Damaged text unpacks to nothing."""

from __future__ import annotations

import base64
import zlib

import numpy as np

from unimp_bench.kinds.cold import ColdRanks
from unimp_bench.records import BoolArray, FloatArray, IntArray
from unimp_bench.settings import Strict

RANK_CEILING = 255
_COUNT = np.dtype("<u2")
_MOST_BYTES = 64 << 20


def pack_ranks(ranks: IntArray | BoolArray) -> str:
    """Target ranks, or other small numbers: one byte each, clipped at ``RANK_CEILING``."""
    return _packed(np.minimum(ranks, RANK_CEILING).astype(np.uint8).tobytes())


def ranks_of(packed: str) -> IntArray:
    """The inverse of ``pack_ranks``."""
    return np.frombuffer(_unpacked(packed), dtype=np.uint8).astype(np.int64)


def pack_counts(counts: IntArray) -> str:
    """Numbers of targets: two bytes each.

    Raises:
        ValueError: a number does not fit in two bytes.
    """
    if counts.max(initial=0) > np.iinfo(_COUNT).max:
        raise ValueError("a user has too many targets for a result")
    return _packed(counts.astype(_COUNT).tobytes())


def counts_of(packed: str) -> IntArray:
    """The inverse of ``pack_counts``."""
    content = _unpacked(packed)
    return np.frombuffer(content[: len(content) // 2 * 2], dtype=_COUNT).astype(np.int64)


def pack_values(values: FloatArray) -> str:
    """Values of a metric: float16 each."""
    return _packed(values.astype(np.float16).tobytes())


def values_of(packed: str) -> FloatArray:
    """The inverse of ``pack_values``."""
    content = _unpacked(packed)
    return np.frombuffer(content[: len(content) // 2 * 2], dtype=np.float16).astype(np.float64)


def pack_scores(scores: FloatArray) -> str:
    """Scores of a judge, whose differences may be small: float32 each, NaN for none."""
    return _packed(scores.astype("<f4").tobytes())


def scores_of(packed: str) -> FloatArray:
    """The inverse of ``pack_scores``."""
    content = _unpacked(packed)
    return np.frombuffer(content[: len(content) // 4 * 4], dtype="<f4").astype(np.float64)


class ColdItems(Strict):
    """Items without a training interaction in a ranking; see ``unimp_bench.kinds.cold``.

    Attributes:
        items: number of those in the catalogue.
        targets: test examples whose target is one, in example order: uint8, 0 or 1, packed as ``Result.ranks``.
        above: number of those ranked above each target, packed likewise; empty where lists are too short to tell.
        listed: share of those in the first ten items of all lists; None without lists.
    """

    items: int
    targets: str
    above: str
    listed: float | None

    @classmethod
    def of(cls, found: ColdRanks | None) -> ColdItems | None:
        """What a ranking's kind found, packed."""
        if found is None:
            return None
        above = "" if found.above is None else pack_ranks(found.above)
        return cls(items=found.items, targets=pack_ranks(found.targets), above=above, listed=found.listed)


def _packed(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content, 9)).decode("ascii")


def _unpacked(text: str) -> bytes:
    """The argument of ``_packed``; empty if the text is damaged or unpacks to more than ``_MOST_BYTES``."""
    stream = zlib.decompressobj()
    try:
        content = stream.decompress(base64.b64decode(text, validate=True), _MOST_BYTES)
    except (ValueError, zlib.error):
        return b""
    return content if stream.eof else b""
