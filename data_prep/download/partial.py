"""The unfinished copy of a file, beside its target, with what is needed to go on with it."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import ValidationError

from unimp_bench.files import write_atomically
from unimp_bench.settings import Strict

_CONTENT_RANGE = re.compile(r"bytes (?P<start>\d+)-\d+/(?P<size>\d+|\*)")


class Origin(Strict):
    """Where the bytes came from.

    Attributes:
        url: the address that was asked for.
        validator: the server's strong ETag, or its Last-Modified; None where it gave neither.
        size: of the whole file in bytes, None where the server did not say.
    """

    url: str
    validator: str | None
    size: int | None


class Partial:
    """``<target>.part`` and, in ``<target>.part.origin``, its origin."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(f"{target.name}.part")
        self._origin = target.with_name(f"{target.name}.part.origin")

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.is_file() else 0

    def origin(self, url: str) -> Origin | None:
        """The origin of the bytes, where they can be continued from ``url``: a validator tells that it is unchanged."""
        try:
            origin = Origin.model_validate_json(self._origin.read_bytes())
        except (OSError, ValidationError):
            return None
        return origin if origin.url == url and origin.validator and self.size else None

    def begin(self, origin: Origin) -> None:
        """Forget what is there and take bytes of this origin."""
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


def content_range(header: str) -> tuple[int, int | None]:
    """(first byte, size of the whole or None) of a Content-Range header; (-1, None) where it is none."""
    match = _CONTENT_RANGE.fullmatch(header.strip())
    if match is None:
        return -1, None
    return int(match["start"]), None if match["size"] == "*" else int(match["size"])
