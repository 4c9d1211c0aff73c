"""What the standard says of a whole section: its best rows, missing baselines, and whether its queries discriminate."""

from __future__ import annotations

from unimp_bench.reports.labels import shown_labels
from unimp_bench.reports.sections import Section
from unimp_bench.reports.standard import FLOORS, MIN_EXAMPLES, ONE_QUERY


def verdict(section: Section) -> str:
    """Which rows may be called best, or why none may."""
    if section.units < MIN_EXAMPLES:
        return f"none: {section.units:,} examples, fewer than {MIN_EXAMPLES}"
    if not section.best:
        return "none: too few seeds of the first row" if any(row.place for row in section.rows) else "none"
    first, *tied = best_labels(section)
    if agrees(section) is False:
        return f"none: another order by a global temporal split (here {first})"
    return first + (f" (= {', '.join(tied)})" if tied else "")


def best_labels(section: Section) -> tuple[str, ...]:
    """The best rows as the table shows them."""
    shown = shown_rows(section)
    return tuple(shown[row.label] for row in section.best)


def agrees(section: Section) -> bool | None:
    """Whether a row is best by leave-one-out and by a global temporal split; None where either names no best."""
    if section.global_time is None or not section.best or not section.global_time.best:
        return None
    return not {row.label for row in section.best}.isdisjoint(row.label for row in section.global_time.best)


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
