"""Sentences as words, and the training examples of systems that write for a user and an item."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from baselines.explanation.typical import TASK
from baselines.learning.files import reading
from baselines.learning.interactions import Interactions
from baselines.learning.vocabulary import Vocabulary
from unimp_bench.contracts import FitData
from unimp_bench.kinds.text import TextExamples
from unimp_bench.ragged import Ragged
from unimp_bench.records import Examples, FloatArray, IntArray

PAD, START, END, UNKNOWN = range(4)

_MEAN_FILE = "mean.json"
_TOKEN = re.compile(r"\w+(?:['\u2019]\w+)*|[^\w\s]")


@dataclass(frozen=True)
class Word:
    """A lower-case word, its most frequent spelling, and whether a space is written before and after it."""

    word: str
    written: str
    before: bool
    after: bool


@dataclass(frozen=True)
class SentenceVocabulary(Vocabulary):
    """The most frequent words of the training sentences, and their spelling.

    Words are sequences of letters and digits, counted without regard to case; each punctuation mark is a word too. The
    spelling of a word, and whether a space precedes and follows a mark, is decided by the majority of its occurrences.

    Attributes:
        words: from row 4 on; rows 0 to 3 are padding, start, end and unknown words.
        capital: whether most sentences begin with a capital letter.
    """

    FILE = "words.json"
    SPECIAL = 4
    UNKNOWN = UNKNOWN

    words: tuple[Word, ...]
    capital: bool

    @classmethod
    def of(cls, sentences: Iterable[str], min_count: int, max_words: int) -> SentenceVocabulary:
        """The at most ``max_words`` most frequent words that occur at least ``min_count`` times."""
        counts: Counter[str] = Counter()
        spaces: Counter[tuple[str, int]] = Counter()  # by mark and side: occurrences with a space minus those without
        spellings: dict[str, Counter[str]] = {}
        capitals = 0
        for sentence in sentences:
            text = sentence.strip()
            capitals += 1 if text[:1].isupper() else -1
            for token in _TOKEN.finditer(text):
                word, (start, stop) = token.group().lower(), token.span()
                counts[word] += 1
                if start > 0:
                    spellings.setdefault(word, Counter())[token.group()] += 1
                if not word[0].isalnum():
                    for side, place in enumerate((start - 1, stop)):
                        if 0 <= place < len(text):
                            spaces[word, side] += 1 if text[place].isspace() else -1
        kept = sorted((word for word, count in counts.items() if count >= min_count), key=lambda w: (-counts[w], w))
        words = (
            Word(
                word,
                max(spellings[word].items(), key=lambda form: (form[1], form[0]))[0] if word in spellings else word,
                spaces[word, 0] >= 0,
                spaces[word, 1] >= 0,
            )
            for word in kept[:max_words]
        )
        return cls(tuple(words), capitals > 0)

    @property
    def spellings(self) -> Collection[str]:
        return [word.word for word in self.words]

    def tokens(self, sentences: Sequence[str], length: int) -> IntArray:
        """(n, length) int32 words of each sentence and ``END``, cut to the length and padded on the right."""
        rows = ([*self.rows(token.lower() for token in _TOKEN.findall(sentence)), END] for sentence in sentences)
        return Ragged.of_rows(list(rows), np.int32).pad(length, PAD)

    def sentence(self, tokens: Sequence[int]) -> str:
        """The text of the words before the first special row."""
        text, space = "", False
        for token in tokens:
            if token < self.SPECIAL:
                break
            word = self.words[token - self.SPECIAL]
            text += " " * (space and word.before) + word.written
            space = word.after
        return text[:1].upper() + text[1:] if self.capital else text


class Wording(Protocol):
    """Turns sentences into rows of a vocabulary, and back; the first four are padding, start, end and unknown words."""

    def tokens(self, sentences: Sequence[str], length: int) -> IntArray:
        """(n, length) int32 words of each sentence and ``END``, cut to the length and padded on the right."""

    def sentence(self, tokens: Sequence[int]) -> str:
        """The text of the words before the first special row."""


@dataclass(frozen=True)
class SentenceArtifacts:
    """Artifacts stored with the weights.

    Attributes:
        interactions: rows of users and items.
        vocabulary: of the training sentences.
        mean: mean training rating, mu; 0 without ratings.
    """

    interactions: Interactions
    vocabulary: SentenceVocabulary
    mean: float

    @classmethod
    def of(cls, data: FitData, min_count: int, max_words: int) -> SentenceArtifacts:
        """Build from the training part; the vocabulary is empty in a fit on preference only."""
        train = training_part(data)
        sentences = train.texts.read() if isinstance(train, TextExamples) else []
        rated = train.histories.ratings[~np.isnan(train.histories.ratings)]
        return cls(
            Interactions.of(train, data.catalogue),
            SentenceVocabulary.of(sentences, min_count, max_words),
            float(rated.mean(dtype=np.float64)) if len(rated) else 0.0,
        )

    @classmethod
    def read(cls, folder: Path) -> SentenceArtifacts:
        path = folder / _MEAN_FILE
        with reading(path):
            mean = float(json.loads(path.read_text(encoding="utf-8")))
        return cls(Interactions.read(folder), SentenceVocabulary.read(folder), mean)

    def write(self, folder: Path) -> None:
        self.interactions.write(folder)
        self.vocabulary.write(folder)
        (folder / _MEAN_FILE).write_text(json.dumps(self.mean), encoding="utf-8")


@dataclass(frozen=True)
class TrainingExamples:
    """The n training interactions.

    Attributes:
        users, items: (n,) rows.
        ratings: (n,) float32, NaN for a missing rating.
        sentences: (n,) row of ``tokens``, -1 for a missing explanation.
        tokens: (sentences, length) int32 words, each sentence with its end, padded on the right.
    """

    users: IntArray
    items: IntArray
    ratings: FloatArray
    sentences: IntArray
    tokens: IntArray

    @classmethod
    def of(cls, data: FitData, interactions: Interactions, wording: Wording, length: int) -> TrainingExamples:
        """All interactions, including a user's first: it may have a rating, but has no sentence."""
        train = training_part(data)
        texts = train.texts.read() if isinstance(train, TextExamples) else []
        sentences = np.full(len(interactions), -1)
        sentences[train.ends[: len(texts)]] = np.arange(len(texts))  # the target follows its history
        return cls(
            interactions.owners,
            interactions.sequences.values,
            np.asarray(train.histories.ratings),
            sentences,
            wording.tokens(texts, length),
        )


def training_part(data: FitData) -> Examples:
    """The training part of explanation if the fit has it, else of another task: all tasks share the histories."""
    part: Examples = data.examples[TASK if TASK in data.examples else next(iter(data.examples))].train
    return part
