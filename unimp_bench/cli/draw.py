"""``unimp-bench draw``: what a model draws for some users who ask the same."""

from __future__ import annotations

from pathlib import Path

import click

from unimp_bench import registry
from unimp_bench.cli.common import corpus_folder, corpus_option, device_option, pairs
from unimp_bench.contracts import Sampling
from unimp_bench.errors import UsageError, find
from unimp_bench.files import Workspace
from unimp_bench.reports.gallery import PAINTING, SEARCH


@click.command("draw")
@click.option("--query", required=True, help="A category path as test users mean it, or with --user any text.")
@click.option("--user", "users", multiple=True, help="Who asks; else the two most different users who mean the query.")
@corpus_option
@click.option("--model", default="unimp", show_default=True, help="A model that searches and draws.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Of the fit.")
@click.option("--preset", help="A named configuration of the model; its first where none is named.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change one setting of the model.")
@click.option("--option", "options", multiple=True, metavar="KEY=VALUE", help="Change one option of image_generation.")
@click.option(
    "--fit-on",
    multiple=True,
    metavar="TASK",
    default=(SEARCH, PAINTING),
    show_default=True,
    help="The tasks of the model's fit.",
)
@click.option("--temperature", type=click.FloatRange(0, min_open=True), help="Draw codes by chance, not the likeliest.")
@click.option("--top-k", type=click.IntRange(1), help="Draw from so many of the likeliest codes; else from all.")
@click.option("--draw-seed", type=click.IntRange(0, 2**31 - 1), help="Of the chance; else 0.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The folder of pages and pictures.")
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
    """Generate the picture that each user may mean by QUERY, on a page with histories and retrieved items."""
    for name in fit_on:
        find(registry.task_cards(), name, "task")
    registry.model_card(model)
    changed, chosen = pairs("--set", settings), pairs("--option", options)
    if temperature is None and (top_k is not None or draw_seed is not None):
        raise UsageError("--top-k and --draw-seed say how to draw by chance: add --temperature, such as 1")
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
        click.echo(f"{_printable(user)}: drawn from {', '.join(map(_printable, items))}")
    for remark in gallery.remarks:
        click.echo(f"  note: {remark}")
    click.echo(f"written {out}: {', '.join(name for name in gallery.record.files if not name.endswith('.png'))}")


def _printable(name: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in name)
