"""The rules that decide which interactions stay, in which order, and which users are held out."""

from __future__ import annotations

import hashlib

import numpy as np

from unimp_bench.records import BoolArray, FloatArray, IntArray


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
    """Rows of the largest subset in which every user and every item has at least so many rows, (rows,) bool."""
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

    A user's lot is a hash of the seed and the name, and the lowest lots are drawn: the order of the users does not
    matter, and a user who joins or leaves the set moves at most one other across the line.
    """
    candidates = np.flatnonzero(eligible)
    lots = [hashlib.blake2b(f"{seed} {names[user]}".encode()).digest() for user in candidates]
    drawn = sorted(range(len(lots)), key=lots.__getitem__)[: round(share * len(lots))]
    held_out: BoolArray = np.zeros(len(names), dtype=np.bool_)
    held_out[candidates[drawn]] = True
    return held_out
