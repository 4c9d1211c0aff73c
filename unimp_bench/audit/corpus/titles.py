"""Items whose titles are nearly the same."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator

import numpy as np
from scipy.sparse import csr_array

from unimp_bench.audit.corpus.likeness import Likeness, chained
from unimp_bench.audit.corpus.measures import LIKE_TITLES
from unimp_bench.corpus import Items
from unimp_bench.progress import progress
from unimp_bench.records import BoolArray, IntArray

TITLE = "title"

_CELLS = 1 << 24
"""Cells of the matrix of cosines that are computed together."""

_NO_LETTERS = re.compile(r"[\W_]+")


def title_likeness(items: Items) -> Likeness | None:
    """Titles by the cosine of their TF-IDF over the character trigrams of their words; None where no item has one.

    So the order of words counts little, and what many titles say less than what few do.
    """
    titles = [plain_title(title) for title in items.text(TITLE)] if TITLE in items.attributes else []
    if not any(titles):
        return None
    from sklearn.feature_extraction.text import TfidfVectorizer

    distinct, contents = np.unique(np.array(titles, dtype=object), return_inverse=True)
    if not distinct[0]:  # the empty title, which says nothing, comes first
        distinct, contents = distinct[1:], contents - 1
    trigrams = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 3), lowercase=False, dtype=np.float32)
    vectors = csr_array(trigrams.fit_transform(distinct))

    def near(a: IntArray, b: IntArray) -> BoolArray:
        cosines: BoolArray = vectors[a].multiply(vectors[b]).sum(axis=1) >= LIKE_TITLES
        return cosines

    return Likeness(contents, chained(len(distinct), _pairs(vectors)), near)


def plain_title(title: str) -> str:
    """A title without case, punctuation, references to characters and superfluous spaces."""
    return _NO_LETTERS.sub(" ", unicodedata.normalize("NFKC", html.unescape(title)).casefold()).strip()


def _pairs(vectors: csr_array) -> Iterator[tuple[IntArray, IntArray]]:
    """All pairs of rows above the threshold, a block of rows at a time against those from the block on."""
    count = vectors.shape[0]
    step = max(1, _CELLS // count)
    for start in progress(range(0, count, step), "comparing titles", unit="block"):
        cosines = (vectors[start : start + step] @ vectors[start:].T).tocoo()
        near = cosines.data >= LIKE_TITLES
        yield cosines.row[near] + start, cosines.col[near] + start
