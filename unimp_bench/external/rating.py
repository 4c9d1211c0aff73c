"""Reads ratings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from unimp_bench.external.reader import AnswerError, AnswerReader, Fields, number

if TYPE_CHECKING:
    from unimp_bench.kinds.base import Setting
    from unimp_bench.records import Examples, FloatArray


class RatingReader(AnswerReader):
    """``rating`` is a number, or null where the system's answer was none."""

    columns = ("rating",)
    ignored = ("truth",)

    def __init__(self, examples: Examples, setting: Setting) -> None:
        self._ratings = np.full(len(examples), np.nan)

    def take(self, example: int, fields: Fields) -> None:
        if "rating" not in fields:
            raise AnswerError("has no rating; an answer that could not be parsed is null")
        if fields["rating"] is not None:
            self._ratings[example] = number(fields["rating"], "its rating")

    def finish(self) -> FloatArray:
        return self._ratings
