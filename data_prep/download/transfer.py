"""Brings one file: resumed after any interruption, checked, and under its own name only once it is complete."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import urllib3
from pydantic import ValidationError

from data_prep.download.http import PermanentFailure, RetryPolicy, TransientFailure, get
from unimp_bench.corpus.manifest import file_entry
from unimp_bench.errors import DataError
from unimp_bench.files import write_atomically
from unimp_bench.progress import progress
from unimp_bench.settings import Strict

BLOCK = 1 << 20
_CONTENT_RANGE = re.compile(r"bytes (?P<start>\d+)-\d+/(?P<size>\d+|\*)")


class Origin(Strict):
    """Where the bytes came from.

    Attributes:
        url: the requested address.
        validator: the server's strong ETag, or its Last-Modified; None where it gave neither.
        size: of the whole file in bytes, None where the server did not say.
    """

    url: str
    validator: str | None
    size: int | None


class Partial:
    """The incomplete copy of a file, ``<target>.part``, and its origin, ``<target>.part.origin``."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(f"{target.name}.part")
        self._origin = target.with_name(f"{target.name}.part.origin")

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.is_file() else 0

    def origin(self, url: str) -> Origin | None:
        """The origin, if the copy can be continued from ``url``: its validator shows whether the file has changed."""
        try:
            origin = Origin.model_validate_json(self._origin.read_bytes())
        except (OSError, ValidationError):
            return None
        return origin if origin.url == url and origin.validator and self.size else None

    def begin(self, origin: Origin) -> None:
        """Discard what is there and take bytes of this origin."""
        self.discard()
        write_atomically(self._origin, origin.model_dump_json())

    def discard(self) -> None:
        """Remove it."""
        self.path.unlink(missing_ok=True)
        self._origin.unlink(missing_ok=True)

    def put_in_place(self) -> None:
        """Make it the target."""
        self.path.replace(self.target)
        self._origin.unlink(missing_ok=True)


def fetch_file(url: str, target: Path, sha256: str | None = None, policy: RetryPolicy | None = None) -> None:
    """Make ``target`` a complete copy of ``url``; an existing target is left as it is.

    The received bytes are kept in ``<target>.part`` and continued by the next call. The SHA-256 is compared with
    ``sha256`` where one is known, and written to ``<target>.sha256`` in the form that ``sha256sum --check`` reads.

    Raises:
        DataError: the server refuses, fails in all attempts, or gives other bytes than it should.
    """
    if target.is_file():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    part = Partial(target)
    farthest = part.size

    def attempt() -> None:
        _bring(url, part, policy or RetryPolicy())
        _finish(part, sha256)

    def advanced() -> bool:
        """Only bytes beyond all earlier ones are progress, so that a server that stops at one position is given up."""
        nonlocal farthest
        before, farthest = farthest, max(farthest, part.size)
        return farthest > before

    try:
        (policy or RetryPolicy()).run(attempt, advanced)
    except PermanentFailure as problem:
        raise DataError(f"{url}: {problem}") from None
    except TransientFailure as problem:
        raise DataError(f"{url}: {problem}; {problem.outlook}; the same command resumes the download") from None


def _bring(url: str, part: Partial, policy: RetryPolicy) -> None:
    """Read what is missing of the part.

    Raises:
        PermanentFailure, TransientFailure: not all of it came.
    """
    origin = part.origin(url)
    resume = {"Range": f"bytes={part.size}-", "If-Range": origin.validator or ""} if origin else {}
    with get(url, policy, resume) as response:
        if response.status == 200:
            origin = Origin(url=url, validator=_validator(response.headers), size=_length(response.headers))
            part.begin(origin)
        elif origin is None or not _continues(response, part, origin):
            part.discard()
            raise TransientFailure("the server continues another file or at another position")
        if response.status != 416:
            _append(response, part, origin)
    if origin.size is not None and part.size != origin.size:
        came = part.size
        if came > origin.size:
            part.discard()
        raise TransientFailure(f"{came:,} bytes came of {origin.size:,}")


def _continues(response: urllib3.BaseHTTPResponse, part: Partial, origin: Origin) -> bool:
    """Whether a partial response begins where the part ends, or says that nothing is missing."""
    if response.status == 416:
        return part.size == origin.size
    start, size = content_range(response.headers.get("Content-Range", ""))
    return start == part.size and (size is None or origin.size is None or size == origin.size)


def content_range(header: str) -> tuple[int, int | None]:
    """(first byte, size of the whole or None) of a Content-Range header; (-1, None) where it is invalid."""
    match = _CONTENT_RANGE.fullmatch(header.strip())
    if match is None:
        return -1, None
    return int(match["start"]), None if match["size"] == "*" else int(match["size"])


def _append(response: urllib3.BaseHTTPResponse, part: Partial, origin: Origin) -> None:
    blocks = None if origin.size is None else -(-(origin.size - part.size) // BLOCK)
    with part.path.open("ab") as stream:
        for _ in progress(_write(response, stream), f"download {part.target.name}", blocks, unit="MiB"):
            pass


def _write(response: urllib3.BaseHTTPResponse, stream: BinaryIO) -> Iterator[None]:
    """Write the body as it comes, so that a stall loses nothing of it; yield at every mebibyte."""
    written = 0
    # Not decoded: what a server announces as an encoding is the .gz itself.
    while piece := response.read1(BLOCK, decode_content=False):
        stream.write(piece)
        written += len(piece)
        while written >= BLOCK:
            written -= BLOCK
            yield


def _finish(part: Partial, sha256: str | None) -> None:
    """Check the bytes and put the file in its place.

    Raises:
        TransientFailure: a damaged gzip, which a server's wrong length may hide.
        DataError: not the expected file.
    """
    if part.target.suffix == ".gz" and not _is_whole_gzip(part.path):
        part.discard()
        raise TransientFailure("the received file is no whole gzip")
    found = file_entry(part.path).sha256
    if sha256 is not None and found != sha256:
        part.discard()
        raise DataError(
            f"{part.target.name} has SHA-256 {found}, but {sha256} is expected; "
            "try another mirror, or name a folder of raw files that you trust"
        )
    digest = part.target.with_name(f"{part.target.name}.sha256")
    digest.write_text(f"{found}  {part.target.name}\n", encoding="utf-8")
    part.put_in_place()


def _is_whole_gzip(path: Path) -> bool:
    try:
        with gzip.open(path) as stream:
            while stream.read(BLOCK):
                pass
    except (OSError, EOFError, zlib.error):
        return False
    return True


def _validator(headers: Mapping[str, str]) -> str | None:
    """What If-Range takes: a strong ETag, or the time of the last change."""
    tag = headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else headers.get("Last-Modified")


def _length(headers: Mapping[str, str]) -> int | None:
    length = headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None
