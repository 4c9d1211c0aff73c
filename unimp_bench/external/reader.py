"""What the readers of all kinds share: a row's answer is taken whole or refused with its reason."""

from __future__ import annotations

import math
import reprlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from unimp_bench.kinds.base import Setting
    from unimp_bench.records import Examples

Fields = Mapping[str, object]
"""The cells of one row by column; a cell without a value is None or absent."""

ID = "id"
MAX_LIST = 4096

_quote = reprlib.Repr()
_quote.maxstring = _quote.maxother = 100


class AnswerError(ValueError):
    """An answer is not what its kind asks for; the message ends a sentence that names the row."""


class AnswerReader(ABC):
    """Takes the answers to some examples from a file, a row at a time, in any order.

    Attributes:
        columns: those of the answer.
        ignored: those that ``unimp-bench run`` writes beside it.
    """

    columns: ClassVar[tuple[str, ...]]
    ignored: ClassVar[tuple[str, ...]]

    @abstractmethod
    def __init__(self, examples: Examples, setting: Setting) -> None: ...

    @abstractmethod
    def take(self, example: int, fields: Fields) -> None:
        """Keep the answer to one example.

        Raises:
            AnswerError: it is none.
        """

    @abstractmethod
    def finish(self) -> Any:
        """The prediction, of the kind's own type, once every example has its answer.

        Raises:
            AnswerError: the answers do not fit together.
        """


def quoted(value: object) -> str:
    """A value from a file as errors show it: short, on one line, nothing in it that a terminal obeys."""
    return _quote.repr(value)


def number(value: object, what: str) -> float:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise AnswerError(f"{what} is {quoted(value)}, no finite number")
    return float(value)


def whole(value: object, what: str) -> int:
    """A whole number; one written as ``3.0`` is whole."""
    if number(value, what) % 1:
        raise AnswerError(f"{what} is {quoted(value)}, no whole number")
    return int(value)  # type: ignore[call-overload, no-any-return]


def listed(value: object, what: str) -> list[object]:
    """A list of at most ``MAX_LIST`` values of any type."""
    if not isinstance(value, list):
        raise AnswerError(f"{what} is {quoted(value)}, no list")
    if len(value) > MAX_LIST:
        raise AnswerError(f"{what} has {len(value):,} values, more than {MAX_LIST:,}")
    return value


def named(value: object, what: str) -> list[str]:
    """A list of items by their source names."""
    names = listed(value, what)
    for name in names:
        if not isinstance(name, str):
            raise AnswerError(f"{what} holds {quoted(name)}; items are named by strings")
    return names  # type: ignore[return-value]
