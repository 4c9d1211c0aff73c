"""HR, NDCG and MRR against four independent implementations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from unimp_bench.metrics.ranking import CUTOFFS, RANK_METRICS, rank_metric_means, rank_metric_values, rank_scores
from unimp_bench.metrics.scores import bootstrap_interval
from unimp_bench.records import FloatArray, IntArray
from unimp_bench.torch_setup import make_torchvision_importable

ITEMS = 60
RANKS: IntArray = np.concatenate([np.arange(1, ITEMS + 1), np.random.default_rng(0).integers(1, ITEMS + 1, 50)])


def _scores() -> tuple[FloatArray, IntArray]:
    """Scores of ``ITEMS`` items, and targets whose ranks by them are ``RANKS``."""
    rng = np.random.default_rng(1)
    scores = rng.permuted(np.tile(np.arange(ITEMS, dtype=np.float64), (len(RANKS), 1)), axis=1)
    return scores, np.argsort(-scores, axis=1)[np.arange(len(RANKS)), RANKS - 1]


def _relevant(targets: IntArray) -> IntArray:
    return np.eye(ITEMS, dtype=np.int64)[targets]


def test_names() -> None:
    assert [metric.name for metric in RANK_METRICS][:5] == ["HR@1", "HR@3", "HR@5", "HR@10", "HR@20"]
    assert len(RANK_METRICS) == 18


def test_by_hand() -> None:
    values = rank_metric_values(np.array([1, 2, 5, 6]))
    assert values["HR@5"].tolist() == [1, 1, 1, 0]
    assert values["NDCG@5"] == pytest.approx([1, 1 / np.log2(3), 1 / np.log2(6), 0])
    assert values["MRR@5"].tolist() == [1, 0.5, 0.2, 0]
    assert rank_metric_means(np.array([1, 2, 5, 6]))["MRR@1"] == 0.25


def test_intervals_are_those_of_each_metric_alone() -> None:
    """One resample for all metrics, against plain draws for each; the two are other draws of one distribution."""
    ranks = np.minimum(np.random.default_rng(2).geometric(0.02, 2000), 300)
    scores = rank_scores(ranks)
    assert list(scores) == [metric.name for metric in RANK_METRICS]
    for metric in RANK_METRICS:
        score, values = scores[metric.name], metric.values(ranks)
        assert score.value == values.mean() and np.array_equal(np.asarray(score.values), values)
        alone = bootstrap_interval(values, seed=1)
        width = alone.high - alone.low
        assert (score.low, score.high) == pytest.approx((alone.low, alone.high), abs=0.07 * width), metric.name
    certain = rank_scores(np.ones(7, dtype=np.int64))["MRR@50"]
    assert (certain.low, certain.value, certain.high) == (1, 1, 1)


@pytest.mark.parametrize("cutoff", CUTOFFS[1:])
def test_ndcg_of_scikit_learn(cutoff: int) -> None:
    from sklearn.metrics import ndcg_score

    scores, targets = _scores()
    expected = ndcg_score(_relevant(targets), scores, k=cutoff)
    assert rank_metric_means(RANKS)[f"NDCG@{cutoff}"] == pytest.approx(expected)


@pytest.mark.parametrize("cutoff", CUTOFFS)
def test_all_of_torchmetrics(cutoff: int) -> None:
    make_torchvision_importable()  # torchmetrics imports it
    import torch
    from torchmetrics.functional.retrieval import (
        retrieval_hit_rate,
        retrieval_normalized_dcg,
        retrieval_reciprocal_rank,
    )

    scores, targets = _scores()
    values = rank_metric_values(RANKS)
    functions = {"HR": retrieval_hit_rate, "NDCG": retrieval_normalized_dcg, "MRR": retrieval_reciprocal_rank}
    for name, function in functions.items():
        expected = [
            float(function(torch.from_numpy(row), torch.from_numpy(relevant), top_k=cutoff))
            for row, relevant in zip(scores, _relevant(targets), strict=True)
        ]
        assert values[f"{name}@{cutoff}"] == pytest.approx(expected, rel=1e-5), f"{name}, theirs is in single precision"


def test_all_of_recbole(monkeypatch: pytest.MonkeyPatch) -> None:
    for alias, kind in {"float": float, "float_": np.float64, "complex_": np.complex128, "unicode_": np.str_}.items():
        monkeypatch.setattr(np, alias, kind, raising=False)  # RecBole 1.2.1 was written for numpy 1
    metrics: Any = pytest.importorskip("recbole.evaluator.metrics")
    hits = RANKS[:, None] == np.arange(1, max(CUTOFFS) + 1)
    config = {"topk": list(CUTOFFS), "metric_decimal_place": 12}
    found = rank_metric_means(RANKS)
    for name, theirs in {"HR": metrics.Hit, "NDCG": metrics.NDCG, "MRR": metrics.MRR}.items():
        metric = theirs(config)
        curve = metric.metric_info(hits, np.ones(len(RANKS), dtype=np.int64)) if name == "NDCG" else None
        expected = (metric.metric_info(hits) if curve is None else curve).mean(axis=0)
        for cutoff in CUTOFFS:
            assert found[f"{name}@{cutoff}"] == pytest.approx(expected[cutoff - 1]), (name, cutoff)
