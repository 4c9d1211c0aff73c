"""BM25: word match between query and item, without personalisation or training.

The formula is Okapi BM25 as in the package rank_bm25 (``BM25Okapi``; Trotman, Puurula and Burgess, 2014):

    score(q, d) = sum_{t in q} idf(t) tf(t, d) (k1 + 1) / (tf(t, d) + k1 (1 - b + b |d| / avgdl))
    idf(t) = ln((N - n(t) + 0.5) / (n(t) + 0.5)),  negative values replaced by epsilon times the mean idf

A word that occurs twice in the query counts twice. Statistics are over all items of the corpus.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field
from scipy import sparse

from baselines.learning.vocabulary import stems
from unimp_bench.contracts import FitData, Parameters, Ranker
from unimp_bench.corpus import Items
from unimp_bench.errors import UsageError
from unimp_bench.ragged import Ragged
from unimp_bench.records import Examples, FloatArray, IntArray
from unimp_bench.settings import Portion, Weight

TextField = Literal["title", "brand", "category", "description"]


@dataclass(frozen=True)
class BM25Config:
    """Settings of BM25, with rank_bm25's defaults.

    Attributes:
        k1: saturation of repeated words.
        b: strength of the length normalisation, from 0 to 1.
        epsilon: idf of words in more than half of all documents, as a share of the mean idf.
        fields: attributes that form the document of an item; those missing in a corpus are left out.
    """

    k1: Weight = 1.5
    b: Portion = 0.75
    epsilon: Weight = 0.25
    fields: Annotated[tuple[TextField, ...], Field(min_length=1)] = ("title", "brand", "category", "description")


class BM25Index:
    """An inverted index: the contribution of each word to the score of each document, as a sparse matrix.

    Built from word counts (documents, words); every word occurs in some document.
    """

    def __init__(self, counts: sparse.csr_array, config: BM25Config) -> None:
        documents, words = counts.shape
        lengths = counts.sum(axis=1)
        norms = config.k1 * (1 - config.b + config.b * lengths / (lengths.mean() or 1.0))
        saturated = counts.data * (config.k1 + 1) / (counts.data + np.repeat(norms, np.diff(counts.indptr)))
        frequencies = np.bincount(counts.indices, minlength=words)
        idf = np.log(documents - frequencies + 0.5) - np.log(frequencies + 0.5)
        if (idf < 0).any():
            idf[idf < 0] = config.epsilon * idf.mean()
        shares = sparse.csr_array((saturated * idf[counts.indices], counts.indices, counts.indptr), shape=counts.shape)
        self._postings = shares.T.tocsr()

    def __len__(self) -> int:
        """Number of postings."""
        return int(self._postings.nnz)

    def scores(self, queries: sparse.csr_array, documents: IntArray) -> FloatArray:
        """(queries, documents) float64, from word counts (queries, words) and document numbers."""
        scores: FloatArray = (queries @ self._postings[:, documents]).toarray()
        return scores


class ItemIndex:
    """BM25 of the texts of all items, and the words that occur in them.

    Raises:
        UsageError: the corpus has none of the configured fields.
    """

    def __init__(self, items: Items, config: BM25Config) -> None:
        fields = [field for field in config.fields if field in items.attributes]
        if not fields:
            known = ", ".join(config.fields)
            raise UsageError(f"bm25 finds none of its fields ({known}) in this corpus; choose others with 'fields'")
        documents = [stems(" ".join(texts)) for texts in zip(*map(items.text, fields), strict=True)]
        self.columns = {word: column for column, word in enumerate(dict.fromkeys(chain.from_iterable(documents)))}
        self.postings = BM25Index(self.counts(documents), config)

    def counts(self, texts: Sequence[Sequence[str]]) -> sparse.csr_array:
        """Counts of each known word in each text, (texts, words), from stems."""
        words = Ragged.of_rows([[self.columns[word] for word in text if word in self.columns] for text in texts], int)
        entries = np.ones(len(words.values)), (words.owners(), words.values)
        return sparse.coo_array(entries, shape=(len(texts), len(self.columns))).tocsr()


class BM25(Ranker[BM25Config]):
    """Scores items by their words; untrained, ignores the history."""

    Config = BM25Config

    def fit(self, data: FitData) -> None:
        self._index = ItemIndex(data.items, self.config)

    def save(self, folder: Path) -> None:
        """Nothing to save."""

    def load(self, folder: Path, items: Items, cache: Path) -> None:
        self._index = ItemIndex(items, self.config)

    def parameters(self) -> Parameters:
        """The postings."""
        return Parameters(total=len(self._index.postings))

    def remarks(self) -> tuple[str, ...]:
        return () if self._index.columns else ("no item has a word: every item ties",)

    def score(self, examples: Examples, catalogue: IntArray) -> FloatArray:
        queries, query_of_example = examples.distinct_queries()
        counts = self._index.counts(list(map(stems, queries)))
        return self._index.postings.scores(counts, catalogue)[query_of_example]
