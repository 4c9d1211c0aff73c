"""``unimp-bench audit table``: whether a printed row can come from one set of target ranks."""

from __future__ import annotations

from pathlib import Path

import click

from unimp_bench.errors import BenchError, DataError


@click.command("table")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--examples", type=click.IntRange(1), help="Over how many: HR must then be a multiple of one over it.")
@click.option("--percent", is_flag=True, help="The numbers are in percent.")
def command(files: tuple[Path, ...], examples: int | None, percent: bool) -> None:
    """Test whether HR, NDCG and MRR of each row of FILE agree at the digits that are printed.

    FILE is a CSV with a header such as system,HR@5,NDCG@5,MRR@5, Markdown with such tables, or a table of
    leaderboards/reported. Ends with 1 where a row is not consistent, with 3 where a file has nothing to test.
    """
    from unimp_bench.reports.audit.table.reading import read_table
    from unimp_bench.reports.audit.table.report import TableAudit, lines_of

    audits: list[TableAudit] = []
    errors: list[DataError] = []
    for path in files:
        try:
            audits.append(TableAudit.of(read_table(path, percent), examples))
        except DataError as error:
            errors.append(error)
        else:
            click.echo("\n".join(lines_of(audits[-1])))
    if errors:
        *earlier, last = errors
        for each in earlier:
            click.echo(f"error: {each}", err=True)
        raise last
    empty = [audit.table.title for audit in audits if not audit.rows]
    if empty:
        raise DataError(f"{', '.join(empty)}: nothing to test; name columns as in HR@5, NDCG@5 or MRR@5")
    wrong = sum(len(audit.inconsistent) for audit in audits)
    if wrong:
        raise BenchError(f"{wrong} of {sum(len(audit.rows) for audit in audits)} rows are not consistent")
