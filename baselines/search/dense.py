"""Dense retrieval: queries and items as vectors of one frozen text encoder, without training.

    score(u, q, i) = cos(q, v_i) + a cos(h_u, v_i) + b ln(1 + n_i) / ln(1 + max n)
    h_u = sum_k decay^k v_(u,k) / |v_(u,k)|,  over the items of the history, counted back from the last one, k = 0

``v`` are the vectors of item texts, ``n_i`` is the number of training interactions of an item. The mixture (a, b) has
the best NDCG@5 on the validation part; both grids include zero, so history and popularity may be unused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from pydantic import Field

from baselines.learning.training import Snapshot
from baselines.search.learned import TASK
from unimp_bench.contracts import FitData, Parameters, Ranker
from unimp_bench.corpus import Items
from unimp_bench.corpus.features.computing import encoder_of
from unimp_bench.corpus.features.stored import features_of
from unimp_bench.corpus.features.text import LSA, TextEncoder, item_texts, text_encoder
from unimp_bench.errors import UsageError
from unimp_bench.records import BoolArray, Examples, FloatArray, IntArray, Protocol
from unimp_bench.settings import Count, Weight

FILE = "dense.safetensors"

Weights = Annotated[tuple[Weight, ...], Field(min_length=1)]


@dataclass(frozen=True)
class DenseConfig:
    """Settings.

    Attributes:
        encoder: of texts, see ``unimp_bench.corpus.features.text.text_vectors``.
        history: maximum number of items of the history, the last ones.
        decay: weight of an item of the history relative to the next one.
        history_weights, popularity_weights: grids of ``a`` and ``b``, each including zero.
    """

    encoder: str = LSA
    history: Count = 10
    decay: Annotated[float, Field(gt=0, le=1)] = 0.8
    history_weights: Weights = (0.0, 0.03, 0.1, 0.3, 1.0)
    popularity_weights: Weights = (0.0, 0.03, 0.1, 0.3, 1.0, 3.0)

    def __post_init__(self) -> None:
        if 0 not in self.history_weights or 0 not in self.popularity_weights:
            raise ValueError("history_weights and popularity_weights must each include 0, which may be the best")


@dataclass(frozen=True)
class Mixture:
    """Weights of history (``a``) and popularity (``b``); the query has weight 1."""

    history: float = 0.0
    popularity: float = 0.0


class Dense(Ranker[DenseConfig]):
    """See the module."""

    Config = DenseConfig
    presets: ClassVar[Mapping[str, Any]] = {
        "lsa": DenseConfig(),
        "minilm": DenseConfig(encoder="sentence-transformers/all-MiniLM-L6-v2#mean"),
    }
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {"decay": (0.5, 0.8, 1.0), "history": (5, 10, 50)}

    def fit(self, data: FitData) -> None:
        self._begin(data.items)
        vectors, known = self._item_vectors(data.items)
        self._vectors = np.zeros((len(known), vectors.shape[1]), dtype=np.float32)
        self._vectors[known] = _directions(vectors)
        counts = np.bincount(data.examples[TASK].train.histories.items, minlength=len(known))
        self._popularity = (np.log1p(counts) / np.log1p(counts.max())).astype(np.float32)
        self._mixtures = self._best_mixtures(data)
        self._mixture = next(iter(self._mixtures.values()))

    def select(self, protocol: Protocol, data: FitData) -> None:
        self._mixture = self._mixtures[protocol]

    def save(self, folder: Path) -> None:
        tensors = {"vectors": torch.from_numpy(self._vectors), "popularity": torch.from_numpy(self._popularity)}
        Snapshot(tensors, {"a": self._mixture.history, "b": self._mixture.popularity}).write(folder / FILE)

    def load(self, folder: Path, items: Items, cache: Path) -> None:
        self._begin(items)
        kept = Snapshot.read(folder / FILE)
        self._vectors, self._popularity = (kept.tensors[name].numpy() for name in ("vectors", "popularity"))
        if items.origin is not None:
            source = items.moved("texts")
            self._vectors = np.where(source[:, None] < 0, np.float32(0), self._vectors[source])
        self._mixture = Mixture(kept.notes["a"], kept.notes["b"])

    def parameters(self) -> Parameters:
        """The vectors and popularities of the items; the encoder of texts is not counted."""
        return Parameters(total=self._vectors.size + self._popularity.size)

    def remarks(self) -> tuple[str, ...]:
        chosen = self._mixture
        equal = not np.ptp(self._vectors, axis=0).any()
        useless = ("the vectors of all items are equal: the words decide nothing",) if equal else ()
        return (
            *useless,
            f"of the mixtures tried, validation chose a = {chosen.history:g} and b = {chosen.popularity:g}",
        )

    def score(self, examples: Examples, catalogue: IntArray) -> FloatArray:
        histories = np.float32(self._mixture.history) * self._history_vectors(examples)
        scores: FloatArray = (self._query_vectors(examples) + histories) @ self._vectors[catalogue].T
        scores += np.float32(self._mixture.popularity) * self._popularity[catalogue]
        return scores

    def _begin(self, items: Items) -> None:
        self._items = items.origin or items
        self._encode: TextEncoder | None = None
        self._known_queries: dict[str, FloatArray] = {}

    def _item_vectors(self, items: Items) -> tuple[FloatArray, BoolArray]:
        """Vectors of the items with a text, (known, width), and which these are, (items,)."""
        if "text" in items.features:
            stored = features_of(items, "text")
            if stored is None:
                raise UsageError("dense reads nothing but text; give it features, or run popularity instead")
            self._encoder()  # a set without an encoder is refused before the fit
            return stored.rows(), stored.known
        texts = item_texts(items)
        known = np.array([bool(text) for text in texts])
        if not known.any():
            raise UsageError("no item of this corpus has a text, which dense requires; run popularity instead")
        return self._encoder()([text for text in texts if text]), known

    def _best_mixtures(self, data: FitData) -> dict[Protocol, Mixture]:
        """The best mixture under each protocol; ties go to the first, the smallest if the grids are sorted."""
        best: dict[Protocol, Mixture] = {}
        quality: dict[Protocol, float] = {}
        for weights in product(self.config.history_weights, self.config.popularity_weights):
            self._mixture = Mixture(*weights)
            for protocol, score in data.validate(self, TASK).items():
                if score > quality.get(protocol, -np.inf):
                    best[protocol], quality[protocol] = self._mixture, score
        return best

    def _query_vectors(self, examples: Examples) -> FloatArray:
        """Unit vectors of the queries, (examples, width); zero for a query without known words."""
        texts, query_of_example = examples.distinct_queries()
        new = [text for text in texts if text and text not in self._known_queries]
        if new:
            self._known_queries |= dict(zip(new, _directions(self._encoder()(new)), strict=True))
        empty = np.zeros(self._vectors.shape[1], dtype=np.float32)
        vectors: FloatArray = np.stack([self._known_queries.get(text, empty) for text in texts])[query_of_example]
        return vectors

    def _history_vectors(self, examples: Examples) -> FloatArray:
        """Unit vectors of the histories, (examples, width); zero for an empty history."""
        items = examples.last_items(self.config.history)
        weights = self.config.decay ** np.arange(self.config.history - 1, -1, -1, dtype=np.float32)
        total = np.zeros((len(examples), self._vectors.shape[1]), dtype=np.float32)
        for column, weight in zip(items.T, weights, strict=True):
            present = column >= 0
            total[present] += weight * self._vectors[column[present]]
        return _directions(total)

    def _encoder(self) -> TextEncoder:
        """Loaded at first use: a fitted model stores its item vectors and encodes only queries."""
        if self._encode is None:
            stored = features_of(self._items, "text") if "text" in self._items.features else None
            if stored is None:
                texts = [text for text in item_texts(self._items) if text]
                self._encode = text_encoder(self.config.encoder, texts)
            elif stored.record.recipe is None:
                raise UsageError(
                    f"dense compares queries with items, and features {stored.record.name!r} have no encoder of queries"
                )
            else:
                texts = item_texts(self._items, stored.record.recipe.attributes)
                self._encode = encoder_of(stored.record.recipe, stored.record.place, texts)
        return self._encode


def _directions(vectors: FloatArray) -> FloatArray:
    """Rows normalised to length 1, float32; zero rows stay zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: FloatArray = (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return scaled
