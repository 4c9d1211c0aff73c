"""Item pictures: downloaded by the addresses in metadata, and taken from a folder if they decode.

Each is a JPEG or PNG of at most 50 megapixels. Failed downloads are listed in ``broken.jsonl`` in the same folder.
"""

from __future__ import annotations

import re
import threading
import time
import warnings
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image
from pydantic import ValidationError

from data_prep.download.http import PermanentFailure, PublicSend, RetryPolicy, Send, TransientFailure, get
from data_prep.raw_files import BROKEN_PICTURE, BadRecords
from unimp_bench.corpus import CorpusWriter
from unimp_bench.files import locked, write_atomically
from unimp_bench.progress import progress
from unimp_bench.settings import Strict

MAX_PIXELS = 50_000_000
SUFFIXES = (".jpeg", ".jpg", ".png")
BROKEN_LIST = "broken.jsonl"
RULE = "an item whose picture is broken or has no address stays, without a picture"
PIECE = 1 << 16
POLICY = RetryPolicy(attempts=3, connect=10.0, read=15.0, max_retry_after=30.0, redirects=5)
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_decoding = threading.Lock()  # filters that turn Pillow's warnings into errors are shared by all threads


def add_pictures(writer: CorpusWriter, found: Iterable[Path], items: list[str], bad: BadRecords) -> int:
    """Give the writer each item's ``<item>.jpg``, ``.jpeg`` or ``.png`` that Pillow can decode.

    Items are looked up among the ``found`` files, so that no item name becomes a path. Returns the number of pictures
    without an item.
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
        if picture_format(picture) is not None:
            writer.add_picture(number, picture)
        else:
            bad.add_file(BROKEN_PICTURE, picture)
    return len(files.keys() - set(items))


def picture_format(content: Path | BytesIO) -> str | None:
    """``JPEG`` or ``PNG`` for a complete picture of that format and at most 50 megapixels, else None."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(content, formats=("JPEG", "PNG")) as picture:
                if picture.width * picture.height > MAX_PIXELS:
                    return None
                picture.draft(picture.mode, (64, 64))  # decodes a JPEG at an eighth of the size, but reads all bytes
                picture.load()
                return "JPEG" if picture.format == "MPO" else picture.format  # a camera's JPEG with additional pictures
    # Pillow's plug-ins raise many kinds of errors on damaged files, SyntaxError among them.
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return None


@dataclass(frozen=True)
class PictureLimits:
    """Limits of picture downloads.

    Attributes:
        workers: number of parallel downloads.
        bytes: maximum size of a picture.
        seconds: maximum duration of a download.
        allow_private: accept private, local and reserved addresses.
    """

    workers: int = 8
    bytes: int = 10 << 20
    seconds: float = 60.0
    allow_private: bool = False
    policy: RetryPolicy = POLICY


class Broken(Strict):
    """A picture that could not be downloaded, with the reason.

    Attributes:
        final: whether it is never requested again at this address; otherwise the next run does.
    """

    item: str
    url: str
    reason: str
    final: bool


def read_broken(folder: Path) -> dict[str, Broken]:
    """The list by item; the last entry of an item counts, an incomplete line is ignored."""
    path, found = folder / BROKEN_LIST, {}
    for line in path.read_bytes().splitlines() if path.is_file() else ():
        try:
            entry = Broken.model_validate_json(line)
        except ValidationError:
            continue
        found[entry.item] = entry
    return found


def _write_broken(folder: Path, entries: Mapping[str, Broken], present: Iterable[str]) -> None:
    """Write the list sorted by item, without the items whose pictures are present."""
    left = sorted(set(entries) - set(present))
    if left or (folder / BROKEN_LIST).is_file():
        write_atomically(folder / BROKEN_LIST, "".join(entries[item].model_dump_json() + "\n" for item in left))


def fetch_pictures(urls: Mapping[str, str | None], folder: Path, limits: PictureLimits) -> dict[str, object]:
    """Download the picture of each item into ``<folder>/<item>.jpg`` or ``.png``.

    Existing pictures and permanently broken ones are not requested again.

    Args:
        urls: by item; None if its metadata has none.

    Returns:
        The summary for the manifest: numbers of items with a picture and with a broken one, and the rule for them.
    """
    with locked(folder):
        known = read_broken(folder)
        present = _present(folder)
        wanted = {item: url for item, url in sorted(urls.items()) if url and item not in present}
        for item, entry in known.items():
            if entry.final and wanted.get(item) == entry.url:
                del wanted[item]
        _write_broken(folder, known, present)
        try:
            _fetch_all(wanted, folder, limits)
        finally:
            present, known = _present(folder), read_broken(folder)
            _write_broken(folder, known, present)
    broken = sum(item in known and item not in present for item, url in urls.items() if url)
    return {
        "have one": sum(item in present for item in urls),
        "broken": broken,
        "have no address": sum(url is None for item, url in urls.items() if item not in present),
        "rule": RULE,
    }


def _fetch_all(urls: Mapping[str, str], folder: Path, limits: PictureLimits) -> None:
    send = PublicSend(limits.workers, limits.allow_private)
    with ThreadPoolExecutor(limits.workers, thread_name_prefix="picture") as pool:
        futures = [pool.submit(_fetch_one, item, url, folder, limits, send) for item, url in urls.items()]
        try:
            for future in progress(as_completed(futures), "fetch pictures", len(futures), unit="picture"):
                broken = future.result()
                if broken is not None:
                    with (folder / BROKEN_LIST).open("a", encoding="utf-8") as stream:
                        stream.write(broken.model_dump_json() + "\n")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _fetch_one(item: str, url: str, folder: Path, limits: PictureLimits, send: Send) -> Broken | None:
    """Download one picture into the folder; return the failure, if any."""
    try:
        if not _SAFE_NAME.fullmatch(item):
            raise PermanentFailure("the item's name is not a safe file name")
        limits.policy.run(lambda: _keep(_download(url, limits, send), folder, item))
    except (PermanentFailure, TransientFailure) as problem:
        return Broken(item=item, url=url, reason=str(problem), final=isinstance(problem, PermanentFailure))
    return None


def _download(url: str, limits: PictureLimits, send: Send) -> bytes:
    deadline = time.monotonic() + limits.seconds
    content = bytearray()
    with get(url, limits.policy, send=send) as response:
        if response.status != 200:
            raise PermanentFailure(f"the server returned {response.status}")
        while piece := response.read1(PIECE, decode_content=False):
            content += piece
            if len(content) > limits.bytes:
                raise PermanentFailure(f"has more than {limits.bytes:,} bytes")
            if time.monotonic() > deadline:
                raise TransientFailure(f"takes more than {limits.seconds:g} seconds")
    return bytes(content)


def _keep(content: bytes, folder: Path, item: str) -> None:
    with _decoding:
        kind = picture_format(BytesIO(content))
    if kind is None:
        raise PermanentFailure("is not a complete JPEG or PNG of at most 50 megapixels")
    part = folder / f".{item}.part"
    part.write_bytes(content)
    part.replace(folder / f"{item}.{'jpg' if kind == 'JPEG' else 'png'}")


def _present(folder: Path) -> set[str]:
    return {path.stem for path in folder.iterdir() if path.suffix.lower() in SUFFIXES}
