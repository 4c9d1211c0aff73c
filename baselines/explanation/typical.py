"""The most typical training sentence on an item, the same for every user.

The most typical of a set of sentences is the medoid: it has the largest sum of cosines with all of them, as TF-IDF
vectors. Ties go to the sentence more typical of the wider group, then to the first. The sum of cosines with a group is
the product with the group's sum of vectors, so the cost is linear in the number of words.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from unimp_bench.contracts import FitData, NoOptions, Parameters, Writer
from unimp_bench.corpus import Items
from unimp_bench.kinds.text import TextExamples
from unimp_bench.records import FloatArray, IntArray

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfVectorizer

TASK = "explanation"
NONE = -1
"""Marks a missing group or sentence."""

_WORD = r"\w+"
DIGITS = 9
"""Decimals to which scores are rounded, so that ties do not depend on the order of summation."""


class TypicalSentence(Writer[NoOptions]):
    """The most typical training sentence about the item, else about its category path, else of the corpus."""

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

    def parameters(self) -> Parameters:
        """A number of a sentence for each item; one where all have the same."""
        return Parameters(total=len(self._numbers) if len(self._sentences) > 1 else 1)

    def write(self, examples: TextExamples) -> list[str]:
        return [self._sentences[number] for number in self._numbers[examples.shown.items]]

    def _narrower(self, items: Items) -> list[IntArray]:
        """Groups of items within the corpus, (items,) each, wider ones first."""
        return [category_groups(items), np.arange(len(items))]


class ConstantSentence(TypicalSentence):
    """The most typical training sentence of the corpus, for all items."""

    def _narrower(self, items: Items) -> list[IntArray]:
        return []


def category_groups(items: Items) -> IntArray:
    """(items,) number of each item's category path; ``NONE`` without a category."""
    if "category" not in items.attributes:
        return np.full(len(items), NONE)
    paths, codes = np.unique(np.array(items.text("category"), dtype=object), return_inverse=True)
    return np.where((paths == "")[codes], NONE, codes)


def typical_sentences(sentences: Sequence[str], owners: IntArray, groupings: Sequence[IntArray]) -> IntArray:
    """The most typical sentence per owner, from the narrowest of its groups with a sentence.

    Args:
        sentences: n of them, at least one.
        owners: (n,) owner of each sentence, such as its item, from 0.
        groupings: (owners,) group of each owner; wider groupings first, the first without ``NONE``.

    Returns:
        (owners,) numbers of sentences; ``NONE`` for an owner without a sentence in any of its groups.
    """
    vectors = tf_idf(sentences)
    chosen = np.full(len(groupings[0]), NONE)
    scores: list[FloatArray] = []
    for group_of_owner in groupings:
        groups = group_of_owner[owners]
        scores.append(np.round(_nearness(vectors, groups), DIGITS))
        ascending = np.lexsort([-np.arange(len(sentences)), *scores, groups])
        ascending = ascending[groups[ascending] != NONE]
        medoids = np.full(int(group_of_owner.max(initial=NONE)) + 2, NONE)  # the last entry is for NONE
        medoids[groups[ascending]] = ascending  # the last assignment to a group wins
        chosen = np.where(medoids[group_of_owner] == NONE, chosen, medoids[group_of_owner])
    return chosen


def vectorizer() -> TfidfVectorizer:
    """Word counts times ``1 + log((1 + n) / (1 + texts with the word))``, rows normalised to length 1."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(token_pattern=_WORD)


def tf_idf(sentences: Sequence[str]) -> sparse.csr_array:
    """(n, words) vectors of the sentences by ``vectorizer``; no columns if no sentence has a word."""
    try:
        return sparse.csr_array(vectorizer().fit_transform(sentences))
    except ValueError:  # raised by scikit-learn for an empty vocabulary
        return sparse.csr_array((len(sentences), 0))


def _nearness(vectors: sparse.csr_array, groups: IntArray) -> FloatArray:
    """(n,) sum of the cosines of each sentence with all sentences of its group, including itself."""
    entries = vectors.tocoo()
    cells = groups[entries.row].astype(np.int64) * vectors.shape[1] + entries.col
    distinct, columns = np.unique(cells, return_inverse=True)
    sums = np.bincount(columns, entries.data, minlength=len(distinct))
    return np.asarray(np.bincount(entries.row, entries.data * sums[columns], minlength=vectors.shape[0]), np.float64)
