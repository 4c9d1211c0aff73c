"""Texts: one sentence per example."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from unimp_bench.kinds.base import Column, Kind, Setting, evenly, hidden_blocks, must_be
from unimp_bench.kinds.predictions import AnswerError, AnswerReader, Fields, quoted

if TYPE_CHECKING:
    from unimp_bench.contracts import Model
    from unimp_bench.kinds.base import Setting
    from unimp_bench.metrics.scores import Scores
    from unimp_bench.records import Examples, Protocol


VALIDATION_TEXTS = 300
"""Sentences that are written for one validation score: writing is slow, and more would hardly move the choice."""


class TextKind(Kind):
    """Predictions are lists of n texts."""

    name = "text"
    columns = (
        Column("BLEU-1", interval=True),
        Column("BLEU-4"),
        Column("ROUGE-1"),
        Column("ROUGE-2", brief=False),
        Column("ROUGE-L", interval=True),
        Column("METEOR"),
        Column("BERTScore F1"),
    )
    main = compared = "ROUGE-L"
    reported = "BLEU-1"

    def predict(self, model: Model[Any], examples: Examples, setting: Setting) -> list[str]:
        from unimp_bench.contracts import Writer
        from unimp_bench.errors import ModelError
        from unimp_bench.guard import blamed

        must_be(model, Writer, setting.label, setting.task.name)
        texts: list[str] = []
        for block in hidden_blocks(examples, setting.label, "writing"):
            with blamed(model, setting.label, "write"):
                given = model.write(block)  # type: ignore[attr-defined]
            if not isinstance(given, list) or len(given) != len(block) or not all(isinstance(t, str) for t in given):
                raise ModelError(f"{setting.label} gave no list of {len(block)} texts for {len(block)} examples")
            texts += given
        return texts

    def scores(self, prediction: list[str], examples: Examples, setting: Setting) -> Scores:
        from unimp_bench.metrics.text import text_scores

        assert examples.texts is not None and setting.resources is not None
        return text_scores(prediction, examples.texts.read(), setting.resources)

    def answers(self, prediction: list[str], examples: Examples) -> list[str]:
        """The texts; white space makes no difference."""
        return [" ".join(text.split()) for text in prediction]

    def validation(self, model: Model[Any], examples: Examples, setting: Setting) -> dict[Protocol, float]:
        """ROUGE-L over at most ``VALIDATION_TEXTS`` examples, evenly spaced."""
        from unimp_bench.metrics.scores import Score
        from unimp_bench.metrics.text import rouge_scores

        some = evenly(examples, VALIDATION_TEXTS)
        assert some.texts is not None
        found = rouge_scores(self.predict(model, some, setting), some.texts.read())["ROUGE-L"]
        assert isinstance(found, Score)
        return {"paper": found.value}

    def table(self, prediction: list[str], examples: Examples, setting: Setting) -> dict[str, Any]:
        assert examples.texts is not None
        return {"truth": examples.texts.read(), "text": prediction}

    def account(self, examples: int, catalogue: int, protocol: str) -> str:
        return f"{examples:,} test sentences"


MOST_CHARACTERS = 100_000


class TextReader(AnswerReader):
    """``text`` is a string, and may be empty."""

    columns = ("text",)
    ignored = ("truth",)

    def __init__(self, examples: Examples, setting: Setting) -> None:
        self._texts = [""] * len(examples)

    def take(self, example: int, fields: Fields) -> None:
        text = fields.get("text")
        if not isinstance(text, str):
            raise AnswerError(f"its text is {quoted(text)}, no string; an answer without words is the empty string")
        if len(text) > MOST_CHARACTERS:
            raise AnswerError(f"its text has {len(text):,} characters, more than {MOST_CHARACTERS:,}")
        self._texts[example] = text

    def finish(self) -> list[str]:
        return self._texts
