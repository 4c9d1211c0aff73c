"""What a language model is asked for and gives, wherever it runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Prompt:
    """A prompt.

    Attributes:
        text: the user's turn.
        begun: beginning of the answer, which the model continues; empty for none.
        system: the system's turn, for models with a chat template.
    """

    text: str
    begun: str = ""
    system: str = ""

    @property
    def plain(self) -> str:
        """The whole as one text, for models without a chat template; it ends without white space."""
        return "\n".join(part for part in (self.text.rstrip(), self.begun.rstrip()) if part)


@dataclass(frozen=True)
class Request:
    """The likelihoods of continuations, or a generated text.

    Attributes:
        prompt: what comes first.
        continuations: texts behind the prompt, each with its leading blank and its end; empty to generate.
        limit: most tokens that are generated.
        lines: generation ends with the first line.
    """

    prompt: Prompt
    continuations: tuple[str, ...] = ()
    limit: int = 0
    lines: bool = True


@dataclass(frozen=True)
class Answer:
    """The answer to a request.

    Attributes:
        text: as generated, without the begun answer.
        totals: log-likelihood of each continuation, the sum over its tokens, in nats.
        lengths: number of tokens of each continuation.
        tokens_in: tokens that the model read, shared ones once.
        tokens_out: tokens that it generated.
    """

    text: str = ""
    totals: tuple[float, ...] = ()
    lengths: tuple[int, ...] = ()
    tokens_in: int = 0
    tokens_out: int = 0


class Backend(ABC):
    """A language model at its place."""

    @property
    @abstractmethod
    def identity(self) -> Mapping[str, str]:
        """Everything beside a request that its answer depends on: the key of kept answers. No secrets."""

    @abstractmethod
    def answers(self, requests: Sequence[Request]) -> Iterator[tuple[int, Answer]]:
        """The answer to each request with its number, as they arrive, in any order.

        Raises:
            BenchError: some have no answer, once all others were given.
        """

    def parameters(self) -> int:
        """Number of the model's parameters; 0 where it is unknown."""
        return 0
