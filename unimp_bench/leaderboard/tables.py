"""Groups published results into the sections and rows of a leaderboard, and compares the rows.

A section holds one corpus, split, protocol and set of task options: numbers that compare. A row holds one model in
one configuration, averaged over its seeds. Ceilings (models that read the truth of a generated corpus) stand apart and
get no place.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from unimp_bench.contracts import TaskCard
from unimp_bench.kinds import Kind, kind_of
from unimp_bench.metrics.intervals import bootstrap_interval
from unimp_bench.metrics.paired import holm, paired_test
from unimp_bench.records import PROTOCOLS, SPLITS, FloatArray
from unimp_bench.results import CorpusFacts, Estimate, Result

TRUTH = "truth"


@dataclass(frozen=True)
class Row:
    """One model in one configuration.

    Attributes:
        place: 1 for the best by the kind's main metric; None for a ceiling.
        label: the model, its preset where it is not the default, and its changed settings.
        results: one a seed.
        metrics: means over seeds, with intervals over examples; one is absent where it could not be computed.
        missing: the reasons, by metric.
        p_value: of the paired test against the best row, after Holm; None for the best row and for ceilings.
    """

    place: int | None
    label: str
    results: tuple[Result, ...]
    metrics: dict[str, Estimate]
    missing: dict[str, str]
    p_value: float | None


@dataclass(frozen=True)
class Section:
    """All rows that compare with one another, best first, ceilings on top.

    Attributes:
        names: full names of the metrics that any row has, in the order of the kind's columns.
        options: of the task, in words; empty for its own.
    """

    kind: Kind
    names: tuple[str, ...]
    options: str
    corpus: CorpusFacts
    fingerprint: str
    split: str
    protocol: str
    examples: int
    rows: tuple[Row, ...]

    @property
    def title(self) -> str:
        """What tells this section from the others of its task."""
        parts = [self.corpus.name, f"split {self.split}"]
        parts += [f"protocol {self.protocol}"] if self.kind.has_protocols else []
        return ", ".join([*parts, self.options] if self.options else parts)


def sections(results: Iterable[Result], card: TaskCard) -> list[Section]:
    """The sections of one task: real corpora by name, then generated ones; splits and protocols in their order."""
    groups: dict[tuple[bool, str, int, int, str, str], list[Result]] = defaultdict(list)
    for result in results:
        spec = result.spec
        if spec.task == card.name:
            place = (SPLITS.index(spec.split), PROTOCOLS.index(spec.protocol))
            key = (result.corpus.synthetic, result.corpus.name, *place, _options(result), spec.fit.fingerprint)
            groups[key].append(result)
    return [_section(groups[key], kind_of(card.kind)) for key in sorted(groups)]


def _section(results: list[Result], kind: Kind) -> Section:
    by_row: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        by_row[_label(result)].append(result)
    rows = [_Scored(label, tuple(sorted(group, key=_seed)), kind) for label, group in by_row.items()]
    ceilings = sorted((row for row in rows if row.is_ceiling), key=_Scored.order)
    contestants = sorted((row for row in rows if not row.is_ceiling), key=_Scored.order)
    p_values = _against_best(contestants)
    first = results[0]
    return Section(
        kind=kind,
        names=_names(results, kind),
        options=_options(first),
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

    def __init__(self, label: str, results: tuple[Result, ...], kind: Kind) -> None:
        self.label = label
        self.results = results
        self.kind = kind
        self.is_ceiling = TRUTH in results[0].model.reads

    def main_values(self) -> FloatArray:
        """Per example, the mean of the main metric over seeds."""
        values = self._values(self.kind.main)
        assert values is not None
        return values

    def as_row(self, place: int | None, p_value: float | None) -> Row:
        names = [name for name in self.results[0].metrics if all(name in result.metrics for result in self.results)]
        missing = {name: reason for result in self.results for name, reason in result.missing.items()}
        metrics = {name: self._estimate(name) for name in names}
        return Row(place, self.label, self.results, metrics, missing, p_value)

    def order(self) -> tuple[float, str]:
        """Sorts the best first, equal ones by label."""
        column = self.kind.column(self.kind.main)
        assert column is not None
        value = float(np.mean([result.metrics[self.kind.main].value for result in self.results]))
        return -value if column.higher_is_better else value, self.label

    def _estimate(self, name: str) -> Estimate:
        """Over seeds: of the mean of each example where the metric has that, else the mean of the seeds' estimates."""
        found = [result.metrics[name] for result in self.results]
        values = self._values(name)
        if len(found) == 1 or values is None:
            low, high = (float(np.mean(ends)) for ends in ([e.low for e in found], [e.high for e in found]))
            return Estimate(value=float(np.mean([e.value for e in found])), low=low, high=high)
        interval = bootstrap_interval(values, seed=0)
        return Estimate(value=float(np.mean([e.value for e in found])), low=interval.low, high=interval.high)

    def _values(self, name: str) -> FloatArray | None:
        seeds = [result.example_values(name) for result in self.results]
        return None if any(values is None for values in seeds) else np.mean(np.array(seeds), axis=0)


def _against_best(rows: list[_Scored]) -> list[float | None]:
    """Holm-corrected p-values of every row against the first."""
    if len(rows) < 2:
        return [None] * len(rows)
    best = rows[0].main_values()
    raw = [paired_test(best, row.main_values(), seed=0).p_value for row in rows[1:]]
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


def _names(results: list[Result], kind: Kind) -> tuple[str, ...]:
    """Full metric names of all results by the kind's columns; one that no result has is kept for its empty cells."""
    found = sorted({name for result in results for name in (*result.metrics, *result.missing)})
    return tuple(name for column in kind.columns for name in found if column.covers(name))


def _options(result: Result) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(result.spec.options.items()))
