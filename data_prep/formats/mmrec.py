"""Folders of MMRec and of the models built on it (FREEDOM, BM3, MGCN...).

``<name>.inter`` with the columns ``userID``, ``itemID``, ``rating``, ``timestamp`` and ``x_label``, the public split,
is read like an atomic file. ``u_id_mapping.csv`` and ``i_id_mapping.csv``, which are separated by tabs, give the
original names of the numbers; users and items without a table keep their numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from data_prep.atomic import Atomic
from data_prep.formats.names import Names
from data_prep.interactions import Interaction, Spill
from data_prep.raw_files import BadRecords
from data_prep.source import ItemTable

USERS, ITEMS = "u_id_mapping.csv", "i_id_mapping.csv"


class MMRec(Atomic):
    """One domain.

    Raises:
        DataError: as for an atomic set, or a table of names is invalid.
    """

    name = "mmrec"

    def __init__(self, raw: Path) -> None:
        self._users, self._items = Names(raw / USERS, "userID"), Names(raw / ITEMS, "itemID")
        super().__init__(raw)
        self._numbers: dict[str, str] = {}

    def inputs(self) -> list[Path]:
        return super().inputs() + [names.path for names in (self._users, self._items) if names.path]

    def interactions(self, domain: int, bad: BadRecords) -> Iterator[Interaction]:
        for row in super().interactions(domain, bad):
            item = self._items[row.item]
            self._numbers[item] = row.item
            yield row._replace(user=self._users[row.user], item=item)

    def items(self, names: list[str], records: Spill, bad: BadRecords) -> ItemTable:
        """The attributes of an .item file, which has the numbers."""
        return super().items([self._numbers[name] for name in names], records, bad)
