"""Named sets of item ids that are stored with a corpus: codes of a quantizer, or of a file.

A set is a folder ``ids/NAME`` of the corpus: ``codes.npy``, int64 (items, levels), and ``ids.json``, an ``IdSet``,
written last. ``--features ids=NAME`` has models read it.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import ValidationError

from unimp_bench.corpus.features.names import SET_NAME, digest_of, names_hash
from unimp_bench.corpus.reader import Corpus
from unimp_bench.corpus.views import parts_of_name
from unimp_bench.corpus.writer import IDS
from unimp_bench.errors import DataError, UsageError, find
from unimp_bench.files import storing, write_atomically
from unimp_bench.records import IntArray
from unimp_bench.settings import Strict

RECORD = "ids.json"
MODALITY = "ids"
MOST_CODES = 1 << 20
MOST_LEVELS = 64


class Level(Strict):
    """What one level of a set of ids tells of the items.

    Attributes:
        codes: number of different codes.
        entropy: of the codes over the items, in bits.
        prefixes: number of different ids up to this level.
        collisions: items whose id up to this level another item has too.
    """

    codes: int
    entropy: float
    prefixes: int
    collisions: int


class Quantization(Strict):
    """How a quantizer made a set.

    Attributes:
        quantizer: its name.
        levels, codes, seed: its settings, see ``unimp_bench.generative.quantizers``.
        features: key of the feature sets that it read, by name.
        fitted_on: number of items that it was fitted on; the codes of the others are assigned.
        fitted: hash of their numbers.
        split: whose training items they are; empty for all items.
        error: mean squared error of its reconstruction, as a share of the variance of the features.
        version: of the quantizers.
    """

    quantizer: str
    levels: int
    codes: int
    seed: int
    features: dict[str, str]
    fitted_on: int
    fitted: str
    split: str
    error: float
    version: int = 1


class IdSet(Strict):
    """What is known of a stored set of ids.

    Attributes:
        key: hash of the codes and of the items' names.
        items: number of items of the corpus; ``names`` is the hash of their names.
        levels: from the first code to the last.
        quantization: None for imported sets.
        source: name and hash of the imported file; empty for computed sets.
    """

    format: Literal["unimp-bench-ids"] = "unimp-bench-ids"
    version: Literal[1] = 1
    name: str
    key: str
    items: int
    names: str
    levels: tuple[Level, ...]
    quantization: Quantization | None = None
    source: str = ""

    @property
    def words(self) -> str:
        """Origin and size, for lists and results."""
        origin = self.source
        if (made := self.quantization) is not None:
            names = "+".join(made.features)
            origin = f"{made.quantizer} of {names}, fitted on {made.fitted_on:,} items"
        sizes = " x ".join(str(level.codes) for level in self.levels)
        return f"{origin}; {sizes} codes, {self.levels[-1].prefixes:,} ids of {self.items:,} items"


@dataclass(frozen=True)
class StoredIds:
    """A set opened for reading.

    Attributes:
        codes: (items, levels) int64, from 0 within each level; several items may have the same.
    """

    record: IdSet
    codes: IntArray

    @classmethod
    def open(cls, folder: Path) -> StoredIds:
        """Open the folder of a set.

        Raises:
            DataError: it is damaged.
        """
        record = read_record(folder)
        try:
            codes = np.load(folder / "codes.npy", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise _damaged(folder, error) from None
        if codes.dtype != np.int64 or codes.shape != (record.items, len(record.levels)):
            raise _damaged(folder, f"codes.npy is {codes.dtype} {codes.shape}")
        if key_of(codes, record.names) != record.key:
            raise _damaged(folder, "codes.npy does not match")
        return cls(record, codes)


def levels_of(codes: IntArray) -> tuple[Level, ...]:
    """The diagnostics of codes (items, levels)."""
    found = []
    for level, column in enumerate(codes.T, 1):
        shares = np.unique(column, return_counts=True)[1] / len(codes)
        sizes = np.unique(codes[:, :level], axis=0, return_counts=True)[1]
        entropy = float(-(shares * np.log2(shares)).sum())
        alone = int((sizes == 1).sum())
        found.append(
            Level(codes=len(shares), entropy=round(entropy, 4), prefixes=len(sizes), collisions=len(codes) - alone)
        )
    return tuple(found)


def read_record(folder: Path) -> IdSet:
    """The record of a set.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return IdSet.model_validate_json((folder / RECORD).read_bytes())
    except (OSError, ValidationError) as error:
        raise _damaged(folder, error.errors()[0]["msg"] if isinstance(error, ValidationError) else error) from None


def all_ids(corpus: Path) -> dict[str, IdSet]:
    """The records of all finished sets of a corpus folder, by name."""
    folders = sorted(path.parent for path in (corpus / IDS).glob(f"[!.]*/{RECORD}"))
    return {folder.name: read_record(folder) for folder in folders}


def open_ids(corpus: Corpus, name: str) -> StoredIds:
    """A set of a corpus, of the items that the corpus now has.

    Raises:
        UsageError: there is no such set, or it is of other items.
        DataError: it is damaged.
    """
    known = all_ids(corpus.folder)
    if name not in known:
        find(known, name, f"ids of {corpus.name}") if known else None
        hint = f"'unimp-bench ids {parts_of_name(corpus.name)[0]} --quantizer rkmeans --features NAME' makes some"
        raise UsageError(f"corpus {corpus.name} has no ids {name!r}; {hint}")
    stored = StoredIds.open(corpus.folder / IDS / name)
    if stored.record.items != len(corpus.items) or stored.record.names != names_hash(corpus.items.names):
        raise UsageError(f"ids {name!r} are of other items than corpus {corpus.name} has now; make them again")
    return stored


def new_folder(corpus: Path, name: str, *, fresh: bool = False) -> Path:
    """The folder of a set that is not there yet, or may be replaced.

    Raises:
        UsageError: it is there, or the name is not allowed.
    """
    if not SET_NAME.fullmatch(name) or name == "none":
        raise UsageError(f"{name!r} is no name for ids: letters, digits, '.', '_' and '-'; not 'none'")
    folder = corpus / IDS / name
    if (folder / RECORD).is_file() and not fresh:
        raise UsageError(f"there are ids {name!r} already; choose another --name, or replace them with --fresh")
    return folder


def write_ids(
    corpus: Path,
    names: Sequence[str],
    name: str,
    codes: IntArray,
    *,
    quantization: Quantization | None = None,
    source: str = "",
    fresh: bool = False,
) -> IdSet:
    """Store ids of a corpus.

    Args:
        corpus: its folder.
        names: of its items, in the order of their numbers.
        name: of the set.
        codes: (items, levels) integers.
        quantization, source: their origin, one of the two.
        fresh: replaces a set of this name.

    Raises:
        UsageError: the name is taken or not allowed.
        DataError: the codes are no ids.
    """
    folder = new_folder(corpus, name, fresh=fresh)
    if codes.ndim != 2 or len(codes) != len(names) or not 1 <= codes.shape[1] <= MOST_LEVELS:
        raise DataError(f"{source or name}: {codes.shape} codes are no ids of {len(names):,} items")
    if codes.min(initial=0) < 0 or codes.max(initial=0) >= MOST_CODES:
        raise DataError(f"{source or name}: codes must be between 0 and {MOST_CODES - 1:,}")
    codes = np.ascontiguousarray(codes, dtype=np.int64)
    record = IdSet(
        name=name,
        key=key_of(codes, names_hash(names)),
        items=len(names),
        names=names_hash(names),
        levels=levels_of(codes),
        quantization=quantization,
        source=source,
    )
    partial = folder.with_name(f".{name}.new")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        with storing(folder):
            np.save(partial / "codes.npy", codes, allow_pickle=False)
            write_atomically(partial / RECORD, record.model_dump_json(indent=1) + "\n")
            shutil.rmtree(folder, ignore_errors=True)
            partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return record


def key_of(codes: IntArray, names: str) -> str:
    """The key of codes (items, levels) int64 of items with this hash of names."""
    content = hashlib.sha256(np.ascontiguousarray(codes, dtype="<i8").tobytes()).hexdigest()
    return digest_of(MODALITY, content, str(codes.shape), names)


def _damaged(folder: Path, reason: object) -> DataError:
    said = " ".join(str(reason).split())[:120]
    return DataError(f"ids {folder} cannot be read ({said}); remove the folder and make them again")
