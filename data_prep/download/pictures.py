"""Brings the pictures of items by the addresses that their metadata name: many at once, each within limits."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from data_prep.download.addresses import PublicSend
from data_prep.download.broken import Broken, append_broken, read_broken, write_broken
from data_prep.download.http import Again, Final, Patience, Send, get
from data_prep.pictures import SUFFIXES, picture_format
from unimp_bench.files import locked
from unimp_bench.progress import progress

RULE = "an item whose picture is broken or has no address stays, without a picture"
PIECE = 1 << 16
PATIENCE = Patience(attempts=3, connect=10.0, read=15.0, longest_wait=30.0, redirects=5)
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_decoding = threading.Lock()  # Pillow's warnings are told apart by filters that all threads share


@dataclass(frozen=True)
class PictureLimits:
    """What a picture may cost.

    Attributes:
        workers: how many are fetched at once.
        bytes: the most one may have; its pixels are limited by ``data_prep.pictures``.
        seconds: until a picture whose bytes trickle is given up.
        allow_private: take addresses of private, local and reserved ranges.
    """

    workers: int = 8
    bytes: int = 10 << 20
    seconds: float = 60.0
    allow_private: bool = False
    patience: Patience = PATIENCE


def fetch_pictures(urls: Mapping[str, str | None], folder: Path, limits: PictureLimits) -> dict[str, object]:
    """Fetch the picture of each item into ``<folder>/<item>.jpg``, or ``.png`` where it is one.

    Pictures that are there are not fetched again, nor are those that are known to be broken for good. What cannot be
    had is listed in ``<folder>/broken.jsonl``.

    Args:
        urls: by item; None where its metadata name none.

    Returns:
        The account for the manifest: how many items have a picture, how many are broken, and the rule for them.
    """
    with locked(folder):
        known = read_broken(folder)
        present = _present(folder)
        wanted = {item: url for item, url in sorted(urls.items()) if url and item not in present}
        for item, entry in known.items():
            if entry.final and wanted.get(item) == entry.url:
                del wanted[item]
        write_broken(folder, known, present)
        try:
            _fetch_all(wanted, folder, limits)
        finally:
            present, known = _present(folder), read_broken(folder)
            write_broken(folder, known, present)
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
                    append_broken(folder, broken)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _fetch_one(item: str, url: str, folder: Path, limits: PictureLimits, send: Send) -> Broken | None:
    """Fetch one picture into its place, or say why not."""
    failures = 0
    while True:
        try:
            if not _SAFE_NAME.fullmatch(item):
                raise Final("the item's name makes no safe file name")
            _keep(_download(url, limits, send), folder, item)
        except Final as problem:
            return Broken(item=item, url=url, reason=str(problem), final=True)
        except Again as problem:
            failures += 1
            pause = limits.patience.pause(failures, problem.asked)
            if limits.patience.gives_up(failures, pause):
                return Broken(item=item, url=url, reason=str(problem), final=False)
            time.sleep(pause)
        else:
            return None


def _download(url: str, limits: PictureLimits, send: Send) -> bytes:
    deadline = time.monotonic() + limits.seconds
    content = bytearray()
    with get(url, limits.patience, send=send) as response:
        if response.status != 200:
            raise Final(f"the server answers {response.status}")
        while piece := response.read1(PIECE, decode_content=False):
            content += piece
            if len(content) > limits.bytes:
                raise Final(f"has more than {limits.bytes:,} bytes")
            if time.monotonic() > deadline:
                raise Again(f"takes more than {limits.seconds:g} seconds")
    return bytes(content)


def _keep(content: bytes, folder: Path, item: str) -> None:
    with _decoding:
        kind = picture_format(BytesIO(content))
    if kind is None:
        raise Final("is no JPEG or PNG of at most 50 megapixels that decodes")
    part = folder / f".{item}.part"
    part.write_bytes(content)
    part.replace(folder / f"{item}.{'jpg' if kind == 'JPEG' else 'png'}")


def _present(folder: Path) -> set[str]:
    return {path.stem for path in folder.iterdir() if path.suffix.lower() in SUFFIXES}
