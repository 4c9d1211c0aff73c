"""``unimp-bench run``: fit and score a model on a task and corpus."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import click

from unimp_bench import registry
from unimp_bench.cli.common import (
    chosen_split,
    corpus_folder,
    corpus_option,
    device_option,
    earlier_results,
    echo_result,
    features_named,
    features_option,
    pairs,
    protocol_of,
    protocol_option,
    split_option,
    task_option,
    view_option,
)
from unimp_bench.cli.toml_file import file_option
from unimp_bench.errors import find
from unimp_bench.files import Workspace
from unimp_bench.progress import duration
from unimp_bench.records import Protocol, Split

if TYPE_CHECKING:
    from unimp_bench.runs.runner import RunRequest

FIT_SPLITS = ("loo", "new-domain")


@click.command("run")
@file_option
@click.option("--task", required=True, help="Task; see 'unimp-bench list tasks'.")
@click.option("--model", required=True, help="Model; see 'unimp-bench list models'.")
@corpus_option
@split_option
@protocol_option
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True)
@click.option("--preset", help="Named configuration of the model (default: its first), or 'tuned'.")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Override a setting of the model; repeatable."
)
@task_option
@view_option
@features_option
@click.option(
    "--fit-on", multiple=True, metavar="TASK", help="Training task, instead of the evaluated one; repeatable."
)
@click.option(
    "--fit-split",
    type=click.Choice(FIT_SPLITS),
    help="Split of the training part; new-domain trains on the new domain. [default: by --split]",
)
@click.option(
    "--after", multiple=True, metavar="TASK,TASK", help="Initialise from a model trained on these tasks; repeatable."
)
@click.option(
    "--tune", multiple=True, metavar="KEY=VALUE", help="Override a setting in the final stage only; repeatable."
)
@click.option("--note", default="", help="Remark to store with the result, also an existing one.")
@click.option("--fresh", is_flag=True, help="Fit and score again, even if a result exists.")
@click.option("--dry-run", is_flag=True, help="Show what would run, and how long it may take, without running it.")
@device_option
def command(
    task: str,
    model: str,
    corpus: str,
    split: Split | None,
    protocol: Protocol | None,
    seed: int,
    preset: str | None,
    settings: tuple[str, ...],
    options: tuple[str, ...],
    views: tuple[str, ...],
    features: tuple[str, ...],
    fit_on: tuple[str, ...],
    fit_split: Split | None,
    after: tuple[str, ...],
    tune: tuple[str, ...],
    note: str,
    fresh: bool,
    dry_run: bool,
) -> None:
    """Fit MODEL on TASK, score it on the test part, and store the result in runs/.

    \b
    Example: unimp-bench run --task search --model unimp --set epochs=3 --dry-run
    """
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
        split=chosen_split(split, folder),
        protocol=protocol_of(task, protocol),
        seed=seed,
        preset=preset,
        fit_on=fit_on,
        fit_split=fit_split,
        after=earlier,
        tune=pairs("--tune", tune),
        settings=changed,
        options=chosen,
        views=views,
        features=features_named(features),
        note=note,
        fresh=fresh,
    )
    if dry_run:
        _announce(request, workspace)
        return
    outcome = carry_out(request, workspace)
    result = outcome.result
    echo_result(result, f", seed {seed}")
    cost = result.cost
    assert cost is not None
    click.echo(f"  fit {cost.fit_seconds:.1f} s, {cost.examples_per_second:.0f} examples/s, {result.examples} examples")
    state = "exists already; --fresh reruns it" if outcome.cached else "written"
    if note and outcome.cached:
        state += "; note added" if outcome.noted else "; note already present"
    click.echo(f"  result {workspace.runs / result.spec.key} {state}")


def _announce(request: RunRequest, workspace: Workspace) -> None:
    """Print the run of a request, which of its parts exist, and its time as far as earlier results tell."""
    from unimp_bench.runs.estimate import Wanted, estimate
    from unimp_bench.runs.fitting import FIT_NAME
    from unimp_bench.runs.results import RESULT_NAME
    from unimp_bench.runs.runner import command_of, planned

    plan = planned(request, workspace)
    spec = plan.spec
    click.echo(f"{spec.key}  {command_of(request)}")
    there = (workspace.runs / spec.key / RESULT_NAME).is_file() and not request.fresh
    click.echo(f"  result    {workspace.runs / spec.key}: {'exists' if there else 'to be written'}")
    for stage in spec.fit.stages:
        folder = workspace.fits / stage.key
        fitted = (folder / FIT_NAME).is_file() and not request.fresh
        state = "fitted" if fitted else "interrupted, resumes" if (folder / "work").is_dir() else "to be fitted"
        click.echo(f"  fit       {folder}: {state}")
    for key, value in sorted(spec.fit.config.items()):
        click.echo(f"  setting   {key} = {value}")
    interactions = plan.corpus.manifest.counts.interactions
    found = estimate(Wanted.of(request), interactions, earlier_results(workspace))
    if found is None:
        click.echo(f"  estimate  none: no earlier result of {request.model}")
    else:
        here = plan.corpus.manifest.counts.interactions
        click.echo(f"  estimate  {duration(found.seconds)}, from {found.origin}; here {here:,}")
