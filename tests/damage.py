"""Ways in which a killed process, a full disk or a bad copy leaves a file."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DAMAGES = ("emptied", "cut in its head", "cut in its body", "something else")


def damage(path: Path, how: str) -> None:
    """Damage a file."""
    size = path.stat().st_size
    if how == "something else":
        path.write_bytes(b"\x00not what was here\xff")
    else:
        os.truncate(path, {"emptied": 0, "cut in its head": min(6, size // 2), "cut in its body": size - 2}[how])


@contextmanager
def full_disk(most: int) -> Iterator[None]:
    """No file can grow beyond ``most`` bytes: what writes more fails as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
