"""A language model that judges explanations by a rubric.

The rubric is a file, ``NAME-VERSION.toml`` in ``rubrics``. It asks for one score of a sentence beside the user's own:
does it say what this user says, is it about this item, is it fluent?

* ``mode=likelihood``: sum_s p_s s over the scores s = 1..5, with p_s proportional to the likelihood of their tokens
  behind the prompt (after G-Eval; Liu et al., EMNLP 2023, which samples answers in place of likelihoods).
* ``mode=generation``: the first number from 1 to 5 of the answer.

An answer without a score counts as the lowest one, and so does an empty text, for which nothing is asked.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from baselines.llm.backend import Answer, Prompt, Request
from baselines.llm.place import Place, kept_answers
from baselines.llm.prompts import Way, item_names
from baselines.llm.replies import Tally, read_rating
from unimp_bench.corpus import Items
from unimp_bench.errors import find
from unimp_bench.kinds.judging import HIGHEST, LOWEST, Case, Judge, JudgeFacts, Opinions
from unimp_bench.records import FloatArray

FOLDER = Path(__file__).parent / "rubrics"
SCORES = tuple(range(LOWEST, HIGHEST + 1))
_DIGITS = 6  # likelihoods of equal prompts differ in their last bits
_LONGEST = 64  # letters of a part of an identity as it is
_ANSWER_TOKENS = 8


@dataclass(frozen=True)
class JudgeConfig(Place):
    """Settings.

    Attributes:
        rubric: file with the words of the judge, with its version.
        mode: ``likelihood`` of the scores, or ``generation`` of one.
    """

    rubric: str = "explanation-1"
    mode: Way = "likelihood"


@dataclass(frozen=True)
class Rubric:
    """What a judge is told.

    Attributes:
        text: with the fields ``{item}``, ``{reference}`` and ``{text}``.
        begun: beginning of the answer.
        system: the system's turn.
        constant: a sentence that suits any item.
        title_words: words of a title, at most.
    """

    text: str
    begun: str
    system: str
    constant: str
    title_words: int

    def prompt(self, item: str, case: Case) -> Prompt:
        """The prompt of a case; texts are one line each."""
        reference, text = (" ".join(each.split()) for each in (case.reference, case.text))
        return Prompt(self.text.strip().format(item=item, reference=reference, text=text), self.begun, self.system)


def rubric_file(name: str) -> Path:
    """The file of a rubric.

    Raises:
        UsageError: there is no such file.
    """
    path: Path = find({path.stem: path for path in FOLDER.glob("*.toml")}, name, "rubric")
    return path


class LanguageJudge(Judge):
    """See the module.

    Raises:
        UsageError: the rubric or the language model is not there, or does not answer in this way.
    """

    Config = JudgeConfig

    def __init__(self, config: JudgeConfig) -> None:
        self._config = config
        content = rubric_file(config.rubric).read_bytes()
        self._rubric = Rubric(**tomllib.loads(content.decode()))
        self._hash = hashlib.sha256(content).hexdigest()[:16]
        self._backend = config.backend(config.mode)

    @property
    def facts(self) -> JudgeFacts:
        config = self._config
        return JudgeFacts(
            name=config.model if config.server else Path(config.model).name or config.model,
            rubric=config.rubric,
            rubric_hash=self._hash,
            mode=config.mode,
            identity={name: _short(value) for name, value in self._backend.identity.items()},
        )

    @property
    def constant(self) -> str:
        return self._rubric.constant

    def judge(self, cases: Sequence[Case], items: Items, cache: Path) -> Opinions:
        asked, names = kept_answers(self._backend, cache), item_names(items, self._rubric.title_words)
        written = [number for number, case in enumerate(cases) if case.text.strip()]
        prompts = [self._rubric.prompt(names[cases[number].item], cases[number]) for number in written]
        if self._config.mode == "likelihood":
            requests = [Request(prompt, tuple(f" {score}" for score in SCORES)) for prompt in prompts]
        else:
            requests = [Request(prompt, limit=_ANSWER_TOKENS, lines=False) for prompt in prompts]
        scores, unread = np.full(len(cases), float(LOWEST)), np.zeros(len(cases), dtype=np.bool_)
        found = self._read(asked.ask(requests, f"judging by {self.facts.name}"))
        scores[written], unread[written] = np.nan_to_num(found, nan=LOWEST), np.isnan(found)
        return Opinions(scores, unread, asked.usage)

    def _read(self, answers: Sequence[Answer]) -> FloatArray:
        """(n,) the score in each answer; NaN for none."""
        if self._config.mode == "generation":
            tally = Tally()
            return np.array([read_rating(answer.text, LOWEST, HIGHEST, tally) for answer in answers], np.float64)
        logs = np.array([answer.totals for answer in answers], np.float64).reshape(-1, len(SCORES))
        shares = np.exp(logs - logs.max(axis=1, keepdims=True, initial=-np.inf))
        expected: FloatArray = (shares @ np.array(SCORES, np.float64)) / shares.sum(axis=1)
        return expected.round(_DIGITS)


def _short(value: str) -> str:
    """A part of an identity, long ones such as a chat template by their hash."""
    return value if len(value) <= _LONGEST else hashlib.sha256(value.encode()).hexdigest()[:16]
