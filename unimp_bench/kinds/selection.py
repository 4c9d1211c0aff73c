"""Selections: one choice among the candidates of each example."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from unimp_bench.kinds.base import Column, Kind, Setting, hidden_blocks, must_be
from unimp_bench.kinds.predictions import AnswerError, AnswerReader, Fields, named, quoted

if TYPE_CHECKING:
    from unimp_bench.contracts import Model
    from unimp_bench.kinds.base import Setting
    from unimp_bench.metrics.scores import Scores
    from unimp_bench.records import BoolArray, Examples, Protocol


class SelectionKind(Kind):
    """Predictions are (shown rows,) bool."""

    name = "selection"
    columns = (
        Column("F1", interval=True),
        Column("Precision", interval=True),
        Column("Recall", interval=True),
        Column("Chosen"),
    )
    main = compared = "F1"
    reported = "F1"

    def predict(self, model: Model[Any], examples: Examples, setting: Setting) -> BoolArray:
        import numpy as np

        from unimp_bench.contracts import Selector
        from unimp_bench.errors import ModelError
        from unimp_bench.guard import blamed

        must_be(model, Selector, setting.label, setting.task.name)
        parts = []
        for block in hidden_blocks(examples, setting.label, "selecting"):
            assert block.shown is not None
            with blamed(model, setting.label, "choose"):
                given = model.choose(block)  # type: ignore[attr-defined]
            shape = block.shown.items.shape
            if not isinstance(given, np.ndarray) or given.dtype != np.bool_ or given.shape != shape:
                raise ModelError(f"{setting.label} gave no array of {shape[0]} bools for {shape[0]} candidates")
            parts.append(given)
        return np.concatenate(parts)

    def scores(self, prediction: BoolArray, examples: Examples, setting: Setting) -> Scores:
        from unimp_bench.metrics.selection import selection_scores

        assert examples.suits is not None and examples.shown is not None
        return selection_scores(prediction, examples.suits, examples.shown.offsets)

    def answers(self, prediction: BoolArray, examples: Examples) -> list[tuple[bool, ...]]:
        """Which candidates are chosen, by their places; all and none are the same whatever the number of candidates."""
        import numpy as np

        assert examples.shown is not None
        choices = [tuple(each.tolist()) for each in np.split(prediction, examples.shown.offsets[1:-1])]
        return [choice[:1] if len(set(choice)) == 1 else choice for choice in choices]

    def validation(self, model: Model[Any], examples: Examples, setting: Setting) -> dict[Protocol, float]:
        """F1, averaged over users."""
        from unimp_bench.metrics.scores import Score

        found = self.scores(self.predict(model, examples, setting), examples, setting)["F1"]
        assert isinstance(found, Score)
        return {"paper": found.value}

    def table(self, prediction: BoolArray, examples: Examples, setting: Setting) -> dict[str, Any]:
        import numpy as np

        assert examples.shown is not None and examples.suits is not None
        names = np.array(setting.corpus.items.names, dtype=object)[examples.shown.items]
        cuts = examples.shown.offsets[1:-1]
        pairs = zip(np.split(names, cuts), np.split(prediction, cuts), np.split(examples.suits, cuts), strict=True)
        rows = [(names.tolist(), names[chosen].tolist(), names[suits].tolist()) for names, chosen, suits in pairs]
        return {
            "candidates": [row[0] for row in rows],
            "chosen": [row[1] for row in rows],
            "truth": [row[2] for row in rows],
        }

    def account(self, examples: int, catalogue: int, protocol: str) -> str:
        return f"{examples:,} test examples, each with candidates of its own"


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
