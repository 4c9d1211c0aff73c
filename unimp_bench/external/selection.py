"""Reads selections."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from unimp_bench.external.reader import AnswerError, AnswerReader, Fields, named, quoted

if TYPE_CHECKING:
    from unimp_bench.kinds.base import Setting
    from unimp_bench.records import BoolArray, Examples


class SelectionReader(AnswerReader):
    """``chosen`` names some of the example's candidates, each at most as often as it is one; it may be empty."""

    columns = ("chosen",)
    ignored = ("candidates", "truth")

    def __init__(self, examples: Examples, setting: Setting) -> None:
        assert examples.shown is not None
        self._shown = examples.shown
        self._names = setting.corpus.items.names
        self._chosen = np.zeros(len(examples.shown.items), dtype=np.bool_)

    def take(self, example: int, fields: Fields) -> None:
        rows = range(int(self._shown.offsets[example]), int(self._shown.offsets[example + 1]))
        left = [(self._names[self._shown.items[row]], row) for row in rows]
        for name in named(fields.get("chosen"), "chosen"):
            found = next((pair for pair in left if pair[0] == name), None)
            if found is None:
                raise AnswerError(f"chosen holds {quoted(name)}, which is none of its candidates or is there too often")
            left.remove(found)
            self._chosen[found[1]] = True

    def finish(self) -> BoolArray:
        return self._chosen
