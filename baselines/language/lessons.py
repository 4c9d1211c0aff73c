"""What a language model is trained on: an epoch takes training examples of each user and task, with random prompts.

Only training examples are read, whose histories and targets lie in the training part.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from baselines.language.answers import Answers
from baselines.language.book import Asked, Book
from baselines.language.facts import LanguageFacts
from baselines.language.phrases import Phrases
from baselines.language.prompts import FAMILIES
from baselines.language.settings import LanguageSettings
from unimp_bench.contracts import FitData
from unimp_bench.errors import DataError
from unimp_bench.records import Examples, IntArray

FIRST_STARTS = 3
"""A history may begin at any of its first so many items."""

_POOL = 32


@dataclass(frozen=True)
class Lesson:
    """One task.

    Attributes:
        examples: its training examples.
        sentences: their answers in words, where the task asks for any.
        firsts, counts: (users,) the examples of a user are ``firsts[u]`` and the following ``counts[u]``.
    """

    examples: Examples
    sentences: Phrases | None
    firsts: IntArray
    counts: IntArray

    @classmethod
    def of(cls, examples: Examples, facts: LanguageFacts, most_tokens: int) -> Lesson:
        """Of a task; a sentence ends after ``most_tokens``, its end token included."""
        texts = examples.texts
        sentences = None if texts is None else facts.vocabulary.encode(texts.read()).cut(most_tokens - 1)
        _, firsts, counts = np.unique(examples.users, return_index=True, return_counts=True)
        return cls(examples, sentences, firsts, counts)


class Lessons:
    """All tasks of a fit.

    Raises:
        DataError: none has a training example.
    """

    def __init__(self, data: FitData, facts: LanguageFacts, book: Book, settings: LanguageSettings) -> None:
        told = [part.train for part in data.examples.values() if len(part.train)]
        if not told:
            raise DataError("the training part has no example; there is nothing to learn from")
        self._tasks = [Lesson.of(examples, facts, settings.text_tokens) for examples in told]
        self._facts, self._book, self._settings = facts, book, settings
        self._answers = Answers(facts, book, settings)

    def epoch(self, rng: np.random.Generator, batch_size: int) -> Iterator[tuple[Phrases, Phrases, float]]:
        """Prompts, their answers, and the share of the epoch before them; prompts of like length side by side."""
        drawn = [self._draw(number, lesson, rng) for number, lesson in enumerate(self._tasks)]
        data = np.concatenate(drawn)[rng.permutation(sum(map(len, drawn)))]
        size = batch_size * _POOL
        for start in range(0, len(data), size):
            questions, answers = self._rendered(data[start : start + size], rng)
            by_length = np.argsort(questions.lengths(), kind="stable")
            edges = np.arange(batch_size, len(by_length), batch_size)
            parts = np.split(by_length, edges)
            for done, number in enumerate(rng.permutation(len(parts))):
                part = parts[number]
                yield questions.take(part), answers.take(part), (start + done * batch_size) / len(data)

    def _draw(self, number: int, lesson: Lesson, rng: np.random.Generator) -> IntArray:
        """Examples of every user as (n, 3): task, example, prompt."""
        firsts, counts = np.tile(lesson.firsts, self._settings.draws), np.tile(lesson.counts, self._settings.draws)
        examples = firsts + np.floor(rng.random(len(firsts)) * counts).astype(np.int64)
        prompts = rng.integers(len(FAMILIES[lesson.examples.task]), size=len(firsts))
        return np.stack([np.full(len(firsts), number), examples, prompts], axis=1)

    def _rendered(self, data: IntArray, rng: np.random.Generator) -> tuple[Phrases, Phrases]:
        """Prompts and answers, those of one prompt after those of another."""
        questions, answers = [], []
        for task, number in np.unique(data[:, [0, 2]], axis=0):
            lesson = self._tasks[task]
            chosen = data[(data[:, 0] == task) & (data[:, 2] == number), 1]
            prompt = FAMILIES[lesson.examples.task][number]
            examples = lesson.examples.select(chosen)
            asked = self._asked(examples, rng)
            sentences = None if lesson.sentences is None else lesson.sentences.take(chosen)
            shown, said = self._answers.to(prompt.answer, examples, asked.shown, sentences, rng)
            questions.append(self._book.sentences(prompt, Asked(examples, asked.starts, shown, asked.arrows)))
            answers.append(said)
        return Phrases.stack(questions), Phrases.stack(answers)

    def _asked(self, examples: Examples, rng: np.random.Generator) -> Asked:
        plain = Asked.plainly(examples, self._settings.history, self._facts)
        first, ends = examples.starts(), examples.ends
        skipped = np.floor(rng.random(len(examples)) * np.minimum(FIRST_STARTS, ends - first)).astype(np.int64)
        arrows = rng.random(len(examples)) < 0.5
        return Asked(examples, np.maximum(plain.starts, first + skipped), plain.shown, arrows)
