"""Progress on anything that takes more than a moment; silent where the output is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

from unimp_bench.processes import helping

if TYPE_CHECKING:
    from tqdm import tqdm

T = TypeVar("T")


def progress(items: Iterable[T], label: str, total: int | None = None, unit: str = "it") -> Iterator[T]:
    """Pass ``items`` through, drawing a bar on standard error once two seconds have gone by."""
    return iter(bar(items, label, total, unit))


def bar(items: Iterable[T], label: str, total: int | None = None, unit: str = "it") -> tqdm[T]:
    """The bar of ``progress`` itself, for a loop that has something to write behind it (``set_postfix_str``)."""
    from tqdm import tqdm

    hidden = helping() or not sys.stderr.isatty()
    return tqdm(items, desc=label, total=total, unit=unit, delay=2.0, disable=hidden, leave=False)
