"""Reads pictures as codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from unimp_bench.external.reader import AnswerError, AnswerReader, Fields, listed, whole

if TYPE_CHECKING:
    from unimp_bench.kinds.base import Setting
    from unimp_bench.records import Examples, IntArray


class PictureReader(AnswerReader):
    """``codes`` are those of the task's tokenizer, row-major over the picture."""

    columns = ("codes",)
    ignored = ("target",)

    def __init__(self, examples: Examples, setting: Setting) -> None:
        assert examples.pictures is not None
        self._size = examples.pictures.size
        self._codes = np.zeros((len(examples), examples.pictures.length), dtype=np.int64)

    def take(self, example: int, fields: Fields) -> None:
        length = self._codes.shape[1]
        codes = listed(fields.get("codes"), "codes")
        if len(codes) != length:
            raise AnswerError(f"has {len(codes)} codes; the tokenizer writes a picture in {length}")
        numbers = [whole(code, "a code") for code in codes]
        if not 0 <= min(numbers) <= max(numbers) < self._size:
            raise AnswerError(f"has codes outside 0..{self._size - 1}, which are the tokenizer's")
        self._codes[example] = numbers

    def finish(self) -> IntArray:
        return self._codes
