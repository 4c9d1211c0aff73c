"""What the standard says of a whole section: its best rows, missing baselines, and whether its queries discriminate."""

from __future__ import annotations

from unimp_bench.reports.rows.labels import shown_labels
from unimp_bench.reports.rows.sections import Section
from unimp_bench.reports.rows.standard import FLOORS, MIN_EXAMPLES, ONE_QUERY


def tested_by_time(section: Section) -> Section | None:
    """The section of the global temporal split; None without a result of a best row, as nothing contradicts it then."""
    by_time = section.global_time
    if by_time is None or {row.label for row in section.best}.isdisjoint(row.label for row in by_time.filled):
        return None
    return by_time


def confirmed(section: Section) -> tuple[str, ...]:
    """The best rows as tables show them; of a leave-one-out section with clock times those that are best by a global
    temporal split too, where that has any of them and names a best row."""
    rows, by_time = section.best, tested_by_time(section)
    if by_time is not None and by_time.best:
        also = {row.label for row in by_time.best}
        rows = tuple(row for row in rows if row.label in also)
    shown = shown_rows(section)
    return tuple(shown[row.label] for row in rows)


def verdict(section: Section) -> str:
    """Which rows are best, or why none is, in words."""
    if section.units < MIN_EXAMPLES:
        return f"none: {section.units:,} examples, fewer than {MIN_EXAMPLES}"
    if not section.best:
        return "none: too few seeds of the first row" if any(row.place for row in section.rows) else "none"
    first, rows = section.best[0].label, confirmed(section)
    leader = shown_rows(section)[first]
    if not rows:
        return f"none: another order by a global temporal split (here {leader})"
    words = rows[0] + (f" (= {', '.join(rows[1:])})" if rows[1:] else "")
    if leader != rows[0]:
        by_time = tested_by_time(section)
        has_run = by_time is not None and any(row.label == first for row in by_time.filled)
        words += f"; {leader} is first here, {'not by' if has_run else 'without a result of'} a global temporal split"
    return f"{words}; unconfirmed by time" if _is_unconfirmed(section) else words


def _is_unconfirmed(section: Section) -> bool:
    """Whether a global temporal split could confirm the best rows, and has no result or no best row."""
    if section.split != "loo" or not section.corpus.has_clock:
        return False
    by_time = tested_by_time(section)
    return by_time is None or not by_time.best


def agrees(section: Section) -> bool | None:
    """Whether a row is best by leave-one-out and by a global temporal split; None where either names no best, and where
    no best row has a result of both."""
    by_time = tested_by_time(section)
    if by_time is None or not section.best or not by_time.best:
        return None
    return bool(confirmed(section))


def best_labels(section: Section) -> tuple[str, ...]:
    """The best rows of a section by itself, as tables show them."""
    shown = shown_rows(section)
    return tuple(shown[row.label] for row in section.best)


def missing_floors(section: Section) -> tuple[str, ...]:
    """The models of ``FLOORS`` without a present result in a section that wants them."""
    if section.options or section.split in ("new-user", "new-domain"):  # not every floor serves these
        return ()
    present = {row.results[0].model.name for row in section.filled if "earlier version" not in row.flags}
    return tuple(name for name in FLOORS.get(section.task, ()) if name not in present)


def has_one_query(section: Section) -> bool:
    """Whether one query makes up so much of a search section that it ranks items rather than answers queries."""
    queries = section.queries
    return section.task == "search" and queries is not None and queries.commonest > ONE_QUERY


def queries_words(section: Section) -> str:
    """The queries of a section; empty for tasks without queries."""
    queries = section.queries
    if queries is None:
        return ""
    fitting = "" if queries.items is None else f"; a query fits {queries.items:,.0f} items (median)"
    frequent = f"the most frequent one in {queries.commonest:.1%} of the examples"
    return f"{queries.distinct:,} distinct queries, {frequent}{fitting}"


def shown_rows(section: Section) -> dict[str, str]:
    """The label of each row as the table shows it, by its own label; rows of suites keep theirs."""
    if section.suite is not None:
        return {row.label: row.label for row in section.rows}
    return {row.label: row.label for row in section.empty} | shown_labels(
        {row.label: row.results[0] for row in section.filled}
    )
