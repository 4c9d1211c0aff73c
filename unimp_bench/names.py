"""Looking a name up, with an answer that helps where it is misspelt."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from unimp_bench.errors import UsageError


def find(known: Mapping[str, Any], name: str, noun: str) -> Any:
    """``known[name]``, or a UsageError with the nearest name."""
    if name in known:
        return known[name]
    raise UsageError(f"no {noun} is called {name!r}{did_you_mean(name, known)}")


_FEW = 60


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The tail of an error about a name: the nearest known one, or all of them when few."""
    choices = sorted(known)
    lowered = {choice.lower(): choice for choice in choices}
    near = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.5)
    if near:
        return f"; did you mean {lowered[near[0]]!r}?"
    if len(choices) > _FEW:
        return f"; there are {len(choices):,}, such as {choices[0]!r}"
    return f"; there are: {', '.join(choices)}" if choices else "; there is none"
