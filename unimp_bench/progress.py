"""Progress on anything that takes more than a moment; silent where the output is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def progress(items: Iterable[T], label: str, total: int | None = None, unit: str = "it") -> Iterator[T]:
    """Pass ``items`` through, drawing a bar on standard error once two seconds have gone by."""
    from tqdm import tqdm

    return iter(
        tqdm(items, desc=label, total=total, unit=unit, delay=2.0, disable=not sys.stderr.isatty(), leave=False)
    )
