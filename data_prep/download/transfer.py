"""Brings one file: resumed after any interruption, checked, and under its own name only once it is whole."""

from __future__ import annotations

import gzip
import time
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import urllib3

from data_prep.download.http import Again, Final, Patience, get
from data_prep.download.partial import Origin, Partial, content_range
from unimp_bench.corpus.manifest import file_entry
from unimp_bench.errors import DataError
from unimp_bench.progress import progress

BLOCK = 1 << 20


def fetch_file(url: str, target: Path, sha256: str | None = None, patience: Patience | None = None) -> None:
    """Make ``target`` a whole copy of ``url``; a target that is there stays as it is.

    What came so far is kept in ``<target>.part`` and continued by the next call. The SHA-256 is compared with
    ``sha256`` where one is known, and written to ``<target>.sha256`` in the form that ``sha256sum --check`` reads.

    Raises:
        DataError: the server refuses, stays away for all attempts, or gives other bytes than it should.
    """
    if target.is_file():
        return
    patience = patience or Patience()
    target.parent.mkdir(parents=True, exist_ok=True)
    part = Partial(target)
    failures, farthest = 0, part.size
    while True:
        try:
            _bring(url, part, patience)
            _finish(part, sha256)
            return
        except Final as problem:
            raise DataError(f"{url}: {problem}") from None
        except Again as problem:
            # Only bytes beyond all that ever came are progress: a server that cuts off at one place is given up.
            failures = 1 if part.size > farthest else failures + 1
            farthest = max(farthest, part.size)
            pause = patience.pause(failures, problem.asked)
            if patience.gives_up(failures, pause):
                raise DataError(f"{url}: {problem}; {_outlook(failures, pause, patience)}") from None
            time.sleep(pause)


def _outlook(failures: int, pause: float, patience: Patience) -> str:
    if failures >= patience.attempts:
        return f"given up after {failures} attempts; the same command goes on from what has come"
    return f"it asks to wait {pause:.0f} seconds; the same command goes on from what has come"


def _bring(url: str, part: Partial, patience: Patience) -> None:
    """Read what is missing of the part.

    Raises:
        Final, Again: not all of it came.
    """
    origin = part.origin(url)
    ask = {"Range": f"bytes={part.size}-", "If-Range": origin.validator or ""} if origin else {}
    with get(url, patience, ask) as response:
        if response.status == 200:
            origin = Origin(url=url, validator=_validator(response.headers), size=_length(response.headers))
            part.begin(origin)
        elif origin is None or not _continues(response, part, origin):
            part.discard()
            raise Again("the server continues another file or another place")
        if response.status != 416:
            _append(response, part, origin)
    if origin.size is not None and part.size != origin.size:
        came = part.size
        if came > origin.size:
            part.discard()
        raise Again(f"{came:,} bytes came of {origin.size:,}")


def _continues(response: urllib3.BaseHTTPResponse, part: Partial, origin: Origin) -> bool:
    """Whether a partial answer begins where the part ends, or says that nothing is missing."""
    if response.status == 416:
        return part.size == origin.size
    start, size = content_range(response.headers.get("Content-Range", ""))
    return start == part.size and (size is None or origin.size is None or size == origin.size)


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
        Again: a gzip that is damaged, which a server's wrong length may hide.
        DataError: not the file that is known.
    """
    if part.target.suffix == ".gz" and not _is_whole_gzip(part.path):
        part.discard()
        raise Again("the file that came is no whole gzip")
    found = file_entry(part.path).sha256
    if sha256 is not None and found != sha256:
        part.discard()
        raise DataError(
            f"{part.target.name} came with SHA-256 {found}, but {sha256} is known of it; "
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
