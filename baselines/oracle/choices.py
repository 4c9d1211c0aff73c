"""The true choice model of the sample: ground truth, purchase probabilities, and optimal selections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import comb

from unimp_bench.corpus import Items
from unimp_bench.records import BoolArray, Examples, FloatArray, IntArray, Shown

PICTURE_TASTES = ("colour", "shape", "pattern")
TEXT_TASTES = ("theme",)

Truth = Mapping[str, np.ndarray]
"""Arrays by name, in the numbering of the corpus; see ``data_prep.sample.truth``."""

NEGATIVES = (2, 7)
"""Minimum and maximum number of negative candidates; all numbers between them are equally likely."""

_UNUSUAL = 1e-9
"""Relative probability of other numbers: small but positive, for examples drawn with other options."""

_EXAMPLES_AT_ONCE = 32


def read_truth(items: Items, hidden: Sequence[str] = ()) -> Truth:
    """The ground truth of a corpus.

    Args:
        hidden: tastes to replace by the mean over the users of the domain.

    Raises:
        DataError: the corpus has no ground truth, or the ground truth of another corpus.
    """
    truth = items.truth()
    return truth | {f"user_{taste}": _domain_means(truth, f"user_{taste}") for taste in hidden}


def _domain_means(truth: Truth, name: str) -> FloatArray:
    """Replace each row of a user array by the mean over the users of its domain."""
    values, domains = truth[name], truth["user_domain"]
    means = np.stack([values[domains == code].mean(axis=0) for code in range(domains.max() + 1)])
    replaced: FloatArray = means[domains]
    return replaced


class Choices:
    """The choice model of the sample.

    Args:
        truth: parameters.
        categories: (items,) category paths, which are the queries.
        order: whether to condition on the last items; else on the expectation over a uniformly drawn last item.
    """

    def __init__(self, truth: Truth, categories: list[str], *, order: bool = True) -> None:
        self._truth = truth
        self._categories = np.array(categories, dtype=object)
        self._order_counts = order

    def of_examples(self, examples: Examples) -> FloatArray:
        """(examples, items) float64 probabilities given history and query; rows sum to 1."""
        history = histories(examples)
        shares = self.after(examples.users, history)
        if examples.queries is not None:
            # The empty query stands for an unknown category and carries no information.
            for query in np.unique(examples.queries):
                if examples.query_texts[query]:
                    shares[np.ix_(examples.queries == query, self._categories != examples.query_texts[query])] = 0
            shares /= shares.sum(axis=1, keepdims=True)
        return shares

    def after(self, users: IntArray, history: IntArray) -> FloatArray:
        """(n, items) float64 probabilities of the next purchase; rows sum to 1.

        Args:
            users: (n,) user numbers.
            history: (n, length) all items bought so far, right-aligned, padded with -1.
        """
        utilities = self._taste(users) + self._order(history)
        utilities[~self._possible(users, history)] = -np.inf
        weights = np.exp(utilities - utilities.max(axis=1, keepdims=True))
        shares: FloatArray = weights / weights.sum(axis=1, keepdims=True)
        return shares

    def _possible(self, users: IntArray, history: IntArray) -> BoolArray:
        """(n, items) bool, items of the user's domain not bought yet."""
        truth = self._truth
        possible: BoolArray = truth["user_domain"][users][:, None] == truth["item_domain"][None, :]
        rows, columns = np.nonzero(history >= 0)
        possible[rows, history[rows, columns]] = False
        return possible

    def _taste(self, users: IntArray) -> FloatArray:
        """(n, items) utilities from popularity and the users' tastes."""
        truth = self._truth
        distance = truth["item_dearness"][None, :] - truth["user_purse"][users][:, None]
        utilities: FloatArray = truth["item_popularity"] - truth["price_weight"] * distance**2
        for taste in (*PICTURE_TASTES, *TEXT_TASTES):
            utilities += truth[f"user_{taste}"][users][:, truth[f"item_{taste}"]]
        return utilities

    def _order(self, history: IntArray) -> FloatArray:
        """(n, items) utilities from the last items."""
        truth = self._truth
        shelves, boosts = truth["item_shelf"], truth["series_boost"]
        if not self._order_counts:
            # Averaged over a uniform last item, successors add a constant per domain, which cancels.
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
    """(n, longest) complete histories, right-aligned, padded with -1."""
    return examples.last_items(int((examples.ends - examples.starts()).max(initial=0)))


def _padded(history: IntArray, length: int) -> IntArray:
    """(n, at least ``length``), padded with -1 on the left."""
    missing = max(0, length - history.shape[1])
    return np.pad(history, [(0, 0), (missing, 0)], constant_values=-1)


def best_selections(choices: Choices, examples: Examples, domain_sizes: IntArray) -> BoolArray:
    """(shown rows,) the selection with the highest expected F1, given the sampling of examples.

    The positives are the next k consecutive purchases, with k uniform over the values possible in the part of the
    split; the negatives are uniform over all items of the domain that the user never bought (``tasks.selection`` with
    default options). So the probability that a sequence of k candidates are the positives is proportional to

        P(c_1 | h) P(c_2 | h, c_1) ... P(c_k | h, c_1 ... c_{k-1}) / binomial(items never bought, number of negatives)

    Args:
        domain_sizes: (n,) number of items in the domain of each example's user.
    """
    assert examples.shown is not None
    chosen = []
    for start in range(0, len(examples), _EXAMPLES_AT_ONCE):
        rows = slice(start, start + _EXAMPLES_AT_ONCE)
        block = examples.select(rows)
        assert block.shown is not None
        chosen.append(best_sets(positive_probabilities(choices, block, domain_sizes[rows]), block.shown))
    return np.concatenate([np.zeros(0, dtype=np.bool_), *chosen])


def max_positives(examples: Examples) -> int:
    """Maximum number of positives per example."""
    return 1 if examples.split == "loo" and examples.part != "train" else 3


def positive_probabilities(choices: Choices, examples: Examples, domain_sizes: IntArray) -> FloatArray:
    """(shown rows, maximum positives); column k - 1 is the probability that the candidate is one of k positives.

    Up to a common factor per example, which does not affect the best set.
    """
    shown, history = examples.shown, histories(examples)
    assert shown is not None
    candidates, bought = np.diff(shown.offsets), (history >= 0).sum(axis=1)
    probabilities = np.zeros((len(shown.items), max_positives(examples)))
    # Sequences of candidates, as rows of ``shown``, with the example and probability of each; initially empty.
    sequences = np.zeros((len(examples), 0), dtype=np.int64)
    owners, weights = np.arange(len(examples)), np.ones(len(examples))
    for count in range(1, probabilities.shape[1] + 1):
        after = np.concatenate([history[owners], shown.items[sequences]], axis=1)
        shares = choices.after(examples.users[owners], after)
        offsets, added = shown.positions_of(owners)
        prefixes = np.repeat(np.arange(len(owners)), np.diff(offsets))
        weights = weights[prefixes] * shares[prefixes, shown.items[added]]
        possible = weights > 0  # without repeated items
        prefixes, added, weights = prefixes[possible], added[possible], weights[possible]
        sequences = np.concatenate([sequences[prefixes], added[:, None]], axis=1)
        owners = owners[prefixes]
        negatives = _probability_of_negatives(domain_sizes - bought - count, candidates - count)
        for rows in sequences.T:
            weighted = np.bincount(rows, weights * negatives[owners], minlength=len(probabilities))
            probabilities[:, count - 1] += weighted
    return probabilities


def best_sets(probabilities: FloatArray, shown: Shown) -> BoolArray:
    """(shown rows,) the sets with the highest expected F1 (Dembczynski et al., NeurIPS 2011).

    A set of size j has the expected F1 ``sum_c sum_k 2 P(c positive, k positives) / (j + k)``, so the best set of each
    size consists of the candidates with the largest terms.
    """
    counts = np.arange(1, probabilities.shape[1] + 1)
    chosen = np.zeros(len(probabilities), dtype=np.bool_)
    for start, end in zip(shown.offsets[:-1], shown.offsets[1:], strict=True):
        if start == end:
            continue
        sizes = np.arange(1, end - start + 1)
        terms = probabilities[start:end] @ (2 / (sizes[None, :] + counts[:, None]))
        expected = np.cumsum(-np.sort(-terms, axis=0), axis=0).diagonal()
        size = int(expected.argmax())
        chosen[start + np.argsort(-terms[:, size], kind="stable")[: size + 1]] = True
    return chosen


def _probability_of_negatives(pool: IntArray, drawn: IntArray) -> FloatArray:
    """(n,) relative probability of ``drawn`` negatives from a pool: of their number times that of one such set."""
    smallest, largest = NEGATIVES
    numbers = np.where((drawn >= smallest) & (drawn <= largest), 1.0, _UNUSUAL)
    probabilities: FloatArray = numbers / np.maximum(comb(pool, np.maximum(drawn, 0)), 1)
    return probabilities
