"""Interactions as a reader collects them: numeric columns and the names that their codes stand for."""

from __future__ import annotations

from array import array
from collections import defaultdict
from dataclasses import dataclass
from itertools import count

import numpy as np
import numpy.typing as npt

from unimp_bench.records import FloatArray, IntArray

_BATCH = 4096


@dataclass(frozen=True)
class Interactions:
    """Columns in file order.

    Attributes:
        users: (rows,) int32 codes into ``user_names``.
        items: (rows,) int32 codes into ``item_names``.
        ratings: (rows,) float32, NaN where the source has none.
        times: (rows,) float64 seconds, or whatever the source orders by.
        lines: (rows,) int32 line numbers in the raw file of the user's domain.
        user_names: unique names; a user of two domains is two users.
        user_domains: (users,) int16 codes.
        item_names: names in the order of first sight.
        parts: (rows,) uint8, 0 training, 1 validation, 2 test, where the source has a split of its own.
    """

    users: IntArray
    items: IntArray
    ratings: FloatArray
    times: FloatArray
    lines: IntArray
    user_names: list[str]
    user_domains: IntArray
    item_names: list[str]
    parts: npt.NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return len(self.users)


class Collector:
    """Collects interactions row by row, a domain after the other, into flat arrays."""

    def __init__(self) -> None:
        self._users, self._items, self._lines = array("i"), array("i"), array("i")
        self._ratings, self._times = array("f"), array("d")
        self._next_user = count().__next__
        self._user_codes: list[defaultdict[str, int]] = []
        self._item_codes: defaultdict[str, int] = defaultdict(count().__next__)
        self._pending: list[tuple[str, str, float, float, int]] = []

    def begin_domain(self) -> None:
        """From here on users are those of the next domain."""
        self._flush()
        self._user_codes.append(defaultdict(self._next_user))

    def add(self, user: str, item: str, rating: float, time: float, line: int) -> None:
        """Append one interaction."""
        self._pending.append((user, item, rating, time, line))
        if len(self._pending) == _BATCH:
            self._flush()

    def finish(self, domains: tuple[str, ...]) -> Interactions:
        """The columns, as views of the collected arrays."""
        self._flush()
        several = len(domains) > 1
        names = [
            f"{user}_{domain}" if several else user
            for domain, codes in zip(domains, self._user_codes, strict=True)
            for user in codes
        ]
        sizes = [len(codes) for codes in self._user_codes]
        return Interactions(
            users=np.asarray(self._users),
            items=np.asarray(self._items),
            ratings=np.asarray(self._ratings),
            times=np.asarray(self._times),
            lines=np.asarray(self._lines),
            user_names=names,
            user_domains=np.repeat(np.arange(len(sizes), dtype=np.int16), sizes),
            item_names=list(self._item_codes),
        )

    def _flush(self) -> None:
        """Move the pending rows into the arrays, a column at a time: a new name takes the next code."""
        if not self._pending:
            return
        users, items, ratings, times, lines = zip(*self._pending, strict=True)
        self._users.extend(map(self._user_codes[-1].__getitem__, users))
        self._items.extend(map(self._item_codes.__getitem__, items))
        self._ratings.extend(ratings)
        self._times.extend(times)
        self._lines.extend(lines)
        self._pending.clear()
