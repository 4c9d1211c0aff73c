"""The nearest sentence: the training sentence that fits the item and the user best; no text is generated.

Candidates are the training sentences on the item, and the most typical ones on its category and of the corpus. For a
user ``u`` and a sentence ``s`` by ``a``, the prediction has the largest weighted sum of

    item        mean of cos(s, s') over the sentences s' on the item
    category    the same over those on the items of its category path
    corpus      the same over all
    words       cos(s, earlier texts of u: training sentences and the reviews of the history)
    taste       cos(items of u's history, items of a in training)

with texts as TF-IDF vectors and counts of items. A term without data is 0 for all candidates. The weights are those of
``WEIGHTS`` with the best ROUGE-L on the validation part. Each term is a product of sparse rows, candidate by candidate;
users are never multiplied with all sentences.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors.numpy import load_file, save_file
from scipy import sparse

from baselines.explanation.typical import DIGITS, NONE, TASK, category_groups, vectorizer
from baselines.learning.files import reading
from unimp_bench.contracts import FitData, Writer
from unimp_bench.corpus import Items
from unimp_bench.kinds.text import TextExamples
from unimp_bench.metrics.scores import Score
from unimp_bench.metrics.text import rouge_scores
from unimp_bench.ragged import Ragged, spans
from unimp_bench.records import Examples, FloatArray, IntArray
from unimp_bench.settings import Count

TERMS = ("item", "category", "corpus", "words", "taste")
WEIGHTS = (0.0, 0.5, 1.0, 2.0)
_VALIDATED = 1000
_SENTENCES, _ARRAYS = "sentences.json", "nearest.safetensors"


@dataclass(frozen=True)
class NearestConfig:
    """Settings.

    Attributes:
        candidates: maximum number of candidates on the item.
        wider: number of candidates on its category, and of the corpus, the most typical ones.
    """

    candidates: Count = 100
    wider: Count = 20


class Pairs(NamedTuple):
    """The candidates of some examples.

    Attributes:
        owners: (pairs,) example of each, ascending; each example has at least one.
        sentences: (pairs,) training sentences, ascending within an example.
        terms: (pairs, TERMS), each between 0 and 1.
    """

    owners: IntArray
    sentences: IntArray
    terms: FloatArray

    def best(self, weights: FloatArray) -> IntArray:
        """(examples,) the pair of each example with the largest weighted sum; the first sentence of equals."""
        scores = np.round(self.terms @ weights, DIGITS)
        top = np.maximum.reduceat(scores, np.unique(self.owners, return_index=True)[1])
        winners = np.flatnonzero(scores == top[self.owners])
        best: IntArray = winners[np.unique(self.owners[winners], return_index=True)[1]]
        return best


@dataclass(frozen=True)
class Candidates:
    """The training sentences on each group of items; group 0, which is empty, is that of items without a group.

    Attributes:
        groups: (items,) group of each item.
        means: (groups, words) mean vector of the sentences on each group.
        typical: sentences per group, the most typical first.
    """

    groups: IntArray
    means: sparse.csr_array
    typical: Ragged

    @classmethod
    def of(
        cls, vectors: sparse.csr_array, group_of_item: IntArray, items: IntArray, wordings: IntArray, count: int
    ) -> Candidates:
        """At most ``count`` sentences per group, those with the largest product with the mean; one of each wording.

        Args:
            vectors: (n, words) of the sentences.
            group_of_item: (items,) from 0, or ``NONE``.
            items: (n,) item of each sentence.
            wordings: (n,) equal for sentences that count as the same.
        """
        group_of_item = group_of_item - NONE
        groups = group_of_item[items]
        grouped = groups > 0
        totals = sums(groups[grouped], int(group_of_item.max()) + 1) @ vectors[grouped]
        sizes = np.bincount(groups[grouped], minlength=totals.shape[0])
        means = (sparse.diags_array(1 / np.maximum(sizes, 1)) @ totals).tocsr()
        typicality = np.round(row_products(vectors, means, groups), DIGITS)
        order = np.lexsort([np.arange(len(items)), -typicality, groups])[np.count_nonzero(~grouped) :]
        firsts = np.unique(groups[order] * len(items) + wordings[order], return_index=True)[1]
        order = order[np.sort(firsts)]
        typical = Ragged.grouped(groups[order], totals.shape[0], order)
        return cls(group_of_item, means, typical.keep(typical.positions() < count))


class NearestSentence(Writer[NearestConfig]):
    """See the module."""

    Config = NearestConfig

    def fit(self, data: FitData) -> None:
        train, validation = data.examples[TASK].train, data.examples[TASK].validation
        assert train.targets is not None
        self._sentences = train.texts.read()
        self._arrays: dict[str, np.ndarray] = {
            "about": np.asarray(train.targets),
            "authors": np.asarray(train.users),
            "offsets": np.asarray(train.histories.offsets),
            "items": np.asarray(train.histories.items),
        }
        self._prepare(data.items)
        some = np.linspace(0, len(validation) - 1, min(_VALIDATED, len(validation))).astype(np.int64)
        self._weights = self._best_weights(validation.select(some))

    def save(self, folder: Path) -> None:
        (folder / _SENTENCES).write_text(json.dumps(self._sentences), encoding="utf-8")
        save_file(self._arrays | {"weights": self._weights}, folder / _ARRAYS)

    def load(self, folder: Path, items: Items, cache: Path) -> None:
        with reading(folder):
            self._sentences = json.loads((folder / _SENTENCES).read_text(encoding="utf-8"))
            self._arrays = load_file(folder / _ARRAYS)
            self._weights = self._arrays.pop("weights")
        self._prepare(items)

    def write(self, examples: TextExamples) -> list[str]:
        pairs = self.pairs(examples)
        return [self._sentences[number] for number in pairs.sentences[pairs.best(self._weights)]]

    def pairs(self, examples: Examples) -> Pairs:
        """The candidates of some examples, and how well each fits by each term."""
        assert examples.shown is not None
        items, authors = examples.shown.items, self._arrays["authors"]
        typical = [candidates.typical.take(candidates.groups[items]) for candidates in self._candidates]
        owners = np.concatenate([each.owners() for each in typical])
        sentences = np.concatenate([each.values for each in typical])
        order = np.lexsort([sentences, owners])
        owners, sentences = owners[order], sentences[order]
        vectors = self._vectors[sentences]
        past = spans(examples.starts(), examples.ends)
        terms = [row_products(vectors, each.means, each.groups[items][owners]) for each in self._candidates]
        terms.append(row_products(vectors, self._written(examples, *past), owners))
        terms.append(row_products(self._tastes[authors[sentences]], self._bought(examples, *past), owners))
        return Pairs(owners, sentences, np.stack(terms, axis=1))

    def _prepare(self, items: Items) -> None:
        """Compute vectors, candidates and tastes from the sentences and the arrays."""
        about, authors, offsets = (self._arrays[name] for name in ("about", "authors", "offsets"))
        self._vectorizer = vectorizer()
        self._vectors = sparse.csr_array(self._vectorizer.fit_transform(self._sentences))
        texts, alone = wordings(self._sentences), np.arange(len(about))
        everything = np.zeros(len(items), dtype=np.int64)
        self._candidates = (
            Candidates.of(self._vectors, np.arange(len(items)), about, alone, self.config.candidates),
            Candidates.of(self._vectors, category_groups(items), about, texts, self.config.wider),
            Candidates.of(self._vectors, everything, about, texts, self.config.wider),
        )
        users, self._items = len(offsets) - 1, len(items)
        self._own = sums(authors, users) @ self._vectors
        owners = np.repeat(np.arange(users), np.diff(offsets))
        self._tastes = unit_rows(counts(owners, self._arrays["items"], (users, self._items)))

    def _best_weights(self, validation: TextExamples) -> FloatArray:
        """The combination whose chosen sentences have the best ROUGE-L."""
        pairs, references = self.pairs(validation), validation.texts.read()
        candidates = [self._sentences[number] for number in pairs.sentences]
        found = rouge_scores(candidates, [references[owner] for owner in pairs.owners])["ROUGE-L"]
        assert isinstance(found, Score) and found.values is not None
        overlaps = found.values
        combinations = [np.array(weights) for weights in product(WEIGHTS, repeat=len(TERMS))]
        return max(combinations, key=lambda weights: float(overlaps[pairs.best(weights)].mean()))

    def _written(self, examples: Examples, past: IntArray, rows: IntArray) -> sparse.csr_array:
        """(n, words) of length 1 or empty: the earlier texts of the user of each example."""
        written = self._own[examples.users]
        if examples.histories.reviews is not None and len(rows):
            reviews = self._vectorizer.transform(examples.histories.reviews.select(rows).read())
            written = written + sums(past, len(examples)) @ sparse.csr_array(reviews)
        return unit_rows(written)

    def _bought(self, examples: Examples, past: IntArray, rows: IntArray) -> sparse.csr_array:
        """(n, items) of length 1 or empty: the items of each history."""
        return unit_rows(counts(past, examples.histories.items[rows], (len(examples), self._items)))


def wordings(sentences: Sequence[str]) -> IntArray:
    """(n,) the same number for the same text."""
    numbers: IntArray = np.unique(np.array(sentences, dtype=object), return_inverse=True)[1]
    return numbers


def row_products(rows: sparse.csr_array, others: sparse.csr_array, owners: IntArray) -> FloatArray:
    """(n,) the product of each of n sparse rows with the row of ``others`` that ``owners`` (n,) names."""
    entries = rows.tocoo()
    others.sum_duplicates()  # sorts the columns of each row, so that they are found by bisection
    matched = np.asarray(others[owners[entries.row], entries.col], dtype=np.float64).ravel()
    return np.bincount(entries.row, entries.data * matched, minlength=rows.shape[0]).astype(np.float64)


def sums(owners: IntArray, count: int) -> sparse.csr_array:
    """(count, n) with a 1 where a row belongs to an owner: its product with (n, ...) sums the rows of each owner."""
    return counts(owners, np.arange(len(owners)), (count, len(owners)))


def counts(rows: IntArray, columns: IntArray, shape: tuple[int, int]) -> sparse.csr_array:
    """Number of occurrences of each pair of a row and a column."""
    return sparse.coo_array((np.ones(len(rows)), (rows, columns)), shape=shape).tocsr()


def unit_rows(matrix: sparse.csr_array) -> sparse.csr_array:
    """The same rows, each of length 1 or empty."""
    lengths = np.sqrt((matrix**2).sum(axis=1))
    return (sparse.diags_array(1 / np.where(lengths > 0, lengths, 1)) @ matrix).tocsr()
