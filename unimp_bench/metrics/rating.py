"""MAE and RMSE of predicted ratings, and the share that could not be parsed (UniMP, Table 2b).

A generative model may write an unparsable answer. UniMP's code counts it as 3.0, a good guess on a 1-5 scale. This
module counts it as the maximum possible error, the farther end of the scale, and reports the share of such answers as a
separate metric.
"""

from __future__ import annotations

import numpy as np

from unimp_bench.metrics.scores import Score, Scores, bootstrap_interval, mean_score
from unimp_bench.records import FloatArray

SQUARED_ERROR = "Squared error"
"""Values of RMSE per example: the squares of those of MAE."""


def rating_errors(predicted: FloatArray, truth: FloatArray, scale: tuple[float, float, float]) -> FloatArray:
    """(n,) absolute errors; see ``rating_scores``."""
    lowest, highest, _ = scale
    truth = np.asarray(truth, dtype=np.float64)
    predicted = np.asarray(predicted, dtype=np.float64)
    largest = np.maximum(truth - lowest, highest - truth)
    errors: FloatArray = np.where(np.isnan(predicted), largest, np.abs(np.clip(predicted, lowest, highest) - truth))
    return errors


def rating_scores(predicted: FloatArray, truth: FloatArray, scale: tuple[float, float, float]) -> Scores:
    """``MAE``, ``RMSE`` and ``Unparsable`` of predicted ratings.

    RMSE is not a mean over examples: its interval is the square root of that of the mean squared error, and its
    ``values`` are None, since the absolute errors of MAE give it again.

    Args:
        predicted: (n,) ratings; NaN where the answer could not be parsed; clipped to the scale.
        truth: (n,) ratings on the scale.
        scale: lowest rating, highest rating and step, in stars.

    Raises:
        ValueError: there are no examples.
    """
    errors = rating_errors(predicted, truth, scale)
    squares = errors**2
    interval = bootstrap_interval(squares, seed=0)
    rmse = Score(float(np.sqrt(squares.mean())), float(np.sqrt(interval.low)), float(np.sqrt(interval.high)), None)
    return {"MAE": mean_score(errors), "RMSE": rmse, "Unparsable": mean_score(np.isnan(predicted).astype(np.float64))}
