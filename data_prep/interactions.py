"""Interactions as a reader collects them: numeric columns and the names that their codes stand for."""

from __future__ import annotations

from array import array
from dataclasses import dataclass

import numpy as np

from unimp_bench.records import FloatArray, IntArray


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
    """

    users: IntArray
    items: IntArray
    ratings: FloatArray
    times: FloatArray
    lines: IntArray
    user_names: list[str]
    user_domains: IntArray
    item_names: list[str]

    def __len__(self) -> int:
        return len(self.users)


class Collector:
    """Collects interactions row by row, a domain after the other, in flat arrays."""

    def __init__(self) -> None:
        self._users, self._items, self._lines = array("i"), array("i"), array("i")
        self._ratings, self._times = array("f"), array("d")
        self._user_codes: list[dict[str, int]] = []
        self._item_codes: dict[str, int] = {}
        self._first_user = 0

    def begin_domain(self) -> None:
        """From here on users are those of the next domain."""
        self._first_user += len(self._user_codes[-1]) if self._user_codes else 0
        self._user_codes.append({})

    def add(self, user: str, item: str, rating: float, time: float, line: int) -> None:
        """Append one interaction."""
        users, items = self._user_codes[-1], self._item_codes
        self._users.append(self._first_user + users.setdefault(user, len(users)))
        self._items.append(items.setdefault(item, len(items)))
        self._ratings.append(rating)
        self._times.append(time)
        self._lines.append(line)

    def finish(self, domains: tuple[str, ...]) -> Interactions:
        """The columns, as views of the collected arrays."""
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
