"""Reader of the explanations that the Sentires toolkit extracted, as NLG4RS and Sentires-Guide store them.

A folder of ``reviews_<Domain>.pickle``, each a list of dicts with ``user``, ``item`` and ``sentence``, a list of
(feature, opinion, sentence, score); a file that has been made ready for training has one such tuple, ``template``.
The files are read by ``restricted_pickle``. Of several sentences of a review the one with the most (feature, opinion)
pairs is taken, of equals the first; one of less than 4 or more than 30 words is none.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.explanations.rule import LONGEST, SHORTEST
from data_prep.explanations.sentences import clean
from data_prep.interactions import Interactions
from data_prep.restricted_pickle import read_records
from data_prep.spill import Spill
from unimp_bench.errors import DataError
from unimp_bench.records import IntArray


@dataclass(frozen=True)
class Extracted:
    """The sentences of all files.

    Attributes:
        files: by the code of a domain that has a file: how many records it has, and how many of them no sentence.
        spill: holds the sentences.
        record_of: (raw interactions,) the number of the sentence in the spill, -1 where there is none.
    """

    files: dict[int, dict[str, int]]
    spill: Spill
    record_of: IntArray

    def sentences(self, raw: IntArray) -> Iterator[tuple[int, str]]:
        """(place in ``raw``, sentence) of those raw interactions that have one."""
        records = self.record_of[raw]
        places = np.flatnonzero(records >= 0)
        for place, sentence in zip(places.tolist(), self.spill.read(records[places]), strict=True):
            yield place, sentence.decode()


def find_files(folder: Path, domains: tuple[str, ...]) -> dict[int, Path]:
    """The file of each domain that has one, by code.

    Raises:
        DataError: none has.
    """
    paths = {code: folder / f"reviews_{name}.pickle" for code, name in enumerate(domains)}
    found = {code: path for code, path in paths.items() if path.is_file()}
    if not found:
        raise DataError(f"{folder} has no {paths[0].name}, nor such a file of another domain of the corpus")
    return found


def extract(files: dict[int, Path], domains: tuple[str, ...], raw: Interactions, spill: Spill) -> Extracted:
    """Read the files, put their sentences into ``spill`` and find the interactions that they explain.

    Raises:
        DataError: a file is no pickle of plain records, or its records are of another kind.
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
                f"{path}: none of its records is of a user and an item of the reviews; are both of one release?"
            )
        counts[domain] = {"records": records, "records without a sentence": without}
    return Extracted(counts, spill, record_of)


def _look_up(wanted: IntArray, keys: IntArray, values: IntArray) -> IntArray:
    """The value of the first key equal to each of ``wanted``, -1 where there is none."""
    if not len(keys):
        return np.full(len(wanted), -1, dtype=np.int64)
    order = np.argsort(keys, kind="stable")
    places = np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)
    found: IntArray = np.where(keys[order][places] == wanted, values[order][places], -1)
    return found


def _fields(record: Any, path: Path) -> tuple[str, str, str | None]:
    """User, item and the explaining sentence of a record."""
    if type(record) is not dict or type(record.get("user")) is not str or type(record.get("item")) is not str:
        raise DataError(f"{path} holds a record without a user and an item: it is not one of Sentires")
    quadruples = record.get("sentence")
    if type(quadruples) is not list:
        quadruples = [record.get("template")]
    said = Counter(
        quadruple[2]
        for quadruple in quadruples
        if type(quadruple) is tuple and len(quadruple) == 4 and type(quadruple[2]) is str
    )
    for sentence, _ in said.most_common():  # equals in the order of their first sight
        sentence = clean(sentence)
        if SHORTEST <= len(sentence.split()) <= LONGEST:
            return record["user"], record["item"], sentence
    return record["user"], record["item"], None
