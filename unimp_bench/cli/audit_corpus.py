"""``unimp-bench audit corpus``: how far a corpus can be solved by shortcuts."""

from __future__ import annotations

import click

from unimp_bench.cli.corpora import corpus_folder
from unimp_bench.files import Workspace


@click.command("corpus")
@click.argument("corpus", default="sample")
@click.option("--publish", is_flag=True, help="Also copy the audit into leaderboards/, and write its pages.")
def command(corpus: str, publish: bool) -> None:
    """Measure the shortcuts of CORPUS (its name in data/, or a path), and write audit.json and audit.md beside it."""
    workspace = Workspace.here()
    folder = corpus_folder(corpus, workspace)

    from unimp_bench.corpus import Corpus
    from unimp_bench.files import write_atomically
    from unimp_bench.reports.audit.corpus.measure import audit_corpus
    from unimp_bench.reports.audit.corpus.page import audit_page, file_order_words, percent
    from unimp_bench.reports.audit.corpus.record import AUDIT_NAME, PAGE_NAME, published_path
    from unimp_bench.reports.write import write_all

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
            f"order: {percent(audit.order.ascending)} of the neighbours ascend by item id, "
            f"{percent(audit.order.expected)} expected; of {audit.order.frequent:,} frequent pairs "
            f"{percent(audit.order.one_way)} only go one way, {percent(audit.order.by_chance)} by chance"
        )
    if words := file_order_words(audit.order):
        click.echo(f"the order is that of a file: {words}")
    write_atomically(folder / PAGE_NAME, audit_page(audit))
    audit.write(folder / AUDIT_NAME)
    written = [folder / PAGE_NAME, folder / AUDIT_NAME]
    if publish:
        audit.write(published)
        written += [published, *write_all(workspace.leaderboards)]
    for path in written:
        click.echo(f"wrote {path}")
