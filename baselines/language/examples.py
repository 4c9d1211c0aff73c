"""The training examples of a language model: per epoch some examples per user and task, with random prompts.

Only training examples are read; their histories and targets belong to the training part.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from baselines.language.artifacts import LanguageArtifacts, LanguageSettings
from baselines.language.prompts import FAMILIES, NO, YES, Answer, PromptInputs, PromptRenderer
from baselines.language.tokens import TokenizedTexts, join
from unimp_bench.contracts import FitData
from unimp_bench.errors import DataError
from unimp_bench.kinds.rating import RatingExamples
from unimp_bench.kinds.rating import rating_words as plain_rating
from unimp_bench.kinds.text import TextExamples
from unimp_bench.records import Examples, FloatArray, IntArray, Shown

FIRST_STARTS = 3
"""A history begins at a random one of its first items, this many."""

_POOL = 32
"""Number of batches that are sorted by length together."""

_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,15}(?: ?\. ?[0-9]{0,15})?|\.[0-9]{1,15})")
"""A rating as text; tokenizers may decode spaces around the decimal point."""


@dataclass(frozen=True)
class _Task:
    """The training examples of one task.

    Attributes:
        examples: sorted by user.
        sentences: the targets, if these are sentences.
        firsts, counts: (users,) user ``u`` has ``counts[u]`` examples, starting at ``firsts[u]``.
    """

    examples: Examples
    sentences: TokenizedTexts | None
    firsts: IntArray
    counts: IntArray

    @classmethod
    def of(cls, examples: Examples, artifacts: LanguageArtifacts, max_tokens: int) -> _Task:
        """Sentences are cut to ``max_tokens``, including the end token."""
        sentences = None
        if isinstance(examples, TextExamples):
            sentences = artifacts.tokenizer.encode(examples.texts.read()).cut(max_tokens - 1)
        _, firsts, counts = np.unique(examples.users, return_index=True, return_counts=True)
        return cls(examples, sentences, firsts, counts)


class TrainingExamples:
    """The training examples of all tasks of a fit.

    Raises:
        DataError: no task has a training example.
    """

    def __init__(
        self, data: FitData, artifacts: LanguageArtifacts, renderer: PromptRenderer, settings: LanguageSettings
    ) -> None:
        parts = [part.train for part in data.examples.values() if len(part.train)]
        if not parts:
            raise DataError("the training part has no example; there is nothing to learn from")
        self._tasks = [_Task.of(examples, artifacts, settings.text_tokens) for examples in parts]
        self._artifacts, self._renderer, self._settings = artifacts, renderer, settings

    def epoch(
        self, rng: np.random.Generator, batch_size: int
    ) -> Iterator[tuple[TokenizedTexts, TokenizedTexts, float]]:
        """Batches of prompts of similar length, their answers, and the share of the epoch before them."""
        drawn = [self._draw(number, task, rng) for number, task in enumerate(self._tasks)]
        samples = np.concatenate(drawn)[rng.permutation(sum(map(len, drawn)))]
        size = batch_size * _POOL
        for start in range(0, len(samples), size):
            prompts, answers = self._rendered(samples[start : start + size], rng)
            by_length = np.argsort(prompts.lengths(), kind="stable")
            batches = np.split(by_length, np.arange(batch_size, len(by_length), batch_size))
            for done, number in enumerate(rng.permutation(len(batches))):
                batch = batches[number]
                yield prompts.take(batch), answers.take(batch), (start + done * batch_size) / len(samples)

    def _draw(self, number: int, task: _Task, rng: np.random.Generator) -> IntArray:
        """Random examples of every user as (n, 3): task, example, prompt."""
        firsts, counts = np.tile(task.firsts, self._settings.draws), np.tile(task.counts, self._settings.draws)
        examples = firsts + np.floor(rng.random(len(firsts)) * counts).astype(np.int64)
        prompts = rng.integers(len(FAMILIES[task.examples.task]), size=len(firsts))
        return np.stack([np.full(len(firsts), number), examples, prompts], axis=1)

    def _rendered(self, samples: IntArray, rng: np.random.Generator) -> tuple[TokenizedTexts, TokenizedTexts]:
        """Prompts and answers, grouped by template."""
        prompts, answers = [], []
        for number, prompt_number in np.unique(samples[:, [0, 2]], axis=0):
            task = self._tasks[number]
            chosen = samples[(samples[:, 0] == number) & (samples[:, 2] == prompt_number), 1]
            prompt = FAMILIES[task.examples.task][prompt_number]
            inputs = self._inputs(task.examples.select(chosen), rng)
            sentences = None if task.sentences is None else task.sentences.take(chosen)
            shown, answer = self._answers(prompt.answer, inputs, sentences, rng)
            prompts.append(self._renderer.render(prompt, replace(inputs, shown=shown)))
            answers.append(answer)
        return TokenizedTexts.stack(prompts), TokenizedTexts.stack(answers)

    def _inputs(self, examples: Examples, rng: np.random.Generator) -> PromptInputs:
        """Prompt inputs with random history starts and separators."""
        plain = PromptInputs.of(examples, self._settings.history, self._artifacts.ids)
        first, ends = examples.starts(), examples.ends
        skipped = np.floor(rng.random(len(examples)) * np.minimum(FIRST_STARTS, ends - first)).astype(np.int64)
        arrows = rng.random(len(examples)) < 0.5
        return replace(plain, starts=np.maximum(plain.starts, first + skipped), arrows=arrows)

    def _answers(
        self, kind: Answer, inputs: PromptInputs, sentences: TokenizedTexts | None, rng: np.random.Generator
    ) -> tuple[Shown | None, TokenizedTexts]:
        """The items that the prompts show, and their answers."""
        examples: Any = inputs.examples  # of the class for ``kind``
        shown, names = inputs.shown, self._renderer.names
        if kind == "rating":
            return shown, self._ratings(examples, rng)
        if kind == "sentence":
            assert sentences is not None
            return shown, sentences
        if kind == "items":
            assert shown is not None
            suitable = names.take(shown.items[examples.suits])
            return shown, join([(shown.owners()[examples.suits], suitable)], len(examples))
        assert examples.targets is not None
        targets = self._artifacts.ids.rows(examples.targets)
        if kind == "yes or no":
            positive = rng.random(len(targets)) < 0.5
            words = np.where(positive, self._renderer.literal(YES), self._renderer.literal(NO))
            items = np.where(positive, targets, self._others(targets, rng))
            return Shown.single(items), self._renderer.literals(words)
        options = self._options(targets, rng) if kind == "option" else shown
        return options, names.take(targets)

    def _options(self, targets: IntArray, rng: np.random.Generator) -> Shown:
        """The targets among random other items, at random positions."""
        size = min(self._settings.options, len(self._artifacts.ids.catalogue))
        items = self._others(np.repeat(targets[:, None], size, axis=1), rng)
        items[np.arange(len(items)), rng.integers(size, size=len(items))] = targets
        return Shown(np.arange(len(items) + 1) * size, items.ravel())

    def _others(self, targets: IntArray, rng: np.random.Generator) -> IntArray:
        """Random item rows different from the targets, same shape."""
        size = len(self._artifacts.ids.catalogue)
        others: IntArray = (targets + rng.integers(1, max(size, 2), size=targets.shape)) % size
        return others

    def _ratings(self, examples: RatingExamples, rng: np.random.Generator) -> TokenizedTexts:
        ratings: FloatArray = np.asarray(examples.ratings)
        decimals = 0
        if self._settings.jitter:
            ratings, decimals = jittered(ratings, examples.scale, rng)
        return self._artifacts.tokenizer.encode([rating_words(rating, decimals) for rating in ratings.tolist()])


def jittered(
    ratings: FloatArray, scale: tuple[float, float, float], rng: np.random.Generator
) -> tuple[FloatArray, int]:
    """Ratings with noise, and their number of decimals, as in the released code of P5.

    A rating stands for all finer ratings that round to it: with step 1, 4 for 3.5 to 4.4, and 5 for 4.5 to 5. One of
    them is drawn from a normal distribution with the interval's midpoint as mean and a quarter of its width as
    standard deviation.
    """
    low, high, step = scale
    finest = step / 10
    lowest, highest = np.maximum(ratings - step / 2, low), np.minimum(ratings + step / 2 - finest, high)
    drawn = rng.normal((lowest + highest) / 2, np.maximum(highest - lowest, 0) / 4)
    clipped = np.clip(np.round(drawn / finest) * finest, low, high)
    return clipped, max(0, math.ceil(-math.log10(finest) - 1e-9))


def rating_words(rating: float, decimals: int) -> str:
    """A rating as text: ``4``, ``3.9``."""
    return f"{rating:.{decimals}f}" if decimals else plain_rating(rating)


def read_ratings(texts: list[str]) -> FloatArray:
    """Parse texts as numbers, (n,) float64, NaN if unparsable: ``4.2`` and ``4 . 2`` are numbers, ``4 2`` is not."""
    matches = [_NUMBER.fullmatch(text.strip()) for text in texts]
    numbers = [math.nan if match is None else float(match[0].replace(" ", "")) for match in matches]
    return np.array(numbers, dtype=np.float64)
