"""All published tables as one self-contained HTML file; deterministic, with all text escaped."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Container, Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from pydantic import ValidationError

from unimp_bench.errors import DataError
from unimp_bench.files import write_atomically
from unimp_bench.markdown import anchor
from unimp_bench.reports.audit.corpus.record import CUTS, CorpusAudit, ExampleSet
from unimp_bench.reports.gallery.page import RECORD_NAME, Record
from unimp_bench.reports.plots import data_uri
from unimp_bench.reports.printed import MARKS
from unimp_bench.reports.store import Contents
from unimp_bench.reports.table import DEGENERATE, Cell, Column, Page, Row, Run, Table
from unimp_bench.reports.write import boards
from unimp_bench.runs.results import Estimate

HTML_NAME = "index.html"

_FILE = re.compile(r"user-([0-9]+)-(history|retrieved|generated|bought|ceiling)(?:-([0-9]+))?\.png")
_LABELS = {
    "history": "History, {number}",
    "retrieved": "Retrieved {number}",
    "generated": "Generated",
    "bought": "Purchased",
    "ceiling": "Reconstruction by the tokenizer (upper bound)",
}
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Picture:
    """A picture within the page; ``uri`` is a data URI."""

    label: str
    uri: str


@dataclass(frozen=True)
class Panel:
    """The history and the outcome of one user."""

    user: str
    history: tuple[Picture, ...]
    outcome: tuple[Picture, ...]


@dataclass(frozen=True)
class Gallery:
    """Pictures generated for several users with one query; ``synthetic`` if the corpus is generated."""

    synthetic: bool
    query: str
    command: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Whisker:
    """A value and its interval, in percent of the range of the column's intervals."""

    low: float
    value: float
    high: float


@dataclass(frozen=True)
class Shown:
    """A table with its position on the page.

    Attributes:
        anchor: unique within the page.
        heading: title with the task or suite.
        begin: index of its first row's details among all details.
        whiskers: for each cell of each row; None without an interval.
        audit: anchor of the corpus's audit; empty without one.
    """

    table: Table
    anchor: str
    heading: str
    begin: int
    whiskers: list[list[Whisker | None]]
    audit: str


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
    shown = _shown([*tasks, *topics], audits)
    environment = Environment(
        loader=PackageLoader(__package__, "static"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style, script = _static("page.css"), _static("page.js")
    tables = [each.table for found in shown.values() for each in found]
    return environment.get_template("page.html.j2").render(
        tasks=tasks,
        topics=topics,
        shown=shown,
        audits=_audits(audits),
        audit_columns=_AUDIT_COLUMNS,
        cuts=CUTS,
        galleries=galleries(board.home, {each.corpus_id for each in board.results if each.corpus.synthetic}),
        data=_data([each for found in shown.values() for each in found]),
        choices={
            "task": [page.name for page in tasks],
            **{
                name: list(dict.fromkeys(getattr(table, name) for table in tables if getattr(table, name)))
                for name in ("corpus", "protocol", "split")
            },
            "reads": sorted({reads for table in tables for row in table.rows for reads in row.reads}),
        },
        marks=MARKS,
        style=Markup(style),  # noqa: S704 - both are files of this package
        script=Markup(script),  # noqa: S704
        policy=f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'",
        words=_words,
        key=_key,
        data_uri=data_uri,
    )


def _static(name: str) -> str:
    return resources.files(__package__).joinpath("static", name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}"


def _shown(pages: Iterable[Page], audits: Sequence[CorpusAudit]) -> dict[str, list[Shown]]:
    """The tables by page. Titles repeat for two builds of one corpus: later anchors get a number."""
    numbers = {audit.fingerprint: f"audit-{number}" for number, audit in enumerate(audits, 1)}
    seen: Counter[str] = Counter()
    begin = 0
    found: dict[str, list[Shown]] = {}
    for page in pages:
        found[page.name] = []
        for table in page.tables:
            name = f"{page.name}-{anchor(table.title)}"
            seen[name] += 1
            name += f"-{seen[name]}" if seen[name] > 1 else ""
            heading = f"{page.name if table.ranked else page.title}, {table.title}"
            audit = numbers.get(table.fingerprint, "")
            found[page.name].append(Shown(table, name, heading, begin, whiskers(table), audit))
            begin += len(table.filled)
    return found


def whiskers(table: Table) -> list[list[Whisker | None]]:
    """The intervals of each row, on one scale per column.

    Upper bounds are excluded from the scale, as they are far from all other rows.
    """
    spans: dict[int, tuple[float, float]] = {}
    for at in range(len(table.columns)):
        intervals = [row.cells[at].interval for row in table.rows if row.mark != "ceiling"]
        known = [each for each in intervals if each is not None]
        if known:
            spans[at] = min(low for low, _ in known), max(high for _, high in known)
    return [[_whisker(cell, spans.get(at)) for at, cell in enumerate(row.cells)] for row in table.rows]


def _whisker(cell: Cell, span: tuple[float, float] | None) -> Whisker | None:
    if cell.interval is None or cell.value is None or span is None:
        return None
    (least, most), (low, high) = span, cell.interval
    if low < least or high > most:
        return None
    width = most - least or 1.0
    return Whisker(*(round(100 * (end - least) / width, 1) for end in (low, cell.value, high)))


def _words(row: Row, table: Table) -> str:
    """Text after the name of a row: changed settings, number of seeds, mark of a warning."""
    rest = row.label.removeprefix(row.name).strip()
    parts = [rest[1:-1] if rest.startswith("(") and rest.endswith(")") else rest] if rest else []
    parts += [f"{row.seeds} seeds"] if table.ranked and row.seeds > 1 else []
    return " ".join([", ".join(parts), *([DEGENERATE] if row.warnings else [])]).strip()


def _key(cell: Cell) -> str:
    """The sort key of a cell; empty if it is the text."""
    key = "" if cell.value is None else f"{cell.value:.10g}"
    return "" if key == cell.text and cell.interval is None else key


def _data(tables: Sequence[Shown]) -> dict[str, Any]:
    """The details of all rows as JSON; a run in several tables is stored once."""
    runs: dict[str, dict[str, Any]] = {}
    details: list[dict[str, Any]] = []
    sheets = []
    for number, each in enumerate(tables):
        table, slices = each.table, each.table.slices
        sides = slices.sides if slices else []
        parts = [{"name": side.name, "examples": side.examples, "about": about} for side, about in sides]
        sheets.append({"title": each.heading, "main": table.main, "parts": parts})
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
    return {"sheets": sheets, "details": details, "runs": runs}


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


def galleries(folder: Path, synthetic: Container[str]) -> tuple[Gallery, ...]:
    """The galleries of ``unimp-bench draw`` below a leaderboards folder, by name.

    Args:
        synthetic: fingerprints of generated corpora.

    Raises:
        DataError: one is damaged.
    """
    return tuple(_gallery(path, synthetic) for path in sorted(folder.glob(f"*_gallery/{RECORD_NAME}")))


def _gallery(path: Path, synthetic: Container[str]) -> Gallery:
    try:
        record = Record.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise DataError(f"{path} is not a gallery ({error.errors()[0]['msg']}); draw it again") from None
    found = [match for match in map(_FILE.fullmatch, record.files) if match]
    return Gallery(
        synthetic=record.fingerprint in synthetic,
        query=record.query,
        command=record.command,
        panels=tuple(
            Panel(
                user,
                history=_pictures(path.parent, [each for each in found if _is(each, number, history=True)]),
                outcome=_pictures(path.parent, [each for each in found if _is(each, number, history=False)]),
            )
            for number, user in enumerate(record.users, start=1)
        ),
    )


def _is(match: re.Match[str], user: int, *, history: bool) -> bool:
    return int(match[1]) == user and (match[2] == "history") is history


def _pictures(folder: Path, found: list[re.Match[str]]) -> tuple[Picture, ...]:
    return tuple(Picture(_LABELS[each[2]].format(number=each[3]), _data_uri(folder / each[0])) for each in found)


def _data_uri(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} belongs to a gallery and cannot be read ({error.strerror}); draw it again") from None
    if not content.startswith(_PNG):
        raise DataError(f"{path} is not a PNG; draw the gallery again")
    return f"data:image/png;base64,{base64.b64encode(content).decode('ascii')}"
