"""``unimp-bench export``: the examples of tasks as instruction datasets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from unimp_bench import registry
from unimp_bench.cli.common import corpus_folder, corpus_option, pairs, view_option
from unimp_bench.errors import find
from unimp_bench.files import Workspace
from unimp_bench.records import SPLITS, Split

if TYPE_CHECKING:
    from unimp_bench.interchange.dataset import Outcome

ALL = "all"


@click.command("export")
@click.option("--task", "tasks", multiple=True, required=True, help="A task, or 'all'; repeatable.")
@corpus_option
@click.option("--out", type=click.Path(path_type=Path), help="Parent folder of <corpus>/<task> (default: exports/).")
@click.option(
    "--split",
    "splits",
    multiple=True,
    type=click.Choice(SPLITS),
    help="Export this split only; repeatable (default: the splits of the paper, or public where the corpus has it).",
)
@view_option
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override an option of the task, with a single --task; repeatable.",
)
def command(
    tasks: tuple[str, ...],
    corpus: str,
    out: Path | None,
    splits: tuple[Split, ...],
    views: tuple[str, ...],
    options: tuple[str, ...],
) -> None:
    """Export the examples of TASK as Parquet files with a dataset card, items and pictures."""
    cards = registry.task_cards()
    for name in tasks:
        if name != ALL:
            find({**cards, ALL: None}, name, "task")
    chosen = tuple(cards) if ALL in tasks else tasks
    changed = pairs("--option", options)
    workspace = Workspace.here()
    folder = corpus_folder(corpus, workspace)

    from unimp_bench.interchange.dataset import ExportRequest, export_datasets

    request = ExportRequest(
        tasks=chosen,
        corpus=folder,
        out=workspace.root / "exports" if out is None else out,
        splits=splits,
        options=changed,
        views=views,
    )
    for outcome in export_datasets(request, workspace):
        _echo(outcome)


def _echo(outcome: Outcome) -> None:
    if outcome.export is None:
        click.echo(f"{outcome.task}: skipped: {outcome.reason}")
        return
    click.echo(f"{outcome.task}: {outcome.export.examples:,} examples in {outcome.folder}")
    for name, part in outcome.export.parts.items():
        click.echo(f"  {name.ljust(16)} {part.examples:>10,}")
    for name, reason in outcome.export.skipped.items():
        click.echo(f"  {name.ljust(16)}   skipped: {reason}")
