"""Where a language model is, and how it is asked there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from baselines.llm.backend import Backend
from baselines.llm.kept import KeptAnswers
from baselines.llm.local import LocalModel
from baselines.llm.prompts import Way
from baselines.llm.server import Limits, ServedModel
from unimp_bench.errors import UsageError
from unimp_bench.settings import Count, Rate

_ANSWERS = "llm-answers.sqlite"


@dataclass(frozen=True)
class Place:
    """The settings of a language model wherever it is used.

    Attributes:
        model: name of a package of weights (``smollm2``), folder, or name on the hub; ``tiny`` has random weights; the
            model's name at its server, if there is one.
        server: address of a server that speaks OpenAI's protocol, such as ``http://localhost:8000/v1``; empty for
            this machine.
        key_variable: environment variable with the key of the server.
        chat: render prompts by the model's chat template, and use the chats of a server.
        batch: texts that are generated at once.
        at_once: requests to a server under way.
        attempts: of a request to a server.
        timeout: seconds without an answer of a server after which a request is repeated.
    """

    model: str = "smollm2"
    server: str = ""
    key_variable: str = "OPENAI_API_KEY"
    chat: bool = False
    batch: Count = 8
    at_once: Count = 8
    attempts: Count = 6
    timeout: Rate = 120.0

    def backend(self, mode: Way) -> Backend:
        """The model, ready to answer.

        Raises:
            UsageError: it cannot be read, or does not answer in this way.
        """
        if not self.server:
            return LocalModel(self.model, chat=self.chat, batch=self.batch)
        if mode == "likelihood" and self.chat:
            raise UsageError("a chat gives no likelihoods: set mode=generation, or chat=false for plain completions")
        limits = Limits(self.at_once, self.attempts, self.timeout)
        return ServedModel(self.server, self.model, chat=self.chat, key_variable=self.key_variable, limits=limits)

    def described(self, backend: Backend) -> str:
        """The model and where it is, for remarks."""
        identity = backend.identity
        return f"{self.model} ({identity.get('address') or 'weights ' + identity['weights']})"


def kept_answers(backend: Backend, cache: Path) -> KeptAnswers:
    """The model with its answers kept in the cache of a corpus."""
    return KeptAnswers(backend, cache / _ANSWERS)
