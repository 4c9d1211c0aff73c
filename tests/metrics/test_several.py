"""Recall, Precision, NDCG and MAP of users with several targets, against torchmetrics and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from unimp_bench.metrics.scores import bootstrap_interval
from unimp_bench.metrics.several import USER_CUTOFFS, USER_METRICS, target_counts, user_scores
from unimp_bench.records import FloatArray, IntArray
from unimp_bench.torch_setup import make_torchvision_importable

ITEMS = 120


def _users() -> tuple[FloatArray, list[IntArray], IntArray, IntArray]:
    """Scores (users, items), each user's targets, their ranks and their numbers: from one to more than fifty."""
    rng = np.random.default_rng(0)
    scores = rng.permuted(np.tile(np.arange(ITEMS, dtype=np.float64), (25, 1)), axis=1)
    counts = np.concatenate([[1, 2, 5, 60], rng.integers(1, 9, 21)])
    targets = [rng.choice(ITEMS, count, replace=False) for count in counts]
    ranks = [np.argsort(np.argsort(-row))[items] + 1 for row, items in zip(scores, targets, strict=True)]
    return scores, targets, np.concatenate(ranks), counts


def test_by_hand() -> None:
    ranks, counts = np.array([7, 1, 3, 11, 2]), np.array([3, 1, 1])
    values = {metric.name: metric.values(ranks, counts) for metric in USER_METRICS}
    assert values["Recall@5"] == pytest.approx([2 / 3, 0, 1])
    assert values["Precision@5"] == pytest.approx([2 / 5, 0, 1 / 5])
    best = 1 + 1 / np.log2(3) + 1 / 2
    assert values["NDCG@5"] == pytest.approx([(1 + 1 / 2) / best, 0, 1 / np.log2(3)])
    assert values["MAP@10"] == pytest.approx([(1 + 2 / 3 + 3 / 7) / 3, 0, 1 / 2])
    assert USER_CUTOFFS == (5, 10, 20, 50)


@pytest.mark.parametrize("cutoff", USER_CUTOFFS)
def test_all_of_torchmetrics(cutoff: int) -> None:
    make_torchvision_importable()  # torchmetrics imports it
    import torch
    from torchmetrics.functional.retrieval import (
        retrieval_average_precision,
        retrieval_normalized_dcg,
        retrieval_precision,
        retrieval_recall,
    )

    scores, targets, ranks, counts = _users()
    functions = {"Recall": retrieval_recall, "Precision": retrieval_precision, "NDCG": retrieval_normalized_dcg}
    values = {metric.name: metric.values(ranks, counts) for metric in USER_METRICS}
    hits = np.array([(ranks <= cutoff)[start:stop].sum() for start, stop in _spans(counts)])
    for name, function in {**functions, "MAP": retrieval_average_precision}.items():
        expected = []
        for row, items in zip(scores, targets, strict=True):
            relevant = np.isin(np.arange(ITEMS), items)
            expected.append(float(function(torch.from_numpy(row), torch.from_numpy(relevant), top_k=cutoff)))
        theirs = np.array(expected)
        if name == "MAP":  # torchmetrics divides by the hits, and not by the targets that could be hit
            theirs = theirs * hits / np.minimum(counts, cutoff)
        assert values[f"{name}@{cutoff}"] == pytest.approx(theirs, rel=1e-5), name


def test_map_of_recbole(monkeypatch: pytest.MonkeyPatch) -> None:
    for alias, kind in {"float": float, "float_": np.float64, "complex_": np.complex128, "unicode_": np.str_}.items():
        monkeypatch.setattr(np, alias, kind, raising=False)  # RecBole 1.2.1 was written for numpy 1
    metrics = pytest.importorskip("recbole.evaluator.metrics")
    _, _, ranks, counts = _users()
    hits = np.zeros((len(counts), max(USER_CUTOFFS)), dtype=bool)
    for user, (start, stop) in enumerate(_spans(counts)):
        found = ranks[start:stop]
        hits[user, found[found <= hits.shape[1]] - 1] = True
    config = {"topk": list(USER_CUTOFFS), "metric_decimal_place": 12}
    expected = {
        "MAP": metrics.MAP(config).metric_info(hits, counts),
        "Recall": metrics.Recall(config).metric_info(hits, counts),
        "NDCG": metrics.NDCG(config).metric_info(hits, counts),
        "Precision": metrics.Precision(config).metric_info(hits),
    }
    for metric in USER_METRICS:
        theirs = expected[metric.measure][:, metric.cutoff - 1]
        assert metric.values(ranks, counts) == pytest.approx(theirs), metric.name


def test_intervals_are_over_users() -> None:
    rng = np.random.default_rng(1)
    counts = rng.integers(1, 6, 400)
    ranks = rng.geometric(0.05, int(counts.sum()))
    scores = user_scores(ranks, counts)
    assert list(scores) == [metric.name for metric in USER_METRICS]
    for metric in USER_METRICS:
        values, score = metric.values(ranks, counts), scores[metric.name]
        alone = bootstrap_interval(values, seed=7)
        assert score.value == pytest.approx(values.mean()) and len(np.asarray(score.values)) == 400
        assert (score.low, score.high) == pytest.approx((alone.low, alone.high), abs=0.07 * (alone.high - alone.low))


def test_targets_are_counted_by_user() -> None:
    assert target_counts(np.array([4, 4, 0, 9, 9, 9])).tolist() == [2, 1, 3]
    with pytest.raises(ValueError, match="follow one another"):
        target_counts(np.array([4, 0, 4]))


def _spans(counts: IntArray) -> list[tuple[int, int]]:
    stops = np.cumsum(counts)
    return list(zip((stops - counts).tolist(), stops.tolist(), strict=True))
