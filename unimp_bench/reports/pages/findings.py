"""What the published tables say, in sentences: computed from the tables of real data, never written by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from unimp_bench.reports.pages.brief import Board
from unimp_bench.reports.tables.table import Row, Table

ANCHOR = "-s3rec"
"""Ending of the names of corpora in the file order of the papers."""

_MIN_ROWS = 3
"""Rows for which a rank correlation says something."""


def is_rule(row: Row) -> bool:
    """Whether a row was made here without gradient steps; of predictions from outside nobody knows."""
    return row.steps is None and row.details is not None and all(run.costs for run in row.details.runs)


def simple_rule(table: Table) -> Row | None:
    """The first row of a table that was made without gradient steps."""
    return next((row for row in table.rows if row.place is not None and is_rule(row)), None)


def findings(boards: Sequence[Board]) -> list[str]:
    """Sentences on the boards of real corpora, without those for which there are no results."""
    real = [board for board in boards if not board.main.generated]
    found = (_rules(real), _by_time(real), _file_order(real), _constants(real))
    return [sentence for sentences in found for sentence in sentences]


def _rules(boards: Sequence[Board]) -> Iterator[str]:
    """On how many tables a rule is among the best."""
    named = [board.main for board in boards if board.main.best and not board.corpus.endswith(ANCHOR)]
    if not named:
        return
    by_rule = [table for table in named if any(is_rule(row) for row in table.best)]
    only = [table for table in by_rule if all(is_rule(row) for row in table.best)]
    trained = [table for table in named if any(not is_rule(row) for row in table.filled)]
    yield (
        f"Untrained rules are among the best on {len(by_rule)} of {len(named)} tables, alone on {len(only)}; only "
        f"{len(trained)} have a trained row at all."
    )


def _by_time(boards: Sequence[Board]) -> Iterator[str]:
    """Whether the order of rows survives a global temporal split."""
    compared = [board.main for board in boards if board.main.agrees is not None]
    if not compared:
        return
    kept = [table for table in compared if table.agrees]
    taus = [tau for table in compared if (tau := _tau(table)) is not None]
    order = f"; Kendall's τ of the two orders of rows: {min(taus):+.2f} to {max(taus):+.2f}" if taus else ""
    yield (
        f"A best row stays best by a global temporal split on {len(kept)} of the {len(compared)} tables that have a "
        f"best row by both{order}."
    )


def _tau(table: Table) -> float | None:
    """Kendall's tau between the main metric under both splits."""
    from scipy.stats import kendalltau

    pairs = [
        (row.details.metrics[table.main].value, cell.value)
        for row in table.filled
        if row.place is not None and row.details is not None
        if (cell := table.cell(row, "Global time")).value is not None
    ]
    if len(pairs) < _MIN_ROWS:
        return None
    return float(kendalltau(*zip(*pairs, strict=True)).statistic)


def _file_order(boards: Sequence[Board]) -> Iterator[str]:
    """The lead of the first rule in the papers' order of simultaneous interactions, in hashed order, and by time."""
    known = {(board.page.name, board.corpus): board for board in boards}
    said: dict[str, list[str]] = {}
    for board in boards:
        other = known.get((board.page.name, board.corpus.removesuffix(ANCHOR)))
        if not board.corpus.endswith(ANCHOR) or other is None:
            continue
        ranked = [row for row in board.main.rows if row.place is not None and is_rule(row)]
        if len(ranked) < 2:
            continue
        first, second = ranked[0].label, ranked[1].label
        by_time = [table for table in other.brief if table.split == "global-time" and not table.options]
        leads = [_lead(table, first, second) for table in (board.main, other.main, *by_time[:1])]
        if len(leads) == 3 and None not in leads:
            values = ", ".join(f"{lead:+.4f}" for lead in leads)
            said.setdefault(f"{board.main.main} of {first} minus {second}", []).append(f"{other.corpus} {values}")
    for what, parts in said.items():
        yield f"{what} in the papers' file order, with hashed ties, by time: {'; '.join(parts)}."


def _lead(table: Table, first: str, second: str) -> float | None:
    """How far one row leads another in a table."""
    values = {row.label: row.details.metrics.get(table.main) for row in table.filled if row.details}
    one, two = values.get(first), values.get(second)
    return None if one is None or two is None else one.value - two.value


def _constants(boards: Sequence[Board]) -> Iterator[str]:
    """How constant ratings compare with the best row."""
    tables = [board.main for board in boards if board.page.name == "preference" and board.main.first_row]
    if not tables:
        return
    ahead = [table.corpus for table in tables if _constant_leads(table, "MAE")]
    behind = [table.corpus for table in tables if not _constant_leads(table, table.main)]
    names = f" ({', '.join(ahead)})" if ahead else ""
    yield (
        f"Ratings: the first model beats every constant by RMSE on {len(behind)} of {len(tables)} corpora; by MAE a "
        f"constant leads on {len(ahead)}{names}."
    )


def _constant_leads(table: Table, metric: str) -> bool:
    """Whether a constant rating has the lowest error."""
    values = {
        row.label: (row.details.metrics[metric].value, _is_constant(row))
        for row in table.filled
        if row.details and row.place is not None and metric in row.details.metrics
    }
    return bool(values) and min(values.values())[1]


def _is_constant(row: Row) -> bool:
    return "constant" in row.flags or not row.reads


def seeds_and_coverage(boards: Sequence[Board]) -> str:
    """Filled and empty rows of the main tables, and how many trained rows have enough seeds."""
    tables = [board.main for board in boards if not board.main.generated and not board.corpus.endswith(ANCHOR)]
    rows = [row for table in tables for row in table.rows if row.mark != "ceiling"]
    filled = [row for row in rows if row.details]
    trained = [row for row in filled if row.seeded]
    enough = [row for row in trained if "few seeds" not in row.flags]
    return (
        f"{len(filled)} of {len(rows)} rows of the main tables have results; {len(enough)} of {len(trained)} rows with "
        "random choices have three seeds."
    )
