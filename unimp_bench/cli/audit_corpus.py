"""``unimp-bench audit corpus``: how far a corpus can be solved by shortcuts."""

from __future__ import annotations

import click

from unimp_bench.cli.corpora import corpus_folder
from unimp_bench.paths import Workspace


@click.command("corpus")
@click.argument("corpus", default="sample")
@click.option("--publish", is_flag=True, help="Also copy the audit into leaderboards/, whose pages then tell of it.")
def command(corpus: str, publish: bool) -> None:
    """Measure the shortcuts of CORPUS (its name in data/, or a path), and write audit.json and audit.md beside it."""
    workspace = Workspace.here()
    folder = corpus_folder(corpus, workspace)

    from unimp_bench.audit.corpus.measure import audit_corpus
    from unimp_bench.audit.corpus.page import audit_page, percent
    from unimp_bench.audit.corpus.record import AUDIT_NAME, PAGE_NAME, published_path
    from unimp_bench.corpus import Corpus
    from unimp_bench.files import write_atomically

    audit = audit_corpus(Corpus.open(folder))
    paths = [folder / AUDIT_NAME]
    if publish:
        paths.append(published_path(workspace.leaderboards, audit.name))
    for each in audit.splits:
        direct = each.transitions.direct
        click.echo(
            f"split {each.split}: {percent(direct.share)} of {each.examples:,} targets are one transition away "
            f"(items drawn as in training: {percent(direct.random_interaction)}), {percent(each.tied)} tied in time"
        )
    write_atomically(folder / PAGE_NAME, audit_page(audit))
    click.echo(f"wrote {folder / PAGE_NAME}")
    for path in paths:
        audit.write(path)
        click.echo(f"wrote {path}")
