"""The most typical training sentence on an item, the same for every user.

The most typical of some sentences is their medoid: the one with the largest sum of cosines with all of them, each
sentence a TF-IDF vector over its words. Of equals, the one that is more typical of the wider group is taken, then the
first. The sum of cosines with a group is the product with the group's sum of vectors, so the cost grows with the number
of words and not with the pairs of sentences.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from unimp_bench.contracts import FitData, NoOptions, Writer
from unimp_bench.corpus import Items
from unimp_bench.kinds.text import TextExamples
from unimp_bench.records import FloatArray, IntArray

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfVectorizer

TASK = "explanation"
NONE = -1
"""No group, or no sentence."""

_WORD = r"\w+"
DIGITS = 9
"""Decimals of scores, so that the order of summation decides no tie."""


class TypicalSentence(Writer[NoOptions]):
    """The most typical of the training sentences about the item.

    An item without one gets that of its category path, a category without one that of the corpus.
    """

    Config = NoOptions

    def fit(self, data: FitData) -> None:
        train = data.examples[TASK].train
        assert train.targets is not None
        sentences = train.texts.read()
        everything = np.zeros(len(data.items), dtype=np.int64)
        chosen = typical_sentences(sentences, train.targets, [everything, *self._narrower(data.items)])
        kept, self._numbers = np.unique(chosen, return_inverse=True)
        self._sentences = [sentences[number] for number in kept]

    def save(self, folder: Path) -> None:
        (folder / "sentences.json").write_text(json.dumps(self._sentences), encoding="utf-8")
        np.save(folder / "numbers.npy", self._numbers, allow_pickle=False)

    def load(self, folder: Path, items: Items, cache: Path) -> None:
        self._sentences = json.loads((folder / "sentences.json").read_text(encoding="utf-8"))
        self._numbers = np.load(folder / "numbers.npy", allow_pickle=False)

    def write(self, examples: TextExamples) -> list[str]:
        return [self._sentences[number] for number in self._numbers[examples.shown.items]]

    def _narrower(self, items: Items) -> list[IntArray]:
        """Groups of items within the corpus, (items,) each, wider ones first."""
        return [category_groups(items), np.arange(len(items))]


class ConstantSentence(TypicalSentence):
    """The most typical training sentence of the corpus, whatever the item."""

    def _narrower(self, items: Items) -> list[IntArray]:
        return []


def category_groups(items: Items) -> IntArray:
    """(items,) a number for each category path; ``NONE`` for an item without one."""
    if "category" not in items.attributes:
        return np.full(len(items), NONE)
    paths, codes = np.unique(np.array(items.text("category"), dtype=object), return_inverse=True)
    return np.where((paths == "")[codes], NONE, codes)


def typical_sentences(sentences: Sequence[str], owners: IntArray, groupings: Sequence[IntArray]) -> IntArray:
    """The most typical sentence per owner: that of the narrowest of its groups that has any.

    Args:
        sentences: n of them, at least one.
        owners: (n,) owner of each sentence, such as its item, from 0.
        groupings: wider ones first, the first without ``NONE``; each (owners,) group of every owner.

    Returns:
        (owners,) numbers of sentences; ``NONE`` for an owner none of whose groups has a sentence.
    """
    vectors = tf_idf(sentences)
    chosen = np.full(len(groupings[0]), NONE)
    scores: list[FloatArray] = []
    for group_of_owner in groupings:
        groups = group_of_owner[owners]
        scores.append(np.round(_nearness(vectors, groups), DIGITS))
        ascending = np.lexsort([-np.arange(len(sentences)), *scores, groups])
        ascending = ascending[groups[ascending] != NONE]
        medoids = np.full(int(group_of_owner.max(initial=NONE)) + 2, NONE)  # the last entry is that of NONE
        medoids[groups[ascending]] = ascending  # of several in one group the last stays
        chosen = np.where(medoids[group_of_owner] == NONE, chosen, medoids[group_of_owner])
    return chosen


def vectorizer() -> TfidfVectorizer:
    """Of texts: counts times ``1 + log((1 + n) / (1 + texts with the word))``, each row of length 1 or empty."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(token_pattern=_WORD)


def tf_idf(sentences: Sequence[str]) -> sparse.csr_array:
    """(n, words) vectors of the sentences by ``vectorizer``; no column where none of them has a word."""
    try:
        return sparse.csr_array(vectorizer().fit_transform(sentences))
    except ValueError:  # of scikit-learn, for an empty vocabulary
        return sparse.csr_array((len(sentences), 0))


def _nearness(vectors: sparse.csr_array, groups: IntArray) -> FloatArray:
    """(n,) sum of the cosines of each sentence with those of its group, itself included."""
    entries = vectors.tocoo()
    cells = groups[entries.row].astype(np.int64) * vectors.shape[1] + entries.col
    distinct, columns = np.unique(cells, return_inverse=True)
    sums = np.bincount(columns, entries.data, minlength=len(distinct))
    return np.asarray(np.bincount(entries.row, entries.data * sums[columns], minlength=vectors.shape[0]), np.float64)
