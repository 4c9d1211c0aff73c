"""Which items a search query names: those whose category path is the query."""

from __future__ import annotations

import numpy as np

from unimp_bench.corpus import Items
from unimp_bench.records import BoolArray, Examples, IntArray


class QueryMatcher:
    """Compares queries with the category paths of the items, as whole strings."""

    def __init__(self, items: Items) -> None:
        paths, codes = np.unique(np.array(items.text("category"), dtype=object), return_inverse=True)
        self._code_of_path = {str(path): code for code, path in enumerate(paths)}
        self._codes = codes

    def matches(self, examples: Examples, catalogue: IntArray) -> BoolArray:
        """(examples, catalogue) bool: the item's category path is the example's query."""
        assert examples.queries is not None
        wanted = np.array([self._code_of_path.get(text, -1) for text in examples.query_texts])
        matches: BoolArray = wanted[examples.queries][:, None] == self._codes[catalogue][None, :]
        return matches
