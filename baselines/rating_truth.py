"""The true rating distributions of the built-in sample, from the knowledge its generator keeps.

``docs/sample.md`` writes the model down; the arrays lie in the corpus's ``truth`` folder. A rating cuts a normal
satisfaction into stars, and does not depend on the moment: only on the user, the item and chance.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.special import ndtr

from unimp_bench.records import FloatArray, IntArray

TASTES = ("colour", "shape", "pattern", "theme")


def star_probabilities(truth: Mapping[str, np.ndarray], users: IntArray, items: IntArray) -> FloatArray:
    """The chance of one, two, ... five stars for each pair, (pairs, 5) float64; rows sum to 1.

    Args:
        truth: the arrays of the corpus's ``truth`` folder, by file name without ending.
        users, items: (pairs,) numbers in the corpus, of one domain each pair.
    """
    distance = truth["item_dearness"][items] - truth["user_purse"][users]
    liking = sum(truth[f"user_{taste}"][users, truth[f"item_{taste}"][items]] for taste in TASTES)
    liking = liking - truth["price_weight"] * distance**2
    standard = (liking - truth["user_liking_mean"][users]) / truth["user_liking_spread"][users]
    known = truth["liking_weight"] * standard + truth["user_leniency"][users] + truth["item_quality"][items]
    below = ndtr((truth["star_cut"][None, :] - known[:, None]) / truth["noise_spread"])
    edges = np.concatenate([np.zeros((len(below), 1)), below, np.ones((len(below), 1))], axis=1)
    probabilities: FloatArray = np.diff(edges, axis=1)
    return probabilities


def expected_stars(probabilities: FloatArray) -> FloatArray:
    """The mean rating of each row of ``star_probabilities``, (pairs,): what has the least squared error."""
    stars: FloatArray = probabilities @ np.arange(1, probabilities.shape[1] + 1)
    return stars


def median_stars(probabilities: FloatArray) -> FloatArray:
    """The median rating of each row of ``star_probabilities``, (pairs,): what has the least absolute error."""
    medians: FloatArray = 1.0 + (np.cumsum(probabilities, axis=1) < 0.5).sum(axis=1)
    return medians
