"""Files of item ids from and for other programs.

======== ==============================================================================================================
``json`` ``index.json`` of LC-Rec and LETTER: per item number or name a list of tokens such as ``<a_12>``, ``<b_7>``
``tsv``  a header, then per line the name of an item and its codes, tab-separated; may be compressed (``.tsv.gz``)
======== ==============================================================================================================

Files are from outside: nothing in them is executed, and each value is checked.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from string import ascii_lowercase
from typing import Literal

import numpy as np

from unimp_bench.corpus.features.formats import Rows, named_rows, placed
from unimp_bench.corpus.features.ids import MOST_CODES, StoredIds
from unimp_bench.errors import DataError, UsageError
from unimp_bench.files import storing, written
from unimp_bench.records import IntArray

Form = Literal["json", "tsv"]
LARGEST = 256 << 20
"""Bytes of a file, uncompressed."""

_TOKEN = re.compile(r"<([a-z])_([0-9]{1,7})>")


def read_ids(path: Path, names: Path | None = None) -> Rows:
    """The codes of a file, (rows, levels) int64, and the names of its items.

    Args:
        path: ``.json``, ``.tsv`` or ``.tsv.gz``.
        names: a file of the items' names by number, where the items of the file are numbers; see ``formats``.

    Raises:
        DataError: the file is damaged, or not of its format.
        UsageError: the format is none of these.
    """
    if not path.name.endswith((".json", ".tsv", ".tsv.gz")):
        raise UsageError(f"{path.name} is none of .json, .tsv and .tsv.gz, the formats of ids")
    try:
        content = _content(path)
        found = _of_json(content) if path.suffix == ".json" else _of_table(content)
    except (OSError, EOFError, ValueError, RecursionError, zlib.error) as error:
        raise DataError(f"ids {path} cannot be read ({' '.join(str(error).split())[:150]})") from None
    items, rows = list(found), list(found.values())
    widths = {len(row) for row in rows}
    if len(widths) != 1 or 0 in widths:
        raise DataError(f"ids {path} are no table of codes: ids of {sorted(widths)[:5]} codes")
    codes = np.array(rows, dtype=np.int64)
    if codes.max() >= MOST_CODES:
        raise DataError(f"ids {path} hold code {codes.max():,}; codes must be below {MOST_CODES:,}")
    source = f"{path.name} {hashlib.sha256(content.encode()).hexdigest()[:16]}"
    if names is None:
        return Rows(codes, tuple(items), source)
    if not all(item.isdecimal() and len(item) < 10 for item in items):
        raise DataError(f"ids {path} name their items; omit the file of names")
    numbers = np.array([int(item) for item in items])
    told = named_rows(names, int(numbers.max()) + 1)
    return Rows(codes, tuple(told[number] for number in numbers.tolist()), source)


def placed_ids(rows: Rows, items: Sequence[str]) -> tuple[IntArray, str]:
    """The codes of the items of a corpus, (items, levels), and how they were found, in words.

    Raises:
        DataError: an item has no id.
    """
    places, known, how = placed(rows, items)
    if not known.all():
        first = items[int(np.flatnonzero(~known)[0])]
        raise DataError(
            f"{rows.source.split()[0]} has no id for {int((~known).sum()):,} of {len(items):,} items, such as {first!r}"
            "; if its items are numbers, --items names the file that says whose they are"
        )
    codes: IntArray = rows.values[places].astype(np.int64)
    return codes, how


def write_file(stored: StoredIds, items: Sequence[str], path: Path, form: Form) -> None:
    """Write ids under the names of their items; ``json`` as LC-Rec and LETTER read them.

    Raises:
        UsageError: the format cannot hold these ids.
    """
    codes, levels = stored.codes, stored.codes.shape[1]
    if form == "json":
        if levels > len(ascii_lowercase):
            raise UsageError(f"ids of {levels} codes do not fit index.json, whose levels are letters; export to tsv")
        index = {
            item: [f"<{letter}_{code}>" for letter, code in zip(ascii_lowercase, row, strict=False)]
            for item, row in zip(items, codes.tolist(), strict=True)
        }
        text = json.dumps(index, ensure_ascii=False)
    else:
        if any(set("\t\r\n") & set(item) for item in items):
            raise UsageError("an item's name holds a tab or a line break; export to json")
        lines = ["\t".join(["item_id", *(f"code_{level}" for level in range(1, levels + 1))])]
        lines += ["\t".join([item, *map(str, row)]) for item, row in zip(items, codes.tolist(), strict=True)]
        text = "\n".join(lines) + "\n"
    with storing(path), written(path) as partial:
        partial.write_text(text, encoding="utf-8")


def _content(path: Path) -> str:
    """The text of a file.

    Raises:
        ValueError: it is too large, or not UTF-8.
    """
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
        content = stream.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(f"more than {LARGEST >> 20} MiB")
    return content.decode("utf-8-sig")


def _of_json(content: str) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("an item occurs twice")
        return dict(pairs)

    index = json.loads(content, object_pairs_hook=unique)
    if not isinstance(index, dict) or not index:
        raise ValueError("expected an object with a list of tokens per item")
    for item, tokens in index.items():
        if not isinstance(tokens, list):
            raise ValueError(f"item {item[:40]!r} has no list of tokens")
        matches = [_TOKEN.fullmatch(token) if isinstance(token, str) else None for token in tokens]
        letters = "".join(match[1] if match else "?" for match in matches)
        if letters != ascii_lowercase[: len(letters)]:
            raise ValueError(f"item {item[:40]!r}: expected tokens <a_0>, <b_0>, ... of one level each")
        found[item] = [int(match[2]) for match in matches if match]
    return found


def _of_table(content: str) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for number, line in enumerate(content.splitlines()[1:], 2):
        item, *codes = line.split("\t")
        if not codes or not all(code.isdecimal() and len(code) < 8 for code in codes):
            raise ValueError(f"line {number} is no item and codes")
        if item in found:
            raise ValueError(f"line {number} gives item {item[:40]!r} twice")
        found[item] = [int(code) for code in codes]
    if not found:
        raise ValueError("no line of codes")
    return found
