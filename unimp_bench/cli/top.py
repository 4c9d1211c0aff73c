"""``unimp-bench top``: what a model recommends to one user."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from unimp_bench import registry
from unimp_bench.cli.common import (
    chosen_split,
    corpus_folder,
    corpus_option,
    device_option,
    features_named,
    features_option,
    pairs,
    printable,
    protocol_of,
    protocol_option,
    split_option,
)
from unimp_bench.errors import find
from unimp_bench.files import Workspace, write_atomically
from unimp_bench.records import Protocol, Split

if TYPE_CHECKING:
    from unimp_bench.runs.personal import Recommended, ShownItem

_HISTORY = 10


@click.command("top")
@click.argument("user")
@click.option("--model", required=True, help="Model; see 'unimp-bench list models'.")
@click.option("--task", default="recommendation", show_default=True, help="recommendation or search.")
@corpus_option
@split_option
@protocol_option
@click.option("-n", "--count", type=click.IntRange(1, 1000), default=10, show_default=True, help="Length of the list.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Seed of the fit.")
@click.option("--preset", help="Named configuration of the model (default: its first), or 'tuned'.")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Override a setting of the model; repeatable."
)
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Also write it as an HTML page.")
@features_option
@device_option
def command(
    user: str,
    model: str,
    task: str,
    corpus: str,
    split: Split | None,
    protocol: Protocol | None,
    count: int,
    seed: int,
    preset: str | None,
    settings: tuple[str, ...],
    html: Path | None,
    features: tuple[str, ...],
) -> None:
    """Show what MODEL recommends to USER, a test user: history, list with scores, and the rank of the target.

    A fit of the same settings is used if there is one; otherwise the model is fitted.

    \b
    Examples:
      unimp-bench top A3OHGWD8LIDZ8K --model ease --corpus gift_cards
      unimp-bench top 414 --model ease --corpus movielens --html top.html
    """
    find(registry.task_cards(), task, "task")
    registry.model_card(model)
    chosen, workspace = pairs("--set", settings), Workspace.here()
    folder = corpus_folder(corpus, workspace)

    from unimp_bench.runs.personal import recommended
    from unimp_bench.runs.runner import RunRequest

    request = RunRequest(
        task=task,
        model=model,
        corpus=folder,
        split=chosen_split(split, folder),
        protocol=protocol_of(task, protocol),
        seed=seed,
        preset=preset,
        settings=chosen,
        features=features_named(features),
    )
    answers = recommended(request, user, count, workspace)
    for each in answers:
        _echo(each)
    if html is not None:
        from unimp_bench.interchange.personal_page import personal_page

        heading = f"{model}, {task} on {folder.name}: user {user}"
        write_atomically(html, personal_page(heading, answers))
        click.echo(f"wrote {html}")


def _echo(found: Recommended) -> None:
    hidden = len(found.history) - _HISTORY
    click.echo(f"history, {len(found.history)} items" + (f", the last {_HISTORY}" if hidden > 0 else ""))
    for item in found.history[-_HISTORY:]:
        click.echo(f"        {_words(item)}")
    if found.query:
        click.echo(f"query   {printable(found.query)}")
    click.echo("recommended")
    for place, item in enumerate(found.items, 1):
        mark = " <- target" if item.name == found.target.name else " (in the history)" if item.seen else ""
        click.echo(f"  {place:4d}  {item.score:.4g}  {_words(item)}{mark}")
    seen = ", in the history" if found.target.seen else ""
    click.echo(f"target  rank {found.rank:,} of {found.of:,}{seen}: {_words(found.target)}")


def _words(item: ShownItem) -> str:
    return "  ".join(printable(part) for part in (item.name, item.title, item.picture) if part)
