"""Reader of RecBole's atomic files: a set of *.inter and *.item, plain or gzip, or several sets, a folder each.

The first line names the columns, ``name:type``; types are token, float, and token_seq, whose separator may stand in
parentheses (``categories:token_seq(|)``) and is a space otherwise. A sequence with a separator of its own is a list;
one of words at spaces is a text. Column ``category``, or else ``categories``, ``class``, ``genre`` or ``genres``,
becomes the list attribute ``category``. A set without ``timestamp`` is taken in file order. A rating, or a float of an
item, that is no number is a missing value. A public split, which the corpus keeps, is a column ``split`` of the
interactions (``train``, ``val`` or ``test``), or a file for each part (``x.train.inter``, ``x.valid.inter``,
``x.test.inter``), or the column ``x_label`` of MMRec, whose untyped header (``userID``, ``itemID``...) is read as well.
What has no place in a corpus (``*.user``, other columns of the interactions, sequences of floats) is named in the
manifest as left out.

Several sets make one corpus, a domain each: users are those of their set, and items of one name are one item, whose
attributes are those of the first set that has them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data_prep.atomic_set import AtomicSet
from data_prep.bad_records import BadRecords
from data_prep.interactions import Collector, Interactions
from data_prep.source import Source
from data_prep.spill import Spill
from unimp_bench.errors import DataError
from unimp_bench.records import BoolArray, IntArray


class Atomic(Source):
    """The sets of one folder or several, in the order of the folders.

    Raises:
        DataError: a folder holds no set or several, or two sets have files of one name.
    """

    name = "atomic"
    licence = "the user's own files: see their source for the terms"

    def __init__(self, raw: Path, further: tuple[Path, ...] = ()) -> None:
        self.raw = raw
        self._sets = [AtomicSet(folder) for folder in (raw, *further)]
        self.domains = tuple(each.domain for each in self._sets)
        _check_names(self.inputs())
        self.notes = {"left_out": []}

    def inputs(self) -> list[Path]:
        return [path for each in self._sets for path in each.files()]

    def review_file(self, domain: int) -> Path:
        return self._sets[domain].inter

    def interactions(self, reviews: Spill, bad: BadRecords) -> Interactions:
        parts = bytearray()
        collector = Collector()
        for each in self._sets:
            collector.begin_domain()
            for line in each.interactions(bad):
                collector.add(line.user, line.item, line.rating, line.time, line.number)
                parts.append(line.part)
        collected = collector.finish(self.domains)
        orders = ["timestamp" if each.timed else "file" for each in self._sets]
        self.notes["order"] = orders[0] if len(set(orders)) == 1 else dict(zip(self.domains, orders, strict=True))
        return replace(collected, parts=np.frombuffer(parts, np.uint8)) if self._has_split() else collected

    def described(self, items: list[str], records: Spill, bad: BadRecords) -> BoolArray:
        """All are: a set may have no attributes at all, and an item none of its own."""
        codes = {name: code for code, name in enumerate(items)}
        for each in self._sets:
            each.read_items(codes, bad)
        self.notes["left_out"] = [name for each in self._sets for name in each.left_out]
        return np.ones(len(items), dtype=np.bool_)

    def attributes(self, items: IntArray, bad: BadRecords) -> tuple[BoolArray, dict[str, pa.Array]]:
        merged: dict[str, pa.Array] = {}
        for each in self._sets:
            for name, column in each.attributes(items.tolist()).items():
                earlier = merged.get(name)
                if earlier is not None and earlier.type != column.type:
                    raise DataError(
                        f"{each.folder}: attribute {name!r} is of type {column.type} there and {earlier.type} in an "
                        "earlier set; give it one type, or two names"
                    )
                merged[name] = column if earlier is None else pc.coalesce(earlier, column)
        return np.ones(len(items), dtype=np.bool_), merged

    def picture_files(self, items: list[str]) -> Iterable[Path]:
        return chain.from_iterable(each.folder.glob("images/*") for each in self._sets)

    def _has_split(self) -> bool:
        """Whether the sets come with a public split.

        Raises:
            DataError: some do and others do not.
        """
        without = [each.domain for each in self._sets if not each.split]
        if without and len(without) < len(self._sets):
            raise DataError(
                f"{', '.join(without)} has no column split, and another set has one; give all of them a split or none"
            )
        return not without


def _check_names(files: Iterable[Path]) -> None:
    """Refuse files of one name: the manifest and the places of bad lines name files without their folders."""
    known: dict[str, Path] = {}
    for path in files:
        other = known.setdefault(path.name.removesuffix(".gz"), path)
        if other != path:
            raise DataError(f"{other} and {path} have one name; rename one of the sets")
