"""The options of a build, and the rules that decide which interactions are kept and which users are held out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import repeat
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from data_prep import CorpusCard
from data_prep.interactions import Interactions, Spill
from data_prep.public import PublicCorpus
from unimp_bench.errors import UsageError, find
from unimp_bench.records import BoolArray, FloatArray, IntArray

USUAL_NEW_DOMAIN = "Office_Products"
TIES_SEED = 0
"""Seed of the order of ties, the same in all corpora and independent of other options."""

Ties = Literal["hash", "file"]


@dataclass(frozen=True)
class BuildOptions:
    """Options of a build.

    Attributes:
        user_core, item_core: minimum number of interactions per user and per item; 0 keeps all.
        held_out: share of the users of training domains that split ``new-user`` gets.
        new_domains: domains held out whole; by default Office_Products, unless it is the only domain.
        seed: of the draw of held-out users, and of the generated sample.
        repeats: keep all interactions of a user with an item, not only the first.
        partial: build from the available part of a raw file that ends too early.
        ties: how a user's interactions of one time are ordered: by a seeded hash of user and item, or as in the file,
            whose order may be informative (sorted by item, for example).

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
    ties: Ties = "hash"

    def __post_init__(self) -> None:
        if self.user_core < 0 or self.item_core < 0:
            raise UsageError("a core is 0 (off) or more interactions")
        if not 0 <= self.held_out < 1:
            raise UsageError(f"held-out share {self.held_out} is not in [0, 1); 0.1 is a tenth of the users")
        if self.ties not in get_args(Ties):
            raise UsageError(f"unknown order of ties {self.ties!r}; use {' or '.join(get_args(Ties))}")

    @classmethod
    def usual(cls, card: CorpusCard | PublicCorpus) -> BuildOptions:
        """The defaults for a kind of corpora."""
        return cls(user_core=0, item_core=0, held_out=0.0) if card.filtered else cls()

    def new_domains_among(self, domains: tuple[str, ...]) -> tuple[str, ...]:
        """The domains of a source that are held out whole, sorted.

        Raises:
            UsageError: one of them is unknown, or no domain would remain for training.
        """
        if self.new_domains is None:
            return (USUAL_NEW_DOMAIN,) if USUAL_NEW_DOMAIN in domains and len(domains) > 1 else ()
        for name in self.new_domains:
            find(dict.fromkeys(domains), name, "domain")
        if set(self.new_domains) == set(domains):
            raise UsageError("all domains would be held out; at least one must remain for training")
        return tuple(sorted(set(self.new_domains)))


def tie_ranks(raw: Interactions, reviews: Spill, ties: Ties) -> IntArray:
    """(rows,) int64 ranks that order rows of the same user and time.

    For ``hash``, by (hash of user and item, hash of rating and review), independently of the order of the file; the
    second one orders repetitions of an interaction.

    Args:
        reviews: one record per row, or none.
    """
    ranks: IntArray = np.arange(len(raw))
    if ties == "file":
        return ranks
    tied = _share_a_key(raw.users, raw.times)
    names = (
        (raw.user_names[user], raw.item_names[item])
        for user, item in zip(raw.users[tied], raw.items[tied], strict=True)
    )
    by_name = np.zeros(len(raw), dtype=np.uint64)
    by_name[tied] = _hashes((f"{TIES_SEED}\0{user}\0{item}".encode() for user, item in names), len(tied))
    same = tied[_share_a_key(raw.users[tied], raw.times[tied], raw.items[tied])]
    written = reviews.read(same) if len(reviews) else repeat(b"")
    by_content = np.zeros(len(raw), dtype=np.uint64)
    contents = (rating.tobytes() + review for rating, review in zip(raw.ratings[same], written, strict=False))
    by_content[same] = _hashes(contents, len(same))
    ranks[np.lexsort((by_content, by_name))] = np.arange(len(raw))
    return ranks


def _share_a_key(*keys: IntArray | FloatArray) -> IntArray:
    """Rows, ascending, with the same keys as another row."""
    order = np.lexsort(keys)
    same = np.all([key[order][1:] == key[order][:-1] for key in keys], axis=0)
    rows: IntArray = np.sort(order[np.append(same, False) | np.append(False, same)]) if len(order) else order
    return rows


def _hashes(messages: Iterable[bytes], count: int) -> npt.NDArray[np.uint64]:
    """(count,) the first eight bytes of the BLAKE2b digest of each message."""
    digests = (hashlib.blake2b(message, digest_size=8).digest() for message in messages)
    return np.fromiter((int.from_bytes(digest, "little") for digest in digests), np.uint64, count)


def first_of_each_pair(users: IntArray, items: IntArray, times: FloatArray, ranks: IntArray) -> IntArray:
    """Rows, ascending, of the first interaction of each user and item, by time, then rank."""
    pairs = users.astype(np.int64) * (int(items.max(initial=0)) + 1) + items
    order = np.lexsort((ranks, times, pairs))
    ordered = pairs[order]
    first: BoolArray = np.ones(len(order), dtype=np.bool_)
    first[1:] = ordered[1:] != ordered[:-1]
    rows: IntArray = np.sort(order[first])
    return rows


def k_core(users: IntArray, items: IntArray, user_core: int, item_core: int) -> BoolArray:
    """(rows,) bool: the largest subset in which every user and every item has at least that many rows."""
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

    The users with the lowest hashes of seed and name are drawn, so the order of the users does not matter, and adding
    or removing a user changes the state of at most one other.
    """
    candidates = np.flatnonzero(eligible)
    lots = [hashlib.blake2b(f"{seed} {names[user]}".encode()).digest() for user in candidates]
    drawn = sorted(range(len(lots)), key=lots.__getitem__)[: round(share * len(lots))]
    held_out: BoolArray = np.zeros(len(names), dtype=np.bool_)
    held_out[candidates[drawn]] = True
    return held_out
