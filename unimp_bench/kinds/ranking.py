"""Ranking: the one target item among the whole catalogue."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from unimp_bench.kinds.base import Column, Kind, Setting, must_be
from unimp_bench.metrics.ranking import RANK_METRICS, RankMetric
from unimp_bench.records import PROTOCOLS

if TYPE_CHECKING:
    from unimp_bench.contracts import Model
    from unimp_bench.metrics.scores import Scores
    from unimp_bench.ranking import Ranking
    from unimp_bench.records import Examples, Protocol

_SELECTS = RankMetric("NDCG", 5)
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
    main = compared = _SELECTS.name
    selection = MappingProxyType({"masked": 2})  # 1 selected by protocol paper
    reported = "HR@5"
    has_protocols = True

    def predict(self, model: Model[Any], examples: Examples, setting: Setting) -> Ranking:
        return self._rankings(model, examples, setting, (setting.protocol,), LISTED)[setting.protocol]

    def _rankings(
        self, model: Model[Any], examples: Examples, setting: Setting, protocols: tuple[Protocol, ...], top: int
    ) -> dict[Protocol, Ranking]:
        from unimp_bench.contracts import Ranker
        from unimp_bench.ranking import rank_under
        from unimp_bench.splits import catalogue

        must_be(model, Ranker, setting.label, setting.task.name)
        items = catalogue(setting.corpus, examples.split)
        return rank_under(
            protocols,
            model,  # type: ignore[arg-type]
            examples,
            items,
            top=top,
            label=setting.label,
            unknown=setting.unknown,
        )

    def scores(self, prediction: Ranking, examples: Examples, setting: Setting) -> Scores:
        from unimp_bench.metrics.scores import mean_score

        return {metric.name: mean_score(metric.values(prediction.ranks)) for metric in RANK_METRICS}

    def validation(self, model: Model[Any], examples: Examples, setting: Setting) -> dict[Protocol, float]:
        rankings = self._rankings(model, examples, setting, PROTOCOLS, top=0)
        return {name: float(_SELECTS.values(ranking.ranks).mean()) for name, ranking in rankings.items()}

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
