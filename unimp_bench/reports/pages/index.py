"""The index of the leaderboards: real data on one screen, then what lies on other pages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from unimp_bench.markdown import table_head, table_row
from unimp_bench.records import MAIN_SPLITS
from unimp_bench.reports.audit.corpus.cuts import CUTS
from unimp_bench.reports.audit.corpus.record import CorpusAudit
from unimp_bench.reports.pages.brief import (
    GENERATED,
    STANDING,
    STANDING_LEGEND,
    Board,
    audit_file,
    fit,
    standing,
    unbroken,
)
from unimp_bench.reports.pages.coverage import COVERAGE
from unimp_bench.reports.pages.findings import ANCHOR, findings, is_rule, seeds_and_coverage, simple_rule
from unimp_bench.reports.pages.matrix import matrix_of
from unimp_bench.reports.pages.survey import SURVEY
from unimp_bench.reports.store import Withdrawal
from unimp_bench.reports.tables.table import Page, Row, Table

WITHDRAWN, CORPORA = "withdrawn.md", "corpora.md"
GENERATED_PAGE, SYSTEMS = "generated.md", "systems.md"

INDEXED = ("transition", "file_order", "tied", "copy", "cold_user", "cold_item")
"""The cuts in the list of corpora."""
INDEXED_TASK = "recommendation"

HEADS = ("Task: corpus", "n", *STANDING, "Next", "Trained", "Fit", "Flags")
_LEGEND = (
    f"{STANDING_LEGEND} Next: the first row after these. Trained: number of trained rows. Fit, flags: of the first."
)


def index_markdown(
    boards: Sequence[Board], topics: Sequence[Page], printed: str, links: Sequence[str], published: bool
) -> str:
    """The index.

    Args:
        boards: of all tasks.
        topics: pages of suites, with or without tables.
        printed: the headline of the audits of printed tables; empty without any.
        links: further pages, as Markdown.
        published: whether rows are published results; else they are runs of a workspace, of any corpus.
    """
    shown = indexed(boards, published)
    lines = [GENERATED, "# Leaderboards", ""]
    if published:
        lines += [
            f"Real data. Main metrics: {_metrics(shown)}. {_LEGEND} "
            "[How to read a table](../docs/getting_started.md#reading-a-table) · "
            "[questions and terms](../docs/faq.md) · [evaluation standard](../docs/standard.md)",
            "",
        ]
    else:
        lines += ["Tables of the runs in this workspace, published or not.", ""]
    lines += table_head(HEADS)
    for number, board in enumerate(shown):
        begins = not number or shown[number - 1].page.name != board.page.name
        task = f"**[{board.page.name.replace('_', ' ')}]({board.page.name}.md)**: " if begins else ""
        corpus, *cells = _line(board)
        lines.append(table_row((task + corpus, *cells)))
    found = findings(boards) if published else []
    found += [sentence for page in topics for sentence in page.findings] if published else []
    found += [printed] if printed else []
    if found:
        lines += ["", "## What we found", "", *(f"* {sentence}" for sentence in found)]
    pages = [f"[{page.name}]({page.name}.md)" for page in topics if page.tables]
    pages += [f"[place of each system]({SYSTEMS})"] if shown else []
    pages += [f"[the survey, measured]({SURVEY})"] if boards else []
    lines += ["", "## More", ""]
    if published:
        lines.append(f"* {seeds_and_coverage(boards)} [Coverage]({COVERAGE}).")
    lines += [f"* Hardware: {_machines(boards)}."] if published and boards else []
    pages += links
    return "\n".join([*lines, *([f"* Pages: {' · '.join(pages)}"] if pages else [])]) + "\n"


def indexed(boards: Sequence[Board], published: bool) -> list[Board]:
    """The boards that the index shows: of published ones those of real data, one build of each corpus."""
    return [board for board in boards if not published or not (board.main.generated or _is_anchor(board, boards))]


def _metrics(boards: Sequence[Board]) -> str:
    """The main metric of each task, tasks of one metric together."""
    tasks: dict[str, dict[str, None]] = {}
    for board in boards:
        tasks.setdefault(board.main.main, {})[board.page.name.replace("_", " ")] = None
    return ", ".join(f"{metric} ({', '.join(names)})" for metric, names in tasks.items())


def _is_anchor(board: Board, boards: Sequence[Board]) -> bool:
    """Whether a corpus is another one in the file order of the papers."""
    known = {each.corpus for each in boards}
    return board.corpus.endswith(ANCHOR) and board.corpus.removesuffix(ANCHOR) in known


def _line(board: Board) -> tuple[str, ...]:
    table = board.main
    first = table.first_row
    return (
        f"[{board.corpus}]({board.stem}.md)",
        f"{table.units:,}",
        *standing(table),
        _next(table),
        str(sum(not is_rule(row) for row in table.filled)),
        "" if first is None else unbroken(fit(first, table)),
        ", ".join(_flags(table, first)),
    )


def _next(table: Table) -> str:
    """The first ranked row that is not among the best, and the first untrained one if that is another."""
    row = next((row for row in table.rows if row.place is not None and row not in table.best), None)
    if row is None or not table.best:
        return ""
    rule = simple_rule(table)
    also = f"; rule: {_named(rule, table)}" if rule is not None and rule is not row and rule not in table.best else ""
    return _named(row, table) + also


def _named(row: Row, table: Table) -> str:
    assert row.details is not None
    few = " (few seeds)" if "few seeds" in row.flags else ""
    return f"{row.label} {row.details.metrics[table.main].value:.4f}{few}"


def _flags(table: Table, first: Row | None) -> list[str]:
    flags = ["file order"] if table.order else []
    flags += [flag for flag in (first.flags if first else ()) if flag in ("budget", "constant")]
    return flags + (["incomplete"] if table.lacks else [])


def systems_markdown(boards: Sequence[Board]) -> str:
    """The place of each system by task and corpus, in the order of ``matrix_of``."""
    codes = _codes(board.corpus for board in boards)
    pages = {board.page.name: board.page for board in boards}
    wanted = {(board.page.name, board.main.corpus) for board in boards}
    matrix = matrix_of(pages.values())
    legend = ", ".join(f"{code} {corpus}" for corpus, code in codes.items())
    lines = [GENERATED, "# Place of each system", ""]
    lines += [f"Place by the main metric on each corpus ({legend}); *=*: not different from the first.", ""]
    lines += table_head(("System", *(task.replace("_", " ") for task in pages)))
    for name, rows in matrix.lines:
        cells: dict[str, list[str]] = {task: [] for task in pages}
        for head, row in zip(matrix.heads, rows, strict=True):
            if row is not None and (head.table.task, head.table.corpus) in wanted:
                mark = "=" if row.mark == "tied" else ""
                cells[head.table.task].append(f"{codes[head.table.corpus]}{row.place}{mark}")
        if any(cells.values()):
            lines.append(table_row((name, *map(" ".join, cells.values()))))
    return "\n".join(lines) + "\n"


def _codes(corpora: Iterable[str]) -> dict[str, str]:
    """Two letters for each corpus, its name where those are taken; initials of names of several words."""
    codes: dict[str, str] = {}
    for corpus in sorted(set(corpora)):
        words = corpus.replace("-", "_").split("_")
        code = "".join(word[:1] for word in words[:2]).upper() if len(words) > 1 else corpus[:2].capitalize()
        codes[corpus] = f"{corpus}:" if code in codes.values() else code
    return codes


def _machines(boards: Sequence[Board]) -> str:
    """The machines of all results and how many each gave, most first."""
    rows = (row for board in boards for table in board.tables for row in table.filled if row.details)
    counts = Counter(run.machine for row in rows if row.details for run in row.details.runs)
    return "; ".join(f"{machine} ({count:,} results)" for machine, count in counts.most_common())


def generated_markdown(boards: Sequence[Board]) -> str:
    """The index of the generated corpora."""
    lines = [GENERATED, "# Generated corpora", ""]
    lines += ["For tests and demonstrations: these numbers say nothing about real data.", ""]
    lines += table_head(("Task", "Corpus", "n", *STANDING[:2], "Upper bound"))
    for board in boards:
        table = board.main
        bound = next((row for row in table.rows if row.mark == "ceiling"), None)
        cells = (board.page.name.replace("_", " "), f"[{board.corpus}]({board.stem}.md)", f"{table.units:,}")
        upper = "" if bound is None else f"{table.main} {table.with_half(bound)}"
        lines.append(table_row((*cells, *standing(table)[:2], upper)))
    return "\n".join(lines) + "\n"


def corpora_markdown(audits: Sequence[CorpusAudit]) -> str:
    """The list of corpora, with shares of test examples on the first side of some cuts."""
    cuts = [cut for cut in CUTS if cut.name in INDEXED]
    lines = [GENERATED, "# Corpora", ""]
    lines += [
        "Source, terms, counts and shortcuts of each corpus. Shares of the test examples of "
        f"{INDEXED_TASK}, split {' or '.join(MAIN_SPLITS)}.",
        "",
        *table_head(("Corpus", "Test examples", *(cut.yes for cut in cuts))),
    ]
    names = [cut.name for cut in cuts]
    lines += [table_row((f"[{audit.name}]({audit_file(audit)})", *_shares(audit, names))) for audit in audits]
    return "\n".join(lines) + "\n"


def _shares(audit: CorpusAudit, cuts: Sequence[str]) -> list[str]:
    """Cells for the test examples of one task in the main split; empty if there are none."""
    found = next((each for each in audit.sets if INDEXED_TASK in each.tasks and each.split in MAIN_SPLITS), None)
    if found is None:
        return [""] * (1 + len(cuts))
    masks = [found.mask(cut) for cut in cuts]
    return [f"{found.examples:,}", *("" if mask is None else f"{mask.mean():.1%}" for mask in masks)]


def withdrawn_markdown(withdrawn: Sequence[Withdrawal]) -> str:
    """What was withdrawn, and why."""
    lines = [
        *(GENERATED, "# Withdrawn", ""),
        "Earlier results and conclusions that the [evaluation standard](../docs/standard.md) does not support. The "
        "files are in the history of the repository, last at the commit named.",
        "",
        *table_head(("Withdrawn", "Why", "Results", "Commit")),
    ]
    lines += [table_row((each.what, each.why, f"{each.results:,}", f"`{each.commit[:12]}`")) for each in withdrawn]
    return "\n".join(lines) + "\n"


def links_of(audits: bool, withdrawn: int, generated: bool, extra: Mapping[str, str]) -> list[str]:
    """Links of the index to other pages that exist; ``extra`` are descriptions by file."""
    links = [f"[corpora]({CORPORA})"] if audits else []
    links += [f"[generated sample]({GENERATED_PAGE})"] if generated else []
    links += [f"[{about}]({file})" for file, about in extra.items()]
    return links + ([f"[{withdrawn:,} withdrawn results]({WITHDRAWN})"] if withdrawn else [])
