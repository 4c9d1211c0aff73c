"""Negative candidates: items that a user never interacted with."""

from __future__ import annotations

from typing import Literal

import numpy as np

from unimp_bench.corpus import Corpus
from unimp_bench.corpus.splits import catalogue
from unimp_bench.records import BoolArray, Examples, IntArray, Split

Negatives = Literal["uniform", "same-category"]

_ROUNDS = 30
"""Number of redraws of known or duplicate candidates; slots that are still invalid are dropped."""


def draw_negatives(
    corpus: Corpus,
    split: Split,
    examples: Examples,
    wanted: IntArray,
    among: Negatives,
    rng: np.random.Generator,
) -> tuple[IntArray, IntArray]:
    """Distinct items per example that its user never interacted with, in any part of the history.

    Args:
        wanted: (n,) number of items.
        among: ``uniform``: over the split's items of the user's domain. ``same-category``: over those with the
            target's category, then as ``uniform`` if there are too few.

    Returns:
        (rows,) items and (rows,) their examples, in order of examples; fewer than ``wanted`` if the pool is small.
    """
    assert examples.targets is not None
    owner = np.repeat(np.arange(len(examples)), wanted)
    users = examples.users[owner]
    domains = _Pools(*_domain_members(corpus, split))
    drawn = np.full(len(owner), -1, dtype=np.int64)
    open_slots: IntArray = np.arange(len(owner))
    if among == "same-category":
        categories = _category_codes(corpus)
        by_category = _Pools(*_category_members(corpus, split, categories))
        keys = corpus.users.domains[users].astype(np.int64) * (categories.max() + 1)
        keys += categories[examples.targets[owner]]
        open_slots = _fill(drawn, open_slots, owner, by_category, keys, corpus, users, rng)
    open_slots = _fill(drawn, open_slots, owner, domains, corpus.users.domains[users], corpus, users, rng)
    kept = drawn >= 0
    return drawn[kept], owner[kept]


class _Pools:
    """Items by key, as CSR; ``members`` are (key, item) pairs."""

    def __init__(self, keys: IntArray, items: IntArray) -> None:
        order = np.lexsort((items, keys))
        self.items = items[order]
        self.offsets = np.searchsorted(keys[order], np.arange(int(keys.max(initial=-1)) + 2))

    def draw(self, keys: IntArray, rng: np.random.Generator) -> IntArray:
        """(n,) an item of each key's pool, -1 if the pool is empty."""
        inside = keys < len(self.offsets) - 1
        pool = np.where(inside, keys, 0)
        sizes = np.where(inside, self.offsets[pool + 1] - self.offsets[pool], 0)
        chosen = self.offsets[pool] + np.floor(rng.random(len(keys)) * sizes).astype(np.int64)
        return np.where(sizes > 0, self.items[np.minimum(chosen, len(self.items) - 1)], -1)


def _fill(
    drawn: IntArray,
    slots: IntArray,
    owner: IntArray,
    pools: _Pools,
    keys: IntArray,
    corpus: Corpus,
    users: IntArray,
    rng: np.random.Generator,
) -> IntArray:
    """Draw items into the open ``slots`` of ``drawn``; return the slots that remain open."""
    had = _Pairs(corpus)
    for _ in range(_ROUNDS):
        if not len(slots):
            break
        drawn[slots] = pools.draw(keys[slots], rng)
        bad = _doubled(owner, drawn, len(had))  # a new draw may equal a valid one in a later slot
        bad[slots] |= (drawn[slots] < 0) | had.hold(users[slots], np.maximum(drawn[slots], 0))
        slots = np.flatnonzero(bad)
        drawn[slots] = -1
    return slots


class _Pairs:
    """All (user, item) pairs of a corpus, for membership tests."""

    def __init__(self, corpus: Corpus) -> None:
        self._items = len(corpus.items)
        users = np.repeat(np.arange(corpus.histories.users), corpus.histories.lengths())
        self._keys = np.sort(users * self._items + corpus.histories.items)

    def __len__(self) -> int:
        return self._items

    def hold(self, users: IntArray, items: IntArray) -> BoolArray:
        """(n,) whether the user interacted with the item."""
        keys = users.astype(np.int64) * self._items + items
        nearest = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        found: BoolArray = self._keys[nearest] == keys
        return found


def _doubled(owner: IntArray, drawn: IntArray, items: int) -> BoolArray:
    """(slots,) whether an earlier slot of the same example holds the same item."""
    keys = owner * (items + 1) + drawn + 1
    order = np.argsort(keys, kind="stable")
    doubled = np.zeros(len(keys), dtype=np.bool_)
    doubled[order[1:]] = keys[order[1:]] == keys[order[:-1]]
    return doubled & (drawn >= 0)


def _domain_members(corpus: Corpus, split: Split) -> tuple[IntArray, IntArray]:
    """(domain, item) pairs: the items of the split's catalogue that users of a domain interact with."""
    users = np.repeat(np.arange(corpus.histories.users), corpus.histories.lengths())
    keys = np.unique(corpus.users.domains[users].astype(np.int64) * len(corpus.items) + corpus.histories.items)
    domains, items = np.divmod(keys, len(corpus.items))
    sold = np.isin(items, catalogue(corpus, split))
    return domains[sold], items[sold]


def _category_members(corpus: Corpus, split: Split, categories: IntArray) -> tuple[IntArray, IntArray]:
    domains, items = _domain_members(corpus, split)
    return domains * (categories.max() + 1) + categories[items], items


def _category_codes(corpus: Corpus) -> IntArray:
    _, codes = np.unique(np.array(corpus.items.text("category"), dtype=object), return_inverse=True)
    return codes.astype(np.int64)
