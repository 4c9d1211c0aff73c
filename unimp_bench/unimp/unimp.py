"""UniMP as a model of the harness: fitted on the examples of one or more tasks, predicting for each kind of task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from unimp_bench.contracts import FitData, Parameters, Training
from unimp_bench.corpus import Items
from unimp_bench.corpus.features.pictures import picture_features
from unimp_bench.corpus.features.text import text_vectors
from unimp_bench.errors import UsageError
from unimp_bench.files import damaged
from unimp_bench.generative.item_ids import ItemIds
from unimp_bench.kinds.early_stopping import mean_scores, read_training, write_training
from unimp_bench.kinds.picture import PictureExamples, Sampling, SamplingPainter
from unimp_bench.kinds.ranking import Ranker
from unimp_bench.kinds.rating import Rater, RatingExamples
from unimp_bench.kinds.selection import SelectionExamples, Selector
from unimp_bench.kinds.text import TextExamples, Writer
from unimp_bench.machine import device
from unimp_bench.records import BoolArray, Examples, FloatArray, IntArray, Protocol
from unimp_bench.torch_setup import seed_everything
from unimp_bench.unimp.adaptation import adapt
from unimp_bench.unimp.batches import TrainingExamples
from unimp_bench.unimp.checkpoint import load_initial, load_weights, save_weights
from unimp_bench.unimp.config import PRESETS, UniMPConfig
from unimp_bench.unimp.decoding import (
    EncodedQueries,
    Free,
    Grammar,
    Increasing,
    catalogue_scores,
    generate,
    id_scores,
    illegal_share,
    posterior,
    probabilities,
)
from unimp_bench.unimp.fusions import build_model
from unimp_bench.unimp.openflamingo import load_openflamingo
from unimp_bench.unimp.pieces import (
    END,
    Kind,
    build_vocabulary,
    candidate_names,
    catalogue_pieces,
    code_names,
    extend_vocabulary,
    picture_position_names,
    rating_names,
    ratings_of,
)
from unimp_bench.unimp.pretraining import Pretrained, pretrain
from unimp_bench.unimp.sentences import answered, last_starts, sentences, unanswered
from unimp_bench.unimp.tokens import Vocabulary
from unimp_bench.unimp.training import TrainingData, restore_best, train

MAX_TOKENS = 40
"""Tokens of the longest generated sentence."""

_WEIGHTS = "model.safetensors"
_VOCABULARY = "tokenizer.json"
_IDS = "ids.npy"
_ILLEGAL = "illegal.npy"

_AUDITED = 4
"""Validation examples of which the share of ids of no item is measured."""
_MOST_WORK = 1e12
"""Multiplications beyond which it is not: examples, codes of all items, parameters."""

# A generation step has one token per sentence, so more sentences fit a batch than in training.
_GENERATION_BATCH = 8


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

    def __init__(self, config: UniMPConfig) -> None:
        super().__init__(config)
        self._training: Training | None = None
        self._illegal: float | None = None

    def fit(self, data: FitData) -> None:
        start = data.start
        if start is None:
            vocabulary = build_vocabulary(data, self.config)
        else:
            vocabulary = extend_vocabulary(self._saved_vocabulary(start.folder, data.items), data, self.config)
        seed_everything(data.seed)
        self._build(data.items, vocabulary, data.cache)
        if start is None and self.config.flamingo:
            load_openflamingo(self._model, self.config.flamingo, vocabulary)
        new_items: IntArray = np.arange(len(data.items))
        if start is not None:
            load_initial(self._model, start.folder / _WEIGHTS, vocabulary.words)
            # Items that were no answers there only got negative gradients: they start afresh, as in the authors' code.
            new_items = np.setdiff1d(data.catalogue, start.catalogue)
        words = replace(self.config, items="words")
        in_words = catalogue_pieces(data.items, vocabulary, replace(words, latents=1))
        self._model.initialise_items(in_words, vocabulary, new_items)
        first = Pretrained([], 0, 0)
        if start is None and self.config.pretraining != "none":
            pieces = catalogue_pieces(data.items, vocabulary, words)
            first = pretrain(self._model, pieces, self._features, vocabulary, self.config, data.seed, data.work)
        examples, metric = self._training_examples(data), data.metric(*data.examples)
        steps = self.config.steps and self.config.steps - first.steps
        second = train(
            self._model,
            self.config,
            TrainingData(examples.draw, self._features, vocabulary, data.seed, data.work, metric, steps),
            lambda: mean_scores([data.validate(self, task) for task in data.examples]),
        )
        self._training = replace(second, steps=first.steps + second.steps, examples=first.items + second.examples)
        self.select("paper", data)

    def select(self, protocol: Protocol, data: FitData) -> None:
        restore_best(self._model, data.work, protocol)
        self._illegal = self._illegal_share(data) if self.config.ids == "semantic" else None

    def _illegal_share(self, data: FitData) -> float | None:
        """The mean of ``illegal_share`` over the first validation examples of a ranking; None where that is costly."""
        parts = [part.held_out for part in data.examples.values() if type(part.held_out) is Examples]
        ranked = next((part.select(slice(0, _AUDITED)).hidden() for part in parts if len(part)), None)
        work = _AUDITED * len(data.items) * self._vocabulary.ids.levels * self.parameters().total
        if ranked is None or work > _MOST_WORK:
            return None
        queries = self._encoded(ranked, "ranking")
        return float(illegal_share(self._model, queries, np.arange(len(data.items))).mean())

    def remarks(self) -> tuple[str, ...]:
        if self._illegal is None:
            return ()
        return (f"ids of no item have {self._illegal:.1%} of the probability (validation)",)

    def score(self, examples: Examples, catalogue: IntArray) -> FloatArray:
        queries = self._encoded(examples, "ranking")
        if self.config.ids == "atomic":
            return catalogue_scores(self._model, queries, catalogue)
        return id_scores(self._model, queries, catalogue, self.config.beams)

    def rate(self, examples: RatingExamples) -> FloatArray:
        tokens = np.array(self._vocabulary.named(rating_names(examples.scale)))
        focal = probabilities(self._model, self._encoded(examples, "rating"), tokens)
        probability, ratings = posterior(focal, self.config.gamma), np.array(ratings_of(examples.scale))
        rated: FloatArray
        rated = probability @ ratings if self.config.rating == "expectation" else ratings[probability.argmax(axis=1)]
        return rated

    def write(self, examples: TextExamples) -> list[str]:
        vocabulary = self._vocabulary
        tokens = np.array([*vocabulary.texts, *vocabulary.named([END])])
        grammar = Free(tokens, MAX_TOKENS, end=len(tokens) - 1)
        answers = self._generated(examples, "text", grammar)
        return [vocabulary.text(tokens[answer[answer != grammar.end]]) for answer in answers]

    def choose(self, examples: SelectionExamples) -> BoolArray:
        shown = examples.shown
        owner, position = shown.owners(), shown.positions()
        count = int(position.max(initial=-1)) + 1
        named = np.full((len(examples), count + 1, self._vocabulary.ids.levels), -1)
        named[owner, position] = self._vocabulary.item_tokens(shown.items)
        tokens = np.array(self._vocabulary.named([*candidate_names(count), END]))
        answers = self._generated(examples, "selection", Increasing(tokens, named))
        chosen = np.zeros((len(examples), count + 1), dtype=np.bool_)
        np.put_along_axis(chosen, answers, True, axis=1)
        picked: BoolArray = chosen[owner, position]
        return picked

    def paint(self, examples: PictureExamples) -> IntArray:
        return self._codes(examples)

    def sample(self, examples: PictureExamples, sampling: Sampling) -> IntArray:
        return self._codes(examples, sampling)

    def _codes(self, examples: PictureExamples, sampling: Sampling | None = None) -> IntArray:
        pictures = examples.pictures
        tokens = np.array(self._vocabulary.named(code_names(pictures.size)))
        marks = np.array(self._vocabulary.named(picture_position_names(pictures.length)))
        return self._generated(examples, "picture", Free(tokens, pictures.length, marks=marks), sampling)

    def save(self, folder: Path) -> None:
        save_weights(self._model, folder / _WEIGHTS)
        write_training(self._training, folder)
        self._vocabulary.save(folder / _VOCABULARY)
        if self.config.ids == "semantic":
            self._vocabulary.ids.save(folder / _IDS)
        if self._illegal is not None:
            np.save(folder / _ILLEGAL, np.array(self._illegal), allow_pickle=False)

    def load(self, folder: Path, items: Items, cache: Path) -> None:
        self._build(items, self._saved_vocabulary(folder, items), cache)
        load_weights(self._model, folder / _WEIGHTS)
        self._training = read_training(folder)
        self._illegal = self._saved_illegal(folder / _ILLEGAL)
        self._model.to(device())

    def _saved_illegal(self, path: Path) -> float | None:
        """None for a fit of an earlier version as well."""
        if not path.is_file():
            return None
        try:
            share = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise damaged(path, error) from None
        if share.shape != () or share.dtype != np.float64 or not 0 <= share <= 1:
            raise damaged(path, "expected a share")
        return float(share)

    def _saved_vocabulary(self, folder: Path, items: Items) -> Vocabulary:
        atomic = self.config.ids == "atomic"
        ids = ItemIds.atomic(len(items)) if atomic else ItemIds.load(folder / _IDS, len(items))
        return Vocabulary.load(folder / _VOCABULARY, ids)

    def parameters(self) -> Parameters:
        counts = [(parameter.numel(), parameter.requires_grad) for parameter in self._model.parameters()]
        return Parameters(sum(n for n, moved in counts if moved), sum(n for n, _ in counts))

    def training(self) -> Training | None:
        """Steps, and sentences shown: items in a pre-training, examples with their histories in the other stage."""
        return self._training

    def _build(self, items: Items, vocabulary: Vocabulary, cache: Path) -> None:
        self._vocabulary = vocabulary
        self._pieces = catalogue_pieces(items, vocabulary, self.config)
        self._features = None
        if self.config.fusion != "none":
            self._features = picture_features(items, self.config.encoder, self.config.pretrained, cache)
        width = None if self._features is None else self._features.width
        self._model = build_model(self.config, len(vocabulary), width, self._item_texts(items, cache)).eval()
        adapt(self._model, self.config)

    def _item_texts(self, items: Items, cache: Path) -> FloatArray | None:
        """The vectors of the texts of all items; None where neither the settings nor the run name any."""
        if not (self.config.item_texts or "text" in items.features):
            return None
        if self.config.ids == "semantic":
            raise UsageError("text features are part of the token of an item; set ids=atomic, or leave them out")
        vectors = text_vectors(items, self.config.item_texts, cache)
        return None if vectors is None else np.asarray(vectors.values)

    def _training_examples(self, data: FitData) -> TrainingExamples:
        pieces, branches = answered(
            [part.train for part in data.examples.values()], self._pieces, self._vocabulary, self.config.read
        )
        old = () if data.start is None else tuple(name for name in data.examples if name in data.start.tasks)
        rehearsed = () if len(old) == len(data.examples) else old
        return TrainingExamples(pieces, branches, self._vocabulary, self.config, rehearsed)

    def _encoded(self, examples: Examples, kind: Kind, batches: int = 1) -> EncodedQueries:
        pieces, branches = unanswered(examples, kind, self._pieces, self._vocabulary, self.config.read)
        starts = [last_starts(examples, self.config.history)]
        encoded = sentences(pieces, branches, starts, self._vocabulary, shared=False)
        return EncodedQueries(encoded, self._features, self._vocabulary, batches * self.config.batch_tokens)

    def _generated(
        self, examples: Examples, kind: Kind, grammar: Grammar, sampling: Sampling | None = None
    ) -> IntArray:
        return generate(self._model, self._encoded(examples, kind, _GENERATION_BATCH), grammar, sampling)
