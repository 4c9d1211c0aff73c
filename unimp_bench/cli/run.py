"""``unimp-bench run``: one task, one model, one corpus."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from unimp_bench import registry
from unimp_bench.cli.corpora import corpus_folder
from unimp_bench.errors import UsageError
from unimp_bench.kinds import kind_of
from unimp_bench.names import find
from unimp_bench.paths import Workspace
from unimp_bench.records import PROTOCOLS, SPLITS, Protocol, Split

if TYPE_CHECKING:
    from unimp_bench.results import Result


@click.command("run")
@click.option("--task", required=True, help="What to solve; see 'unimp-bench list tasks'.")
@click.option("--model", required=True, help="What solves it; see 'unimp-bench list models'.")
@click.option("--corpus", default="sample", show_default=True, help="A built corpus: its name in data/, or a path.")
@click.option("--split", type=click.Choice(SPLITS), default="loo", show_default=True, help="Whose last item is asked.")
@click.option(
    "--protocol",
    type=click.Choice(PROTOCOLS),
    default="paper",
    show_default=True,
    help="Whether items of the history stay in the ranking (paper) or not (masked).",
)
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True)
@click.option("--preset", help="A named configuration of the model; its first where none is named.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change one setting of the model.")
@click.option("--option", "options", multiple=True, metavar="KEY=VALUE", help="Change one option of the task.")
@click.option("--view", "views", multiple=True, help="Noise in the corpus: NT, NV, or with share and seed, NT:0.4:7.")
@click.option("--fit-on", multiple=True, metavar="TASK", help="Fit on these tasks instead of the evaluated one.")
@click.option("--note", default="", help="A remark to keep with the result.")
@click.option("--fresh", is_flag=True, help="Fit and score again, even where a result is there.")
def command(
    task: str,
    model: str,
    corpus: str,
    split: Split,
    protocol: Protocol,
    seed: int,
    preset: str | None,
    settings: tuple[str, ...],
    options: tuple[str, ...],
    views: tuple[str, ...],
    fit_on: tuple[str, ...],
    note: str,
    fresh: bool,
) -> None:
    """Fit MODEL on TASK, score it on the test part, and keep the result in runs/."""
    find(registry.task_cards(), task, "task")
    for name in fit_on:
        find(registry.task_cards(), name, "task")
    registry.model_card(model)
    changed, chosen = pairs("--set", settings), pairs("--option", options)
    workspace = Workspace.here()
    folder = corpus_folder(corpus, workspace)

    from unimp_bench.runner import RunRequest, run

    request = RunRequest(
        task=task,
        model=model,
        corpus=folder,
        split=split,
        protocol=protocol,
        seed=seed,
        preset=preset,
        fit_on=fit_on,
        settings=changed,
        options=chosen,
        views=views,
        note=note,
        fresh=fresh,
    )
    result, cached = run(request, workspace)
    ranked = f", protocol {protocol}" if result.ranks else ""
    click.echo(f"{model} on {task}, corpus {result.corpus.name}, split {split}{ranked}, seed {seed}")
    echo_metrics(result)
    for remark in result.remarks:
        click.echo(f"  note: {remark}")
    cost = result.cost
    assert cost is not None
    click.echo(f"  fit {cost.fit_seconds:.1f} s, {cost.examples_per_second:.0f} examples/s, {result.examples} examples")
    state = "was there already; --fresh runs it again" if cached else "written"
    click.echo(f"  result {workspace.runs / result.spec.key} {state}")


def echo_metrics(result: Result) -> None:
    """A line for each metric that the main table shows, with its interval or the reason why it is missing."""
    kind = kind_of(registry.task_cards()[result.spec.task].kind)
    names = [name for name in (*result.metrics, *result.missing) if (column := kind.column(name)) and column.brief]
    width = max(len(name) for name in names)
    for name in names:
        if name in result.missing:
            click.echo(f"  {name.ljust(width)}  none: {result.missing[name]}")
        else:
            estimate = result.metrics[name]
            click.echo(f"  {name.ljust(width)}  {estimate.value:.4f}  [{estimate.low:.4f}, {estimate.high:.4f}]")


def pairs(option: str, given: tuple[str, ...]) -> dict[str, str]:
    """What an option that takes KEY=VALUE was given, each key once."""
    settings = {}
    for pair in given:
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise UsageError(f"{option} takes KEY=VALUE, not {pair!r}")
        if key in settings:
            raise UsageError(f"{option} gives {key} twice")
        settings[key] = value
    return settings
