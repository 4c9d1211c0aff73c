"""Groups published results into the sections and rows of a leaderboard, and compares the rows.

A section holds one corpus, split, protocol and set of task options: numbers that compare. A row holds one model in
one configuration, averaged over its seeds. Ceilings (models that read the truth of a generated corpus) stand apart and
get no place.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from unimp_bench.contracts import TaskCard
from unimp_bench.kinds import Kind, kind_of
from unimp_bench.records import PROTOCOLS, SPLITS
from unimp_bench.reports.claims import claims, only_in_topics
from unimp_bench.reports.degenerate import warnings
from unimp_bench.reports.labels import label_of
from unimp_bench.reports.scored import Scored, compared, metric_names
from unimp_bench.reports.shuffled import Shuffled, has_shuffled_ties, shuffled_rows
from unimp_bench.reports.topics import why_empty
from unimp_bench.runs.results import CorpusFacts, Estimate, Result
from unimp_bench.runs.suite import Suite, SuiteRow
from unimp_bench.runs.suites import SUITES


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
        warnings: that its answers are degenerate, and how.
    """

    place: int | None
    label: str
    results: tuple[Result, ...]
    metrics: dict[str, Estimate]
    missing: dict[str, str]
    p_value: float | None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class EmptyRow:
    """A row of the task's suite that has no result in a section, and why."""

    row: SuiteRow
    reason: str


@dataclass(frozen=True)
class Section:
    """All rows that compare with one another, best first, ceilings on top.

    Attributes:
        names: full names of the metrics that any row has, in the order of the kind's columns.
        options: of the task, in words; empty for its own.
        empty: rows of the suite of the task's name that are missing; only where the section asks what that suite asks.
        shuffled: those of the rows that also ran where ties in time are shuffled.
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
    empty: tuple[EmptyRow, ...] = ()
    shuffled: tuple[Shuffled, ...] = ()

    @property
    def title(self) -> str:
        """What tells this section from the others of its task."""
        parts = [self.corpus.name, f"split {self.split}"]
        parts += [f"protocol {self.protocol}"] if self.kind.has_protocols else []
        return ", ".join([*parts, self.options] if self.options else parts)


def sections(results: Iterable[Result], card: TaskCard) -> list[Section]:
    """The sections of one task: real corpora by name, then generated ones; splits and protocols in their order.

    Variants that only the page of a topic compares are left out; results with shuffled ties stand beside the others.
    """
    results = list(results)
    shuffled = [result for result in results if has_shuffled_ties(result)]
    groups: dict[tuple[bool, str, int, int, str, str], list[Result]] = defaultdict(list)
    for result in results:
        spec = result.spec
        if spec.task == card.name and not only_in_topics(result) and not has_shuffled_ties(result):
            place = (SPLITS.index(spec.split), PROTOCOLS.index(spec.protocol))
            key = (result.corpus.synthetic, result.corpus.name, *place, _options(result), spec.fit.fingerprint)
            groups[key].append(result)
    suite = SUITES.get(card.name)
    return [_section(groups[key], kind_of(card.kind), suite, shuffled) for key in sorted(groups)]


def _section(results: list[Result], kind: Kind, suite: Suite | None, shuffled: list[Result]) -> Section:
    by_row: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        by_row[label_of(result)].append(result)
    rows = [Scored.of(label, group, kind) for label, group in by_row.items()]
    ceilings = sorted((row for row in rows if row.is_ceiling), key=Scored.order)
    contestants = sorted((row for row in rows if not row.is_ceiling), key=Scored.order)
    p_values = [None, *(test.p_value for test in compared(contestants[0], contestants[1:]))] if contestants else []
    first, warned = results[0], warnings(rows)

    def row_of(scored: Scored, place: int | None, p_value: float | None) -> Row:
        metrics, missing, about = scored.metrics(), scored.missing(), warned.get(scored.label, ())
        return Row(place, scored.label, scored.results, metrics, missing, p_value, about)

    return Section(
        kind=kind,
        names=metric_names(results, kind),
        options=_options(first),
        corpus=first.corpus,
        fingerprint=first.spec.fit.fingerprint,
        split=first.spec.split,
        protocol=first.spec.protocol,
        examples=first.examples,
        rows=(
            *(row_of(row, None, None) for row in ceilings),
            *(row_of(row, place, p) for place, (row, p) in enumerate(zip(contestants, p_values, strict=True), 1)),
        ),
        empty=_empty(results, suite),
        shuffled=shuffled_rows([*ceilings, *contestants], shuffled),
    )


def _empty(results: list[Result], suite: Suite | None) -> tuple[EmptyRow, ...]:
    first = results[0]
    if suite is None or first.spec.options or (first.spec.split, first.spec.protocol) != (suite.split, suite.protocol):
        return ()
    absent = [row for row in suite.rows if not (row.model and any(claims(suite, row, result) for result in results))]
    return tuple(EmptyRow(row, why_empty(row, first.corpus.name)) for row in absent)


def _options(result: Result) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(result.spec.options.items()))
