"""Groups published results into the sections and rows of a topic: a suite's rows, compared with its first one.

A section holds one corpus, task and budget (the preset and the settings that no suite varies), the same for all rows
that are about the subject. It is there once its first row has a result, and another row too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from unimp_bench import registry
from unimp_bench.kinds import Kind, kind_of
from unimp_bench.metrics.paired import PairedTest
from unimp_bench.reports.claims import claims, left_over, viewed_as
from unimp_bench.reports.degenerate import warnings
from unimp_bench.reports.labels import older_mark, settings_words
from unimp_bench.reports.scored import Scored, compared, metric_names
from unimp_bench.runs.results import CorpusFacts, Estimate, Result
from unimp_bench.runs.suite import Suite, SuiteRow

NO_RESULT = "no result yet"


@dataclass(frozen=True)
class TopicRow:
    """One line of a topic's table.

    Attributes:
        row: of the suite.
        label: its label, with the settings that this line's results have beside the row's own.
        results: one a seed; none for an empty line.
        metrics: means over seeds, with intervals over examples.
        missing: why metrics are absent, by metric.
        test: against the first row, after Holm; None for that row, for ceilings and for empty lines.
        reason: why the line is empty.
        warnings: that its answers are degenerate, and how.
    """

    row: SuiteRow
    label: str
    results: tuple[Result, ...] = ()
    metrics: dict[str, Estimate] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    test: PairedTest | None = None
    reason: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class TopicSection:
    """The lines of a suite that compare with one another.

    Attributes:
        names: full names of the metrics that any line has.
        preset, settings: the budget.
    """

    suite: Suite
    kind: Kind
    task: str
    names: tuple[str, ...]
    corpus: CorpusFacts
    fingerprint: str
    preset: str
    settings: dict[str, str]
    examples: int
    rows: tuple[TopicRow, ...]

    @property
    def budget(self) -> str:
        """The budget in words."""
        return ", ".join([f"preset {self.preset}", *settings_words(self.settings)])

    @property
    def title(self) -> str:
        """What tells this section from the others of its topic."""
        return f"{self.corpus.name}, {self.task}, {self.budget}"


def topic_sections(suite: Suite, results: Sequence[Result]) -> list[TopicSection]:
    """The sections of one suite: real corpora by name, then generated ones; tasks in the order of the registry."""
    tasks = list(registry.task_cards())
    first = [
        result
        for result in results
        if claims(suite, suite.rows[0], result) and (not suite.corpora or result.corpus.name in suite.corpora)
    ]
    homes: dict[tuple[object, ...], Result] = {}
    for result in first:
        corpus, spec = result.corpus, result.spec
        budget = (result.model.preset, *left_over(suite.rows[0], result).items())
        key = (corpus.synthetic, corpus.name, tasks.index(spec.task), budget, spec.fit.fingerprint)
        homes.setdefault(key, result)
    found = [_section(suite, homes[key], results) for key in sorted(homes)]
    return [section for section in found if sum(bool(row.results) for row in section.rows) > 1]


def _section(suite: Suite, home: Result, results: Sequence[Result]) -> TopicSection:
    kind = kind_of(registry.task_cards()[home.spec.task].kind)
    rows = [row for row in suite.rows if _is_asked(suite, row, home.spec.task)]
    lines = [line for row in rows for line in _lines(suite, row, home, results, kind)]
    base, *others = [scored for _, scored in lines if scored is not None and not scored.is_ceiling]
    tests = dict(zip((scored.label for scored in others), compared(base, others), strict=True))
    filled = [scored for _, scored in lines if scored is not None]
    warned = warnings(filled)
    shown = [result for scored in filled for result in scored.results]
    return TopicSection(
        suite=suite,
        kind=kind,
        task=home.spec.task,
        names=metric_names(shown, kind),
        corpus=home.corpus,
        fingerprint=home.spec.fit.fingerprint,
        preset=home.model.preset,
        settings=left_over(suite.rows[0], home),
        examples=home.examples,
        rows=tuple(
            TopicRow(row, row.label, reason=why_empty(row, home.corpus.name))
            if scored is None
            else TopicRow(
                *(row, scored.label, scored.results, scored.metrics(), scored.missing(), tests.get(scored.label)),
                warnings=warned.get(scored.label, ()),
            )
            for row, scored in lines
        ),
    )


def _lines(
    suite: Suite, row: SuiteRow, home: Result, results: Sequence[Result], kind: Kind
) -> list[tuple[SuiteRow, Scored | None]]:
    """A row's line; of a row with a budget of its own a line for each budget that was published."""
    seen = viewed_as(row, home.corpus.name, home.spec.fit.fingerprint)
    wanted = (home.model.preset, left_over(suite.rows[0], home))
    groups: dict[str, list[Result]] = {}
    for result in results:
        at_home = result.spec.task == home.spec.task and (result.corpus.name, result.spec.fit.fingerprint) == seen
        if not (row.model and at_home and claims(suite, row, result)):
            continue
        left = left_over(row, result)
        if not row.budgeted:
            groups.setdefault(_extended(row, result.model.preset, left) + older_mark(result), []).append(result)
        elif (result.model.preset, left) == wanted:
            groups.setdefault(row.label + older_mark(result), []).append(result)
    if not groups:
        return [(row, None)]
    return [(row, Scored.of(label, group, kind)) for label, group in sorted(groups.items())]


def _is_asked(suite: Suite, row: SuiteRow, task: str) -> bool:
    """Whether a row belongs to the table of a task; what the paper printed does to those of the suite's own."""
    return task in (registry.model_card(row.model).tasks if row.model else suite.tasks)


def _extended(row: SuiteRow, preset: str, left: dict[str, str]) -> str:
    parts = [preset] if row.preset is None and preset != "default" else []
    parts += settings_words(left)
    return f"{row.label} ({', '.join(parts)})" if parts else row.label


def why_empty(row: SuiteRow, corpus: str) -> str:
    """Why a row has no result on a corpus."""
    corpora = registry.model_card(row.model).corpora if row.model else ()
    if corpora and corpus not in corpora:
        return f"runs only on {', '.join(corpora)}"
    return row.lacks or NO_RESULT
