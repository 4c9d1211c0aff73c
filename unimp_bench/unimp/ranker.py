"""UniMP as a model of the harness: fitted on the examples of one or more tasks, scoring a catalogue in one pass."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from unimp_bench.contracts import FitData, Parameters, Ranker
from unimp_bench.corpus import Items
from unimp_bench.records import Examples, FloatArray, IntArray
from unimp_bench.torch_setup import seed_everything
from unimp_bench.unimp.checkpoint import load_weights, save_weights
from unimp_bench.unimp.config import PRESETS, UniMPConfig
from unimp_bench.unimp.decoding import catalogue_scores
from unimp_bench.unimp.model import UniMPModel
from unimp_bench.unimp.prompt import attribute_values, known_attributes, plain
from unimp_bench.unimp.sentences import Sentences, drawn_starts, item_pieces, last_starts, sentences
from unimp_bench.unimp.tokens import Vocabulary
from unimp_bench.unimp.training import Course, train
from unimp_bench.unimp.vision import picture_features

_WEIGHTS = "model.safetensors"
_VOCABULARY = "tokenizer.json"


class UniMP(Ranker[UniMPConfig]):
    """The model of Wei et al. (ICLR 2024)."""

    Config: ClassVar[type[Any]] = UniMPConfig
    presets: ClassVar[Mapping[str, Any]] = PRESETS

    def fit(self, data: FitData) -> None:
        vocabulary = Vocabulary.train(_texts(data, self.config), len(data.items), self.config.vocabulary)
        seed_everything(data.seed)
        self._build(data.items, vocabulary, data.cache)
        self._model.describe_items(self._pieces, vocabulary)
        parts = [examples.train for examples in data.examples.values()]

        def draw(seed: int) -> Sentences:
            starts = [drawn_starts(part, self.config.history, seed) for part in parts]
            return sentences(parts, starts, self._pieces, vocabulary)

        course = Course(draw, self._features, vocabulary, data.seed, data.work)
        train(
            self._model,
            self.config,
            course,
            lambda: float(np.mean([data.validate(self, task) for task in data.examples])),
        )

    def score(self, examples: Examples, catalogue: IntArray) -> FloatArray:
        starts = last_starts(examples, self.config.history)
        asked = sentences([examples], [starts], self._pieces, self._vocabulary, shared=False)
        budget = self.config.batch_tokens
        return catalogue_scores(self._model, asked, self._features, self._vocabulary, catalogue, budget)

    def save(self, folder: Path) -> None:
        save_weights(self._model, folder / _WEIGHTS)
        self._vocabulary.save(folder / _VOCABULARY)

    def load(self, folder: Path, items: Items, cache: Path) -> None:
        self._build(items, Vocabulary.load(folder / _VOCABULARY, len(items)), cache)
        load_weights(self._model, folder / _WEIGHTS)

    def parameters(self) -> Parameters:
        counts = [(parameter.numel(), parameter.requires_grad) for parameter in self._model.parameters()]
        return Parameters(sum(n for n, moved in counts if moved), sum(n for n, _ in counts))

    def _build(self, items: Items, vocabulary: Vocabulary, cache: Path) -> None:
        self._vocabulary = vocabulary
        self._pieces = item_pieces(items, vocabulary, self.config)
        self._features = picture_features(items, self.config.encoder, self.config.pretrained, cache)
        width = None if self._features is None else self._features.width
        self._model = UniMPModel(self.config, len(vocabulary), width).eval()


def _texts(data: FitData, config: UniMPConfig) -> list[str]:
    """What the vocabulary is learnt from: attribute names, the values of all items, and the queries."""
    names = known_attributes(data.items, config.attributes)
    texts = [name.capitalize() for name in names]
    for name in names:
        texts += attribute_values(data.items, name, config.attribute_words)
    for examples in data.examples.values():
        texts += [plain(text) for text in examples.train.query_texts]
    return texts
