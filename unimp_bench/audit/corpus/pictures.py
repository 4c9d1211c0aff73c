"""Items whose pictures are nearly the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from unimp_bench.audit.corpus.likeness import Likeness, chained
from unimp_bench.audit.corpus.measures import BLANK_RANGE, LIKE_BITS, LIKE_COLOURS, MOST_SHARING
from unimp_bench.corpus import Items
from unimp_bench.corpus.pictures import open_picture
from unimp_bench.progress import progress
from unimp_bench.records import BoolArray, IntArray

_SIDE = 8
_ROWS, _PAIRS = 512, 1 << 16
"""Pictures whose hashes, and pairs whose colours, are compared together."""


@dataclass(frozen=True)
class Look:
    """What of a picture is compared.

    Attributes:
        pixels: SHA-256 of size and RGB values.
        bits: the difference hash (Krawetz): of 9 x 8 grey values whether each is below its right neighbour, 64 bits.
        colours: (192,) uint8, the picture scaled to 8 x 8.
        blank: its grey values are nearly one.
    """

    pixels: str
    bits: np.uint64
    colours: npt.NDArray[np.uint8]
    blank: bool


def picture_likeness(items: Items) -> Likeness | None:
    """Pictures by difference hash and coarse colours together; None where no item has a picture.

    The hash alone takes any two outlines in one place of a white ground for one product, the colours alone any two
    products of one colour. Blank pictures and placeholders are left out, or everything were alike.

    Raises:
        DataError: a picture cannot be decoded.
    """
    pictured = np.flatnonzero(items.has_picture)
    if not len(pictured):
        return None
    looks = [look(picture) for picture in _open_all(items, pictured)]
    _, first, number, shared = np.unique(
        np.array([each.pixels for each in looks]), return_index=True, return_inverse=True, return_counts=True
    )
    blank = np.array([each.blank for each in looks])[first]
    says = ~blank & (shared <= MOST_SHARING)
    contents = np.full(len(items), -1, dtype=np.int64)
    contents[pictured] = np.where(says[number], (np.cumsum(says) - 1)[number], -1)
    bits = np.array([looks[row].bits for row in first[says]], dtype=np.uint64)
    colours = np.array([looks[row].colours for row in first[says]], dtype=np.int16).reshape(-1, 3 * _SIDE**2)

    def near(a: IntArray, b: IntArray) -> BoolArray:
        same_outline = np.bitwise_count(bits[a] ^ bits[b]) <= LIKE_BITS
        same_colours = np.abs(colours[a] - colours[b]).mean(axis=1) <= LIKE_COLOURS
        both: BoolArray = same_outline & same_colours
        return both

    def pairs() -> Iterator[tuple[IntArray, IntArray]]:
        for start in range(0, len(bits), _ROWS):
            unlike = np.bitwise_count(bits[start : start + _ROWS, None] ^ bits[None, start:])
            found = np.argwhere(unlike <= LIKE_BITS) + start
            for first_pair in range(0, len(found), _PAIRS):
                a, b = found[first_pair : first_pair + _PAIRS].T
                like = near(a, b)
                yield a[like], b[like]

    return Likeness(contents, chained(len(bits), pairs()), near, left_out=int((contents[pictured] < 0).sum()))


def look(picture: Image.Image) -> Look:
    """What of an RGB picture is compared."""
    pixels = hashlib.sha256(f"{picture.size}".encode() + picture.tobytes()).hexdigest()
    grey = np.asarray(picture.convert("L").resize((_SIDE + 1, _SIDE), Image.Resampling.LANCZOS), dtype=np.int16)
    bits = np.packbits(grey[:, :-1] < grey[:, 1:]).view(np.uint64)[0]
    colours = np.asarray(picture.resize((_SIDE, _SIDE), Image.Resampling.BOX)).ravel()
    return Look(pixels, bits, colours, bool(np.ptp(grey) < BLANK_RANGE))


def _open_all(items: Items, pictured: IntArray) -> Iterator[Image.Image]:
    for item in progress(pictured, "reading pictures", unit="picture"):
        path = items.picture(int(item))
        assert path is not None
        yield open_picture(path)
