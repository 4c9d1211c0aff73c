"""What a target requires of a model: memorised transitions, or generalisation by one of four logics.

Definitions of MemGen-GR (arXiv:2603.19809) on items. ``A_h(a)`` holds the items that follow item ``a`` within ``h``
positions of a training sequence; a history ends with ``x_n``, and ``v`` is its target.

* memorised: ``v`` is in ``A_1(x_n)``; such a target has no other label.
* substitutable: ``v`` is in ``A_h(u)``, for two hops or more.
* symmetric: ``u`` is in ``A_h(v)``.
* transitive: an item of ``A_h(u)`` has ``v`` in its own ``A_h``.
* second-order symmetric: ``u`` and ``v`` have a common successor or a common predecessor, or an item of ``A_h(v)`` has
  ``u`` in its own ``A_h``.

A label holds at hop ``h`` if it holds for any ``u`` among the last ``h`` items, for a history of ``h`` items or more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from scipy.sparse import csr_array

from unimp_bench.records import BoolArray, Examples, Histories, IntArray
from unimp_bench.reports.audit.corpus.cuts import HOPS, LOGICS

_BLOCK = 8_192
"""Pairs of items per block of set intersections."""

_Holds = Callable[[IntArray, IntArray], BoolArray]
"""Maps (n,) items ``u`` and (n,) targets ``v``, n > 0, to whether a label holds."""


def smallest_hops(histories: Histories, items: int, test: Examples) -> Mapping[str, IntArray]:
    """The smallest hop at which each label of ``LOGICS`` holds.

    Args:
        histories: the training interactions.
        items: number of items.
        test: examples with targets.

    Returns:
        (n,) int64 for each label, 1 to ``HOPS``; 0 where it does not hold, and for an empty history.
    """
    assert test.targets is not None
    targets, lengths = np.asarray(test.targets), test.ends - test.starts()
    recent = test.last_items(HOPS)[:, ::-1]  # the last item first
    found = {name: np.zeros(len(test), dtype=np.int64) for name in LOGICS}
    memorised = found["memorised"]
    for hop, ahead in enumerate(_followers(histories, items), 1):
        for name, holds in _labels(ahead, hop).items():
            for u in recent[:, : 1 if name == "memorised" else hop].T:
                unknown = np.flatnonzero((lengths >= hop) & (memorised == 0) & (found[name] == 0))
                for start in range(0, len(unknown), _BLOCK):
                    rows = unknown[start : start + _BLOCK]
                    found[name][rows[holds(u[rows], targets[rows])]] = hop
    return found


def classes(hops: Mapping[str, IntArray]) -> dict[str, BoolArray]:
    """One exclusive class per example, by the first label of ``LOGICS`` that holds at any hop; ``none`` without one.

    Args:
        hops: as of ``smallest_hops``.

    Returns:
        (n,) bool for each label and ``none``.
    """
    rest = np.ones(len(hops[LOGICS[0]]), dtype=np.bool_)
    found = {}
    for name in LOGICS:
        holds = hops[name] > 0
        found[name] = rest & holds
        rest = rest & ~holds
    return {**found, "none": rest}


def _followers(histories: Histories, items: int) -> Iterator[csr_array]:
    """``A_1`` to ``A_HOPS``, (items, items) bool."""
    users = np.repeat(np.arange(histories.users), histories.lengths())
    known = csr_array((items, items), dtype=np.bool_)
    for distance in range(1, HOPS + 1):
        rows = np.flatnonzero(users[distance:] == users[:-distance])
        pairs = histories.items[rows], histories.items[rows + distance]
        known = csr_array(known + csr_array((np.ones(len(rows), dtype=np.bool_), pairs), shape=(items, items)))
        yield known


def _labels(ahead: csr_array, hop: int) -> dict[str, _Holds]:
    behind = csr_array(ahead.T)

    def second_order(u: IntArray, v: IntArray) -> BoolArray:
        return _meet(ahead[v], behind[u]) | _meet(ahead[v], ahead[u]) | _meet(behind[v], behind[u])

    return {
        "memorised" if hop == 1 else "substitutable": lambda u, v: ahead[u, v],
        "symmetric": lambda u, v: ahead[v, u],
        "transitive": lambda u, v: _meet(ahead[u], behind[v]),
        "second_order": second_order,
    }


def _meet(left: csr_array, right: csr_array) -> BoolArray:
    """(n,) whether the rows of two (n, items) sets have a common item."""
    common: csr_array = left.multiply(right)
    meets: BoolArray = np.diff(common.tocsr().indptr) > 0
    return meets
