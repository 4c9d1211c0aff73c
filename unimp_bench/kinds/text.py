"""Texts: one sentence per example."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from unimp_bench.contracts import ConfigT, Model
from unimp_bench.errors import ModelError
from unimp_bench.kinds.base import AnswerError, AnswerReader, Column, Fields, Kind, MetricCard, Setting, evenly, quoted
from unimp_bench.records import ANSWER, PER_EXAMPLE, Examples, IntArray, Protocol, Shown, Texts

if TYPE_CHECKING:
    from unimp_bench.corpus import Corpus
    from unimp_bench.metrics.scores import Scores

VALIDATION_TEXTS = 300
"""Sentences that are written for one validation score: writing is slow, and more would hardly move the choice."""

FEATURES = ("keywords", "features")
"""Attributes whose entries can name a feature of an item, the first that a corpus has."""

MAX_CHARACTERS = 100_000
"""In one text of a predictions file."""


@dataclass(frozen=True)
class TextExamples(Examples):
    """Items to be written about.

    Attributes:
        shown: one item per example.
        texts: the sentences to be written; None once hidden.
    """

    shown: Shown = field(kw_only=True, metadata=PER_EXAMPLE)
    texts: Texts = field(kw_only=True, metadata=ANSWER)

    def answer_words(self, names: Callable[[IntArray], list[str]]) -> list[str]:
        return self.texts.read()


class Writer(Model[ConfigT]):
    """A model that writes a sentence."""

    @abstractmethod
    def write(self, examples: TextExamples) -> list[str]:
        """One text per example, about the shown item; may be empty."""


class TextReader(AnswerReader):
    """``text`` is a string, and may be empty."""

    columns = ("text",)
    ignored = ("truth",)

    def __init__(self, examples: TextExamples, setting: Setting) -> None:
        self._texts = [""] * len(examples)

    def take(self, example: int, fields: Fields) -> None:
        text = fields.get("text")
        if not isinstance(text, str):
            raise AnswerError(f"its text is {quoted(text)}, not a string; use the empty string for no answer")
        if len(text) > MAX_CHARACTERS:
            raise AnswerError(f"its text has {len(text):,} characters, more than {MAX_CHARACTERS:,}")
        self._texts[example] = text

    def finish(self) -> list[str]:
        return self._texts


def _features(corpus: Corpus, items: IntArray) -> list[list[str]] | None:
    """What the attributes of some items, one per example, name as features; None where no attribute does."""
    name = next((name for name in FEATURES if name in corpus.items.attributes), None)
    if name is None:
        return None
    cells = corpus.items.column(name).to_pylist()
    known = [
        [str(each) for each in cell] if isinstance(cell, list) else re.split(r"[,;|]", cell or "") for cell in cells
    ]
    return [known[item] for item in items]


_WRITING = "unimp_bench.metrics.writing"
_BLEU = "unimp_bench.metrics.text:bleu_scores"
_ROUGE = "unimp_bench.metrics.text:rouge_scores"


class TextKind(Kind):
    """Predictions are lists of n texts."""

    name = "text"
    contract = Writer
    method = "write"
    doing = "writing"
    reader = TextReader
    metrics = (
        MetricCard(
            "BLEU-1",
            "clipped unigram precision of the corpus, without the brevity penalty: what the UniMP paper calls BLEU",
            r"p_1 = \frac{\text{matched unigrams}}{\text{predicted unigrams}}",
            _BLEU,
            pooled=True,
        ),
        MetricCard(
            "BLEU-4",
            "BLEU as commonly meant, of c predicted and r reference tokens",
            r"\min(1, e^{1 - r / c}) \, (p_1 p_2 p_3 p_4)^{1/4}",
            _BLEU,
            pooled=True,
        ),
        MetricCard("ROUGE-1", "F1 of shared unigrams", r"\frac{2 \, m}{|\hat{t}| + |t|}", _ROUGE),
        MetricCard("ROUGE-2", "F1 of shared bigrams", r"\frac{2 \, m}{|\hat{t}| + |t|}", _ROUGE),
        MetricCard(
            "ROUGE-L",
            "F1 of the longest common subsequence",
            r"\frac{2 \, \mathrm{LCS}(\hat{t}, t)}{|\hat{t}| + |t|}",
            _ROUGE,
        ),
        MetricCard(
            "METEOR",
            "words in common, their stems and synonyms too, less a penalty for their order",
            r"\frac{P R}{0.9 P + 0.1 R} \left(1 - 0.5 \left(\frac{\text{chunks}}{\text{matches}}\right)^3\right)",
            "unimp_bench.metrics.text:meteor_values",
        ),
        MetricCard(
            "BERTScore F1",
            "F1 of the best cosines between the tokens of two texts, by the encoder that the column names",
            r"\frac{2 P R}{P + R}, \quad P = \frac{1}{|\hat{t}|} \sum_{i} \max_{j} \, \hat{x}_i \cdot x_j",
            "unimp_bench.metrics.text:bertscore_values",
        ),
        MetricCard(
            "Identification",
            "the own reference is the nearest of ten; one constant text gets 10%",
            r"\frac{1}{n} \sum_{e=1}^{n} \frac{[e \in B_e]}{|B_e|}, \quad "
            r"B_e = \arg\max_{j \in G_e} \cos(\hat{t}_e, t_j)",
            f"{_WRITING}:identification",
        ),
        MetricCard(
            "Distinct sentences",
            "different texts among all texts (USR)",
            r"\frac{|\{\hat{t}_e\}|}{n}",
            f"{_WRITING}:distinct_scores",
            pooled=True,
        ),
        MetricCard(
            "Distinct-2",
            "different bigrams among the bigrams of all texts",
            r"\frac{\text{different bigrams}}{\text{bigrams}}",
            f"{_WRITING}:distinct_scores",
            pooled=True,
        ),
        MetricCard(
            "Entropy",
            "mean entropy of the 1-, 2- and 3-grams of all texts, in bits",
            r"\frac{1}{3} \sum_{n=1}^{3} \sum_{g} -p_g \log_2 p_g",
            f"{_WRITING}:entropy_score",
            pooled=True,
        ),
        MetricCard(
            "Feature matching",
            "share of the texts that name a feature of their reference (FMR)",
            r"\frac{1}{n} \sum_{e=1}^{n} [F(\hat{t}_e) \cap F_e \neq \emptyset]",
            f"{_WRITING}:feature_scores",
        ),
        MetricCard(
            "Feature coverage",
            "different features that the texts name, of those that the references name (FCR)",
            r"\frac{|\bigcup_e F(\hat{t}_e)|}{|\bigcup_e F_e|}",
            f"{_WRITING}:feature_scores",
            pooled=True,
        ),
        MetricCard(
            "Feature overlap",
            "features that two texts share on average, lower is better (DIV); of c_f texts that name a feature",
            r"\sum_f \binom{c_f}{2} \, / \, \binom{n}{2}",
            f"{_WRITING}:feature_scores",
            pooled=True,
        ),
    )
    columns = (
        Column("Identification", interval=True),
        Column("Distinct sentences"),
        Column("BLEU-1", interval=True),
        Column("BLEU-4"),
        Column("ROUGE-1"),
        Column("ROUGE-2", brief=False),
        Column("ROUGE-L", interval=True),
        Column("METEOR"),
        Column("BERTScore F1"),
        Column("Distinct-2", brief=False),
        Column("Entropy", brief=False),
        Column("Feature matching", brief=False),
        Column("Feature coverage", brief=False),
        Column("Feature overlap", higher_is_better=False, brief=False),
    )
    main = compared = "Identification"
    selection = MappingProxyType({"paper": 2})
    reported = "BLEU-1"

    def checked(self, given: Any, examples: TextExamples, label: str) -> list[str]:
        if not isinstance(given, list) or len(given) != len(examples) or not all(isinstance(t, str) for t in given):
            raise ModelError(f"{label} gave no list of {len(examples)} texts for {len(examples)} examples")
        return given

    def joined(self, parts: list[list[str]]) -> list[str]:
        return [text for part in parts for text in part]

    def scores(self, prediction: list[str], examples: TextExamples, setting: Setting) -> Scores:
        from unimp_bench.metrics.text import text_scores
        from unimp_bench.metrics.writing import writing_scores

        assert setting.resources is not None
        references = examples.texts.read()
        features = _features(setting.corpus, examples.shown.values)
        return {
            **writing_scores(prediction, references, features),
            **text_scores(prediction, references, setting.resources),
        }

    @property
    def validated(self) -> str:
        return "margin"

    def answers(self, prediction: list[str], examples: TextExamples) -> list[str]:
        """The texts; white space makes no difference."""
        return [" ".join(text.split()) for text in prediction]

    def validation(self, model: Model[Any], examples: TextExamples, setting: Setting) -> dict[Protocol, float]:
        """The margin over at most ``VALIDATION_TEXTS`` examples, evenly spaced.

        Identification itself has a standard error over so few texts that most epochs do not differ by, and overlap with
        the own reference alone favours early epochs, when a model writes what most references share.
        """
        from unimp_bench.metrics.writing import margin

        some = evenly(examples, VALIDATION_TEXTS)
        return {"paper": margin(self.predict(model, some, setting), some.texts.read())}

    def table(self, prediction: list[str], examples: TextExamples, setting: Setting) -> dict[str, Any]:
        return {"truth": examples.texts.read(), "text": prediction}

    def account(self, examples: int, catalogue: int, protocol: str) -> str:
        return f"{examples:,} test sentences"
