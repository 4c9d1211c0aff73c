"""The results of one row over seeds: means, intervals and paired tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from unimp_bench.kinds import Kind
from unimp_bench.metrics.paired import PairedTest, holm, paired_test
from unimp_bench.metrics.scores import Interval, bootstrap_interval
from unimp_bench.records import FloatArray
from unimp_bench.runs.results import Estimate, Result


@dataclass(frozen=True)
class Scored:
    """Results of one configuration, in order of seeds."""

    label: str
    results: tuple[Result, ...]
    kind: Kind

    @classmethod
    def of(cls, label: str, results: Iterable[Result], kind: Kind) -> Scored:
        """Results in any order."""
        return cls(label, tuple(sorted(results, key=lambda result: result.spec.fit.seed)), kind)

    @property
    def is_ceiling(self) -> bool:
        """Whether the model uses the ground truth of a generated corpus."""
        return self.results[0].model.is_ceiling

    @property
    def has_main(self) -> bool:
        """Whether all results have the main metric, which those of before it was computed lack."""
        return all(self.kind.main in result.estimates() for result in self.results)

    def main_value(self) -> float:
        """Mean of the main metric over seeds."""
        return float(np.mean([result.estimates()[self.kind.main].value for result in self.results]))

    def main_values(self) -> FloatArray:
        """The compared metric per example, averaged over seeds."""
        values = self._values(self.kind.compared)
        assert values is not None
        return values

    def metrics(self) -> dict[str, Estimate]:
        """Means over seeds, with intervals over examples; metrics that a seed lacks are absent."""
        known = [result.estimates() for result in self.results]
        names = [name for name in known[0] if all(name in each for each in known)]
        return {name: self._estimate(name) for name in names}

    def missing(self) -> dict[str, str]:
        """The reasons why metrics are absent."""
        return {name: reason for result in self.results for name, reason in result.missing.items()}

    def order(self) -> tuple[float, str]:
        """Sort key: best first, ties by label; rows without the main metric last."""
        column = self.kind.column(self.kind.main)
        assert column is not None
        if not self.has_main:
            return np.inf, self.label
        return -self.main_value() if column.higher_is_better else self.main_value(), self.label

    def _estimate(self, name: str) -> Estimate:
        """Mean over seeds; the interval is over per-example means if stored, else the mean of the seeds' intervals."""
        found = [result.estimates()[name] for result in self.results]
        values = self._values(name)
        if len(found) == 1 or values is None:
            low, high = (float(np.mean(ends)) for ends in ([e.low for e in found], [e.high for e in found]))
            return Estimate(value=float(np.mean([e.value for e in found])), low=low, high=high)
        interval = _interval(values.tobytes())
        return Estimate(value=float(np.mean([e.value for e in found])), low=interval.low, high=interval.high)

    def _values(self, name: str) -> FloatArray | None:
        seeds = [result.example_values(name) for result in self.results]
        return None if any(values is None for values in seeds) else np.mean(np.array(seeds), axis=0)


@lru_cache(maxsize=1024)
def _interval(values: bytes) -> Interval:
    """Interval of float64 values; cached, since a row may be on several pages."""
    return bootstrap_interval(np.frombuffer(values), seed=0)


def compared(base: Scored, others: Sequence[Scored]) -> list[PairedTest | None]:
    """Paired tests of the others against the base on the same examples, with Holm-corrected p.

    None where one of the two has no main metric.
    """
    known = [other for other in others if base.has_main and other.has_main]
    tests = [paired_test(other.main_values(), base.main_values(), seed=0) for other in known]
    corrected = holm([test.p_value for test in tests])
    adjusted = iter([replace(test, p_value=float(p)) for test, p in zip(tests, corrected, strict=True)])
    return [next(adjusted) if base.has_main and other.has_main else None for other in others]


def metric_names(results: Iterable[Result], kind: Kind) -> tuple[str, ...]:
    """Metric names of all results in the order of the kind's columns, including those that are missing everywhere."""
    found = sorted({name for result in results for name in (*result.estimates(), *result.missing)})
    return tuple(name for column in kind.columns for name in found if column.covers(name))
