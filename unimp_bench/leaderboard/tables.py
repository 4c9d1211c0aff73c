"""Groups published results into the sections and rows of a leaderboard, and compares the rows.

A section holds one corpus, split and protocol: numbers that compare. A row holds one model in one configuration,
averaged over its seeds. Ceilings (models that read the truth of a generated corpus) stand apart and get no place.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from unimp_bench.metrics.intervals import bootstrap_interval
from unimp_bench.metrics.paired import holm, paired_test
from unimp_bench.metrics.ranking import RANK_METRICS, RankMetric
from unimp_bench.records import PROTOCOLS, SPLITS, FloatArray
from unimp_bench.results import CorpusFacts, Estimate, Result

MAIN_METRIC = RankMetric("HR", 5)
TRUTH = "truth"


@dataclass(frozen=True)
class Row:
    """One model in one configuration.

    Attributes:
        place: 1 for the best by the main metric; None for a ceiling.
        label: the model, its preset where it is not the default, and its changed settings.
        results: one a seed.
        metrics: means over seeds, with intervals over examples.
        p_value: of the paired test against the best row, after Holm; None for the best row and for ceilings.
    """

    place: int | None
    label: str
    results: tuple[Result, ...]
    metrics: dict[str, Estimate]
    p_value: float | None


@dataclass(frozen=True)
class Section:
    """All rows that compare with one another, best first, ceilings on top."""

    corpus: CorpusFacts
    fingerprint: str
    split: str
    protocol: str
    examples: int
    rows: tuple[Row, ...]


def sections(results: Iterable[Result], task: str) -> list[Section]:
    """The sections of one task: real corpora by name, then generated ones; splits and protocols in their order."""
    groups: dict[tuple[bool, str, int, int, str], list[Result]] = defaultdict(list)
    for result in results:
        spec = result.spec
        if spec.task == task:
            place = (SPLITS.index(spec.split), PROTOCOLS.index(spec.protocol))
            groups[result.corpus.synthetic, result.corpus.name, *place, spec.fit.fingerprint].append(result)
    return [_section(groups[key]) for key in sorted(groups)]


def _section(results: list[Result]) -> Section:
    by_row: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        by_row[_label(result)].append(result)
    rows = [_Scored(label, tuple(sorted(group, key=_seed))) for label, group in by_row.items()]
    ceilings = sorted((row for row in rows if row.is_ceiling), key=_order)
    contestants = sorted((row for row in rows if not row.is_ceiling), key=_order)
    p_values = _against_best(contestants)
    first = results[0]
    return Section(
        corpus=first.corpus,
        fingerprint=first.spec.fit.fingerprint,
        split=first.spec.split,
        protocol=first.spec.protocol,
        examples=first.examples,
        rows=(
            *(row.as_row(None, None) for row in ceilings),
            *(row.as_row(place, p) for place, (row, p) in enumerate(zip(contestants, p_values, strict=True), 1)),
        ),
    )


class _Scored:
    """A row under construction: its results and per-example values."""

    def __init__(self, label: str, results: tuple[Result, ...]) -> None:
        self.label = label
        self.results = results
        self.is_ceiling = TRUTH in results[0].model.reads

    def values(self, metric: RankMetric) -> FloatArray:
        """Per example, the mean over seeds."""
        mean: FloatArray = np.mean([metric.values(result.target_ranks()) for result in self.results], axis=0)
        return mean

    def as_row(self, place: int | None, p_value: float | None) -> Row:
        metrics = {}
        for metric in RANK_METRICS:
            values = self.values(metric)
            interval = bootstrap_interval(values, seed=0)
            metrics[metric.name] = Estimate(value=float(values.mean()), low=interval.low, high=interval.high)
        return Row(place, self.label, self.results, metrics, p_value)


def _against_best(rows: list[_Scored]) -> list[float | None]:
    """Holm-corrected p-values of every row against the first."""
    if len(rows) < 2:
        return [None] * len(rows)
    best = rows[0].values(MAIN_METRIC)
    raw = [paired_test(best, row.values(MAIN_METRIC), seed=0).p_value for row in rows[1:]]
    return [None, *(float(p) for p in holm(raw))]


def _label(result: Result) -> str:
    model = result.model
    parts = [] if model.preset == "default" else [model.preset]
    parts += [f"{key}={value}" for key, value in sorted(model.settings.items())]
    fitted_on = [task for task, _ in result.spec.fit.tasks]
    if fitted_on != [result.spec.task]:
        parts.append(f"fitted on {' and '.join(fitted_on)}")
    return f"{model.name} ({', '.join(parts)})" if parts else model.name


def _seed(result: Result) -> int:
    return result.spec.fit.seed


def _order(row: _Scored) -> tuple[float, str]:
    return -float(row.values(MAIN_METRIC).mean()), row.label
