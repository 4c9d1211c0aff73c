"""The selection with the highest expected F1, given how the examples of the sample come about.

The positives are the next k purchases in a row, k drawn uniformly from what the part of the split allows; the others
are drawn uniformly from all items of the domain that the user never had (``tasks.selection``, its default options).
So a sequence of k of the candidates is the positives with a chance proportional to

    P(c_1 | h) P(c_2 | h, c_1) ... P(c_k | h, c_1 ... c_{k-1}) / binomial(items never had, number of others)
"""

from __future__ import annotations

import numpy as np
from scipy.special import comb

from baselines.oracle.choices import Choices, histories
from unimp_bench.records import BoolArray, Examples, FloatArray, IntArray, Shown

NEGATIVES = (2, 7)
"""Bounds of the number of candidates that are not positives, all numbers between them as likely."""

_UNUSUAL = 1e-9
"""How likely other numbers are: next to nothing, so that examples drawn with other options have a best set too."""

_EXAMPLES_AT_ONCE = 32


def most_likely_sets(choices: Choices, examples: Examples, domain_sizes: IntArray) -> BoolArray:
    """(shown rows,) the candidates to choose.

    Args:
        domain_sizes: (n,) number of items in the domain of each example's user.
    """
    assert examples.shown is not None
    chosen = []
    for start in range(0, len(examples), _EXAMPLES_AT_ONCE):
        rows = slice(start, start + _EXAMPLES_AT_ONCE)
        block = examples.select(rows)
        assert block.shown is not None
        chosen.append(best_sets(positive_chances(choices, block, domain_sizes[rows]), block.shown))
    return np.concatenate([np.zeros(0, dtype=np.bool_), *chosen])


def most_positives(examples: Examples) -> int:
    """How many positives an example can have."""
    return 1 if examples.split == "loo" and examples.part != "train" else 3


def positive_chances(choices: Choices, examples: Examples, domain_sizes: IntArray) -> FloatArray:
    """(shown rows, most positives): how likely there are k positives with the candidate among them, in column k - 1.

    Of one example all are scaled alike, which a choice among them does not notice.
    """
    shown, history = examples.shown, histories(examples)
    assert shown is not None
    candidates, bought = np.diff(shown.offsets), (history >= 0).sum(axis=1)
    chances = np.zeros((len(shown.items), most_positives(examples)))
    # Sequences of candidates, by their rows in ``shown``, each with its example and its chance; at first empty ones.
    sequences = np.zeros((len(examples), 0), dtype=np.int64)
    owners, likely = np.arange(len(examples)), np.ones(len(examples))
    for count in range(1, chances.shape[1] + 1):
        after = np.concatenate([history[owners], shown.items[sequences]], axis=1)
        shares = choices.after(examples.users[owners], after)
        offsets, added = shown.rows_of(owners)
        begun = np.repeat(np.arange(len(owners)), np.diff(offsets))
        likely = likely[begun] * shares[begun, shown.items[added]]
        possible = likely > 0  # all but an item twice
        begun, added, likely = begun[possible], added[possible], likely[possible]
        sequences = np.concatenate([sequences[begun], added[:, None]], axis=1)
        owners = owners[begun]
        others = _chance_of_others(domain_sizes - bought - count, candidates - count)
        for place in sequences.T:
            chances[:, count - 1] += np.bincount(place, likely * others[owners], minlength=len(chances))
    return chances


def best_sets(chances: FloatArray, shown: Shown) -> BoolArray:
    """(shown rows,) the sets with the highest expected F1 (Dembczynski et al., NeurIPS 2011).

    A set of size j has the expected F1 ``sum_c sum_k 2 P(c positive, k positives) / (j + k)``, so of each size the
    best one takes the candidates with the largest terms.
    """
    counts = np.arange(1, chances.shape[1] + 1)
    chosen = np.zeros(len(chances), dtype=np.bool_)
    for start, end in zip(shown.offsets[:-1], shown.offsets[1:], strict=True):
        if start == end:
            continue
        sizes = np.arange(1, end - start + 1)
        terms = chances[start:end] @ (2 / (sizes[None, :] + counts[:, None]))
        expected = np.cumsum(-np.sort(-terms, axis=0), axis=0).diagonal()
        size = int(expected.argmax())
        chosen[start + np.argsort(-terms[:, size], kind="stable")[: size + 1]] = True
    return chosen


def _chance_of_others(pool: IntArray, drawn: IntArray) -> FloatArray:
    """(n,) of just these others: so many, each set of so many as likely."""
    fewest, most = NEGATIVES
    numbers = np.where((drawn >= fewest) & (drawn <= most), 1.0, _UNUSUAL)
    chances: FloatArray = numbers / np.maximum(comb(pool, np.maximum(drawn, 0)), 1)
    return chances
