"""Ratings: one number per example, between the ends of the corpus's scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from unimp_bench.kinds.base import Column, Kind, Setting, hidden_blocks, must_be
from unimp_bench.kinds.predictions import AnswerError, AnswerReader, Fields, number
from unimp_bench.metrics.rating import SQUARED_ERROR

if TYPE_CHECKING:
    from unimp_bench.contracts import Model
    from unimp_bench.kinds.base import Setting
    from unimp_bench.metrics.scores import Scores
    from unimp_bench.records import Examples, FloatArray, Protocol


class RatingKind(Kind):
    """Predictions are (n,) ratings, NaN where the model's answer is none."""

    name = "rating"
    columns = (
        Column("RMSE", higher_is_better=False, interval=True),
        Column("MAE", higher_is_better=False, interval=True),
        Column("Unparsable", higher_is_better=False),
    )
    main = "RMSE"
    compared = SQUARED_ERROR
    reported = "MAE"

    def predict(self, model: Model[Any], examples: Examples, setting: Setting) -> FloatArray:
        import numpy as np

        from unimp_bench.contracts import Rater
        from unimp_bench.errors import ModelError
        from unimp_bench.guard import blamed

        must_be(model, Rater, setting.label, setting.task.name)
        parts = []
        for block in hidden_blocks(examples, setting.label, "rating"):
            with blamed(model, setting.label, "rate"):
                given = model.rate(block)  # type: ignore[attr-defined]
            if not isinstance(given, np.ndarray) or given.shape != (len(block),) or given.dtype.kind != "f":
                raise ModelError(f"{setting.label} gave no array of {len(block)} floats for {len(block)} ratings")
            if np.isinf(given).any():
                raise ModelError(f"{setting.label} gave infinite ratings; an answer that is no rating is NaN")
            parts.append(given.astype(np.float64))
        return np.concatenate(parts)

    def scores(self, prediction: FloatArray, examples: Examples, setting: Setting) -> Scores:
        from unimp_bench.metrics.rating import rating_scores

        assert examples.ratings is not None and examples.scale is not None
        return rating_scores(prediction, examples.ratings, examples.scale)

    @property
    def validated(self) -> str:
        return f"1 - {self.main} / range"

    def answers(self, prediction: FloatArray, examples: Examples) -> list[int]:
        """Ratings in hundredths of the scale's step, cut to the scale; unparsable ones are all the same."""
        import numpy as np

        assert examples.scale is not None
        lowest, highest, step = examples.scale
        hundredths = np.rint((np.clip(prediction, lowest, highest) - lowest) / step * 100)
        numbers: list[int] = np.nan_to_num(hundredths, nan=-1).astype(np.int64).tolist()
        return numbers

    def validation(self, model: Model[Any], examples: Examples, setting: Setting) -> dict[Protocol, float]:
        """1 less the RMSE as a share of the scale."""
        import numpy as np

        from unimp_bench.metrics.rating import rating_errors

        assert examples.ratings is not None and examples.scale is not None
        low, high, _ = examples.scale
        errors = rating_errors(self.predict(model, examples, setting), examples.ratings, examples.scale)
        return {"paper": float(1 - np.sqrt(np.mean(errors**2)) / (high - low))}

    def table(self, prediction: FloatArray, examples: Examples, setting: Setting) -> dict[str, Any]:
        import numpy as np

        assert examples.ratings is not None
        given = [None if np.isnan(rating) else float(rating) for rating in prediction]
        return {"truth": examples.ratings.tolist(), "rating": given}

    def account(self, examples: int, catalogue: int, protocol: str) -> str:
        return f"{examples:,} test ratings"


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
