"""The picture that a user means: retrieval by a query that is expanded with keywords of the user.

    q' = (1 - w) q / |q| + w k / |k|
    s(i) = sum_t q'_t BM25(t, i),  over the pictured items of the queried category that are not in the history

``q`` counts the words of the query, ``k`` weighs the keywords of the user, and |.| is the sum over words: the query
and its expansion are interpolated as distributions over words (RM3; Abdul-Jaleel et al., TREC 2004). The picture of the
best item is the answer. BM25 is that of ``baselines.search.bm25`` over the texts of all items. Keywords come from

* ``history``: the words with the largest tf-idf in the titles of the last items, with these weights:
  k_t = tf(t, titles) ln(N / n(t)), with n(t) of all N titles of the corpus (after Rocchio, 1971);
* ``llm``: a causal language model that reads these titles and the query, and writes a few words, each with weight 1
  (query expansion by a language model; Wang, Yang and Wei, EMNLP 2023);
* ``none``: w = 0.

The weight w is the one with the best validation metric, the token accuracy; of equal ones the first. After PMG (Shen
et al., WWW 2024), where a language model writes keywords of the user and of the target, and the two are weighed. There
they condition a generator; here the tokenizer decodes codes and no texts, so that they select a picture of the
catalogue. PMG weighs anew in each example, by how similar its picture is to both; here one weight serves all. Its soft
preference embeddings are left out.

Ties, such as those without a match, go to the more popular item, then to the lower number. Where the category has no
pictured item beside those of the history, the answer is the first retrieved picture.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from scipy import sparse

from baselines.learning.training import Snapshot
from baselines.learning.vocabulary import stems
from baselines.llm.backend import Request
from baselines.llm.kept import KeptAnswers
from baselines.llm.place import Place, kept_answers
from baselines.llm.prompts import item_names, templates
from baselines.llm.replies import KeywordTally, read_keywords
from baselines.search.bm25 import BM25Config, ItemIndex
from unimp_bench.contracts import FitData, Painter, Parameters, Usage
from unimp_bench.corpus import Items
from unimp_bench.kinds.picture import PictureExamples
from unimp_bench.records import FloatArray, IntArray, Protocol
from unimp_bench.settings import Count, Number, Portion

TASK = "image_generation"
FILE = "expanded.safetensors"

_WORD_TOKENS = 4  # of one keyword with its comma
_DIGITS = 9  # scores that differ by less tie


@dataclass(frozen=True)
class ExpandedConfig(Place):
    """Settings.

    Attributes:
        keywords: where they come from: ``history``, ``llm``, or ``none``.
        template: file of prompts, with its version.
        history: items whose titles are read, the last ones; 0 for none.
        title_words: words of a title, at most.
        count: keywords of an example, at most.
        weights: of the keywords beside the query, of which validation chooses one; they include 0.
    """

    keywords: Literal["history", "llm", "none"] = "history"
    template: str = "keywords-2"
    history: Number = 5
    title_words: Count = 12
    count: Count = 8
    weights: Annotated[tuple[Portion, ...], Field(min_length=1)] = (0.0, 0.25, 0.5, 0.75, 1.0)

    def __post_init__(self) -> None:
        if 0 not in self.weights:
            raise ValueError("weights must include 0, since the query alone may be the best")


class ExpandedPicture(Painter[ExpandedConfig]):
    """See the module.

    Memory: the postings of all items' words; a block of (examples of a query, its items) scores.
    """

    Config = ExpandedConfig
    presets: ClassVar[Mapping[str, ExpandedConfig]] = {
        "history": ExpandedConfig(),
        "smollm2": ExpandedConfig(keywords="llm"),
        "server": ExpandedConfig(keywords="llm", model="default", server="http://localhost:8000/v1", chat=True),
        "tiny": ExpandedConfig(keywords="llm", model="tiny"),
    }
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {"history": (1, 5, 20), "count": (4, 8, 16)}

    def fit(self, data: FitData) -> None:
        self._popularity = np.bincount(data.histories.items, minlength=len(data.items))
        self._open(data.items, data.cache)
        self._weights: dict[Protocol, float] = {}
        best: dict[Protocol, float] = {}
        for weight in self.config.weights if self.config.keywords != "none" else (0.0,):
            self._weight = weight
            for protocol, score in data.validate(self, TASK).items():
                if score > best.get(protocol, -np.inf):
                    self._weights[protocol], best[protocol] = weight, score
        self._weight = next(iter(self._weights.values()))
        self._forget_counts()

    def select(self, protocol: Protocol, data: FitData) -> None:
        self._weight = self._weights[protocol]

    def save(self, folder: Path) -> None:
        Snapshot({"popularity": torch.from_numpy(self._popularity)}, {"weight": self._weight}).write(folder / FILE)

    def load(self, folder: Path, items: Items, cache: Path) -> None:
        kept = Snapshot.read(folder / FILE)
        self._popularity, self._weight = kept.tensors["popularity"].numpy(), kept.notes["weight"]
        self._open(items, cache)

    def parameters(self) -> Parameters:
        """The postings, and those of the language model, where it is known."""
        asked = 0 if self._asked is None else self._asked.backend.parameters()
        return Parameters(total=len(self._index.postings) + asked)

    def usage(self) -> Usage | None:
        """Of the predictions; what was asked to choose on validation does not count."""
        return None if self._asked is None else self._asked.usage

    def remarks(self) -> tuple[str, ...]:
        """What validation chose; of a language model also what it is, and what the predictions took and were like."""
        if self.config.keywords == "none":
            return ()
        alone = "" if self._weight else " (the query alone is best)"
        told = [f"of the weights tried, validation gave the keywords {self._weight:g}{alone}"]
        if self._asked is not None:
            told.insert(0, f"{self.config.described(self._asked.backend)}, prompts {self.config.template}")
            if self._tally.answers:
                told += [self._asked.words(self._tally.answers), *self._tally.words()]
        return ("; ".join(told),)

    def paint(self, examples: PictureExamples) -> IntArray:
        """The codes of the best item, or of the first retrieved one where the category offers none."""
        answers = examples.shown.items[examples.shown.offsets[:-1]].astype(np.int64)
        texts, query_of_example = examples.distinct_queries()
        of_queries = _shares(self._index.counts(list(map(stems, texts))))
        expanded = (1 - self._weight) * of_queries[query_of_example]
        if self._weight:
            expanded = expanded + self._weight * self.keywords(examples)
        for number, text in enumerate(texts):
            rows, shelf = np.flatnonzero(query_of_example == number), np.array(self._shelves.get(text, ()), np.int64)
            shelf = shelf[examples.pictures.rows[shelf] >= 0]  # in the order of ties
            if len(shelf):
                scores = self._index.postings.scores(expanded[rows], shelf).round(_DIGITS)
                for row, values in zip(rows, scores, strict=True):
                    values[np.isin(shelf, examples.history(int(row)))] = -np.inf
                    if np.isfinite(values).any():
                        answers[row] = shelf[values.argmax()]
        return examples.pictures.of(answers)

    def keywords(self, examples: PictureExamples) -> sparse.csr_array:
        """(n, words) shares of the keywords of each example; a row without keywords is empty."""
        match self.config.keywords:
            case "history":
                return _shares(_largest(self._tf_idf(examples), self.config.count))
            case "llm":
                return _shares(self._index.counts(self._written(examples)))
            case "none":
                return self._index.counts([()] * len(examples))

    def _open(self, items: Items, cache: Path) -> None:
        self._index = ItemIndex(items, BM25Config())
        self._names = item_names(items, self.config.title_words)
        self._shelves: dict[str, list[int]] = defaultdict(list)
        paths = items.text("category")
        for item in np.argsort(-self._popularity, kind="stable").tolist():
            self._shelves[paths[item]].append(item)
        self._titles = self._index.counts(list(map(stems, self._names)))
        titled = np.bincount(self._titles.indices, minlength=self._titles.shape[1])
        self._rarity: FloatArray = np.log(len(items) / np.maximum(titled, 1))
        self._asked: KeptAnswers | None = None
        if self.config.keywords == "llm":
            self._template = templates(self.config.template)[TASK, "generation"]
            self._asked = kept_answers(self.config.backend("generation"), cache)
        self._forget_counts()

    def _forget_counts(self) -> None:
        """Count from here: remarks are about predictions, not about validation."""
        self._tally = KeywordTally()
        if self._asked is not None:
            self._asked.forget_counts()

    def _tf_idf(self, examples: PictureExamples) -> sparse.csr_array:
        """(n, words) of the titles of each history."""
        items = examples.last_items(self.config.history)
        rows, places = np.nonzero(items >= 0)
        shape = (len(examples), len(self._names))
        past = sparse.coo_array((np.ones(len(rows)), (rows, items[rows, places])), shape=shape).tocsr()
        return (past @ self._titles).multiply(self._rarity[None, :]).tocsr()

    def _written(self, examples: PictureExamples) -> list[list[str]]:
        """The known keywords that the language model writes for each example."""
        assert self._asked is not None
        items, requests = examples.last_items(self.config.history), []
        for past, query in zip(items, examples.queries, strict=True):
            names = [self._names[item] for item in past[past >= 0].tolist()]
            self._tally.history += len(names)
            history = self._template.history(names)
            prompt = self._template.prompt(history=history, query=examples.query_texts[int(query)])
            requests.append(Request(prompt, limit=_WORD_TOKENS * self.config.count))
        answers = self._asked.ask(requests, "keywords")
        known = self._index.columns
        return [read_keywords(answer.text, self.config.count, known, self._tally) for answer in answers]


def _largest(weights: sparse.csr_array, most: int) -> sparse.csr_array:
    """At most ``most`` of the positive weights of each row; of equal ones those of the first columns."""
    table = weights.sorted_indices()
    for start, stop in zip(table.indptr[:-1], table.indptr[1:], strict=True):
        values = table.data[start:stop]
        values[np.argsort(-values, kind="stable")[most:]] = 0
    table.eliminate_zeros()
    return table


def _shares(weights: sparse.csr_array) -> sparse.csr_array:
    """Rows divided by their sums; empty ones stay empty."""
    sums = weights.sum(axis=1)
    shared = weights.copy()
    shared.data = shared.data / np.repeat(np.where(sums > 0, sums, 1), np.diff(shared.indptr))
    return shared
