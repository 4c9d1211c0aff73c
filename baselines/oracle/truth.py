"""What the sample's generator knows, read from the corpus's ``truth`` folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from unimp_bench.corpus import Items
from unimp_bench.records import FloatArray

PICTURE_TASTES = ("colour", "shape", "pattern")
TEXT_TASTES = ("theme",)

Truth = Mapping[str, np.ndarray]
"""Arrays by name, in the numbering of the corpus; ``data_prep.sample.truth`` lists them."""


def read_truth(items: Items, hidden: Sequence[str] = ()) -> Truth:
    """The truth of a corpus.

    Args:
        hidden: tastes in place of which every user has the mean of the domain's users.

    Raises:
        DataError: the corpus has no truth, or another one's.
    """
    truth = items.truth()
    return truth | {f"user_{taste}": _domain_means(truth, f"user_{taste}") for taste in hidden}


def _domain_means(truth: Truth, name: str) -> FloatArray:
    """The rows of a user array, each replaced by the mean over the users of its domain."""
    values, domains = truth[name], truth["user_domain"]
    means = np.stack([values[domains == code].mean(axis=0) for code in range(domains.max() + 1)])
    replaced: FloatArray = means[domains]
    return replaced
