"""Reads sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unimp_bench.external.reader import AnswerError, AnswerReader, Fields, quoted

if TYPE_CHECKING:
    from unimp_bench.kinds.base import Setting
    from unimp_bench.records import Examples

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
