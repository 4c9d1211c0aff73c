"""The options of a build, and the rules that decide which interactions are kept and which users are held out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from data_prep import CorpusCard
from unimp_bench.errors import UsageError, find
from unimp_bench.records import BoolArray, FloatArray, IntArray

USUAL_NEW_DOMAIN = "Office_Products"


@dataclass(frozen=True)
class BuildOptions:
    """What may be chosen about a corpus.

    Attributes:
        user_core, item_core: minimum number of interactions per user and per item; 0 keeps all.
        held_out: share of the users of training domains that split ``new-user`` gets.
        new_domains: domains held out whole; None for Office_Products where there are others beside it.
        seed: of the draw of held-out users, and of the generated sample.
        repeats: keep all interactions of a user with an item, not the first one alone.
        partial: build from the available part of a raw file that ends too early.

    Raises:
        UsageError: an invalid value.
    """

    user_core: int = 5
    item_core: int = 5
    held_out: float = 0.1
    new_domains: tuple[str, ...] | None = None
    seed: int = 0
    repeats: bool = False
    partial: bool = False

    def __post_init__(self) -> None:
        if self.user_core < 0 or self.item_core < 0:
            raise UsageError("a core is 0 (off) or more interactions")
        if not 0 <= self.held_out < 1:
            raise UsageError(f"held-out share {self.held_out} is not in [0, 1); write 0.1 for a tenth of the users")

    @classmethod
    def usual(cls, card: CorpusCard) -> BuildOptions:
        """The defaults for a kind of corpora."""
        return cls(user_core=0, item_core=0, held_out=0.0) if card.filtered else cls()

    def new_domains_among(self, domains: tuple[str, ...]) -> tuple[str, ...]:
        """The domains of a source that are held out whole, sorted.

        Raises:
            UsageError: one of them is unknown, or none would be left to train on.
        """
        if self.new_domains is None:
            return (USUAL_NEW_DOMAIN,) if USUAL_NEW_DOMAIN in domains and len(domains) > 1 else ()
        for name in self.new_domains:
            find(dict.fromkeys(domains), name, "domain")
        if set(self.new_domains) == set(domains):
            raise UsageError("all domains would be held out; leave one to train on")
        return tuple(sorted(set(self.new_domains)))


def first_of_each_pair(users: IntArray, items: IntArray, times: FloatArray) -> IntArray:
    """Rows, ascending, of the earliest interaction of each user and item; at equal times the first in the file."""
    pairs = users.astype(np.int64) * (int(items.max(initial=0)) + 1) + items
    order = np.lexsort((times, pairs))
    ordered = pairs[order]
    first: BoolArray = np.ones(len(order), dtype=np.bool_)
    first[1:] = ordered[1:] != ordered[:-1]
    rows: IntArray = np.sort(order[first])
    return rows


def k_core(users: IntArray, items: IntArray, user_core: int, item_core: int) -> BoolArray:
    """Rows of the largest subset in which every user and every item has at least that many rows, (rows,) bool."""
    kept = np.arange(len(users))
    while True:
        user_counts, item_counts = np.bincount(users[kept]), np.bincount(items[kept])
        stays = (user_counts[users[kept]] >= user_core) & (item_counts[items[kept]] >= item_core)
        if stays.all():
            break
        kept = kept[stays]
    mask: BoolArray = np.zeros(len(users), dtype=np.bool_)
    mask[kept] = True
    return mask


def number_by_name(codes: IntArray, names: list[str]) -> tuple[IntArray, IntArray]:
    """Number the names that occur in ``codes`` by their sort order.

    Returns:
        The codes of the numbered names, in the order of their numbers, and ``codes`` as those numbers (int32).
    """
    present = np.unique(codes)
    by_name = np.array(sorted(present.tolist(), key=names.__getitem__), dtype=np.int64)
    numbers = np.empty(len(names), dtype=np.int32)
    numbers[by_name] = np.arange(len(by_name), dtype=np.int32)
    return by_name, numbers[codes]


def draw_held_out(names: list[str], eligible: BoolArray, share: float, seed: int) -> BoolArray:
    """Draw ``share`` of the eligible users, (users,) bool.

    The users with the lowest hashes of seed and name are drawn, so the order of the users does not
    matter, and a user who joins or leaves the set moves at most one other across the line.
    """
    candidates = np.flatnonzero(eligible)
    lots = [hashlib.blake2b(f"{seed} {names[user]}".encode()).digest() for user in candidates]
    drawn = sorted(range(len(lots)), key=lots.__getitem__)[: round(share * len(lots))]
    held_out: BoolArray = np.zeros(len(names), dtype=np.bool_)
    held_out[candidates[drawn]] = True
    return held_out
