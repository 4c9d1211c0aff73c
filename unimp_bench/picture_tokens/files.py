"""Picture files to square arrays, and back."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from unimp_bench.errors import DataError

UInt8Array = npt.NDArray[np.uint8]

_WHITE = (255, 255, 255)


def open_picture(path: Path) -> Image.Image:
    """A picture file as RGB.

    Raises:
        DataError: it cannot be decoded.
    """
    try:
        with Image.open(path) as picture:
            return picture.convert("RGB")
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise DataError(f"picture {path} cannot be read ({error}); build the corpus again") from None


def squared(picture: Image.Image, side: int) -> Image.Image:
    """The whole picture in a square of ``side`` pixels: scaled to fit, what remains is white.

    Nothing is cropped or stretched, since an item may reach to the edge of its picture and its outline counts.
    """
    return ImageOps.pad(picture, (side, side), method=Image.Resampling.BICUBIC, color=_WHITE)


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
    """Write one (height, width, 3) uint8 picture to ``path`` as PNG; it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        Image.fromarray(picture).save(partial, format="PNG")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
