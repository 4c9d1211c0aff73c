"""The true chance of every item to be a user's next purchase."""

from __future__ import annotations

import numpy as np

from baselines.oracle.truth import PICTURE_TASTES, TEXT_TASTES, Truth
from unimp_bench.records import BoolArray, Examples, FloatArray, IntArray


class Choices:
    """The choice model of the sample.

    Args:
        truth: what decides.
        categories: (items,) category paths, that a query names.
        order: whether the last items count; else the expectation over a uniformly drawn last item stands for them.
    """

    def __init__(self, truth: Truth, categories: list[str], *, order: bool = True) -> None:
        self._truth = truth
        self._categories = np.array(categories, dtype=object)
        self._order_counts = order

    def of_examples(self, examples: Examples) -> FloatArray:
        """(examples, items) float64: the chances given history and query; rows sum to 1."""
        history = histories(examples)
        shares = self.after(examples.users, history)
        if examples.queries is not None:
            # The empty query stands for an unknown category, which says nothing.
            for query in np.unique(examples.queries):
                if examples.query_texts[query]:
                    shares[np.ix_(examples.queries == query, self._categories != examples.query_texts[query])] = 0
            shares /= shares.sum(axis=1, keepdims=True)
        return shares

    def after(self, users: IntArray, history: IntArray) -> FloatArray:
        """(n, items) float64: the chances after purchases; rows sum to 1.

        Args:
            users: (n,) user numbers.
            history: (n, length) all items bought so far, the newest last, -1 before the first.
        """
        utilities = self._taste(users) + self._order(history)
        utilities[~self._possible(users, history)] = -np.inf
        weights = np.exp(utilities - utilities.max(axis=1, keepdims=True))
        shares: FloatArray = weights / weights.sum(axis=1, keepdims=True)
        return shares

    def _possible(self, users: IntArray, history: IntArray) -> BoolArray:
        """(n, items): of the user's domain, not bought yet."""
        truth = self._truth
        possible: BoolArray = truth["user_domain"][users][:, None] == truth["item_domain"][None, :]
        rows, places = np.nonzero(history >= 0)
        possible[rows, history[rows, places]] = False
        return possible

    def _taste(self, users: IntArray) -> FloatArray:
        """(n, items) popularity and the users' tastes."""
        truth = self._truth
        distance = truth["item_dearness"][None, :] - truth["user_purse"][users][:, None]
        utilities: FloatArray = truth["item_popularity"] - truth["price_weight"] * distance**2
        for taste in (*PICTURE_TASTES, *TEXT_TASTES):
            utilities += truth[f"user_{taste}"][users][:, truth[f"item_{taste}"]]
        return utilities

    def _order(self, history: IntArray) -> FloatArray:
        """(n, items) what the last items add."""
        truth = self._truth
        shelves, boosts = truth["item_shelf"], truth["series_boost"]
        if not self._order_counts:
            # Over a uniform last item, successors add the same to every item of a domain; that cancels.
            domains = truth["item_domain"]
            frequencies = np.bincount(shelves, 1 / np.bincount(domains)[domains], minlength=len(truth["follow"]))
            order: FloatArray = np.broadcast_to((frequencies @ truth["follow"])[shelves], (len(history), len(shelves)))
            return order
        last = _padded(history, len(boosts))
        order = np.where(last[:, -1:] >= 0, truth["follow"][shelves[last[:, -1]]][:, shelves], 0.0)
        for back, boost in enumerate(boosts, start=1):
            successors = np.where(last[:, -back] >= 0, truth["item_successor"][last[:, -back]], -1)
            rows = np.flatnonzero(successors >= 0)
            order[rows, successors[rows]] += boost
        return order


def histories(examples: Examples) -> IntArray:
    """(n, longest) whole histories, right-aligned, -1 before."""
    return examples.last_items(int((examples.ends - examples.starts()).max(initial=0)))


def _padded(history: IntArray, length: int) -> IntArray:
    """(n, at least ``length``) with -1 before what is too short."""
    missing = max(0, length - history.shape[1])
    return np.pad(history, [(0, 0), (missing, 0)], constant_values=-1)
