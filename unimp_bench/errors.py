"""Errors that the command line reports in one line, and lookups of names that suggest near ones."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any


class BenchError(Exception):
    """Base of every error that is reported as one line, without a traceback."""

    exit_code = 1


class UsageError(BenchError):
    """A name, option or value that the user gave is not one we know."""

    exit_code = 2


class DataError(BenchError):
    """A file or folder from outside is missing, damaged or not what it should be."""

    exit_code = 3


class DependencyError(BenchError):
    """An optional package or resource that the request needs is not installed."""

    exit_code = 4


class ModelError(BenchError):
    """A model broke its contract: NaN scores, a wrong shape, a failed training."""

    exit_code = 5


class BusyError(UsageError):
    """The run, fit or cache is locked by another process; the same request can be made later."""

    exit_code = 6


_LONGEST_LIST = 700
"""Letters of all names together that one line of an error can hold."""

_NEAR = 0.65
"""How much like another a name must be to be suggested for it: a slip of the finger in three letters is, ``rnu`` for
``run``; half of the letters by chance are not, ``nosuch`` for ``search``."""


def find(known: Mapping[str, Any], name: str, noun: str) -> Any:
    """``known[name]``, or a UsageError with the nearest name."""
    if name in known:
        return known[name]
    raise UsageError(f"unknown {noun} {name!r}{did_you_mean(name, known)}")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The tail of an error about a name: the nearest known one, or all of them when few."""
    choices = sorted(known)
    near = nearest(name, choices)
    if near is not None:
        return f"; did you mean {near!r}?"
    if not choices:
        return "; none available"
    apart = any(letter in choice for choice in choices for letter in " ,")
    listed = ", ".join(map(repr, choices) if apart else choices)
    if len(listed) > _LONGEST_LIST:
        return f"; {len(choices):,} available, such as {choices[0]!r}"
    return f"; available: {listed}"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like another, None where none is much like it."""
    lowered = {choice.lower(): choice for choice in known}
    near = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=_NEAR)
    return lowered[near[0]] if near else None
