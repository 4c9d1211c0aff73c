"""The nearest sentence: of all that others said, what fits the item and the user best. Nothing is written anew.

Candidates are the training sentences on the item, and the most typical ones on its category and of the corpus. For
a user ``u`` and a sentence ``s`` of the author ``a``, the answer has the largest weighted sum of

    item        mean of cos(s, s') over the sentences s' on the item
    category    the same over those on the items of its category path
    corpus      the same over all
    words       cos(s, what u wrote before: u's training sentences and the reviews of the history)
    taste       cos(items of u's history, items of a in training)

with texts as TF-IDF vectors and items counted. A term that has nothing to go by is 0 for all candidates. The weights
are those of ``WEIGHTS`` that give the best ROUGE-L on the validation part. Every term is a product of sparse rows,
candidate by candidate; users are never multiplied with all sentences.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors.numpy import load_file, save_file
from scipy import sparse

from baselines.explanation.candidates import Said, counts, row_products, sums, unit_rows, wordings
from baselines.explanation.typical import DIGITS, TASK, category_groups, reader
from baselines.learning.reading import reading
from unimp_bench.contracts import FitData, Writer
from unimp_bench.corpus import Items
from unimp_bench.metrics.scores import Score
from unimp_bench.metrics.text import rouge_scores
from unimp_bench.records import Examples, FloatArray, IntArray, slices
from unimp_bench.settings import Count

TERMS = ("item", "category", "corpus", "words", "taste")
WEIGHTS = (0.0, 0.5, 1.0, 2.0)
_VALIDATED = 1000
_SENTENCES, _ARRAYS = "sentences.json", "nearest.safetensors"


@dataclass(frozen=True)
class NearestConfig:
    """Settings.

    Attributes:
        candidates: most sentences on the item among which an answer is chosen.
        wider: most typical sentences of its category, and of the corpus, that are candidates beside them.
    """

    candidates: Count = 100
    wider: Count = 20


class Pairs(NamedTuple):
    """The candidates of some examples.

    Attributes:
        owners: (pairs,) the example of each, ascending; every example has one at least.
        sentences: (pairs,) numbers of training sentences, ascending within an example.
        terms: (pairs, TERMS), each between 0 and 1.
    """

    owners: IntArray
    sentences: IntArray
    terms: FloatArray

    def best(self, weights: FloatArray) -> IntArray:
        """(examples,) the pair of each example with the largest weighted sum, of equals the first sentence."""
        scores = np.round(self.terms @ weights, DIGITS)
        top = np.maximum.reduceat(scores, np.unique(self.owners, return_index=True)[1])
        winners = np.flatnonzero(scores == top[self.owners])
        best: IntArray = winners[np.unique(self.owners[winners], return_index=True)[1]]
        return best


class NearestSentence(Writer[NearestConfig]):
    """See the module."""

    Config = NearestConfig

    def fit(self, data: FitData) -> None:
        train, validation = data.examples[TASK].train, data.examples[TASK].validation
        assert train.texts is not None and train.targets is not None
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

    def write(self, examples: Examples) -> list[str]:
        pairs = self.pairs(examples)
        return [self._sentences[number] for number in pairs.sentences[pairs.best(self._weights)]]

    def pairs(self, examples: Examples) -> Pairs:
        """The candidates of some examples, and how well each fits by each term."""
        assert examples.shown is not None
        items, authors = examples.shown.items, self._arrays["authors"]
        found = [slices(said.starts[items], said.stops[items]) for said in self._said]
        owners = np.concatenate([owner for owner, _ in found])
        sentences = np.concatenate([said.typical[rows] for said, (_, rows) in zip(self._said, found, strict=True)])
        order = np.lexsort([sentences, owners])
        owners, sentences = owners[order], sentences[order]
        vectors = self._vectors[sentences]
        past = slices(examples.starts(), examples.ends)
        terms = [row_products(vectors, said.means, said.groups[items][owners]) for said in self._said]
        terms.append(row_products(vectors, self._written(examples, *past), owners))
        terms.append(row_products(self._tastes[authors[sentences]], self._bought(examples, *past), owners))
        return Pairs(owners, sentences, np.stack(terms, axis=1))

    def _prepare(self, items: Items) -> None:
        """Compute what follows from the sentences and the arrays."""
        about, authors, offsets = (self._arrays[name] for name in ("about", "authors", "offsets"))
        self._reader = reader()
        self._vectors = sparse.csr_array(self._reader.fit_transform(self._sentences))
        texts, alone = wordings(self._sentences), np.arange(len(about))
        everything = np.zeros(len(items), dtype=np.int64)
        self._said = (
            Said.of(self._vectors, np.arange(len(items)), about, alone, self.config.candidates),
            Said.of(self._vectors, category_groups(items), about, texts, self.config.wider),
            Said.of(self._vectors, everything, about, texts, self.config.wider),
        )
        users, self._items = len(offsets) - 1, len(items)
        self._own = sums(authors, users) @ self._vectors
        owners = np.repeat(np.arange(users), np.diff(offsets))
        self._tastes = unit_rows(counts(owners, self._arrays["items"], (users, self._items)))

    def _best_weights(self, validation: Examples) -> FloatArray:
        """Those of all combinations under which the chosen sentences are nearest to what was written."""
        assert validation.texts is not None
        pairs, wanted = self.pairs(validation), validation.texts.read()
        said = [self._sentences[number] for number in pairs.sentences]
        found = rouge_scores(said, [wanted[owner] for owner in pairs.owners])["ROUGE-L"]
        assert isinstance(found, Score) and found.values is not None
        overlaps = found.values
        combinations = [np.array(weights) for weights in product(WEIGHTS, repeat=len(TERMS))]
        return max(combinations, key=lambda weights: float(overlaps[pairs.best(weights)].mean()))

    def _written(self, examples: Examples, past: IntArray, rows: IntArray) -> sparse.csr_array:
        """(n, words) of length 1 or empty: what the user of each example wrote before."""
        written = self._own[examples.users]
        if examples.histories.reviews is not None and len(rows):
            reviews = self._reader.transform(examples.histories.reviews.select(rows).read())
            written = written + sums(past, len(examples)) @ sparse.csr_array(reviews)
        return unit_rows(written)

    def _bought(self, examples: Examples, past: IntArray, rows: IntArray) -> sparse.csr_array:
        """(n, items) of length 1 or empty: the items of each history."""
        return unit_rows(counts(past, examples.histories.items[rows], (len(examples), self._items)))
