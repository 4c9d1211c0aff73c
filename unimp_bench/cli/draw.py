"""``unimp-bench draw``: generated pictures for users with the same query."""

from __future__ import annotations

from pathlib import Path

import click

from unimp_bench import registry
from unimp_bench.cli.common import corpus_folder, corpus_option, device_option, pairs, printable
from unimp_bench.contracts import Sampling
from unimp_bench.errors import UsageError, find
from unimp_bench.files import Workspace
from unimp_bench.reports.gallery import PAINTING, SEARCH


@click.command("draw")
@click.option("--query", required=True, help="A category path from the test examples, or any text with --user.")
@click.option(
    "--user", "users", multiple=True, help="User id, repeatable (default: the two least similar users with this query)."
)
@corpus_option
@click.option("--model", default="unimp", show_default=True, help="A model that serves search and image_generation.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Seed of the fit.")
@click.option("--preset", help="Named configuration of the model (default: its first).")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Override a setting of the model; repeatable."
)
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override an option of image_generation; repeatable.",
)
@click.option(
    "--fit-on",
    multiple=True,
    metavar="TASK",
    default=(SEARCH, PAINTING),
    show_default=True,
    help="Tasks of the model's fit; repeatable.",
)
@click.option(
    "--temperature",
    type=click.FloatRange(0, min_open=True),
    help="Sample codes at this temperature (default: most likely code).",
)
@click.option("--top-k", type=click.IntRange(1), help="Sample from the K most likely codes (default: all).")
@click.option("--draw-seed", type=click.IntRange(0, 2**31 - 1), help="Random seed of the sampling (default: 0).")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Output folder.")
@device_option
def command(
    query: str,
    users: tuple[str, ...],
    corpus: str,
    model: str,
    seed: int,
    preset: str | None,
    settings: tuple[str, ...],
    options: tuple[str, ...],
    fit_on: tuple[str, ...],
    temperature: float | None,
    top_k: int | None,
    draw_seed: int | None,
    out: Path,
) -> None:
    """Generate a picture of the item that each user may mean by QUERY, on a page with histories and retrieved items."""
    for name in fit_on:
        find(registry.task_cards(), name, "task")
    registry.model_card(model)
    changed, chosen = pairs("--set", settings), pairs("--option", options)
    if temperature is None and (top_k is not None or draw_seed is not None):
        raise UsageError("--top-k and --draw-seed need --temperature, such as 1")
    workspace = Workspace.here()
    folder = corpus_folder(corpus, workspace)

    from unimp_bench.reports.gallery.draw import DrawRequest, draw

    request = DrawRequest(
        query=query,
        model=model,
        corpus=folder,
        out=out,
        users=users,
        seed=seed,
        preset=preset,
        fit_on=fit_on,
        settings=changed,
        options=chosen,
        sampling=None if temperature is None else Sampling(temperature, top_k, draw_seed or 0),
    )
    gallery = draw(request, workspace)
    for user, items in zip(gallery.record.users, gallery.record.retrieved, strict=True):
        click.echo(f"{printable(user)}: generated from {', '.join(map(printable, items))}")
    for remark in gallery.remarks:
        click.echo(f"  note: {remark}")
    click.echo(f"wrote {out}: {', '.join(name for name in gallery.record.files if not name.endswith('.png'))}")
