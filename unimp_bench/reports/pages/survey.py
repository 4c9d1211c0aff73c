"""The survey, measured: for each leaf of its taxonomy the published rows, each with the strongest rule of its table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from unimp_bench import registry
from unimp_bench.markdown import table_head, table_row
from unimp_bench.records import MAIN_SPLITS
from unimp_bench.reports.pages.brief import GENERATED, Board
from unimp_bench.reports.pages.findings import is_rule
from unimp_bench.reports.pages.matrix import model_of
from unimp_bench.reports.pages.taxonomy import TAXONOMY, Leaf, Member
from unimp_bench.reports.tables.table import Page, Row, Table
from unimp_bench.runs.suites import CATALOGUE

SURVEY = "survey.md"
HEADS = ("Row", "Why it is here", "Task: corpus", "Value ±", "In its table", "Strongest rule", "Seeds", "Flags")
LEGEND = (
    "Rows: the best row of a system in the main table of each task and real corpus, and rows of suites of variants; "
    "where a system has none, those on the generated sample, marked *generated*. In its table: the place by the "
    "main metric (*=*: not different from the first row), or the difference to the first row of the suite. Strongest "
    "rule: the best other row without gradient steps on the same test examples. Under fusion only rows count that read "
    "pictures. Values of different corpora do not compare."
)
_REVIEWED, _PICTURED, _WORDED, _DOMAINS = "musical_instruments", "movielens", "beauty", "amazon-2014"
"""Corpora for commands: with reviews, with pictures, with texts alone, with several domains."""


@dataclass(frozen=True)
class Line:
    """A published row of a member.

    Attributes:
        member: what it represents.
        row, table: with its result.
        page: path of its page below the leaderboards.
        standing: its place, or difference to the base of its suite, in words.
        rule: the strongest other rule on the same examples and its value; empty without any.
    """

    member: Member
    row: Row
    table: Table
    page: str
    standing: str
    rule: str

    @property
    def why(self) -> str:
        """Why it is in the leaf."""
        return f"{self.member.why} (named by the survey)" if self.member.named else self.member.why

    @property
    def place(self) -> str:
        """Task and corpus."""
        return f"{self.table.task.replace('_', ' ')}: {self.table.corpus}"

    @property
    def value(self) -> str:
        """Main metric with half of its interval."""
        return f"{self.table.main} {self.table.with_half(self.row)}"

    @property
    def seeds(self) -> str:
        """Number of seeds; empty where chance does not enter."""
        return str(self.row.seeds) if self.row.seeded else ""


@dataclass(frozen=True)
class Lacking:
    """A member without a published row: its name in tables, and the command that makes a row on a real corpus."""

    member: Member
    name: str
    command: str


@dataclass(frozen=True)
class Measured:
    """A leaf with its published rows.

    Attributes:
        leaf: of the taxonomy.
        lines: on real corpora, and on generated ones of members without others.
        lacking: members without a row.
    """

    leaf: Leaf
    lines: tuple[Line, ...]
    lacking: tuple[Lacking, ...]

    @property
    def real(self) -> set[Member]:
        """Members with a row on a real corpus."""
        return {line.member for line in self.lines if not line.table.generated}


def measured(boards: Sequence[Board], topics: Sequence[Page], taxonomy: Sequence[Leaf] = TAXONOMY) -> list[Measured]:
    """The leaves of a taxonomy with their rows, of the boards of all tasks and the pages of all suites."""
    found = []
    for leaf in taxonomy:
        lines = {member: _lines(member, leaf, boards, topics) for member in leaf.members}
        lacking = tuple(_lacking(member, leaf) for member, own in lines.items() if not own)
        found.append(Measured(leaf, tuple(line for own in lines.values() for line in own), lacking))
    return found


def _lines(member: Member, leaf: Leaf, boards: Sequence[Board], topics: Sequence[Page]) -> list[Line]:
    """The rows of a member, the best one of each task and corpus: real corpora, or generated ones without any."""
    tables = [(board.main, f"{board.stem}.md") for board in boards if board.page.name in leaf.tasks]
    if member.suite:
        tables = [(table, f"{page.name}.md") for page in topics if page.name == member.suite for table in page.tables]
    best: dict[tuple[str, str], Line] = {}
    for table, page in tables:
        own = (row for row in table.filled if _is_of(row, member))
        row = _best(table, (row for row in own if not leaf.fused or "pictures" in row.features))
        if row is None:
            continue
        key = (table.task, table.corpus)
        if key not in best or _best(table, (row, best[key].row)) is row:
            best[key] = Line(member, row, table, page, _standing(row, table), _rule(row, table, boards))
    real = [line for line in best.values() if not line.table.generated]
    return real or list(best.values())


def _is_of(row: Row, member: Member) -> bool:
    if member.suite:
        return row.name == member.row
    return model_of(row) == member.model and not (member.without and member.without in row.label)


def _best(table: Table, rows: Iterable[Row]) -> Row | None:
    """The row of the best main metric, of those of current versions that are no upper bounds and read no target."""
    main = next((column for column in table.columns if column.name == table.main), None)
    if main is None:  # all results are older than the metric
        return None
    sign = 1 if main.first == "descending" else -1
    known = {
        sign * row.details.metrics[table.main].value: row
        for row in rows
        if row.details is not None and table.main in row.details.metrics
        if row.mark != "ceiling" and not {"earlier version", "leak"} & set(row.flags)
    }
    return known[max(known)] if known else None


def _standing(row: Row, table: Table) -> str:
    if table.ranked:
        ranked = sum(each.place is not None for each in table.rows)
        mark = "=" if row.mark == "tied" or (row.mark == "best" and len(table.best) > 1) else ""
        return f"{row.place}{mark} of {ranked}" if row.place is not None else "no order"
    base = next(each for each in table.filled if each.mark != "ceiling")
    difference, p = table.cell(row, "Difference").text, table.cell(row, "p").text
    return f"{difference}{f' (p {p})' if p else ''} to {base.label}" if difference else "first row"


def _rule(row: Row, table: Table, boards: Sequence[Board]) -> str:
    """The strongest rule of the table of a task on the same examples."""

    def examples(each: Table) -> tuple[str, ...]:
        return each.task, each.fingerprint, each.split, each.protocol, each.options

    for other in (each for board in boards for each in board.tables if examples(each) == examples(table)):
        rule = _best(other, (each for each in other.filled if is_rule(each) and each.label != row.label))
        if rule is not None and rule.details is not None:
            return f"{rule.label} {rule.details.metrics[other.main].value:.4f}"
    return ""


def _lacking(member: Member, leaf: Leaf) -> Lacking:
    """A member without a row: its command makes three seeds of a suite's row, or, of a model without any, one run."""
    card = registry.model_card(member.model)
    task = next(task for task in leaf.tasks if task in card.tasks)
    rows = [(suite, row) for suite in CATALOGUE for row in suite.rows if row.model == member.model]
    if member.suite:
        rows = [(suite, row) for suite, row in rows if (suite.name, row.label) == (member.suite, member.row)]
    else:
        rows = [(suite, row) for suite, row in rows if suite.split in MAIN_SPLITS and task in suite.tasks]
    corpus = _REVIEWED if task == "explanation" else _PICTURED if "pictures" in card.reads else _WORDED
    if not rows:
        return Lacking(member, member.model, f"unimp-bench run --task {task} --model {member.model} --corpus {corpus}")
    suite, row = rows[0]
    corpus = _DOMAINS if suite.split == "new-domain" else corpus
    name = f"{suite.name}, {row.label}" if member.suite else row.label
    return Lacking(member, name, f'unimp-bench suite {suite.name} --corpus {corpus} --row "{row.label}"')


def survey_markdown(found: Sequence[Measured]) -> str:
    """The page: an overview of the leaves, then their rows."""
    lines = [GENERATED, "# The survey, measured", ""]
    lines += [
        "The taxonomy of *Multimodal Pretraining, Adaptation, and Generation for Recommendation: A Survey* (Liu et "
        "al., KDD 2024), and what of this benchmark is in each leaf, with the published results.",
        "",
        LEGEND,
        "",
        *table_head(("Leaf", "Section", "In the benchmark", "On real data", "On the sample alone", "No published row")),
    ]
    for each in found:
        real, none = len(each.real), len(each.lacking)
        counts = (len(each.leaf.members), real, len(each.leaf.members) - real - none, none)
        lines.append(table_row((each.leaf.name, each.leaf.section, *map(str, counts))))
    for each in found:
        lines += ["", *_leaf(each)]
    return "\n".join(lines) + "\n"


def _leaf(each: Measured) -> list[str]:
    leaf = each.leaf
    lines = [f"## {leaf.name}", "", f"Section {leaf.section}: {leaf.about}.", ""]
    lines += [*table_head(HEADS), *map(table_row, map(_cells, each.lines)), ""] if each.lines else []
    lines += [f"* No published row: {no.name} ({no.member.why}): `{no.command}`" for no in each.lacking]
    if leaf.absent:
        lines.append(f"* Named by the survey, not in the benchmark: {', '.join(leaf.absent)}.")
    return lines if lines[-1] else lines[:-1]


def _cells(line: Line) -> tuple[str, ...]:
    generated = " (*generated*)" if line.table.generated else ""
    return (
        *(line.row.label, line.why, f"[{line.place}]({line.page}){generated}", line.value, line.standing, line.rule),
        *(line.seeds, ", ".join(line.row.flags)),
    )
