"""The results of one row over seeds: means, intervals and paired tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from unimp_bench.kinds import Kind
from unimp_bench.metrics.paired import PairedTest, holm, paired_test, seeded_test
from unimp_bench.metrics.scores import Interval, bootstrap_intervals
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
        """Whether every result has the main metric; results of before a kind got another one may lack it."""
        return all(self.kind.main in each.estimates() for each in self.results)

    def main_value(self) -> float:
        """Mean of the main metric over seeds."""
        return float(np.mean(self.main_by_seed()))

    def main_by_seed(self) -> list[float]:
        """The main metric of each seed."""
        return [result.estimates()[self.kind.main].value for result in self.results]

    def spread(self) -> float | None:
        """Standard deviation of the main metric over seeds; None for one seed, and without the main metric."""
        return float(np.std(self.main_by_seed(), ddof=1)) if len(self.results) > 1 and self.has_main else None

    def main_values(self) -> FloatArray:
        """The compared metric per example, averaged over seeds."""
        values = self._values(self.kind.compared)
        assert values is not None
        return values

    def seed_values(self) -> FloatArray:
        """(seeds, n) values per example of the metric that rows are compared by."""
        return np.array([result.example_values(self.kind.compared) for result in self.results])

    def metrics(self) -> dict[str, Estimate]:
        """Means over seeds, with intervals over examples; metrics that a seed lacks are absent."""
        known = [result.estimates() for result in self.results]
        names = [name for name in known[0] if all(name in each for each in known)]
        several = {name: self._values(name) for name in names} if len(known) > 1 else {}
        stored = {name: values for name, values in several.items() if values is not None}
        sizes: dict[int, list[str]] = {}
        for name, values in stored.items():
            sizes.setdefault(len(values), []).append(name)
        intervals = {
            name: interval
            for group in sizes.values()
            for name, interval in zip(group, _intervals(tuple(stored[name].tobytes() for name in group)), strict=True)
        }
        return {name: _estimate([each[name] for each in known], intervals.get(name)) for name in names}

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

    def _values(self, name: str) -> FloatArray | None:
        seeds = [result.example_values(name) for result in self.results]
        return None if any(values is None for values in seeds) else np.mean(np.array(seeds), axis=0)


def _estimate(seeds: Sequence[Estimate], interval: Interval | None) -> Estimate:
    """Mean over seeds; the interval is over per-example means if given, else the mean of the seeds' intervals."""
    low, high = (float(np.mean(ends)) for ends in ([e.low for e in seeds], [e.high for e in seeds]))
    if interval is not None:
        low, high = interval.low, interval.high
    return Estimate(value=float(np.mean([each.value for each in seeds])), low=low, high=high)


@lru_cache(maxsize=256)
def _intervals(metrics: tuple[bytes, ...]) -> tuple[Interval, ...]:
    """Intervals of float64 values over the same examples; cached, since a row may be on several pages."""
    return tuple(bootstrap_intervals([np.frombuffer(values) for values in metrics], seed=0))


def compared(pairs: Sequence[tuple[Scored, Scored]]) -> list[PairedTest]:
    """The first row of each pair against the second on the same examples: the difference of their means, p after Holm.

    Two single results are compared by the randomisation test over examples, rows of several seeds by the test in which
    seeds are random as well.
    """
    tests = [_test(row, base) for row, base in pairs]
    corrected = holm([test.p_value for test in tests])
    return [replace(test, p_value=float(p)) for test, p in zip(tests, corrected, strict=True)]


def _test(row: Scored, base: Scored) -> PairedTest:
    if len(row.results) == len(base.results) == 1:
        return paired_test(row.main_values(), base.main_values(), seed=0)
    return seeded_test(row.seed_values(), base.seed_values())


def metric_names(results: Iterable[Result], kind: Kind) -> tuple[str, ...]:
    """Metric names of all results in the order of the kind's columns, including those that are missing everywhere."""
    found = sorted({name for result in results for name in (*result.estimates(), *result.missing)})
    return tuple(name for column in kind.columns for name in found if column.covers(name))
