"""Reader of explanations extracted by the Sentires toolkit, as stored by NLG4RS and Sentires-Guide.

A folder of ``reviews_<Domain>.pickle``, each a list of dicts with ``user``, ``item`` and ``sentence``, a list of
(feature, opinion, sentence, score); a file prepared for training has one such tuple, ``template``. Of several sentences
of a review the one with the most (feature, opinion) pairs is used, the first one on ties; those of fewer than 4 or more
than 30 words are skipped.

The pickles are not unpickled, so that nothing in them can run or name code: the opcodes are parsed by the standard
library's ``pickletools``, and only those that build dicts, lists, tuples, strings, numbers, booleans and None are
executed by this module. All others are refused by name.
"""

from __future__ import annotations

import mmap
import pickletools
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, cast

import numpy as np

from data_prep.explanations.rule import LONGEST, SHORTEST, clean
from data_prep.interactions import Interactions, Spill
from unimp_bench.errors import DataError
from unimp_bench.records import IntArray

MAX_BYTES = 4 << 30
MAX_STRING = 1 << 20
MAX_DEPTH = 8
"""Nested containers; a list of dicts of lists of tuples has four."""


@dataclass(frozen=True)
class Extracted:
    """The sentences of all files.

    Attributes:
        files: by code of a domain with a file: the number of its records, and of those without a sentence.
        spill: the sentences.
        record_of: (raw interactions,) the sentence's number in the spill, -1 if there is none.
    """

    files: dict[int, dict[str, int]]
    spill: Spill
    record_of: IntArray

    def sentences(self, raw: IntArray) -> Iterator[tuple[int, str]]:
        """(index in ``raw``, sentence) of those raw interactions that have one."""
        records = self.record_of[raw]
        places = np.flatnonzero(records >= 0)
        for place, sentence in zip(places.tolist(), self.spill.read(records[places]), strict=True):
            yield place, sentence.decode()


def find_files(folder: Path, domains: tuple[str, ...]) -> dict[int, Path]:
    """The file of each domain that has one, by code.

    Raises:
        DataError: no domain has one.
    """
    paths = {code: folder / f"reviews_{name}.pickle" for code, name in enumerate(domains)}
    found = {code: path for code, path in paths.items() if path.is_file()}
    if not found:
        raise DataError(f"{folder} has no {paths[0].name}, nor such a file for another domain of the corpus")
    return found


def extract(files: dict[int, Path], domains: tuple[str, ...], raw: Interactions, spill: Spill) -> Extracted:
    """Read the files, put their sentences into ``spill``, and match them with interactions.

    Raises:
        DataError: a file is not a pickle of plain records, or its records have other fields.
    """
    item_of = {name: code for code, name in enumerate(raw.item_names)}
    record_of = np.full(len(raw), -1, dtype=np.int64)
    counts: dict[int, dict[str, int]] = {}
    for domain, path in files.items():
        ending = f"_{domains[domain]}" if len(domains) > 1 else ""
        codes = np.flatnonzero(raw.user_domains == domain)
        user_of = {raw.user_names[code].removesuffix(ending): code for code in codes.tolist()}
        pairs, numbers = array("q"), array("q")
        records = without = 0
        for record in read_records(path):
            user, item, sentence = _fields(record, path)
            records += 1
            if sentence is None:
                without += 1
            elif user in user_of and item in item_of:
                pairs.append(user_of[user] * len(item_of) + item_of[item])
                numbers.append(spill.add(sentence.encode()))
        rows = np.flatnonzero(raw.user_domains[raw.users] == domain)
        wanted = raw.users[rows].astype(np.int64) * len(item_of) + raw.items[rows]
        record_of[rows] = _look_up(wanted, np.asarray(pairs), np.asarray(numbers))
        if records > without and not len(pairs):
            raise DataError(
                f"{path}: no record matches a user and an item of the reviews; use files of the same release"
            )
        counts[domain] = {"records": records, "records without a sentence": without}
    return Extracted(counts, spill, record_of)


def _look_up(wanted: IntArray, keys: IntArray, values: IntArray) -> IntArray:
    """The value of the first key equal to each of ``wanted``, -1 if there is none."""
    if not len(keys):
        return np.full(len(wanted), -1, dtype=np.int64)
    order = np.argsort(keys, kind="stable")
    places = np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)
    found: IntArray = np.where(keys[order][places] == wanted, values[order][places], -1)
    return found


def _fields(record: Any, path: Path) -> tuple[str, str, str | None]:
    """User, item and the explaining sentence of a record."""
    if type(record) is not dict or type(record.get("user")) is not str or type(record.get("item")) is not str:
        raise DataError(f"{path} has a record without a user and an item, unlike Sentires' files")
    quadruples = record.get("sentence")
    if type(quadruples) is not list:
        quadruples = [record.get("template")]
    counts = Counter(
        quadruple[2]
        for quadruple in quadruples
        if type(quadruple) is tuple and len(quadruple) == 4 and type(quadruple[2]) is str
    )
    for sentence, _ in counts.most_common():  # ties in the order of their first occurrence
        sentence = clean(sentence)
        if SHORTEST <= len(sentence.split()) <= LONGEST:
            return record["user"], record["item"], sentence
    return record["user"], record["item"], None


class _Refused(Exception):  # noqa: N818 (its text is the reason of the reader's error)
    """The pickle has other contents than plain data."""


def read_records(path: Path) -> Iterator[Any]:
    """Yield the elements of the list in a pickle when they are complete.

    Memory holds the strings and tuples that later elements may refer to, and one batch of elements (1,000 in Python's).

    Raises:
        DataError: not a pickle of one list, truncated, too big, too deep, or with other contents than plain data.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise _Refused(f"it has {size} bytes, more than {MAX_BYTES}")
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            yield from _elements(content)
    except _Refused as reason:
        raise DataError(f"{path} is refused: {reason}; only plain lists, dicts, strings and numbers are read") from None
    except (OSError, ValueError, OverflowError, UnicodeError, MemoryError, IndexError) as error:
        first = (str(error) or type(error).__name__).splitlines()[0][:200]
        raise DataError(f"{path} is not a complete pickle ({first}); download it again") from None


def _pairs(values: list[Any]) -> dict[str, Any]:
    keys = values[::2]
    if len(values) % 2 or not all(type(key) is str for key in keys):
        raise _Refused("a dict has keys that are not strings")
    return dict(zip(keys, values[1::2], strict=True))


_STRINGS = {"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE", "STRING", "BINSTRING", "SHORT_BINSTRING"}
_NUMBERS = {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"}
_SCALARS: Final = frozenset(_STRINGS | _NUMBERS)
_CONSTANTS: Final = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_PACKS: Final[dict[str, tuple[Callable[[list[Any]], Any], int | None]]] = {
    "EMPTY_LIST": (list, 0),
    "EMPTY_DICT": (_pairs, 0),
    "EMPTY_TUPLE": (tuple, 0),
    "LIST": (list, None),
    "DICT": (_pairs, None),
    "TUPLE": (tuple, None),
    "TUPLE1": (tuple, 1),
    "TUPLE2": (tuple, 2),
    "TUPLE3": (tuple, 3),
}
"""Opcodes that make a container of that many values; None for all values after the last mark."""


def _elements(content: mmap.mmap) -> Iterator[Any]:
    """Execute the opcodes of a pickle; values on the stack and in the memo are paired with the depth of their nesting.

    Lists and dicts that are referenced twice are refused, as they could contain themselves.
    """
    stack: list[tuple[Any, int]] = []
    marks: list[int] = []
    memo: dict[int, tuple[Any, int] | None] = {}  # None for a list or dict

    def push(value: Any, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise _Refused(f"its containers are more than {MAX_DEPTH} deep")
        stack.append((value, depth))

    def take(count: int | None) -> tuple[list[Any], int]:
        """Remove that many values, or those after the last mark; return them and the depth of their container."""
        start = marks.pop() if count is None else len(stack) - count
        if start < (marks[-1] if marks else 0):
            raise _Refused("a value is missing")
        taken = stack[start:]
        del stack[start:]
        return [value for value, _ in taken], 1 + max((depth for _, depth in taken), default=0)

    def top(kind: type, depth: int) -> Any:
        """The container on top of the stack, which receives values of this depth."""
        (container,), own = take(1)
        if type(container) is not kind:
            raise _Refused(f"values are put into an object that is not a {kind.__name__}")
        push(container, max(own - 1, depth))
        return container

    for opcode, argument, _ in pickletools.genops(cast(IO[bytes], content)):
        name = opcode.name
        if name in _SCALARS:
            if type(argument) is str and len(argument) > MAX_STRING:
                raise _Refused(f"a string of {len(argument)} characters")
            push(argument, 0)
        elif name in _CONSTANTS:
            push(_CONSTANTS[name], 0)
        elif name in _PACKS:
            make, count = _PACKS[name]
            values, depth = take(count)
            push(make(values), depth)
        elif name == "MARK":
            marks.append(len(stack))
        elif name in ("APPEND", "APPENDS"):
            values, depth = take(1 if name == "APPEND" else None)
            elements = top(list, depth)
            elements.extend(values)
            if len(stack) == 1:  # the outermost list, with complete elements
                yield from elements
                elements.clear()
        elif name in ("SETITEM", "SETITEMS"):
            values, depth = take(2 if name == "SETITEM" else None)
            top(dict, depth).update(_pairs(values))
        elif name in ("MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT"):
            index: Any = len(memo) if name == "MEMOIZE" else argument
            memo[index] = None if type(stack[-1][0]) in (list, dict) else stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            if argument not in memo:
                raise _Refused("it refers to a missing object")
            remembered = memo[argument]
            if remembered is None:
                raise _Refused("a list or dict is referenced twice")
            push(*remembered)
        elif name == "STOP":
            if marks or len(stack) != 1 or type(stack[0][0]) is not list:
                raise _Refused("it holds other contents than one list")
            yield from stack[0][0]  # filled by LIST, not by appending
        elif name not in ("PROTO", "FRAME"):
            raise _Refused(f"it holds {name}")
