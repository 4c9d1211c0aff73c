"""UniMP as a model of the harness: fitted on the examples of one or more tasks, answering each in its kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from unimp_bench.contracts import FitData, Kind, Parameters, Ranker, Rater, Sampling, SamplingPainter, Selector, Writer
from unimp_bench.corpus import Items
from unimp_bench.corpus.features.pictures import picture_features
from unimp_bench.errors import UsageError
from unimp_bench.generative.item_ids import ItemIds
from unimp_bench.kinds.early_stopping import mean_scores
from unimp_bench.machine import device
from unimp_bench.records import BoolArray, Examples, FloatArray, IntArray, Protocol
from unimp_bench.torch_setup import seed_everything
from unimp_bench.unimp.answering.beam import id_scores
from unimp_bench.unimp.answering.generation import Free, Grammar, Increasing, written
from unimp_bench.unimp.answering.scoring import Asked, catalogue_scores, posterior, probabilities
from unimp_bench.unimp.config import PRESETS, UniMPConfig
from unimp_bench.unimp.learning.checkpoint import load_weights, save_weights
from unimp_bench.unimp.learning.lessons import Lessons
from unimp_bench.unimp.learning.pretraining import pretrain
from unimp_bench.unimp.learning.stages import grown, inherit
from unimp_bench.unimp.learning.training import Course, restore_best, train
from unimp_bench.unimp.network.adaptation import adapt
from unimp_bench.unimp.network.model import UniMPModel
from unimp_bench.unimp.network.openflamingo import begin_with_flamingo
from unimp_bench.unimp.network.trained import set_trained
from unimp_bench.unimp.sentence.answers import (
    END,
    code_names,
    place_names,
    places,
    rating_names,
    ratings_of,
    spot_names,
)
from unimp_bench.unimp.sentence.branches import answered, unanswered
from unimp_bench.unimp.sentence.lexicon import item_ids, vocabulary_of
from unimp_bench.unimp.sentence.pieces import catalogue_pieces
from unimp_bench.unimp.sentence.sentences import (
    last_starts,
    sentences,
)
from unimp_bench.unimp.sentence.tokens import Vocabulary

MOST_TOKENS = 40
"""Tokens of the longest sentence that is written."""

_WEIGHTS = "model.safetensors"
_VOCABULARY = "tokenizer.json"
_IDS = "ids.npy"

# A step of writing handles one token a sentence, so more sentences fit a batch than in training.
_WRITING = 8


class UniMP(
    Ranker[UniMPConfig],
    Rater[UniMPConfig],
    Writer[UniMPConfig],
    Selector[UniMPConfig],
    SamplingPainter[UniMPConfig],
):
    """The model of Wei et al. (ICLR 2024)."""

    Config: ClassVar[type[Any]] = UniMPConfig
    presets: ClassVar[Mapping[str, Any]] = PRESETS

    def fit(self, data: FitData) -> None:
        start = data.start
        if start is None:
            vocabulary = vocabulary_of(data, self.config, item_ids(data, self.config))
        else:
            vocabulary = grown(self._saved_vocabulary(start.folder, data.items), data, self.config)
        seed_everything(data.seed)
        self._build(data.items, vocabulary, data.cache)
        if start is None and self.config.flamingo:
            begin_with_flamingo(self._model, self.config.flamingo, vocabulary)
        fresh: IntArray = np.arange(len(data.items))
        if start is not None:
            inherit(self._model, start.folder / _WEIGHTS, vocabulary.words)
            # What was no answer there was only ever pushed away: its tokens begin afresh, as in the authors' code.
            fresh = np.setdiff1d(data.catalogue, start.catalogue)
        in_words = catalogue_pieces(data.items, vocabulary, replace(self.config, items="words", latents=1))
        self._model.describe_items(in_words, vocabulary, fresh)
        if start is None and self.config.pretraining != "none":
            told = catalogue_pieces(data.items, vocabulary, replace(self.config, items="words"))
            pretrain(self._model, told, self._features, vocabulary, self.config, data.seed, data.work)
        train(
            self._model,
            self.config,
            Course(
                self._lessons(data).draw, self._features, vocabulary, data.seed, data.work, data.metric(*data.examples)
            ),
            lambda: mean_scores([data.validate(self, task) for task in data.examples]),
        )
        self.select("paper", data)

    def select(self, protocol: Protocol, data: FitData) -> None:
        restore_best(self._model, data.work, protocol)

    def score(self, examples: Examples, catalogue: IntArray) -> FloatArray:
        asked = self._asked(examples, "ranking")
        if self.config.ids == "atomic":
            return catalogue_scores(self._model, asked, catalogue)
        return id_scores(self._model, asked, catalogue, self.config.beams)

    def rate(self, examples: Examples) -> FloatArray:
        if examples.scale is None:
            raise UsageError(f"the examples of {examples.task!r} have no rating scale to rate on")
        tokens = np.array(self._vocabulary.named(rating_names(examples.scale)))
        chances = posterior(probabilities(self._model, self._asked(examples, "rating"), tokens), self.config.gamma)
        ratings = np.array(ratings_of(examples.scale))
        rated: FloatArray
        rated = chances @ ratings if self.config.rating == "expectation" else ratings[chances.argmax(axis=1)]
        return rated

    def write(self, examples: Examples) -> list[str]:
        vocabulary = self._vocabulary
        tokens = np.array([*vocabulary.texts, *vocabulary.named([END])])
        grammar = Free(tokens, MOST_TOKENS, end=len(tokens) - 1)
        answers = self._written(examples, "text", grammar)
        return [vocabulary.text(tokens[answer[answer != grammar.end]]) for answer in answers]

    def choose(self, examples: Examples) -> BoolArray:
        shown = examples.shown
        if shown is None:
            raise UsageError(f"the examples of {examples.task!r} show no candidates to choose from")
        owner, place = shown.owners(), places(shown)
        most = int(place.max(initial=-1)) + 1
        named = np.full((len(examples), most + 1, self._vocabulary.ids.levels), -1)
        named[owner, place] = self._vocabulary.item_tokens(shown.items)
        tokens = np.array(self._vocabulary.named([*place_names(most), END]))
        answers = self._written(examples, "selection", Increasing(tokens, named))
        chosen = np.zeros((len(examples), most + 1), dtype=np.bool_)
        np.put_along_axis(chosen, answers, True, axis=1)
        picked: BoolArray = chosen[owner, place]
        return picked

    def paint(self, examples: Examples) -> IntArray:
        return self._painted(examples)

    def sample(self, examples: Examples, sampling: Sampling) -> IntArray:
        return self._painted(examples, sampling)

    def _painted(self, examples: Examples, sampling: Sampling | None = None) -> IntArray:
        pictures = examples.pictures
        if pictures is None:
            raise UsageError(f"the examples of {examples.task!r} have no picture codes to paint with")
        tokens = np.array(self._vocabulary.named(code_names(pictures.size)))
        marks = np.array(self._vocabulary.named(spot_names(pictures.length)))
        return self._written(examples, "picture", Free(tokens, pictures.length, marks=marks), sampling)

    def save(self, folder: Path) -> None:
        save_weights(self._model, folder / _WEIGHTS)
        self._vocabulary.save(folder / _VOCABULARY)
        if self.config.ids == "semantic":
            self._vocabulary.ids.save(folder / _IDS)

    def load(self, folder: Path, items: Items, cache: Path) -> None:
        self._build(items, self._saved_vocabulary(folder, items), cache)
        load_weights(self._model, folder / _WEIGHTS)
        self._model.to(device())

    def _saved_vocabulary(self, folder: Path, items: Items) -> Vocabulary:
        atomic = self.config.ids == "atomic"
        ids = ItemIds.atomic(len(items)) if atomic else ItemIds.load(folder / _IDS, len(items))
        return Vocabulary.load(folder / _VOCABULARY, ids)

    def parameters(self) -> Parameters:
        counts = [(parameter.numel(), parameter.requires_grad) for parameter in self._model.parameters()]
        return Parameters(sum(n for n, moved in counts if moved), sum(n for n, _ in counts))

    def _build(self, items: Items, vocabulary: Vocabulary, cache: Path) -> None:
        self._vocabulary = vocabulary
        self._pieces = catalogue_pieces(items, vocabulary, self.config)
        self._features = None
        if self.config.fusion != "none":
            self._features = picture_features(items, self.config.encoder, self.config.pretrained, cache)
        width = None if self._features is None else self._features.width
        self._model = UniMPModel(self.config, len(vocabulary), width).eval()
        adapt(self._model, self.config)
        set_trained(self._model, self.config.trained)

    def _lessons(self, data: FitData) -> Lessons:
        pieces, branches = answered([part.train for part in data.examples.values()], self._pieces, self._vocabulary)
        old = () if data.start is None else tuple(name for name in data.examples if name in data.start.tasks)
        rehearsed = () if len(old) == len(data.examples) else old
        return Lessons(pieces, branches, self._vocabulary, self.config, rehearsed)

    def _asked(self, examples: Examples, kind: Kind, batches: int = 1) -> Asked:
        pieces, branches = unanswered(examples, kind, self._pieces, self._vocabulary)
        starts = [last_starts(examples, self.config.history)]
        asked = sentences(pieces, branches, starts, self._vocabulary, shared=False)
        return Asked(asked, self._features, self._vocabulary, batches * self.config.batch_tokens)

    def _written(self, examples: Examples, kind: Kind, grammar: Grammar, sampling: Sampling | None = None) -> IntArray:
        return written(self._model, self._asked(examples, kind, _WRITING), grammar, sampling)
