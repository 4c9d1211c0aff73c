"""All published tables as one self-contained HTML file; deterministic, with all text escaped."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from unimp_bench.files import write_atomically
from unimp_bench.markdown import anchor
from unimp_bench.progress import progress
from unimp_bench.reports.audit.corpus.cuts import CUTS
from unimp_bench.reports.audit.corpus.record import CorpusAudit, ExampleSet
from unimp_bench.reports.pages.brief import boards_of
from unimp_bench.reports.pages.galleries import galleries
from unimp_bench.reports.pages.matrix import domain_of, matrix_of, model_of
from unimp_bench.reports.pages.survey import HEADS as SURVEY_HEADS
from unimp_bench.reports.pages.survey import LEGEND as SURVEY_LEGEND
from unimp_bench.reports.pages.survey import Line, measured
from unimp_bench.reports.pages.write import boards
from unimp_bench.reports.rows.standard import FLAGS, Flag
from unimp_bench.reports.store import Contents
from unimp_bench.reports.tables.pairs import Pair, compared_metric, pairs_of
from unimp_bench.reports.tables.plots import data_uri
from unimp_bench.reports.tables.printed import MARKS
from unimp_bench.reports.tables.table import Cell, Column, Page, Row, Run, Table
from unimp_bench.runs.results import Estimate, Result

HTML_NAME = "index.html"


@dataclass(frozen=True)
class Whisker:
    """A value and its interval, in percent of the range of the column's intervals."""

    low: float
    value: float
    high: float


@dataclass(frozen=True)
class Scale:
    """Ends of the whiskers of a column."""

    low: float
    high: float


@dataclass(frozen=True)
class Shown:
    """A table with its position on the page.

    Attributes:
        anchor: unique within the page.
        heading: title with the task or suite.
        begin: index of its first row's details among all details.
        ids: anchor of each row, unique within the page and stable while the label is.
        whiskers: for each cell of each row; None without an interval.
        scales: of the whiskers of each column; None without intervals.
        audit: anchor of the corpus's audit; empty without one.
        pairs: comparisons of its rows with results.
    """

    table: Table
    anchor: str
    heading: str
    begin: int
    ids: list[str]
    whiskers: list[list[Whisker | None]]
    scales: list[Scale | None]
    audit: str
    pairs: tuple[Pair, ...]

    @property
    def address(self) -> dict[str, str]:
        """Anchor of each row by its label."""
        return {row.label: name for row, name in zip(self.table.rows, self.ids, strict=True)}


def write_page(folder: Path, path: Path) -> None:
    """Write the page of the leaderboards in ``folder`` to ``path``."""
    write_atomically(path, html_page(Contents.published(folder)))


def html_page(board: Contents) -> str:
    """The page as one file that loads nothing from a network.

    The content security policy admits only the one style and the one script, by their hashes, so that a script in a
    label cannot run.

    Raises:
        DataError: a file is damaged.
    """
    tasks, topics = boards(board)
    audits = board.audits()
    shown = _shown([*tasks, *topics], audits, {result.spec.key: result for result in board.results})
    environment = Environment(
        loader=PackageLoader(__package__, "static"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style, script = _static("page.css"), _static("page.js") + _static("details.js")
    tables = [each.table for found in shown.values() for each in found]
    addresses = {id(each.table): each.address for found in shown.values() for each in found}

    def survey_address(line: Line) -> str:
        return addresses[id(line.table)][line.row.label]

    return environment.get_template("page.html.j2").render(
        tasks=tasks,
        topics=topics,
        shown=shown,
        matrix=matrix_of(tasks),
        survey=measured([each for page in tasks for each in boards_of(page)], topics),
        survey_legend=SURVEY_LEGEND.replace("*", ""),
        survey_heads=SURVEY_HEADS,
        survey_address=survey_address,
        audits=_audits(audits),
        audit_columns=_AUDIT_COLUMNS,
        cuts=CUTS,
        galleries=galleries(board.home, {each.corpus_id for each in board.results if each.corpus.synthetic}),
        data=_packed(_data([each for found in shown.values() for each in found])),
        choices={
            "task": [page.name for page in tasks],
            **{
                name: list(dict.fromkeys(getattr(table, name) for table in tables if getattr(table, name)))
                for name in ("corpus", "protocol", "split")
            },
            "domain": sorted({domain_of(table.corpus) for table in tables}),
            "reads": sorted({reads for table in tables for row in table.rows for reads in row.reads}),
        },
        columns=_column_names(tables),
        first_columns=_first_columns(tables),
        marks=MARKS,
        flags=_SHOWN_FLAGS,
        meanings=FLAGS,
        style=Markup(style),  # noqa: S704 - both are files of this package
        script=Markup(script),  # noqa: S704
        policy=f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'",
        words=_words,
        badge=_badge,
        model_of=model_of,
        domain_of=domain_of,
        key=_key,
        data_uri=data_uri,
    )


def _static(name: str) -> str:
    return resources.files(__package__).joinpath("static", name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}"


def _shown(
    pages: Iterable[Page], audits: Sequence[CorpusAudit], results: Mapping[str, Result]
) -> dict[str, list[Shown]]:
    """The tables by page. Titles repeat for two builds of one corpus: later anchors get a number."""
    numbers = {audit.fingerprint: f"audit-{number}" for number, audit in enumerate(audits, 1)}
    seen: Counter[str] = Counter()
    begin = 0
    found: dict[str, list[Shown]] = {}

    def unique(name: str) -> str:
        seen[name] += 1
        return f"{name}-{seen[name]}" if seen[name] > 1 else name

    for page in progress(list(pages), "comparisons of rows", unit="page"):
        found[page.name] = []
        for table in page.tables:
            name = unique(f"{page.name}-{anchor(table.title)}")
            found[page.name].append(
                Shown(
                    table=table,
                    anchor=name,
                    heading=f"{page.name if table.ranked else page.title}, {table.title}",
                    begin=begin,
                    ids=[unique(f"{name}--{anchor(row.label)}") for row in table.rows],
                    whiskers=whiskers(table),
                    scales=scales(table),
                    audit=numbers.get(table.fingerprint, ""),
                    pairs=pairs_of(table, results),
                )
            )
            begin += len(table.filled)
    return found


def whiskers(table: Table) -> list[list[Whisker | None]]:
    """The intervals of each row, on one scale per column.

    Upper bounds are excluded from the scale, as they are far from all other rows.
    """
    spans = scales(table)
    return [[_whisker(cell, span) for cell, span in zip(row.cells, spans, strict=True)] for row in table.rows]


def scales(table: Table) -> list[Scale | None]:
    """The range of the intervals of each column without those of upper bounds; None without intervals."""
    found: list[Scale | None] = []
    for at in range(len(table.columns)):
        known = [each for row in table.rows if row.mark != "ceiling" and (each := row.cells[at].interval) is not None]
        found.append(Scale(min(low for low, _ in known), max(high for _, high in known)) if known else None)
    return found


def _whisker(cell: Cell, span: Scale | None) -> Whisker | None:
    if cell.interval is None or cell.value is None or span is None:
        return None
    low, high = cell.interval
    if low < span.low or high > span.high:
        return None
    width = span.high - span.low or 1.0
    return Whisker(*(round(100 * (end - span.low) / width, 1) for end in (low, cell.value, high)))


_SHOWN_FLAGS: dict[Flag, str] = {
    "budget": "undertrained?",
    "few steps": "few steps",
    "few seeds": "few seeds",
    "unstable": "unstable",
    "constant": "constant",
    "as another row": "as another row",
    "leak": "leak",
    "earlier version": "earlier version",
}
"""Flags after the name of a row, in words; *crowded* and *trials* do not concern its value alone."""


def _words(row: Row, table: Table) -> str:
    """Text after the name of a row: changed settings and number of seeds."""
    rest = row.label.removeprefix(row.name).strip()
    parts = [rest[1:-1] if rest.startswith("(") and rest.endswith(")") else rest] if rest else []
    parts += [f"{row.seeds} seeds"] if table.ranked and row.seeds > 1 else []
    return ", ".join(parts)


def _badge(row: Row, table: Table) -> str:
    """Mark of a row; only a first row that differs from all others and that time does not contradict is best."""
    if row.mark == "ceiling":
        return "upper bound"
    if row.mark == "tied":
        return "= not different"
    if row.mark != "best":
        return ""
    if len(table.best) > 1:
        return f"first of {len(table.best)} not different"
    return "best" if row.label in table.confirmed else "first here"


_FIRST_METRICS = 3
_FIRST_COLUMNS = ("Change", "Difference", "p", "Seeds", "Fit")


def _column_names(tables: Sequence[Table]) -> list[str]:
    return list(dict.fromkeys(column.name for table in tables for column in table.columns))


def _first_columns(tables: Sequence[Table]) -> set[str]:
    """The columns that the page shows at first."""
    metrics = [[column.name for column in table.columns if column.is_metric] for table in tables]
    mains = {table.main for table in tables}
    return {*_FIRST_COLUMNS, *mains, *(name for names in metrics for name in names[:_FIRST_METRICS])}


def _key(cell: Cell) -> str:
    """The sort key of a cell; empty if it is the text."""
    key = "" if cell.value is None else f"{cell.value:.10g}"
    return "" if key == cell.text and cell.interval is None else key


def _packed(data: Mapping[str, Any]) -> str:
    """JSON, compressed by gzip, in base64: much of what rows say repeats, in other tables and other runs.

    ``read`` of ``details.js`` is the inverse.
    """
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode("ascii")


def _data(tables: Sequence[Shown]) -> dict[str, Any]:
    """The details of all rows; a run in several tables is stored once."""
    runs: dict[str, dict[str, Any]] = {}
    details: list[dict[str, Any]] = []
    for number, each in enumerate(tables):
        table, sides = each.table, each.table.slices.sides if each.table.slices else []
        ties = {found.label: found for found in table.ties}
        for at, row in enumerate(table.filled):
            found = row.details
            assert found is not None
            for run in found.runs:
                runs.setdefault(run.key, _run(run))
            both = ties.get(row.label)
            details.append(
                {
                    "label": row.label,
                    "sheet": number,
                    "about": found.about,
                    "source": found.source,
                    "reads": row.reads,
                    "flags": {flag: FLAGS[flag] for flag in FLAGS if flag in row.flags},
                    "metrics": [_metric(name, estimate) for name, estimate in found.metrics.items()],
                    "missing": found.missing,
                    "warnings": found.warnings,
                    "answers": found.answers,
                    "quoted": [asdict(quoted) for quoted in found.quoted],
                    "means": [_rounded(side.means[at]) if side.means else None for side, _ in sides],
                    "ties": both
                    and {
                        "seeds": len(both.runs),
                        "stored": _metric(table.main, both.stored),
                        "shuffled": _metric(table.main, both.shuffled),
                    },
                    "runs": [run.key for run in found.runs],
                }
            )
    return {"sheets": [_sheet(each) for each in tables], "details": details, "runs": runs}


def _sheet(each: Shown) -> dict[str, Any]:
    """What the details of all rows of a table have in common."""
    table, slices = each.table, each.table.slices
    (main,) = (column for column in table.columns if column.name == table.main)
    return {
        "title": each.heading,
        "main": table.main,
        "parts": [
            {"name": side.name, "examples": side.examples, "about": about}
            for side, about in (slices.sides if slices else [])
        ],
        "begin": each.begin,
        "compared": compared_metric(table),
        "better": 1 if main.first == "descending" else -1,
        "units": table.units,
        "pairs": [_pair(pair) for pair in each.pairs],
    }


def _pair(pair: Pair) -> list[float]:
    """A pair as numbers, in the order of its fields."""
    numbers = (pair.difference, pair.low, pair.high)
    shown = (float(f"{number:.4g}") for number in (*numbers, pair.p_value))
    return [pair.first, pair.second, *shown, pair.higher, pair.lower]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def _metric(name: str, estimate: Estimate) -> dict[str, Any]:
    numbers = {"value": estimate.value, "low": estimate.low, "high": estimate.high}
    return {"name": name, **{end: round(number, 6) for end, number in numbers.items()}}


def _run(run: Run) -> dict[str, Any]:
    return {**asdict(run), "commit": (run.commit or "unknown") + ("" if run.clean else ", with changes")}


_AUDIT_COLUMNS = (
    *(Column("Split", numeric=False), Column("Tasks", numeric=False), Column("Test examples", first="descending")),
    *(Column(cut.yes, first="descending") for cut in CUTS),
)


def _audits(audits: Sequence[CorpusAudit]) -> list[tuple[CorpusAudit, str, list[Cell]]]:
    """Audit, anchor (for the first row of a corpus) and cells of each set of examples."""
    return [
        (audit, f"audit-{number}" if at == 0 else "", _audit_cells(found))
        for number, audit in enumerate(audits, 1)
        for at, found in enumerate(audit.sets)
    ]


def _audit_cells(found: ExampleSet) -> list[Cell]:
    """The number of examples and the share on the first side of each cut; empty for an absent cut."""
    shares = [
        None if mask is None or not found.examples else float(mask.mean())
        for mask in (found.mask(cut.name) for cut in CUTS)
    ]
    return [
        *(Cell(found.split), Cell(", ".join(found.tasks).replace("_", " "))),
        Cell(f"{found.examples:,}", found.examples),
        *(Cell() if share is None else Cell(f"{share:.1%}", round(share, 6)) for share in shares),
    ]
