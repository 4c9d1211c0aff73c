"""Pieces: runs of tokens that always occur together, such as ``[CLS]``, an item, a phrase or an answer.

Whatever recurs is tokenised once, and sentences are joined from piece numbers without any string operation.

An answer is a piece that follows the history and the instruction. A ranking is the item's id, a rating ``rate_<r>``, a
sentence its subwords and ``[END]``, a selection the tokens ``s_<position>`` of the suitable candidates in order and
``[END]``, a picture its codes ``img_<c>``. The tokens follow ``<answer>``, each predicted at the token before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

import numpy as np

from unimp_bench.contracts import FitData
from unimp_bench.corpus import Items
from unimp_bench.corpus.features.pictures import picture_features
from unimp_bench.corpus.features.stored import ids_of
from unimp_bench.generative.item_ids import ItemIds, resolve_collisions, semantic_ids
from unimp_bench.kinds.picture import PictureExamples
from unimp_bench.kinds.rating import RatingExamples, rating_words
from unimp_bench.kinds.selection import SelectionExamples
from unimp_bench.kinds.text import TextExamples
from unimp_bench.ragged import Grouped, offsets_of
from unimp_bench.records import Examples, IntArray
from unimp_bench.unimp.config import UniMPConfig
from unimp_bench.unimp.published import read_tokenizer
from unimp_bench.unimp.tokens import RATING, Vocabulary, attribute_values, known_attributes, phrases, plain

Kind = Literal["ranking", "rating", "text", "selection", "picture"]
"""The kinds of tasks that UniMP generates answers for."""

CLS_PIECE = 0
FIRST_ITEM_PIECE = 1
NONE = -1

END = "[END]"
MAX_WORDS = 30
"""Words of a sentence that are learned, as in the authors' code."""

MAX_RATINGS = 20
"""Largest number of distinct ratings of a source that become tokens."""


@dataclass(frozen=True)
class Pieces(Grouped):
    """Runs of tokens of varying length.

    Attributes:
        offsets: (pieces + 1,) int64.
        tokens: (rows,) int32 token numbers.
        labels: (rows,) int32 the token to be predicted at a token, -1 for none.
        marks: (rows,) int32 a marker token whose embedding is added to a token's own, -1 for none.
    """

    tokens: IntArray
    labels: IntArray
    marks: IntArray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @classmethod
    def of(
        cls,
        runs: Sequence[Sequence[int]],
        labels: Sequence[Sequence[int]] | None = None,
        marks: Sequence[Sequence[int]] | None = None,
    ) -> Pieces:
        """A piece per run, with the labels and marks of its tokens; none where None."""
        tokens = np.fromiter(chain.from_iterable(runs), dtype=np.int32)
        beside = (
            np.full(len(tokens), NONE, dtype=np.int32)
            if each is None
            else np.fromiter(chain.from_iterable(each), dtype=np.int32)
            for each in (labels, marks)
        )
        return cls(offsets_of([len(run) for run in runs]), tokens, *beside)

    def tokens_of(self, piece: int) -> IntArray:
        return self.tokens[self.offsets[piece] : self.offsets[piece + 1]]

    def followed_by(self, other: Pieces) -> Pieces:
        """These pieces, then those of ``other``."""
        return Pieces(
            np.concatenate([self.offsets, self.offsets[-1] + other.offsets[1:]]),
            np.concatenate([self.tokens, other.tokens]),
            np.concatenate([self.labels, other.labels]),
            np.concatenate([self.marks, other.marks]),
        )


def catalogue_pieces(items: Items, vocabulary: Vocabulary, config: UniMPConfig) -> Pieces:
    """The pieces of histories: piece 0 is ``[CLS]``, piece ``1 + n`` item ``n``, then one per rating.

    A rating is ``<answer> rate_<r>`` behind its item, as in the authors' code, and is predicted as context. A picture
    alone predicts the first token of its item's id. In early fusion each embedding of a picture has an ``[IMG]``.
    """
    keys, values = [], []
    for attribute in known_attributes(items, config.attributes):
        keys.append(vocabulary.phrase(attribute.capitalize()))
        values.append(vocabulary.encode(attribute_values(items, attribute, config.attribute_words)))
    images_per_item = {"early": config.latents, "none": 0}.get(config.fusion, 1)
    runs = [[vocabulary.cls]]
    labels = [[NONE]]
    ids = vocabulary.item_tokens(np.arange(len(items))).tolist()
    for item, has_picture in enumerate(items.has_picture):
        run, context = _Run(), config.context
        if has_picture and images_per_item:
            run.add([vocabulary.img] * images_per_item, then=ids[item][0] if "picture" in context else NONE)
        if config.items == "token":
            run.add(ids[item])
            runs.append(run.tokens)
            labels.append(run.labels)
            continue
        for key, texts in zip(keys, values, strict=True):
            run.add(key)
            run.add(texts[item], labelled="attributes" in context)
        run.add([vocabulary.answer])
        run.add(ids[item], labelled="item" in context)
        run.add([vocabulary.eoc])
        runs.append(run.tokens)
        labels.append(run.labels)
    for rating in vocabulary.named([f"{RATING}{rating_words(rating)}" for rating in vocabulary.ratings]):
        runs.append([vocabulary.answer, rating])
        labels.append([rating, NONE])
    return Pieces.of(runs, labels)


class _Run:
    """Tokens and labels of a piece as it grows."""

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self.labels: list[int] = []

    def add(self, tokens: list[int], labelled: bool = False, then: int = NONE) -> None:
        """Append tokens; ``labelled`` ones are each predicted at the token before, ``then`` at the last of them."""
        if labelled:
            self.labels[-1:] = tokens[:1]
        self.tokens += tokens
        self.labels += [*(tokens[1:] if labelled else [NONE] * (len(tokens) - 1)), then]


def kind_of(examples: Examples) -> Kind:
    """The kind of a task, from the class of its examples."""
    match examples:
        case TextExamples():
            return "text"
        case SelectionExamples():
            return "selection"
        case PictureExamples():
            return "picture"
        case RatingExamples():
            return "rating"
    return "ranking"


def _given_ratings(examples: Examples) -> list[str]:
    """Tokens of the ratings in the histories, which indicate a user's tone; none if they are no stars."""
    given = examples.histories.ratings
    distinct = np.unique(given[~np.isnan(given)])
    return [f"{RATING}{rating_words(rating)}" for rating in distinct] if len(distinct) <= MAX_RATINGS else []


def rating_names(scale: tuple[float, float, float]) -> list[str]:
    """Tokens of all ratings of a scale, ascending."""
    return [f"{RATING}{rating_words(rating)}" for rating in ratings_of(scale)]


def ratings_of(scale: tuple[float, float, float]) -> list[float]:
    """All ratings of a scale, ascending."""
    low, high, step = scale
    return [low + step * number for number in range(round((high - low) / step) + 1)]


def candidate_names(count: int) -> list[str]:
    """Tokens of the first ``count`` candidates."""
    return [f"s_{position}" for position in range(count)]


def code_names(size: int) -> list[str]:
    """Tokens of the codes of pictures."""
    return [f"img_{code}" for code in range(size)]


def picture_position_names(length: int) -> list[str]:
    """Markers of the positions in a picture."""
    return [f"at_{position}" for position in range(length)]


def answer_names(parts: Iterable[Examples]) -> list[str]:
    """The tokens that the answers of some examples need besides text and items."""
    names: dict[str, None] = {}
    for part in parts:
        match part:
            case TextExamples():
                names |= dict.fromkeys([END, *_given_ratings(part)])
            case RatingExamples():
                names |= dict.fromkeys(rating_names(part.scale))
            case SelectionExamples():
                names |= dict.fromkeys([END, *candidate_names(int(part.shown.lengths().max(initial=0)))])
            case PictureExamples():
                names |= dict.fromkeys([*code_names(part.pictures.size), *picture_position_names(part.pictures.length)])
    return list(names)


def target_texts(examples: TextExamples) -> list[str]:
    """The sentences to be generated, each cut at ``MAX_WORDS``."""
    return [" ".join(plain(text).split()[:MAX_WORDS]) for text in examples.texts.read()]


def answer_pieces(examples: Examples, vocabulary: Vocabulary) -> tuple[Pieces, IntArray]:
    """The distinct answers of some examples as pieces ``<answer> ...``, and each example's number among them, (n,)."""
    answers, numbers = _answers(examples, vocabulary)
    runs = [[vocabulary.answer, *answer[:-1]] for answer in answers]
    marks = None
    if isinstance(examples, PictureExamples):
        marks = [vocabulary.named(picture_position_names(examples.pictures.length))] * len(runs)
    return Pieces.of(runs, answers, marks), numbers


def open_answer(examples: Examples, vocabulary: Vocabulary) -> tuple[Pieces, IntArray]:
    """One piece, ``<answer>`` alone, for all examples."""
    marks = [vocabulary.named(picture_position_names(1))] if isinstance(examples, PictureExamples) else None
    return Pieces.of([[vocabulary.answer]], marks=marks), np.zeros(len(examples), dtype=np.int64)


def _answers(examples: Examples, vocabulary: Vocabulary) -> tuple[list[list[int]], IntArray]:
    match examples:
        case TextExamples():
            (end,) = vocabulary.named([END])
            encoded = vocabulary.encode(target_texts(examples))
            return [[*tokens, end] for tokens in encoded], np.arange(len(encoded))
        case SelectionExamples():
            (end,) = vocabulary.named([END])
            position = examples.shown.positions()
            names = np.array(vocabulary.named(candidate_names(int(position.max(initial=-1)) + 1)), dtype=np.int64)
            chosen = np.split(np.where(examples.suits, position, NONE), examples.shown.offsets[1:-1])
            return [[*names[each[each >= 0]].tolist(), end] for each in chosen], np.arange(len(chosen))
        case RatingExamples():
            low, _, step = examples.scale
            numbers = np.rint((examples.ratings - low) / step).astype(np.int64)
            return [[token] for token in vocabulary.named(rating_names(examples.scale))], numbers
    assert examples.targets is not None
    distinct, numbers = np.unique(examples.targets, return_inverse=True)
    if not isinstance(examples, PictureExamples):
        return vocabulary.item_tokens(distinct).tolist(), numbers
    names = np.array(vocabulary.named(code_names(examples.pictures.size)), dtype=np.int64)
    return [names[codes].tolist() for codes in examples.pictures.of(distinct)], numbers


def build_vocabulary(data: FitData, config: UniMPConfig) -> Vocabulary:
    """The vocabulary of the fitted tasks on a corpus."""
    ids = _item_ids(data, config)
    parts = [part for task in data.examples.values() for part in (task.train, task.validation)]
    if not config.from_scratch:
        return Vocabulary.pretrained(read_tokenizer(config.backbone), ids, answer_names(parts))
    return Vocabulary.train(
        _texts(data, config),
        ids,
        config.vocabulary,
        [phrase for part in parts for phrase in phrases(part.instruction, part.task)],
        answer_names(parts),
    )


def _texts(data: FitData, config: UniMPConfig) -> list[str]:
    """Attribute names, the values of all items, the queries and the sentences of the training part."""
    names = known_attributes(data.items, config.attributes)
    texts = [name.capitalize() for name in names]
    for name in names:
        texts += attribute_values(data.items, name, config.attribute_words)
    for examples in data.examples.values():
        texts += [plain(text) for text in examples.train.query_texts]
        if isinstance(examples.train, TextExamples):
            texts += target_texts(examples.train)
    return texts


def _item_ids(data: FitData, config: UniMPConfig) -> ItemIds:
    """Ids of a fit's items; a model without pictures makes no use of them in ids either."""
    if config.ids == "atomic":
        return ItemIds.atomic(len(data.items))
    if (stored := ids_of(data.items)) is not None:
        distinct = stored.record.levels[-1].prefixes == len(stored.codes)
        return ItemIds(stored.codes if distinct else resolve_collisions(stored.codes))
    features = None
    if config.fusion != "none":
        features = picture_features(data.items, config.encoder, config.pretrained, data.cache)
    return semantic_ids(data.items, features, config.id_levels, config.id_codes, data.seed)


def extend_vocabulary(vocabulary: Vocabulary, data: FitData, config: UniMPConfig) -> Vocabulary:
    """The vocabulary of an earlier fit with the phrases and answer tokens of this fit's tasks."""
    parts = [part for task in data.examples.values() for part in (task.train, task.validation)]
    needed = [phrase for part in parts for phrase in phrases(part.instruction, part.task)]
    return vocabulary.with_words([*(needed if config.from_scratch else ()), *answer_names(parts)])
