"""Downloads one file: resumed after an interruption, verified, and named ``.part`` until it is complete."""

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
    """Origin of downloaded bytes.

    Attributes:
        url: the requested address.
        validator: the server's strong ETag, or Last-Modified; None without both.
        size: of the whole file in bytes, None if unknown.
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
        """The origin, if the copy can be continued from ``url``: its validator detects changes of the file."""
        try:
            origin = Origin.model_validate_json(self._origin.read_bytes())
        except (OSError, ValidationError):
            return None
        return origin if origin.url == url and origin.validator and self.size else None

    def begin(self, origin: Origin) -> None:
        """Discard existing bytes and start a copy of this origin."""
        self.discard()
        write_atomically(self._origin, origin.model_dump_json())

    def discard(self) -> None:
        """Remove it."""
        self.path.unlink(missing_ok=True)
        self._origin.unlink(missing_ok=True)

    def put_in_place(self) -> None:
        """Rename it to the target."""
        self.path.replace(self.target)
        self._origin.unlink(missing_ok=True)


def fetch_file(
    url: str,
    target: Path,
    sha256: str | None = None,
    policy: RetryPolicy | None = None,
    size: int | None = None,
) -> None:
    """Make ``target`` a complete copy of ``url``; an existing target is kept.

    The received bytes are kept in ``<target>.part`` and continued by the next call. The SHA-256 is compared with
    ``sha256`` if known, and written to ``<target>.sha256`` in the format of ``sha256sum --check``.

    Args:
        size: expected size in bytes, if known; a larger file is refused, at the latest when more has arrived.

    Raises:
        DataError: the server refuses, fails in all attempts, or sends unexpected bytes.
    """
    if target.is_file():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    part = Partial(target)
    farthest = part.size

    def attempt() -> None:
        _bring(url, part, policy or RetryPolicy(), size)
        _finish(part, sha256)

    def advanced() -> bool:
        """Only bytes beyond all earlier ones are progress, so that a server that repeats a position is given up."""
        nonlocal farthest
        before, farthest = farthest, max(farthest, part.size)
        return farthest > before

    try:
        (policy or RetryPolicy()).run(attempt, advanced)
    except PermanentFailure as problem:
        raise DataError(f"{url}: {problem}") from None
    except TransientFailure as problem:
        raise DataError(f"{url}: {problem}; {problem.outlook}; the same command resumes the download") from None


def _bring(url: str, part: Partial, policy: RetryPolicy, limit: int | None) -> None:
    """Download the missing bytes of the part, at most up to the limit.

    Raises:
        PermanentFailure, TransientFailure: bytes are still missing.
    """
    origin = part.origin(url)
    resume = {"Range": f"bytes={part.size}-", "If-Range": origin.validator or ""} if origin else {}
    with get(url, policy, resume) as response:
        if response.status == 200:
            origin = Origin(url=url, validator=_validator(response.headers), size=_length(response.headers))
            part.begin(origin)
        elif origin is None or not _continues(response, part, origin):
            part.discard()
            raise TransientFailure("the server sent another file or position")
        if response.status != 416:
            _refuse_more_than(limit, origin.size or 0, part)
            _append(response, part, origin, limit)
    if origin.size is not None and part.size != origin.size:
        came = part.size
        if came > origin.size:
            part.discard()
        raise TransientFailure(f"received {came:,} of {origin.size:,} bytes")


def _continues(response: urllib3.BaseHTTPResponse, part: Partial, origin: Origin) -> bool:
    """Whether a partial response starts at the end of the part, or says that nothing is missing."""
    if response.status == 416:
        return part.size == origin.size
    start, size = content_range(response.headers.get("Content-Range", ""))
    return start == part.size and (size is None or origin.size is None or size == origin.size)


def content_range(header: str) -> tuple[int, int | None]:
    """(first byte, size of the file or None) of a Content-Range header; (-1, None) if it is invalid."""
    match = _CONTENT_RANGE.fullmatch(header.strip())
    if match is None:
        return -1, None
    return int(match["start"]), None if match["size"] == "*" else int(match["size"])


def _refuse_more_than(limit: int | None, size: int, part: Partial) -> None:
    if limit is not None and size > limit:
        part.discard()
        raise PermanentFailure(f"the file has more than the expected {limit:,} bytes")


def _append(response: urllib3.BaseHTTPResponse, part: Partial, origin: Origin, limit: int | None) -> None:
    blocks = None if origin.size is None else -(-(origin.size - part.size) // BLOCK)
    with part.path.open("ab") as stream:
        for _ in progress(_write(response, stream), f"download {part.target.name}", blocks, unit="MiB"):
            _refuse_more_than(limit, stream.tell(), part)


def _write(response: urllib3.BaseHTTPResponse, stream: BinaryIO) -> Iterator[None]:
    """Write the body as it arrives, so that a stall loses nothing; yield after every mebibyte."""
    written = 0
    # Not decoded: an announced encoding is that of the .gz itself.
    while piece := response.read1(BLOCK, decode_content=False):
        stream.write(piece)
        written += len(piece)
        while written >= BLOCK:
            written -= BLOCK
            yield


def _finish(part: Partial, sha256: str | None) -> None:
    """Verify the bytes and move the file into place.

    Raises:
        TransientFailure: a damaged gzip, as after a wrong announced length.
        DataError: not the expected file.
    """
    if part.target.suffix == ".gz" and not _is_whole_gzip(part.path):
        part.discard()
        raise TransientFailure("the received file is not a complete gzip")
    try:
        check_file(part.path, part.target, sha256)
    except DataError:
        part.discard()
        raise
    part.put_in_place()


def check_file(copy: Path, target: Path, sha256: str | None) -> None:
    """Compare a copy with the expected hash, if known, and write its hash to ``<target>.sha256``.

    Raises:
        DataError: it is another file.
    """
    found = file_entry(copy).sha256
    if sha256 is not None and found != sha256:
        raise DataError(
            f"{target.name} has SHA-256 {found}, not the expected {sha256}; "
            "try another mirror, or use a trusted folder of raw files"
        )
    digest = target.with_name(f"{target.name}.sha256")
    digest.write_text(f"{found}  {target.name}\n", encoding="utf-8")


def _is_whole_gzip(path: Path) -> bool:
    try:
        with gzip.open(path) as stream:
            while stream.read(BLOCK):
                pass
    except (OSError, EOFError, zlib.error):
        return False
    return True


def _validator(headers: Mapping[str, str]) -> str | None:
    """The value for If-Range: a strong ETag, or the time of the last change."""
    tag = headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else headers.get("Last-Modified")


def _length(headers: Mapping[str, str]) -> int | None:
    length = headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None
