"""``unimp-bench audit``: shortcuts and leakage of a corpus, consistency of a printed table."""

from __future__ import annotations

from pathlib import Path

import click

from unimp_bench.cli import Group
from unimp_bench.cli.common import corpus_folder
from unimp_bench.errors import BenchError, DataError
from unimp_bench.files import Workspace


@click.group("audit", cls=Group)
def command() -> None:
    """Measure shortcuts and leakage in a corpus, or test the consistency of a printed table."""


@command.command("corpus")
@click.argument("corpus", default="sample")
@click.option("--publish", is_flag=True, help="Also copy the audit into leaderboards/ and write the pages.")
def audit_corpus_command(corpus: str, publish: bool) -> None:
    """Measure shortcuts and leakage in CORPUS (a name in data/, or a path); write audit.json and audit.md into it."""
    workspace = Workspace.here()
    folder = corpus_folder(corpus, workspace)

    from unimp_bench.corpus import Corpus
    from unimp_bench.files import write_atomically
    from unimp_bench.reports.audit.corpus.measure import audit_corpus
    from unimp_bench.reports.audit.corpus.page import audit_page, file_order_words, percent
    from unimp_bench.reports.audit.corpus.record import AUDIT_NAME, PAGE_NAME, published_path
    from unimp_bench.reports.pages.write import write_all

    audit = audit_corpus(Corpus.open(folder))
    published = published_path(workspace.leaderboards, audit.name)
    for each in audit.splits:
        direct = each.transitions.direct
        tied = "" if each.tied is None else f"; {percent(each.tied)} are tied in time"
        click.echo(
            f"split {each.split}: {percent(direct.share)} of {each.examples:,} targets are one transition away, "
            f"{percent(direct.random_interaction)} by chance{tied}"
        )
    if audit.order is not None:
        click.echo(
            f"order: {percent(audit.order.ascending)} of neighbouring pairs ascend by item id, "
            f"{percent(audit.order.expected)} expected; of {audit.order.frequent:,} frequent pairs "
            f"{percent(audit.order.one_way)} are one-way, {percent(audit.order.by_chance)} by chance"
        )
    if words := file_order_words(audit.order):
        click.echo(f"file-order artefact: {words}")
    write_atomically(folder / PAGE_NAME, audit_page(audit))
    audit.write(folder / AUDIT_NAME)
    written = [folder / PAGE_NAME, folder / AUDIT_NAME]
    if publish:
        audit.write(published)
        written += [published, *write_all(workspace.leaderboards)]
    for path in written:
        click.echo(f"wrote {path}")


@command.command("table")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--examples", type=click.IntRange(1), help="Number of examples N: also require HR to be a multiple of 1/N."
)
@click.option("--percent", is_flag=True, help="The numbers are in percent.")
def audit_table_command(files: tuple[Path, ...], examples: int | None, percent: bool) -> None:
    """Test whether HR, NDCG and MRR of each row of FILE are consistent at the printed precision.

    FILE is a CSV with a header such as system,HR@5,NDCG@5,MRR@5, Markdown with such tables, or a table of
    leaderboards/reported. Exits with 1 if a row is not consistent, with 3 if a file has nothing to test.
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
        raise DataError(f"{', '.join(empty)}: nothing to test; columns must have names such as HR@5, NDCG@5 or MRR@5")
    wrong = sum(len(audit.inconsistent) for audit in audits)
    if wrong:
        raise BenchError(f"{wrong} of {sum(len(audit.rows) for audit in audits)} rows are not consistent")
