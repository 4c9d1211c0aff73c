"""A store in which each user buys by taste, which the words of the items tell."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from unimp_bench.corpus import Corpus

SHELVES = ("lamps", "chairs", "plates", "towels", "clocks", "vases")
TASTES = ("ocean blue shell", "forest green fern", "desert sand dune", "night black star")


def store_of_tastes(make_corpus: Callable[..., Corpus], users: int) -> Corpus:
    """Each user buys the items of one taste, shelf after shelf; on a shelf every taste has one item.

    So query and popularity leave one chance in four, and the history tells the rest.
    """
    rng = np.random.default_rng(0)
    histories = [
        [int(shelf) * len(TASTES) + user % len(TASTES) for shelf in rng.permutation(len(SHELVES))]
        for user in range(users)
    ]
    items = [(shelf, taste) for shelf in SHELVES for taste in TASTES]
    columns = {
        "title": pa.array([f"{taste} {shelf}" for shelf, taste in items]),
        "category": pa.array([["home", shelf] for shelf, _ in items]),
    }
    return make_corpus(histories, columns)
