"""Examples of search and codes of pictures of the planted corpus."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tasks.search import Search
from unimp_bench.corpus import Corpus
from unimp_bench.records import Examples, PictureCodes


@pytest.fixture(scope="session")
def searches(planted: Corpus) -> Examples:
    return replace(Search().examples(planted, "loo", "test"), instruction=Search.instruction)


@pytest.fixture(scope="session")
def pictures(planted: Corpus) -> PictureCodes:
    """Four codes per picture; the first two are the item number."""
    has = planted.items.has_picture
    items = np.flatnonzero(has)
    rows = np.where(has, np.cumsum(has) - 1, -1)
    return PictureCodes(100, rows, np.stack([items, items, items * 0, items * 0 + 1], axis=1))
