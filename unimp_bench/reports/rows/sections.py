"""Results to sections of comparable rows, best first or against the first row of a suite.

The section of a task holds one corpus, split, protocol and set of task options; that of a suite one corpus, task and
budget (the preset and the settings that no suite varies). A row holds one configuration, averaged over its seeds.
Upper bounds (models that read the ground truth of a generated corpus) and results of earlier versions are not ranked
and not compared. What may be called best is a matter of ``unimp_bench.reports.rows.standard``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from unimp_bench import registry
from unimp_bench.contracts import TaskCard
from unimp_bench.kinds import Kind, kind_of
from unimp_bench.metrics.paired import PairedTest
from unimp_bench.records import SPLITS
from unimp_bench.reports.rows.labels import (
    budget_words,
    claims,
    features_of,
    has_equal_steps,
    label_of,
    left_over,
    older_mark,
    only_in_topics,
    settings_words,
    usual_preset,
    viewed_as,
)
from unimp_bench.reports.rows.remarks import Degenerate, Shuffled, has_shuffled_ties, shuffled_rows, warnings
from unimp_bench.reports.rows.scored import Scored, compared, metric_names
from unimp_bench.reports.rows.standard import MIN_EXAMPLES, Best, Flag, best_of, flags_of, is_older, is_seeded
from unimp_bench.reports.rows.swaps import Swap, default_of, swaps
from unimp_bench.runs.results import CorpusFacts, Estimate, Queries, Result
from unimp_bench.runs.suite import Suite, SuiteRow
from unimp_bench.runs.suites import SUITES

NO_RESULT = "no result yet"


@dataclass(frozen=True)
class Row:
    """One configuration of a model, or a row of a suite without results.

    Attributes:
        label: the model and its changed settings, or the label of the suite's row.
        results: one per seed; none for an empty row.
        metrics: means over seeds, with intervals over examples; absent if not computed.
        missing: reasons of absent metrics.
        place: 1 for the best by the kind's main metric; None for upper bounds, empty rows and rows of suites.
        test: against the best row or the base row of a suite, after Holm; None for that row and unranked ones.
        base: label of the row that it is compared with in a suite.
        spread: standard deviation of the main metric over seeds; None for one seed.
        seeded: whether its results depend on the seed.
        best: ``first`` for the best row, ``tied`` for those that do not differ significantly from it; empty for all
            rows if the standard allows no best row.
        flags: required by the standard.
        warnings: of degenerate answers.
        of: the row of the suite; None for rows with results in the section of a task.
        reason: why the row is empty.
    """

    label: str
    results: tuple[Result, ...] = ()
    metrics: dict[str, Estimate] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    place: int | None = None
    test: PairedTest | None = None
    base: str = ""
    spread: float | None = None
    seeded: bool = False
    best: Best = ""
    flags: tuple[Flag, ...] = ()
    warnings: tuple[str, ...] = ()
    of: SuiteRow | None = None
    reason: str = ""

    @property
    def is_ceiling(self) -> bool:
        """Whether it is an upper bound."""
        return bool(self.results) and self.results[0].model.is_ceiling

    @property
    def steps(self) -> int | None:
        """Optimizer steps of all fits that led to the row, the mean over seeds; None without a training."""
        known = [result.training.steps for result in self.results if result.training is not None]
        return round(sum(known) / len(known)) if known else None


@dataclass(frozen=True)
class Section:
    """Comparable rows.

    Attributes:
        title: unique on its page, up to builds of a corpus.
        names: of the metrics of any row, in the order of the kind's columns.
        units: number of tested values: examples, or users with several targets.
        rows: for a task upper bounds, then best first, earlier versions, and empty rows of its suite; for a suite in
            its order.
        options: of the task, in words; empty for the defaults.
        suite: None for the section of a task.
        budget: preset and settings of a suite's section, in words.
        shuffled: rows of a task with results under shuffled time ties.
        global_time: for split ``loo`` the corresponding section of split ``global-time``, if any.
        swaps: of a suite that compares features, its pairs of rows.
    """

    title: str
    kind: Kind
    task: str
    names: tuple[str, ...]
    corpus: CorpusFacts
    fingerprint: str
    split: str
    protocol: str
    examples: int
    units: int
    rows: tuple[Row, ...]
    options: str = ""
    suite: Suite | None = None
    budget: str = ""
    shuffled: tuple[Shuffled, ...] = ()
    global_time: Section | None = None
    swaps: tuple[Swap, ...] = ()

    @property
    def best(self) -> tuple[Row, ...]:
        """The row that leads and those that the test does not tell from it; none where the standard names no best."""
        return tuple(row for row in self.rows if row.best)

    @property
    def base(self) -> Row:
        """The row that others are compared with: the first one that is no upper bound."""
        return next(row for row in self.filled if not row.is_ceiling)

    @property
    def queries(self) -> Queries | None:
        """Of the test examples; None for tasks without queries, and where no result counted them."""
        return next((result.queries for row in self.filled for result in row.results if result.queries), None)

    @property
    def filled(self) -> tuple[Row, ...]:
        """The rows with results."""
        return tuple(row for row in self.rows if row.results)

    @property
    def empty(self) -> tuple[Row, ...]:
        """The rows without results."""
        return tuple(row for row in self.rows if not row.results)


def sections(results: Iterable[Result], card: TaskCard) -> list[Section]:
    """The sections of one task: real corpora by name, then generated ones; then by split and protocol.

    Variants that only suites compare are excluded.
    """
    results, kind = list(results), kind_of(card.kind)
    shuffled = [result for result in results if has_shuffled_ties(result)]
    groups: dict[tuple[bool, str, int, bool, str, str], list[Result]] = defaultdict(list)
    for result in results:
        spec = result.spec
        if spec.task == card.name and not only_in_topics(result) and not has_shuffled_ties(result):
            order = (SPLITS.index(spec.split), spec.protocol != kind.protocol)
            key = (result.corpus.synthetic, result.corpus.name, *order, _options(result), result.corpus_id)
            groups[key].append(result)
    found = [_task_section(groups[key], kind, shuffled) for key in sorted(groups)]
    return [replace(section, global_time=_by_time(section, found)) for section in found]


def _by_time(section: Section, sections: Sequence[Section]) -> Section | None:
    """The section of split ``global-time`` on the same corpus, protocol and options."""
    if section.split != "loo":
        return None

    def question(each: Section) -> tuple[object, ...]:
        return each.corpus.name, each.fingerprint, each.protocol, each.options

    others = (each for each in sections if each.split == "global-time" and question(each) == question(section))
    return next(others, None)


def _task_section(results: list[Result], kind: Kind, shuffled: list[Result]) -> Section:
    by_label: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        by_label[label_of(result)].append(result)
    rows = [Scored.of(label, group, kind) for label, group in by_label.items()]
    warned = warnings(rows)
    flags = flags_of(rows, warned)
    ceilings = sorted((row for row in rows if row.is_ceiling), key=Scored.order)
    others = [row for row in rows if not row.is_ceiling]
    ranked = sorted((row for row in others if row.has_main and not is_older(row)), key=Scored.order)
    unranked = sorted((row for row in others if row not in ranked), key=lambda row: row.label)
    units = max((row.seed_values().shape[1] for row in rows if row.has_main), default=0)
    tests: dict[str, PairedTest] = {}
    if units < MIN_EXAMPLES:
        ranked, unranked = [], sorted([*ranked, *unranked], key=lambda row: row.label)
    elif ranked:
        others = ranked[1:]
        tests = dict(zip((row.label for row in others), compared([(row, ranked[0]) for row in others]), strict=True))
    best = best_of(ranked, tests)
    corpus, spec, options = results[0].corpus, results[0].spec, _options(results[0])
    parts = [corpus.name, f"split {spec.split}"]
    parts += [f"protocol {spec.protocol}"] if kind.has_protocols else []

    def made(row: Scored, place: int | None = None) -> Row:
        label = row.label
        return _filled(row, warned[label], flags[label], place=place, test=tests.get(label), best=best.get(label, ""))

    return Section(
        title=", ".join([*parts, options] if options else parts),
        kind=kind,
        task=spec.task,
        names=metric_names(results, kind),
        corpus=corpus,
        fingerprint=results[0].corpus_id,
        split=spec.split,
        protocol=spec.protocol,
        examples=results[0].examples,
        units=units,
        rows=(
            *map(made, ceilings),
            *(made(row, place) for place, row in enumerate(ranked, 1)),
            *map(made, unranked),
            *_lacking(results, SUITES.get(spec.task), kind),
        ),
        options=options,
        shuffled=shuffled_rows([*ceilings, *ranked], shuffled),
    )


def _filled(
    row: Scored,
    warned: Degenerate,
    flags: tuple[Flag, ...],
    *,
    place: int | None = None,
    test: PairedTest | None = None,
    best: Best = "",
    base: str = "",
    of: SuiteRow | None = None,
) -> Row:
    """A row with results."""
    return Row(
        label=row.label,
        results=row.results,
        metrics=row.metrics(),
        missing=row.missing(),
        place=place,
        test=test,
        spread=row.spread() if row.has_main else None,
        seeded=is_seeded(row.results[0]),
        best=best,
        base=base,
        flags=flags,
        warnings=warned.words,
        of=of,
    )


def _lacking(results: list[Result], suite: Suite | None, kind: Kind) -> list[Row]:
    """Rows of the task's suite without a result, where the section has the suite's split and protocol.

    None on a view of a corpus: the suite's rows are of the corpus itself.
    """
    corpus, spec = results[0].corpus.name, results[0].spec
    if suite is None or spec.options or spec.views:
        return []
    if spec.protocol != kind.under(suite.protocol) or not suite.has_split(spec.split):
        return []
    own = [result for result in results if not features_of(result)]
    absent = [row for row in suite.rows if not (row.model and any(claims(suite, row, result) for result in own))]
    return [Row(row.label, of=row, reason=_why_empty(row, corpus)) for row in absent]


def _options(result: Result) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(result.spec.options.items()))


def topic_sections(suite: Suite, results: Sequence[Result]) -> list[Section]:
    """The sections of one suite with results of the first and another row.

    A suite of features has one section per corpus and task that have a pair of rows, whatever their settings. In a
    suite of equal steps results whose steps follow from epochs have no section. A preset that another row names is no
    budget of the first row.
    Real corpora by name, then generated ones; tasks in the order of the registry.
    """
    tasks = list(registry.task_cards())
    homes: dict[tuple[object, ...], Result] = {}
    for result in results:
        corpus, spec = result.corpus, result.spec
        about = not suite.corpora or corpus.name in suite.corpora
        first = [row for row in suite.rows if row.group and row.model] if suite.grouped else suite.rows[:1]
        other = any(row.preset == result.model.preset for row in suite.rows if row.preset and row not in first)
        if about and not other and any(claims(suite, row, result) for row in first) and has_equal_steps(suite, result):
            own = (result.model.preset, *left_over(suite, suite.rows[0], result).items())
            budget: tuple[object, ...] = () if suite.grouped else own
            key = (
                corpus.synthetic,
                corpus.name,
                tasks.index(spec.task),
                SPLITS.index(spec.split),
                budget,
                result.corpus_id,
            )
            homes.setdefault(key, result)
    found = [_topic_section(suite, homes[key], results) for key in sorted(homes)]
    return [section for section in found if _is_comparison(suite, section)]


def _is_comparison(suite: Suite, section: Section) -> bool:
    """Whether a section of a suite has a comparison: of views of a corpus, results on one of them at least; of uses of
    pictures, pictures."""
    if suite.grouped:
        return bool(section.swaps)
    if suite.pictured and not section.corpus.pictures:
        return False
    filled = section.filled
    needs_view = any(row.views for row in suite.rows)
    return len(filled) > 1 and (not needs_view or any(row.of is not None and row.of.views for row in filled))


def _topic_section(suite: Suite, home: Result, results: Sequence[Result]) -> Section:
    corpus, task = home.corpus, home.spec.task
    kind = kind_of(registry.task_cards()[task].kind)
    # Reported rows without a model belong to the default tasks of the suite.
    rows = [row for row in suite.rows if task in (registry.model_card(row.model).tasks if row.model else suite.tasks)]
    lines = [line for row in rows for line in _lines(suite, row, home, results, kind)]
    pairs_of = swaps(suite, [(row, scored) for row, scored in lines if scored is not None]) if suite.grouped else []
    if pairs_of:
        groups = {swap.group for swap in pairs_of}
        lines = [(row, scored) for row, scored in lines if row.group in groups]
    filled = [scored for _, scored in lines if scored is not None]
    warned = warnings(filled)
    flags = flags_of(filled, warned)
    base = next(scored for scored in filled if not scored.is_ceiling)
    bases = {scored.label: _base_of(suite, row, base, scored, lines) for row, scored in lines if scored is not None}
    by_label = {scored.label: scored for scored in filled}
    pairs = dict.fromkeys(
        [(label, other.label) for label, other in bases.items()] + [(swap.row, swap.base) for swap in pairs_of]
    )
    tested = [
        (by_label[one], by_label[other])
        for one, other in pairs
        if one != other and _compares(by_label[one]) and _compares(by_label[other])
    ]
    tests = dict(zip(((one.label, other.label) for one, other in tested), compared(tested), strict=True))
    budget = "" if suite.grouped else budget_words(suite, home)
    return Section(
        title=", ".join(filter(None, (corpus.name, task, budget))),
        kind=kind,
        task=task,
        names=metric_names([result for scored in filled for result in scored.results], kind),
        corpus=corpus,
        fingerprint=home.corpus_id,
        split=home.spec.split,
        protocol=kind.under(suite.protocol),
        examples=home.examples,
        units=base.seed_values().shape[1] if base.has_main else 0,
        rows=tuple(
            Row(row.label, of=row, reason=_why_empty(row, corpus.name))
            if scored is None
            else _filled(
                scored,
                warned[scored.label],
                flags[scored.label],
                test=tests.get((scored.label, bases[scored.label].label)),
                base=bases[scored.label].label,
                of=row,
            )
            for row, scored in lines
        ),
        suite=suite,
        budget=budget,
        swaps=tuple(replace(swap, test=tests.get((swap.row, swap.base))) for swap in pairs_of),
    )


def _base_of(
    suite: Suite, row: SuiteRow, base: Scored, scored: Scored, lines: Sequence[tuple[SuiteRow, Scored | None]]
) -> Scored:
    """What a row of a suite is compared with: on a view of the corpus its own row without one, else the first row.

    In a suite of features the first row of its group.
    """
    if suite.grouped:
        return default_of(suite, row, scored, [(other, each) for other, each in lines if each is not None])
    if not row.views:
        return base
    clean = (scored for other, scored in lines if scored is not None and other == replace(row, **_clean(other)))
    return next(clean, base)


def _clean(other: SuiteRow) -> dict[str, Any]:
    """What the row without a view does not share with its noisy row."""
    return {"views": (), "label": other.label, "system": other.system}


def _compares(row: Scored) -> bool:
    """Whether a row of a suite can be tested."""
    return not row.is_ceiling and row.has_main and not is_older(row) and row.seed_values().shape[1] >= MIN_EXAMPLES


def _lines(
    suite: Suite, row: SuiteRow, home: Result, results: Sequence[Result], kind: Kind
) -> list[tuple[SuiteRow, Scored | None]]:
    """The line of a row, or one per published budget for rows with their own budget."""
    seen = viewed_as(row, home.corpus.name, home.corpus_id)
    asked = (home.spec.task, home.spec.split)
    wanted = (home.model.preset, left_over(suite, suite.rows[0], home))
    groups: dict[str, list[Result]] = {}
    for result in results:
        at_home = (result.spec.task, result.spec.split) == asked
        at_home = at_home and (result.corpus.name, result.corpus_id) == seen
        if not (row.model and at_home and claims(suite, row, result)):
            continue
        left = left_over(suite, row, result)
        if suite.grouped or not suite.budgets(row):
            groups.setdefault(_extended(suite, row, result.model.preset, left) + older_mark(result), []).append(result)
        elif (result.model.preset, left) == wanted:
            groups.setdefault(row.label + older_mark(result), []).append(result)
    if not groups:
        return [(row, None)]
    return [(row, Scored.of(label, group, kind)) for label, group in sorted(groups.items())]


def _extended(suite: Suite, row: SuiteRow, preset: str, left: dict[str, str]) -> str:
    usual = "" if suite.budgets(row) else usual_preset(row.model)
    parts = [preset] if row.preset is None and preset not in ("default", usual) else []
    parts += settings_words(left)
    return f"{row.label} ({', '.join(parts)})" if parts else row.label


def _why_empty(row: SuiteRow, corpus: str) -> str:
    corpora = registry.model_card(row.model).corpora if row.model else ()
    if corpora and corpus not in corpora:
        return f"runs only on {', '.join(corpora)}"
    return row.lacks or NO_RESULT
