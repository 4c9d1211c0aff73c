"""What systems that write a sentence for a user and an item share: training, and greedy decoding."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor

from baselines.explanation.sentences import END, PAD, START, UNKNOWN, SentenceArtifacts, TrainingExamples, Wording
from baselines.explanation.typical import TASK
from baselines.learning.model import LearnedModel
from baselines.learning.network import Trainable, TrainingSettings
from baselines.learning.training import Outcome
from unimp_bench.contracts import FitData, Rater, Writer
from unimp_bench.kinds.early_stopping import Scores
from unimp_bench.kinds.rating import RatingExamples
from unimp_bench.kinds.text import TextExamples
from unimp_bench.records import Examples, FloatArray, IntArray
from unimp_bench.settings import Count

_AT_ONCE = 128


@dataclass(frozen=True)
class WriterSettings(TrainingSettings):
    """Settings of a system that writes.

    Attributes:
        length: maximum number of words of a sentence, including its end.
        min_count, vocabulary: minimum occurrences of a word, and maximum number of words.
    """

    length: Count = 32
    min_count: Count = 3
    vocabulary: Count = 20_000


class SentenceNetwork(Trainable):
    """A network that writes a sentence for a user and an item.

    Attributes:
        examples: of the training, see ``show``.
    """

    examples: TrainingExamples | None = None

    def show(self, examples: TrainingExamples) -> None:
        """Set the training examples."""
        self.examples = examples

    @abstractmethod
    def write(self, users: IntArray, items: IntArray) -> Iterator[list[int]]:
        """Generated words for user and item rows."""


class RatingNetwork(SentenceNetwork):
    """A network that also rates."""

    @abstractmethod
    def rate(self, users: IntArray, items: IntArray) -> FloatArray:
        """Ratings of user and item rows, (n,)."""


SettingsT = TypeVar("SettingsT", bound=WriterSettings)
NetworkT = TypeVar("NetworkT", bound=SentenceNetwork)
RatingNetworkT = TypeVar("RatingNetworkT", bound=RatingNetwork)


class SentenceWriter(LearnedModel[SettingsT, SentenceArtifacts, NetworkT], Writer[SettingsT]):
    """Trains a network on the sentences of the training part, and writes with it."""

    Artifacts: ClassVar[type[SentenceArtifacts]] = SentenceArtifacts

    def gather(self, data: FitData) -> SentenceArtifacts:
        return SentenceArtifacts.of(data, self.config.min_count, self.config.vocabulary)

    def learn(self, network: NetworkT, data: FitData, validate: Callable[[], Scores]) -> Outcome:
        self.show(network, data)
        return super().learn(network, data, validate)

    def show(self, network: NetworkT, data: FitData) -> None:
        """Set the training examples of the network."""
        network.show(TrainingExamples.of(data, self.artifacts.interactions, self.wording(), self.config.length))

    def wording(self) -> Wording:
        """The vocabulary of the network."""
        return self.artifacts.vocabulary

    def validated_by(self, data: FitData) -> str:
        """Explanation; in a fit without it, preference."""
        return TASK if TASK in data.examples else next(iter(data.examples))

    def write(self, examples: TextExamples) -> list[str]:
        with torch.no_grad():
            written = list(self.prepared().write(*self.rows(examples)))
        wording = self.wording()
        return [wording.sentence(tokens) for tokens in written]

    def rows(self, examples: Examples) -> tuple[IntArray, IntArray]:
        """Rows of the users and of the shown items, (n,) each."""
        assert examples.shown is not None
        interactions = self.artifacts.interactions
        return interactions.user_rows(examples.users), interactions.item_rows(examples.shown.items)


class RatingWriter(SentenceWriter[SettingsT, RatingNetworkT], Rater[SettingsT]):
    """Also predicts ratings."""

    def rate(self, examples: RatingExamples) -> FloatArray:
        with torch.no_grad():
            return self.prepared().rate(*self.rows(examples))


def greedy(step: Callable[[Tensor], Tensor], count: int, length: int, device: Any) -> Tensor:
    """Greedy decoding, (count, at most length); ``END`` ends a sentence, other special words are not generated.

    Args:
        step: from the previous words (count,), ``START`` first, to logits of the next ones (count, vocabulary).
        count: number of sentences.
        length: maximum number of words of a sentence, including its end.
        device: of the words.
    """
    tokens = torch.full((count,), START, device=device)
    ended = torch.zeros_like(tokens, dtype=torch.bool)
    written: list[Tensor] = []
    while len(written) < length and not ended.all():
        logits = step(tokens)
        logits[:, [PAD, START, UNKNOWN]] = -torch.inf
        tokens = logits.argmax(dim=1)
        ended |= tokens == END
        written.append(tokens)
    return torch.stack(written, dim=1)


def blocks(count: int) -> Iterator[slice]:
    """Consecutive slices of ``count`` sentences, as many as are written at once."""
    for start in range(0, count, _AT_ONCE):
        yield slice(start, start + _AT_ONCE)
