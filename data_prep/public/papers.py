"""Beauty and Sports of 2014 from the files of five papers, with real times or in the order of the S3-Rec authors.

* Order: ``sequential.txt`` of RDRec (the file of the S3-Rec authors), one user per line, and the names of its numbers
  in ``datamaps.json``. A user's interactions of one day are sorted by item there.
* Times: ``<Set>_item_org_rank.txt`` and ``<Set>_time_org_rank.txt`` of TiCoSeRec, line by line. Its user k is line k of
  IDGenRec's ``user_sequence.txt``, which has names, and its item k the k-th name of that file in alphabetical order.
* Keywords: ``<set>_item_id2tid.json`` of GRLM, which numbers items in its own way. The numbers are translated by the
  users of its ``sequential_data.txt`` (``translated``).
* Brands and category paths: ``meta_<Domain>.json.gz`` of the release of 2014, if it is there.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from data_prep.formats.sequences import json_object
from data_prep.interactions import Interaction, Spill
from data_prep.mcauley import STYLES, Metadata
from data_prep.raw_files import BadRecords
from data_prep.source import ItemTable, Source
from unimp_bench.errors import DataError

Sequences = list[tuple[str, list[str]]]
"""(user, items in order) of each line."""


class Papers(Source):
    """One of the two sets.

    Args:
        title: the name of the set in file names of TiCoSeRec.
        release: its name in the release of 2014.
        timed: with times; otherwise the time is the position in the user's sequence.

    Raises:
        DataError: a file is missing.
    """

    name = "papers"
    licence = "from the Amazon review data of the McAuley lab, UC San Diego; for research, see the terms of its page"

    def __init__(self, raw: Path, title: str, release: str, timed: bool) -> None:
        self.raw, self._timed = raw, timed
        domain = title.lower()
        self.domains = (domain,)
        self.notes = {"order": "day" if timed else "position"}
        self._order, self._names, self._relation, self._keywords = self._found(
            "sequential.txt", "datamaps.json", "sequential_data.txt", f"{domain}_item_id2tid.json"
        )
        times = ("user_sequence.txt", f"{title}_item_org_rank.txt", f"{title}_time_org_rank.txt")
        self._times = self._found(*times) if timed else []
        self._metadata = [path for path in (raw / f"meta_{release}.json.gz",) if path.is_file()]

    def inputs(self) -> list[Path]:
        return [self._order, self._names, *self._times, self._relation, self._keywords, *self._metadata]

    def interactions_file(self, domain: int) -> Path:
        return self._order

    def interactions(self, domain: int, bad: BadRecords) -> Iterator[Interaction]:
        times = day_of(*map(sequences, self._times)) if self._timed else None
        number = 0
        for user, items in self._sequences():
            for place, item in enumerate(items):
                number += 1
                try:
                    time = float(place) if times is None else times[user, item]
                except KeyError:
                    raise DataError(
                        f"{self._times[-1]} has no time of user {user[:40]!r} and item {item[:40]!r}"
                    ) from None
                yield Interaction(user, item, math.nan, time, number)

    def items(self, names: list[str], records: Spill, bad: BadRecords) -> ItemTable:
        own = [items for _, items in self._sequences()]
        other = [items for _, items in sequences(self._relation)]
        named = translated(other, own)
        words = {named.get(number): words for number, words in json_object(self._keywords).items()}
        lists = [words.get(name) for name in names]
        described: dict[str, pa.Array] = {}
        if self._metadata:
            table = Metadata.read(STYLES["2014"], self._metadata, names, records, bad)
            columns = table.attributes(np.arange(len(names))).columns
            described = {name: columns[name] for name in ("brand", "category")}
        described["keywords"] = pa.array(lists, pa.list_(pa.string()))
        return ItemTable(np.ones(len(names), dtype=np.bool_), described)

    def _sequences(self) -> Sequences:
        """Users and items of the order, by name."""
        maps = json_object(self._names)
        try:
            users, items = maps["id2user"], maps["id2item"]
            return [(users[user], [items[item] for item in bought]) for user, bought in sequences(self._order)]
        except (KeyError, TypeError):
            raise DataError(f"{self._names} does not name all users and items of {self._order.name}") from None

    def _found(self, *names: str) -> list[Path]:
        for name in names:
            if not (self.raw / name).is_file():
                raise DataError(f"{self.raw} has no {name}")
        return [self.raw / name for name in names]


def beauty(raw: Path) -> Papers:
    """Beauty, with times."""
    return Papers(raw, "Beauty", "Beauty", timed=True)


def sports(raw: Path) -> Papers:
    """Sports and Outdoors, with times."""
    return Papers(raw, "Sports", "Sports_and_Outdoors", timed=True)


def beauty_s3rec(raw: Path) -> Papers:
    """Beauty, in the order of the S3-Rec authors."""
    return Papers(raw, "Beauty", "Beauty", timed=False)


def sports_s3rec(raw: Path) -> Papers:
    """Sports and Outdoors, in the order of the S3-Rec authors."""
    return Papers(raw, "Sports", "Sports_and_Outdoors", timed=False)


def sequences(path: Path) -> Sequences:
    """(first word, further words) of each line.

    Raises:
        DataError: the file is not text, or has no line.
    """
    try:
        lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8 text") from None
    found = [(line[0], line[1:]) for line in lines if line]
    if not found:
        raise DataError(f"{path} is empty")
    return found


def day_of(named: Sequences, numbered: Sequences, times: Sequences) -> dict[tuple[str, str], float]:
    """Unix time of each user and item.

    Args:
        named: IDGenRec's users and items, by name.
        numbered: TiCoSeRec's items, as ranks of their names from 1; its users are in the same order.
        times: their times.

    Raises:
        DataError: the three do not belong together.
    """
    items = sorted({item for _, bought in named for item in bought})
    days: dict[tuple[str, str], float] = {}
    try:
        for (user, bought), (_, ranks), (_, moments) in zip(named, numbered, times, strict=True):
            own = [items[int(rank) - 1] for rank in ranks]
            if sorted(own) != sorted(bought):
                raise ValueError
            days.update(((user, item), float(moment)) for item, moment in zip(own, moments, strict=True))
    except (ValueError, IndexError):
        raise DataError("the files of items and times do not belong to the users of user_sequence.txt") from None
    return days


def translated(other: Sequence[list[str]], own: Sequence[list[str]]) -> dict[str, str]:
    """Names of items in ``own`` by their names in ``other``, the same sequences under other names in another order.

    A sequence is recognised by how often each of its items occurs in all sequences, if no other sequence has the same
    counts. Sequences of ``other`` may be limited to their last items.

    Raises:
        DataError: two sequences give an item two names.
    """
    longest = max(map(len, other))
    own = [items[-longest:] for items in own]
    here, there = _by_counts(own), _by_counts(other)
    names: dict[str, str] = {}
    for counts, items in there.items():
        for item, name in zip(items, here.get(counts, ()), strict=False):
            if names.setdefault(item, name) != name:
                raise DataError(f"item {item} of the file of keywords could be {names[item]} or {name}")
    return names


def _by_counts(all_items: Sequence[list[str]]) -> dict[tuple[int, ...], list[str]]:
    """The sequences by the number of occurrences of their items, without those that share these numbers."""
    occurrences = Counter(item for items in all_items for item in items)
    keys = [tuple(occurrences[item] for item in items) for items in all_items]
    repeated = Counter(keys)
    return {key: items for key, items in zip(keys, all_items, strict=True) if repeated[key] == 1}
