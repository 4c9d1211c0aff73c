"""Files of item features from and for other programs.

=========== ============================================================================================================
``npy``     one row per item, in the order of a file of names next to it (``NAME.items.txt``, a name a line)
``parquet`` columns ``item`` (text) and ``vector`` (list of numbers)
``mmrec``   ``image_feat.npy`` and ``text_feat.npy`` of MMRec: a row per item number of ``i_id_mapping.csv``
``unisrec`` ``NAME.feat1CLS`` of UniSRec: float32 rows, one per item number of ``NAME.item2index``
``cnn``     ``image_features_NAME.b`` of McAuley's group: per item ten bytes of its ASIN and 4096 float32; only read
=========== ============================================================================================================

All numbers are little-endian. Files are from outside: nothing in them is executed, and each value is checked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from unimp_bench.corpus.features.stored import Stored
from unimp_bench.errors import DataError, UsageError, find
from unimp_bench.files import storing, written
from unimp_bench.records import BoolArray, FloatArray, IntArray

Export = Literal["npy", "parquet", "mmrec", "unisrec"]
EXPORTS: tuple[Export, ...] = get_args(Export)

BERT_WIDTH = 768
"""Of UniSRec's files, which do not hold their width."""

_ASIN, _CNN_WIDTH = 10, 4096
_CNN_ROW = np.dtype([("item", f"S{_ASIN}"), ("vector", "<f4", _CNN_WIDTH)])
_MAPPINGS = {".csv": "\t", ".item2index": "\t"}


@dataclass(frozen=True)
class Rows:
    """Features by row of a file.

    Attributes:
        values: (rows, width) or (rows, regions, width) numbers.
        names: of the items, by row; empty for a file that holds none.
        source: name and hash of the file.
    """

    values: npt.NDArray[np.generic]
    names: tuple[str, ...]
    source: str


def read(path: Path, names: Path | None = None, width: int = BERT_WIDTH) -> Rows:
    """The features of a file; its ending tells the format.

    Args:
        path: ``.npy``, ``.parquet``, ``.feat1CLS`` (or another ``.feat*``) or ``.b``.
        names: the file of the items' names; None for the usual one next to it, where there is one.
        width: of the rows of UniSRec's files.

    Raises:
        DataError: the file is damaged, or not of its format.
        UsageError: the format is none of these.
    """
    if not path.is_file():
        raise DataError(f"there is no file {path}")
    try:
        if path.suffix == ".parquet":
            values, told = _of_parquet(path)
        elif path.suffix == ".b":
            values, told = _of_cnn(path)
        elif path.suffix == ".npy":
            values, told = np.load(path, mmap_mode="r", allow_pickle=False), ()
        elif path.suffix.startswith(".feat"):
            values, told = _of_floats(path, width), ()
        else:
            raise UsageError(f"{path.name} is none of .npy, .parquet, .feat1CLS and .b, the formats of features")
    except (OSError, ValueError, EOFError, pa.ArrowException) as error:
        raise DataError(f"features {path} cannot be read ({' '.join(str(error).split())[:150]})") from None
    if values.ndim not in (2, 3) or values.dtype.kind not in "fiu" or not len(values):
        raise DataError(f"features {path} are no table of numbers: {values.dtype} {values.shape}")
    if not told:
        names = names or next((each for each in _usual_names(path) if each.is_file()), None)
        told = () if names is None else named_rows(names, len(values))
    if told and len(set(told)) < len(told):
        twice = next(name for row, name in enumerate(told) if name in told[:row])
        raise DataError(f"{names or path} names item {twice!r} twice")
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()[:16]
    return Rows(values, told, f"{path.name} {digest}")


def placed(rows: Rows, items: Sequence[str]) -> tuple[IntArray, BoolArray, str]:
    """The row of each item of a corpus, which items have one, (items,) each, and how they were found, in words.

    Args:
        rows: of a file.
        items: names of the items.

    Raises:
        DataError: no item of the corpus is in the file, or it does not say whose its rows are.
    """
    count = len(rows.values)
    if rows.names:
        row_of = {name: row for row, name in enumerate(rows.names)}
        found, how = [row_of.get(name, -1) for name in items], "by name"
    elif all(name.isdecimal() and len(name) < 10 for name in items) and max(map(int, items), default=0) < count:
        found, how = [int(name) for name in items], "by the items' numbers in their names"
    elif count == len(items):
        found, how = list(range(count)), "in the order of the corpus"
    else:
        raise DataError(
            f"{rows.source.split()[0]} has {count:,} rows without names, the corpus {len(items):,} items; --items "
            "names the file that says which row is of which item"
        )
    order = np.array(found, dtype=np.int64)
    known: BoolArray = order >= 0
    if not known.any():
        raise DataError(
            f"{rows.source.split()[0]} names no item of the corpus: its first is {rows.names[0]!r}, there {items[0]!r}"
        )
    return np.maximum(order, 0), known, how


def write(stored: Stored, items: Sequence[str], path: Path, form: Export) -> list[Path]:
    """Write the features of a set; returns the files, each of which appears when it is complete.

    Args:
        stored: the set.
        items: names of the corpus's items.
        path: of the file; for ``mmrec`` and ``unisrec`` items without features are rows of zeros.
        form: the format.

    Raises:
        UsageError: the ending of the file is not that of the format, or a picture's regions are not one vector.
        OSError: the disk is full or fails.
    """
    ending = {"npy": ".npy", "parquet": ".parquet", "mmrec": ".npy", "unisrec": ".feat1CLS"}[form]
    if path.suffix != ending:
        raise UsageError(f"files of format {form} end in {ending}, not in {path.suffix or 'nothing'}")
    with storing(path):
        if form == "parquet":
            _write_parquet(stored, items, path)
            return [path]
        if form == "npy":
            with written(path) as partial:
                np.save(partial, stored.values[stored.known], allow_pickle=False)
            known = [name for name, has in zip(items, stored.known, strict=True) if has]
            return [path, _write_lines(path.with_suffix(".items.txt"), known)]
        values = _vectors(stored)
        numbered = [f"{name}\t{number}" for number, name in enumerate(items)]
        if form == "mmrec":
            with written(path) as partial:
                np.save(partial, values, allow_pickle=False)
            return [path, _write_lines(path.with_name("i_id_mapping.csv"), ["item\titemID", *numbered])]
        with written(path) as partial:
            values.astype("<f4").tofile(partial)
        return [path, _write_lines(path.with_suffix(".item2index"), numbered)]


def _vectors(stored: Stored) -> FloatArray:
    """(items, width) float32, zero for items without features; of regions their mean."""
    values: FloatArray = np.zeros((len(stored.known), stored.record.shape[-1]), dtype=np.float32)
    values[stored.known] = stored.rows()
    return values


def _write_parquet(stored: Stored, items: Sequence[str], path: Path) -> None:
    known = np.flatnonzero(stored.known)
    vectors = stored.rows()
    flat = pa.array(np.ascontiguousarray(vectors).reshape(-1), pa.float32())
    table = pa.table(
        {
            "item": pa.array([items[row] for row in known.tolist()], pa.string()),
            "vector": pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1]),
        }
    )
    with written(path) as partial:
        pq.write_table(table, partial)


def _write_lines(path: Path, lines: Sequence[str]) -> Path:
    if any("\n" in line or "\r" in line for line in lines):
        raise UsageError("an item's name holds a line break; export to parquet")
    with written(path) as partial:
        partial.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def _of_parquet(path: Path) -> tuple[npt.NDArray[np.generic], tuple[str, ...]]:
    table = pq.read_table(path, memory_map=True)
    for column in ("item", "vector"):
        if column not in table.column_names:
            raise find(dict.fromkeys(table.column_names), column, f"column of {path.name}: there is no")
    vectors = table.column("vector").combine_chunks()
    known = vectors.is_valid()
    table, vectors = table.filter(known), vectors.filter(known)
    lengths = np.unique(np.asarray(vectors.value_lengths())) if len(vectors) else np.zeros(0)
    if len(lengths) != 1:
        raise ValueError(f"its vectors have {len(lengths)} different lengths")
    values = np.asarray(vectors.flatten().to_numpy(zero_copy_only=False))
    return values.reshape(len(vectors), int(lengths[0])), tuple(str(name) for name in table.column("item").to_pylist())


def _of_cnn(path: Path) -> tuple[npt.NDArray[np.generic], tuple[str, ...]]:
    size = path.stat().st_size
    if size % _CNN_ROW.itemsize:
        raise ValueError(f"{size:,} bytes are no whole number of rows of {_CNN_ROW.itemsize:,}")
    table = np.memmap(path, _CNN_ROW, "r")
    return table["vector"], tuple(name.decode("ascii") for name in table["item"].tolist())


def _of_floats(path: Path, width: int) -> npt.NDArray[np.generic]:
    size = path.stat().st_size
    if width < 1 or size % (4 * width):
        raise ValueError(f"{size:,} bytes are no whole number of rows of {width} numbers; name their --width")
    return np.memmap(path, np.dtype("<f4"), "r").reshape(-1, width)


def _usual_names(path: Path) -> tuple[Path, ...]:
    return (
        path.with_suffix(".items.txt"),
        *((path.with_suffix(".item2index"),) if path.suffix.startswith(".feat") else ()),
        *((path.with_name("i_id_mapping.csv"),) if path.suffix == ".npy" else ()),
    )


def named_rows(path: Path, rows: int) -> tuple[str, ...]:
    """Item names by row: one a line, or with the number of its row after a tab.

    Raises:
        DataError: the file does not name the rows.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read ({error})") from None
    if not any("\t" in line for line in lines):
        if len(lines) != rows:
            raise DataError(f"{path} names {len(lines):,} items, the features have {rows:,} rows")
        return tuple(lines)
    pairs = [line.split("\t") for line in lines if line]
    if pairs and not pairs[0][-1].isdecimal():  # a header
        pairs = pairs[1:]
    names: list[str | None] = [None] * rows
    for number, pair in enumerate(pairs, 1):
        if len(pair) != 2 or not pair[1].isdecimal() or int(pair[1]) >= rows:
            raise DataError(f"{path} line {number} is no item and number below {rows:,}: {' '.join(pair)[:80]!r}")
        if names[int(pair[1])] is not None:
            raise DataError(f"{path} gives row {pair[1]} twice")
        names[int(pair[1])] = pair[0]
    return tuple(f"\n{row}" if name is None else name for row, name in enumerate(names))  # no item has such a name
