"""Picture files to square arrays, and back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from unimp_bench.corpus.pictures import WHITE, open_picture
from unimp_bench.files import written

UInt8Array = npt.NDArray[np.uint8]


def squared(picture: Image.Image, side: int) -> Image.Image:
    """The whole picture in a square of ``side`` pixels: scaled to fit, the rest is white.

    Nothing is cropped or stretched, since an item may fill its picture and its outline counts; only
    what would become thinner than a pixel is widened to one.
    """
    thinnest = -(-max(picture.size) // side)
    if min(picture.size) < thinnest:
        picture = picture.resize((max(picture.width, thinnest), max(picture.height, thinnest)))
    return ImageOps.pad(picture, (side, side), method=Image.Resampling.BICUBIC, color=WHITE)


def read_pictures(paths: Sequence[Path], side: int) -> UInt8Array:
    """Picture files as (n, side, side, 3) uint8.

    Raises:
        DataError: a file cannot be decoded.
    """
    pictures = np.empty((len(paths), side, side, 3), dtype=np.uint8)
    for row, path in enumerate(paths):
        pictures[row] = np.asarray(squared(open_picture(path), side))
    return pictures


def to_png(picture: UInt8Array, path: Path) -> None:
    """Write one (height, width, 3) uint8 picture to ``path`` as PNG, atomically."""
    with written(path) as partial:
        Image.fromarray(picture).save(partial, format="PNG")
