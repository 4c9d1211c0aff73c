"""Reads pickles of plain data from others without unpickling them: nothing in the file can run or name code.

The opcodes are walked by the parser of the standard library's ``pickletools``, and only those that build dicts,
lists, tuples, strings, numbers, truth values and None are carried out, here. Anything else (globals, calls,
persistent ids, extension codes, sets, bytes) is refused by its name, and so are lists and dicts that stand in two
places, for they could hold themselves.
"""

from __future__ import annotations

import mmap
import pickletools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Final, cast

from unimp_bench.errors import DataError

MAX_BYTES = 4 << 30
MAX_DEPTH = 8
"""Containers in one another; a list of dicts of lists of tuples has four."""

MAX_STRING = 1 << 20

_STRINGS = {"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE", "STRING", "BINSTRING", "SHORT_BINSTRING"}
_NUMBERS = {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"}
_SCALARS: Final = frozenset(_STRINGS | _NUMBERS)
_CONSTANTS: Final = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_NEUTRAL: Final = frozenset({"PROTO", "FRAME"})


class _Refused(Exception):  # noqa: N818 (its text is the reason; the reader makes the error of it)
    """The pickle holds what plain data do not."""


def read_records(path: Path) -> Iterator[Any]:
    """Yield the elements of the list that a pickle holds, each as it is complete.

    Memory holds the strings and tuples that later elements may refer to, and a batch of elements (Python's has 1,000).

    Raises:
        DataError: not a pickle of one list, cut off, too big, too deep, or with anything but plain data in it.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise _Refused(f"it has {size} bytes, more than {MAX_BYTES}")
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            yield from _Machine().run(content)
    except _Refused as reason:
        raise DataError(f"{path} is refused: {reason}; only plain lists, dicts, strings and numbers are read") from None
    except (OSError, ValueError, OverflowError, UnicodeError, MemoryError) as error:
        first = (str(error) or type(error).__name__).splitlines()[0][:200]
        raise DataError(f"{path} is no whole pickle ({first}); fetch it again") from None


class _Machine:
    """The stack and the memo. Every value on the stack has the depth of its containers beside it."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._depths: list[int] = []
        self._marks: list[int] = []
        self._memo: dict[int, tuple[Any, int] | None] = {}  # None for a list or dict
        self._operations: dict[str, Callable[[Any], None]] = {
            "EMPTY_LIST": lambda _: self._push([], 1),
            "EMPTY_DICT": lambda _: self._push({}, 1),
            "EMPTY_TUPLE": lambda _: self._push((), 1),
            "MARK": lambda _: self._mark(),
            "LIST": lambda _: self._pack(list),
            "TUPLE": lambda _: self._pack(tuple),
            "DICT": lambda _: self._pack(_pairs),
            "TUPLE1": lambda _: self._pack(tuple, 1),
            "TUPLE2": lambda _: self._pack(tuple, 2),
            "TUPLE3": lambda _: self._pack(tuple, 3),
            "APPEND": lambda _: self._extend(*self._take(1)),
            "APPENDS": lambda _: self._extend(*self._take()),
            "SETITEM": lambda _: self._update(*self._take(2)),
            "SETITEMS": lambda _: self._update(*self._take()),
            "MEMOIZE": lambda _: self._remember(len(self._memo)),
            **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), self._remember),
            **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), self._recall),
        }

    def run(self, content: mmap.mmap) -> Iterator[Any]:
        stack, depths = self._stack, self._depths
        for opcode, argument, _ in pickletools.genops(cast(IO[bytes], content)):
            name = opcode.name
            if name in _SCALARS:
                if type(argument) is str and len(argument) > MAX_STRING:
                    raise _Refused(f"a string of {len(argument)} characters")
                stack.append(argument)
                depths.append(0)
            elif name in self._operations:
                self._operations[name](argument)
                if name in ("APPEND", "APPENDS") and len(stack) == 1:  # onto the outermost list: its elements are whole
                    yield from stack[0]
                    stack[0].clear()
            elif name in _CONSTANTS:
                self._push(_CONSTANTS[name], 0)
            elif name == "STOP":
                if self._marks or len(stack) != 1 or type(stack[0]) is not list:
                    raise _Refused("it holds something else than one list")
                yield from stack[0]  # filled by LIST, not by appending
            elif name not in _NEUTRAL:
                raise _Refused(f"it holds {name}")

    def _push(self, value: Any, depth: int) -> None:
        self._stack.append(value)
        self._depths.append(_checked(depth))

    def _mark(self) -> None:
        self._marks.append(len(self._stack))

    def _take(self, count: int | None = None) -> tuple[list[Any], int]:
        """Take the last values off the stack, those after the last mark unless counted; and their greatest depth."""
        if count is None:
            if not self._marks:
                raise _Refused("a mark is missing")
            start = self._marks.pop()
        else:
            start = len(self._stack) - count
            if start < (self._marks[-1] if self._marks else 0):
                raise _Refused("a value is missing")
        values, depth = self._stack[start:], max(self._depths[start:], default=0)
        del self._stack[start:], self._depths[start:]
        return values, depth

    def _pack(self, make: Callable[[list[Any]], Any], count: int | None = None) -> None:
        values, depth = self._take(count)
        self._push(make(values), depth + 1)

    def _extend(self, values: list[Any], depth: int) -> None:
        self._open(list, depth).extend(values)

    def _update(self, values: list[Any], depth: int) -> None:
        self._open(dict, depth).update(_pairs(values))

    def _open(self, kind: type, depth: int) -> Any:
        """The container on top of the stack, which gets values of some depth."""
        if len(self._stack) <= (self._marks[-1] if self._marks else 0) or type(self._stack[-1]) is not kind:
            raise _Refused(f"values are put into what is no {kind.__name__}")
        self._depths[-1] = max(self._depths[-1], _checked(depth + 1))
        return self._stack[-1]

    def _remember(self, place: int) -> None:
        if not self._stack:
            raise _Refused("there is nothing to remember")
        value = self._stack[-1]
        self._memo[place] = None if type(value) in (list, dict) else (value, self._depths[-1])

    def _recall(self, place: int) -> None:
        if place not in self._memo:
            raise _Refused("it refers to what is not there")
        remembered = self._memo[place]
        if remembered is None:
            raise _Refused("a list or dict stands in two places")
        self._push(*remembered)


def _checked(depth: int) -> int:
    if depth > MAX_DEPTH:
        raise _Refused(f"its containers are more than {MAX_DEPTH} deep")
    return depth


def _pairs(values: list[Any]) -> dict[str, Any]:
    keys = values[::2]
    if len(values) % 2 or not all(type(key) is str for key in keys):
        raise _Refused("a dict has keys that are no strings")
    return dict(zip(keys, values[1::2], strict=True))
