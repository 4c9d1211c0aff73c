"""Opens pictures of items: the only module that decodes picture files to RGB."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from unimp_bench.corpus.reader import Items
from unimp_bench.errors import DataError
from unimp_bench.records import IntArray

WHITE = (255, 255, 255)

PIXELS = 2
"""Version of the decoding, part of the names of caches computed from pictures."""

_TURNS: dict[object, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What sets a picture upright, by the orientation in its EXIF data."""

# Pillow's plug-ins raise errors of many kinds on damaged files; SyntaxError is among them.
_DAMAGE = (OSError, ValueError, SyntaxError, EOFError, KeyError, TypeError, struct.error)


def picture_files(items: Items, numbers: IntArray) -> list[Path]:
    """The picture files of items that have one."""
    paths = [items.picture(int(number)) for number in numbers]
    return [path for path in paths if path is not None]


def open_picture(path: Path) -> Image.Image:
    """A picture file as RGB, upright, with white where it is transparent.

    Raises:
        DataError: it cannot be decoded.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of corrupt EXIF data, which do not matter
            with Image.open(path) as picture:
                picture.load()
                return as_rgb(picture)
    except (*_DAMAGE, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise DataError(f"picture {path} cannot be read ({error}); build the corpus again") from None


def as_rgb(picture: Image.Image) -> Image.Image:
    """A decoded picture as RGB: turned as its EXIF data say, on white, grey of 16 bits by its upper eight.

    Cameras store the pixels as the sensor reads them and the orientation separately; viewers rotate the picture.
    """
    turn = _TURNS.get(_orientation(picture))
    if turn is not None:
        picture = picture.transpose(turn)
    if picture.mode.startswith("I"):
        picture = _eight_bits(picture)
    elif picture.mode == "RGB" and max(picture.info.get("transparency", (0,))) > 255:
        # The pixels of a PNG of 16 bits are read by their upper eight, its transparent colour is not.
        picture.info["transparency"] = tuple(value >> 8 for value in picture.info["transparency"])
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, (*WHITE, 255)), picture)
    return picture.convert("RGB")


def _orientation(picture: Image.Image) -> object:
    try:
        return picture.getexif().get(ExifTags.Base.Orientation)
    except _DAMAGE:
        return None


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Grey of 16 bits as grey of eight, or as grey and alpha where one value is transparent."""
    values = np.asarray(picture)
    grey = Image.fromarray((values >> 8).clip(0, 255).astype(np.uint8))
    if "transparency" not in picture.info:
        return grey
    opaque = Image.fromarray(np.where(values == picture.info["transparency"], 0, 255).astype(np.uint8))
    return Image.merge("LA", (grey, opaque))
