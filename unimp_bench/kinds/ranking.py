"""Ranking: the one target item among the whole catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from unimp_bench.kinds.base import Column, Kind, Setting, must_be
from unimp_bench.metrics.ranking import RANK_METRICS, RankMetric

if TYPE_CHECKING:
    from unimp_bench.contracts import Model
    from unimp_bench.metrics.scores import Scores
    from unimp_bench.ranking import Ranking
    from unimp_bench.records import Examples

SELECTION_METRIC = RankMetric("NDCG", 5)
LISTED = 10
"""Items of a prediction's list."""

_BRIEF = ("HR@5", "NDCG@5", "MRR@5", "HR@10", "NDCG@10")
_INTERVALS = ("HR@5", "NDCG@5")


class RankingKind(Kind):
    """Predictions are target ranks and the best items; see ``unimp_bench.ranking``."""

    name = "ranking"
    columns = tuple(
        Column(metric.name, brief=metric.name in _BRIEF, interval=metric.name in _INTERVALS) for metric in RANK_METRICS
    )
    main = "HR@5"
    reported = "HR@5"
    has_protocols = True

    def predict(self, model: Model[Any], examples: Examples, setting: Setting) -> Ranking:
        return self._ranking(model, examples, setting, LISTED)

    def _ranking(self, model: Model[Any], examples: Examples, setting: Setting, top: int) -> Ranking:
        from unimp_bench.contracts import Ranker
        from unimp_bench.ranking import rank_examples
        from unimp_bench.splits import catalogue

        must_be(model, Ranker, setting.label, setting.task.name)
        items = catalogue(setting.corpus, examples.split)
        protocol, label = setting.protocol, setting.label
        return rank_examples(model, examples, items, protocol, top=top, label=label)  # type: ignore[arg-type]

    def scores(self, prediction: Ranking, examples: Examples, setting: Setting) -> Scores:
        from unimp_bench.metrics.scores import mean_score

        return {metric.name: mean_score(metric.values(prediction.ranks)) for metric in RANK_METRICS}

    def validation(self, model: Model[Any], examples: Examples, setting: Setting) -> float:
        return float(SELECTION_METRIC.values(self._ranking(model, examples, setting, top=0).ranks).mean())

    def table(self, prediction: Ranking, examples: Examples, setting: Setting) -> dict[str, Any]:
        import numpy as np

        items = np.array(setting.corpus.items.names, dtype=object)
        columns = {"target": items[examples.targets].tolist(), "rank": prediction.ranks.tolist()}
        if not prediction.top.shape[1]:
            return columns
        return {**columns, "items": [[items[item] for item in row if item >= 0] for row in prediction.top]}

    def account(self, examples: int, catalogue: int, protocol: str) -> str:
        seen = "stay in the ranking" if protocol == "paper" else "are left out of the ranking"
        return f"{examples:,} test examples ranked over {catalogue:,} items; items of the history {seen}"
