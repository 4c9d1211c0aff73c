"""``unimp-bench suite``: run all rows of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from unimp_bench import registry
from unimp_bench.cli import list as listing
from unimp_bench.cli.common import (
    corpus_folder,
    corpus_option,
    device_option,
    earlier_results,
    features_named,
    features_option,
    pairs,
    published_keys,
)
from unimp_bench.errors import BenchError, UsageError, find
from unimp_bench.files import Workspace
from unimp_bench.progress import duration
from unimp_bench.runs.suite import Suite
from unimp_bench.runs.suites import SUITES

if TYPE_CHECKING:
    from unimp_bench.corpus import Corpus
    from unimp_bench.runs.execution.board import Board
    from unimp_bench.runs.execution.executor import Executor

EXECUTORS = ("processes", "ray")


@click.command("suite")
@click.argument("name", metavar="[SUITE]", required=False)
@corpus_option
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, help="Number of seeds, counted from 0.")
@click.option("--task", "tasks", multiple=True, help="Task, instead of the suite's own; repeatable.")
@click.option("--row", "rows", multiple=True, metavar="LABEL", help="Run only this row; repeatable.")
@click.option("--preset", help="Preset for all rows of the suite's own model, mostly UniMP, or 'tuned'.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Setting for all rows of the suite's own model, mostly UniMP; repeatable.",
)
@features_option
@click.option("--unpublished", is_flag=True, help="Leave out runs with a published result in leaderboards/.")
@click.option(
    "--jobs", type=click.IntRange(1), help="Number of parallel runs (default: 1, or the capacity of the Ray cluster)."
)
@click.option(
    "--executor", type=click.Choice(EXECUTORS), default=EXECUTORS[0], show_default=True, help="Executor of the runs."
)
@click.option("--address", help="Address of a running Ray cluster, or 'auto' (default: start Ray on this machine).")
@click.option("--dry-run", is_flag=True, help="Show finished and remaining runs, and how long they may take.")
@click.option("--no-publish", is_flag=True, hidden=True, expose_value=False)  # of older scripts; suites never publish
@device_option
@click.pass_context
def command(
    context: click.Context,
    name: str | None,
    corpus: str,
    seeds: int,
    tasks: tuple[str, ...],
    rows: tuple[str, ...],
    preset: str | None,
    settings: tuple[str, ...],
    features: tuple[str, ...],
    unpublished: bool,
    jobs: int | None,
    executor: str,
    address: str | None,
    dry_run: bool,
) -> None:
    """Run all rows of SUITE without a result, and write the tables of all runs to runs/leaderboards.

    Each run is a separate process with its output in runs/KEY/log.txt; the same command resumes after an interrupt.
    Without a name, list the suites.
    """
    if name is None:
        context.invoke(listing.command, kind="suites")
        return
    suite = find(SUITES, name, "suite")
    for task in tasks:
        find(registry.task_cards(), task, "task")
    for label in rows:
        find({row.label: row for row in suite.rows}, label, f"row of {name}")
    changed = pairs("--set", settings)
    if address and executor != "ray":
        raise UsageError("--address needs --executor ray")
    workspace = Workspace.here()
    folder = corpus_folder(corpus, workspace)

    from unimp_bench.corpus import Corpus
    from unimp_bench.runs.execution.board import Board, echo_failed, echo_standings
    from unimp_bench.runs.execution.executor import State
    from unimp_bench.runs.plan import Budget, cells

    opened = Corpus.open(folder)
    store = opened.name
    suite.check_corpus(store, pictures=opened.manifest.counts.pictures > 0)
    budget = Budget(preset, changed, suite.subject)
    budget.check()
    found = cells(suite, folder, tasks or suite.tasks, seeds, budget, workspace, features_named(features))
    asked = [cell for cell in found if not rows or cell.row.label in rows]
    published = published_keys(workspace) if unpublished else frozenset()
    board = Board([cell for cell in asked if cell.key not in published], workspace)
    left_out = len(asked) - len(board.standings)
    said = f", {left_out} left out as published" if unpublished else ""
    click.echo(f"{name} on {corpus}: {len(board.standings)} runs, {board.counts()}{said}")
    if dry_run:
        echo_standings(board.standings)
        _echo_times(board, Corpus.open(folder), workspace)
        return
    if board.left():
        with _executor(executor, address, jobs) as machine:
            _run(board, workspace, machine)
    else:
        echo_standings(board.of(State.WAS_THERE, State.REFUSED))
    echo_failed(board, workspace)
    done = board.of(State.WAS_THERE, State.DONE)
    if done:
        _show(suite, store, workspace)
    failed = board.of(State.FAILED)
    if failed:
        raise BenchError(f"{len(failed)} of {len(board.standings)} runs failed; the same command retries them")
    if not (done or left_out):
        raise UsageError(f"no requested row of {name} can run on {corpus}; see the reasons above")


def _echo_times(board: Board, corpus: Corpus, workspace: Workspace) -> None:
    """Print the time of the remaining runs, one after another, as far as earlier results tell."""
    from unimp_bench.runs.estimate import Wanted, estimate
    from unimp_bench.runs.fitting import FIT_NAME

    left = board.left()
    results = earlier_results(workspace) if left else []
    interactions = corpus.manifest.counts.interactions
    fitted = {path.parent.name for path in workspace.fits.glob(f"*/{FIT_NAME}")}
    unknown, total = [], 0.0
    for cell in left:
        found = estimate(Wanted.of(cell.request), interactions, results)
        if found is None:
            unknown.append(cell.name)
            continue
        shared = cell.fits[-1] in fitted
        fitted.update(cell.fits)
        seconds = found.predict_seconds if shared else found.seconds
        total += seconds
        said = ", of an earlier fit" if shared else ""
        click.echo(f"  estimate   {cell.name}: {duration(seconds)}{said}, from {found.origin}")
    if unknown:
        more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
        click.echo(f"  no estimate, as there is no earlier result: {'; '.join(unknown[:3])}{more}")
    if len(unknown) < len(left):
        count = f"{len(left) - len(unknown)} of {len(left)}"
        click.echo(f"{count} remaining runs may take {duration(total)}, one at a time")


def _executor(kind: str, address: str | None, jobs: int | None) -> Executor:
    if kind == "ray":
        from unimp_bench.runs.execution.ray_cluster import RayCluster

        return RayCluster(address, jobs)
    from unimp_bench.runs.execution.executor import Processes

    return Processes(jobs or 1)


def _run(board: Board, workspace: Workspace, machine: Executor) -> None:
    """Run the remaining cells, with a live table on a terminal."""
    from unimp_bench.runs.execution.board import live, plain, shown_live
    from unimp_bench.runs.execution.executor import execute

    board.places = machine.places
    with (live if shown_live() else plain)(board, workspace) as follow:
        for event in execute(board.left(), workspace, machine):
            follow(board.note(event))


def _show(suite: Suite, corpus: str, workspace: Workspace) -> None:
    """Write the pages of the workspace's runs, and show the suite's tables of the corpus."""
    from unimp_bench.reports.pages.write import show, write_pages
    from unimp_bench.reports.store import Contents

    contents = Contents.of_runs(workspace)
    write_pages(contents)
    page = contents.home / f"{suite.name}.md"  # only with two rows to compare
    page = page if page.is_file() else contents.home / "README.md"
    click.echo(f"wrote {page} and all other pages; 'unimp-bench publish' publishes runs")
    click.echo(show(contents, registry.task_cards().get(suite.name) or suite, corpus))
