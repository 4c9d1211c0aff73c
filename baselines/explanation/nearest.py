"""Nearest sentence: retrieves the training sentence that best matches item and user.

Candidates are the training sentences on the item, and the most typical ones on its category and of the corpus. For a
user ``u`` and a sentence ``s`` by author ``a``, the prediction maximises a weighted sum of

    item        mean of cos(s, s') over the sentences s' on the item
    category    the same over the sentences on items with its category path
    corpus      the same over all sentences
    words       cos(s, earlier texts of u: training sentences and the reviews of the history)
    taste       cos(items of u's history, items of a in training)

with texts as TF-IDF vectors and items as counts. A term without data is 0 for all candidates. The weights are the
combination in ``WEIGHTS`` with the best ROUGE-L on the validation part. Terms are products of sparse rows, computed per
candidate; the product of users with all sentences is never formed.
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
from unimp_bench.contracts import FitData, Parameters, Writer
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
        wider: number of candidates from its category, and from the corpus, the most typical ones.
    """

    candidates: Count = 100
    wider: Count = 20


class Pairs(NamedTuple):
    """Pairs of an example and a candidate.

    Attributes:
        owners: (pairs,) example of each pair, ascending; each example has one or more.
        sentences: (pairs,) training sentences, ascending within an example.
        terms: (pairs, TERMS), each between 0 and 1.
    """

    owners: IntArray
    sentences: IntArray
    terms: FloatArray

    def best(self, weights: FloatArray) -> IntArray:
        """(examples,) the pair of each example with the largest weighted sum; ties go to the first sentence."""
        scores = np.round(self.terms @ weights, DIGITS)
        top = np.maximum.reduceat(scores, np.unique(self.owners, return_index=True)[1])
        winners = np.flatnonzero(scores == top[self.owners])
        best: IntArray = winners[np.unique(self.owners[winners], return_index=True)[1]]
        return best


@dataclass(frozen=True)
class Candidates:
    """The training sentences on each group of items; group 0, without sentences, has the items without a group.

    Attributes:
        groups: (items,) group of each item.
        means: (groups, words) mean vector of the sentences on each group.
        typical: sentences per group, most typical first.
    """

    groups: IntArray
    means: sparse.csr_array
    typical: Ragged

    @classmethod
    def of(
        cls, vectors: sparse.csr_array, group_of_item: IntArray, items: IntArray, wordings: IntArray, count: int
    ) -> Candidates:
        """The at most ``count`` sentences per group with the largest product with the mean, without duplicates.

        Args:
            vectors: (n, words) of the sentences.
            group_of_item: (items,) from 0, or ``NONE``.
            items: (n,) item of each sentence.
            wordings: (n,) equal for duplicates.
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

    def parameters(self) -> Parameters:
        """Whom and what each training sentence is about, the histories, and the weights of the terms."""
        return Parameters(total=sum(array.size for array in self._arrays.values()) + self._weights.size)

    def write(self, examples: TextExamples) -> list[str]:
        pairs = self.pairs(examples)
        return [self._sentences[number] for number in pairs.sentences[pairs.best(self._weights)]]

    def pairs(self, examples: Examples) -> Pairs:
        """The candidates of the given examples, with the terms of each."""
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
        """Compute vectors, candidates and tastes from the stored sentences and arrays."""
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
        """The combination with the best ROUGE-L."""
        pairs, references = self.pairs(validation), validation.texts.read()
        candidates = [self._sentences[number] for number in pairs.sentences]
        found = rouge_scores(candidates, [references[owner] for owner in pairs.owners])["ROUGE-L"]
        assert isinstance(found, Score) and found.values is not None
        overlaps = found.values
        combinations = [np.array(weights) for weights in product(WEIGHTS, repeat=len(TERMS))]
        return max(combinations, key=lambda weights: float(overlaps[pairs.best(weights)].mean()))

    def _written(self, examples: Examples, past: IntArray, rows: IntArray) -> sparse.csr_array:
        """Earlier texts of the user of each example, (n, words), unit rows or zero."""
        written = self._own[examples.users]
        if examples.histories.reviews is not None and len(rows):
            reviews = self._vectorizer.transform(examples.histories.reviews.select(rows).read())
            written = written + sums(past, len(examples)) @ sparse.csr_array(reviews)
        return unit_rows(written)

    def _bought(self, examples: Examples, past: IntArray, rows: IntArray) -> sparse.csr_array:
        """Items of each history, (n, items), unit rows or zero."""
        return unit_rows(counts(past, examples.histories.items[rows], (len(examples), self._items)))


def wordings(sentences: Sequence[str]) -> IntArray:
    """(n,) equal numbers for equal texts."""
    numbers: IntArray = np.unique(np.array(sentences, dtype=object), return_inverse=True)[1]
    return numbers


def row_products(rows: sparse.csr_array, others: sparse.csr_array, owners: IntArray) -> FloatArray:
    """(n,) the dot product of each sparse row with row ``owners`` (n,) of ``others``."""
    entries = rows.tocoo()
    others.sum_duplicates()  # sorts the columns of each row, for bisection
    matched = np.asarray(others[owners[entries.row], entries.col], dtype=np.float64).ravel()
    return np.bincount(entries.row, entries.data * matched, minlength=rows.shape[0]).astype(np.float64)


def sums(owners: IntArray, count: int) -> sparse.csr_array:
    """(count, n) indicator of the owner of each row: its product with (n, ...) sums the rows of each owner."""
    return counts(owners, np.arange(len(owners)), (count, len(owners)))


def counts(rows: IntArray, columns: IntArray, shape: tuple[int, int]) -> sparse.csr_array:
    """Number of occurrences of each (row, column) pair."""
    return sparse.coo_array((np.ones(len(rows)), (rows, columns)), shape=shape).tocsr()


def unit_rows(matrix: sparse.csr_array) -> sparse.csr_array:
    """Rows normalised to length 1; zero rows stay zero."""
    lengths = np.sqrt((matrix**2).sum(axis=1))
    return (sparse.diags_array(1 / np.where(lengths > 0, lengths, 1)) @ matrix).tocsr()
