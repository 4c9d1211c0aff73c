"""What has no result: the campaign's cells, the rows of task suites by reason, suites without tables."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from unimp_bench import registry
from unimp_bench.corpus.views import View
from unimp_bench.markdown import table_head, table_row
from unimp_bench.records import MAIN_SPLITS, learned_from
from unimp_bench.reports.pages.brief import GENERATED, Board
from unimp_bench.reports.rows.labels import features_words
from unimp_bench.reports.rows.sections import NO_RESULT
from unimp_bench.reports.tables.table import Page, Row, Table
from unimp_bench.runs.campaign import CAMPAIGN, Block
from unimp_bench.runs.estimate import Wanted, estimate
from unimp_bench.runs.results import Result
from unimp_bench.runs.suite import SUBJECT, SuiteRow
from unimp_bench.runs.suites import SUITES

COVERAGE = "coverage.md"


@dataclass(frozen=True)
class Cell:
    """A row of a block on one task and corpus.

    Attributes:
        label: of the row.
        seeds: number of results; 0 for an open cell.
        enough: whether these are all that the block asks.
    """

    label: str
    task: str
    corpus: str
    seeds: int
    enough: bool


def campaign_cells(block: Block, boards: Sequence[Board], topics: Sequence[Page]) -> list[Cell]:
    """The cells of a block; without models of other tasks, and those that cannot run there, as their table says."""
    found = []
    for corpus in block.corpora:
        for task in block.asked:
            tables = list(_tables(block, task, corpus, boards, topics))
            for wanted in block.wanted:
                if task not in registry.model_card(wanted.model).tasks:
                    continue
                rows = [row for table in tables for row in table.rows if _is_of(row, wanted, block)]
                if any(row.details is None and row.reason != NO_RESULT for row in rows):
                    continue
                seeds = max((row.seeds for row in rows), default=0)
                enough = any(_enough(row, block) for row in rows)
                found.append(Cell(wanted.label, task, corpus, seeds, enough))
    return found


def _is_of(row: Row, wanted: SuiteRow, block: Block) -> bool:
    """Whether a row of a table is a suite's.

    Its name on the page of a task may end with the features that the block names; UniMP's is that of preset and size.
    """
    plain = wanted.model == SUBJECT and not (wanted.settings or wanted.fit_on or wanted.after or wanted.views)
    given = features_words(_given(wanted, block))
    names = (wanted.label, f"{wanted.label}, {given}" if given else wanted.label)
    return row.name in names or (plain and row.name.startswith(f"{wanted.label}-"))


def _given(row: SuiteRow, block: Block) -> Mapping[str, str]:
    """The stored features that a row reads, by modality: its own, else those of the block that its model can read."""
    readable = registry.model_card(row.model).features
    return row.features or {name: value for name, value in block.features if name in readable}


def _enough(row: Row, block: Block) -> bool:
    return row.details is not None and row.seeds >= (block.seeds if row.seeded else 1)


def _tables(block: Block, task: str, corpus: str, boards: Sequence[Board], topics: Sequence[Page]) -> Iterator[Table]:
    """The tables with a block's rows: the main one of a task, or that on a suite's page.

    A suite's page has a corpus from its first row of the compared model on. Rows of a suite with another split alone
    also stand in the task's table of that split.
    """
    split = SUITES[block.suite].split
    for board in boards:
        if (board.page.name, board.corpus) == (task, corpus):
            if block.suite == task:
                yield board.main
            elif split not in MAIN_SPLITS:
                yield from (table for table in board.brief if table.split == split and table.corpus == corpus)
    for page in topics:
        if page.name == block.suite:
            yield from (table for table in page.tables if (table.task, table.corpus) == (task, corpus))


def seconds_left(
    counted: Sequence[tuple[Block, Sequence[Cell]]], results: Sequence[Result]
) -> list[list[float | None]]:
    """Roughly the time of the missing runs of each block's cells, in order, on one core; None without a published cost.

    Published costs of the model on the corpus most like it, scaled by interactions, as in ``suite --dry-run``. Of cells
    that share a fit, such as those of views at test, the first one has its time.
    """
    sizes = {result.corpus.name: result.corpus.interactions for result in results}
    fitted: set[Hashable] = set()
    left: list[list[float | None]] = []
    for block, cells in counted:
        left.append([])
        for cell in (cell for cell in cells if not cell.enough):
            row = next(each for each in block.wanted if each.label == cell.label)
            wanted = Wanted(cell.task, row.model, row.preset, row.settings, _given(row, block))
            found = estimate(wanted, sizes[cell.corpus], results) if cell.corpus in sizes else None
            if found is None:
                left[-1].append(None)
                continue
            seconds = found.predict_seconds if (fit := _fit(block, cell, row)) in fitted else found.seconds
            fitted.add(fit)
            left[-1].append(seconds * (block.seeds - cell.seeds if registry.model_card(row.model).seeded else 1))
    return left


def _fit(block: Block, cell: Cell, row: SuiteRow) -> Hashable:
    """What tells the fit of a cell from others."""
    suite = SUITES[block.suite]
    own = (suite.preset, suite.steps) if suite.budgets(row) else ()
    tasks = row.fit_on or (cell.task,)
    seen = tuple(view for view in row.views if not View.parse(view).at_test)
    changed = tuple(tuple(sorted(each.items())) for each in (row.settings, row.tune, _given(row, block)))
    split = row.fit_split or learned_from(suite.split)
    return cell.corpus, row.model, row.preset, changed, tasks, row.after, split, seen, own


def coverage_markdown(
    boards: Sequence[Board], topics: Sequence[Page], results: Sequence[Result], campaign: Sequence[Block] = CAMPAIGN
) -> str:
    """The page of coverage."""
    lines = [GENERATED, "# Coverage", "", *_campaign(boards, topics, results, campaign)]
    lines += ["", "## Rows without results", ""]
    lines += ["Rows of the suite of each task that have no result in its main table, by reason."]
    for board in boards:
        lines += _board(board)
    lacking = [page for page in topics if not page.tables]
    if lacking:
        lines += ["", "## Suites without results", ""]
        lines += table_head(("Suite", "Table", "Comparison", "Command"))
        lines += [
            table_row((page.name, page.origin, page.about.removeprefix("Comparison: "), f"`{page.command}`"))
            for page in lacking
        ]
    return "\n".join(lines) + "\n"


def _campaign(
    boards: Sequence[Board], topics: Sequence[Page], results: Sequence[Result], campaign: Sequence[Block]
) -> Iterator[str]:
    """Counts of the blocks, then the open cells of each with a command."""
    counted = [(block, campaign_cells(block, boards, topics)) for block in campaign]
    cells = [cell for _, own in counted for cell in own]
    filled, enough = (sum(map(bool, each)) for each in ((c.seeds for c in cells), (c.enough for c in cells)))
    yield from ("## The campaign", "")
    yield (
        f"{enough:,} of {len(cells):,} planned cells (row, task and corpus) have all their seeds, {filled - enough:,} "
        f"have some, {len(cells) - filled:,} are open (`unimp_bench/runs/campaign.py`)."
    )
    left = seconds_left(counted, results)
    unknown = sum(found.count(None) for found in left)
    yield (
        f"The missing runs take roughly {_hours([each for found in left for each in found])} core hours, from the "
        "published costs of the same models, scaled by interactions; a single estimate may be several times too high "
        f"or too low. Not counted (≥): {unknown:,} cells of models without a published cost."
    )
    yield ""
    yield from table_head(("Question", "Suite", "Corpora", "Cells", "Complete", "Fewer seeds", "Open", "Core hours"))
    for (block, own), seconds in zip(counted, left, strict=True):
        done, some = sum(cell.enough for cell in own), sum(bool(cell.seeds) and not cell.enough for cell in own)
        numbers = (len(own), done, some, len(own) - done - some)
        corpora = ", ".join(block.corpora)
        yield table_row((block.question, block.suite, corpora, *map(str, numbers), _hours(seconds)))
    yield from ("", "Commands for what is open or has fewer seeds:", "", "```sh")
    for block, own in counted:
        for corpus in block.corpora:
            lacking = [cell for cell in own if cell.corpus == corpus and not cell.enough]
            if lacking:
                yield _command(block, corpus, lacking)
    yield "```"


def _hours(seconds: Sequence[float | None]) -> str:
    """Hours in words; empty without any, and a lower bound where some are unknown."""
    known = sum(each for each in seconds if each is not None) / 3600
    amount = f"{known:,.0f}" if known >= 10 else f"{known:.1f}"
    return f"{'≥ ' if None in seconds else ''}{amount}" if seconds else ""


def _command(block: Block, corpus: str, lacking: Sequence[Cell]) -> str:
    labels = dict.fromkeys(cell.label for cell in lacking)
    every = len(labels) == len(block.wanted) and not (block.rows or block.without)
    parts = [f"unimp-bench suite {block.suite} --corpus {corpus} --seeds {block.seeds} --unpublished"]
    parts += [f"--task {task}" for task in block.tasks]
    parts += [f"--features {modality}={name}" for modality, name in block.features]
    parts += [] if every else [f'--row "{label}"' for label in labels]
    return " ".join(parts)


def _board(board: Board) -> Iterator[str]:
    """The rows of a task's suite without results."""
    empty = [row for row in board.main.rows if not row.details]
    if not empty:
        return
    filled = len(board.main.filled)
    reasons: dict[str, list[str]] = {}
    for row in empty:
        reasons.setdefault(row.reason, []).append(row.label)
    link = f"[{board.page.name.replace('_', ' ')} on {board.corpus}]({board.stem}.md)"
    yield from ("", f"### {board.page.title} on {board.corpus}", "")
    yield f"{filled} of {filled + len(empty)} rows of {link} have results."
    yield from (f"* {reason}: {'; '.join(names)}" for reason, names in reasons.items())
