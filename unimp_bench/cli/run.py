"""``unimp-bench run``: one task, one model, one corpus."""

from __future__ import annotations

from itertools import chain

import click

from unimp_bench import registry
from unimp_bench.cli.common import (
    corpus_folder,
    corpus_option,
    device_option,
    echo_result,
    pairs,
    protocol_option,
    split_option,
    task_option,
    view_option,
)
from unimp_bench.errors import find
from unimp_bench.files import Workspace
from unimp_bench.records import Protocol, Split

FIT_SPLITS = ("loo", "new-domain")


@click.command("run")
@click.option("--task", required=True, help="What to solve; see 'unimp-bench list tasks'.")
@click.option("--model", required=True, help="What solves it; see 'unimp-bench list models'.")
@corpus_option
@split_option
@protocol_option
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True)
@click.option("--preset", help="A named configuration of the model (its first where none is named), or tuned.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change one setting of the model.")
@task_option
@view_option
@click.option("--fit-on", multiple=True, metavar="TASK", help="Fit on these tasks instead of the evaluated one.")
@click.option(
    "--fit-split",
    type=click.Choice(FIT_SPLITS),
    help="Whose training part: new-domain fits a model on the new domain itself. [default: as --split asks]",
)
@click.option("--after", multiple=True, metavar="TASK,TASK", help="Go on from a fit on these tasks; again for more.")
@click.option("--tune", multiple=True, metavar="KEY=VALUE", help="Change one setting in the last fit alone.")
@click.option("--note", default="", help="A remark to keep with the result, new or there already.")
@click.option("--fresh", is_flag=True, help="Fit and score again, even where a result is there.")
@device_option
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
    fit_split: Split | None,
    after: tuple[str, ...],
    tune: tuple[str, ...],
    note: str,
    fresh: bool,
) -> None:
    """Fit MODEL on TASK, score it on the test part, and keep the result in runs/."""
    find(registry.task_cards(), task, "task")
    earlier = tuple(tuple(part for part in tasks.split(",") if part) for tasks in after)
    for name in (*fit_on, *chain.from_iterable(earlier)):
        find(registry.task_cards(), name, "task")
    registry.model_card(model)
    changed, chosen = pairs("--set", settings), pairs("--option", options)
    workspace = Workspace.here()
    folder = corpus_folder(corpus, workspace)

    from unimp_bench.runs.runner import RunRequest, carry_out

    request = RunRequest(
        task=task,
        model=model,
        corpus=folder,
        split=split,
        protocol=protocol,
        seed=seed,
        preset=preset,
        fit_on=fit_on,
        fit_split=fit_split,
        after=earlier,
        tune=pairs("--tune", tune),
        settings=changed,
        options=chosen,
        views=views,
        note=note,
        fresh=fresh,
    )
    outcome = carry_out(request, workspace)
    result = outcome.result
    echo_result(result, f", seed {seed}")
    cost = result.cost
    assert cost is not None
    click.echo(f"  fit {cost.fit_seconds:.1f} s, {cost.examples_per_second:.0f} examples/s, {result.examples} examples")
    state = "was there already; --fresh runs it again" if outcome.cached else "written"
    if note and outcome.cached:
        state += "; the note was added" if outcome.noted else "; the note was there already too"
    click.echo(f"  result {workspace.runs / result.spec.key} {state}")
