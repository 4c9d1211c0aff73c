"""Pictures of items from a folder, each opened once before it is taken."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

from PIL import Image

from data_prep.bad_records import BROKEN_PICTURE, BadRecords
from unimp_bench.corpus import CorpusWriter
from unimp_bench.progress import progress

MAX_PIXELS = 50_000_000
SUFFIXES = (".jpeg", ".jpg", ".png")


def add_pictures(writer: CorpusWriter, found: Iterable[Path], items: list[str], bad: BadRecords) -> int:
    """Give the writer each item's ``<item>.jpg``, ``.jpeg`` or ``.png`` that Pillow can decode.

    Names of items are looked up among the files that were ``found``, so that none becomes a path. Returns how many
    pictures are named after no item.
    """
    files: dict[str, Path] = {}
    for path in sorted(found):
        if path.suffix.lower() in SUFFIXES:
            files.setdefault(path.stem, path)
    if not files:
        return 0
    for number, item in enumerate(progress(items, "pictures", len(items))):
        picture = files.get(item)
        if picture is None:
            continue
        if is_sound(picture):
            writer.add_picture(number, picture)
        else:
            bad.add_file(BROKEN_PICTURE, picture)
    return len(files.keys() - set(items))


def is_sound(picture: Path | BytesIO) -> bool:
    """Whether this is a JPEG or PNG of at most 50 megapixels that decodes to its end."""
    return picture_format(picture) is not None


def picture_format(content: Path | BytesIO) -> str | None:
    """``JPEG`` or ``PNG`` where the content is one, of at most 50 megapixels, that decodes to its end."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(content, formats=("JPEG", "PNG")) as picture:
                if picture.width * picture.height > MAX_PIXELS:
                    return None
                picture.draft(picture.mode, (64, 64))  # a JPEG decodes at an eighth of the size, all of its bytes read
                picture.load()
                return "JPEG" if picture.format == "MPO" else picture.format  # of cameras: a JPEG with more behind it
    # Pillow's plug-ins raise errors of many kinds on damaged files; SyntaxError is among them.
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return None
