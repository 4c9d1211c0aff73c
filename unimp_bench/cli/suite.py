"""``unimp-bench suite``: all runs of one topic's table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from unimp_bench import registry
from unimp_bench.cli.corpora import corpus_folder
from unimp_bench.cli.publish import echo_replaced
from unimp_bench.cli.question import corpus_option, pairs
from unimp_bench.errors import BenchError
from unimp_bench.names import find
from unimp_bench.paths import Workspace
from unimp_bench.suites import SUITES, Suite

if TYPE_CHECKING:
    from unimp_bench.suites.plan import Cell


@click.command("suite")
@click.argument("name", metavar="SUITE")
@corpus_option
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, help="How many, from 0.")
@click.option("--task", "tasks", multiple=True, help="Ask this task instead of the suite's own; again for more.")
@click.option("--row", "rows", multiple=True, metavar="LABEL", help="Run only this row; again for more.")
@click.option("--preset", help="Of UniMP in all rows (its first where none is named), or tuned.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change one setting of UniMP in all rows.")
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Runs at once.")
@click.option("--no-publish", is_flag=True, help="Leave leaderboards/ as it is.")
def command(
    name: str,
    corpus: str,
    seeds: int,
    tasks: tuple[str, ...],
    rows: tuple[str, ...],
    preset: str | None,
    settings: tuple[str, ...],
    jobs: int,
    no_publish: bool,
) -> None:
    """Run all rows of SUITE that have no result yet, publish the results and write the tables.

    Each run is a process of its own with its output in runs/KEY/log.txt; the same command goes on after an interrupt.
    """
    suite = find(SUITES, name, "suite")
    for task in tasks:
        find(registry.task_cards(), task, "task")
    for label in rows:
        find({row.label: row for row in suite.rows}, label, f"row of {name}")
    changed = pairs("--set", settings)
    workspace = Workspace.here()
    folder = corpus_folder(corpus, workspace)

    from unimp_bench.suites.execute import execute, is_done
    from unimp_bench.suites.plan import Budget, cells

    budget = Budget(preset, changed)
    budget.check()
    found = cells(suite, folder, tasks or suite.tasks, seeds, budget, workspace)
    asked = [cell for cell in found if not rows or cell.row.label in rows]
    there = [cell for cell in asked if is_done(cell, workspace)]
    failed = {cell.name: cell.refused for cell in asked if cell.refused}
    left = [cell for cell in asked if cell not in there and not cell.refused]
    click.echo(f"{name} on {corpus}: {len(asked)} runs, {len(there)} done before, {len(left)} to do")
    for cell in there:
        _tell("was there", cell, _main_metric(cell, workspace))
    for cell_name, reason in failed.items():
        click.echo(f"  failed     {cell_name}: {reason}")
    done = len(asked) - len(left)
    for event in execute(left, workspace, jobs):
        if not event.ended:
            _tell("running", event.cell, f"runs/{event.cell.key}/log.txt")
            continue
        done += 1
        seconds = f"{event.seconds:.0f} s, {len(asked) - done} left"
        if event.failed:
            failed[event.cell.name] = event.failed
            _tell("failed", event.cell, f"{event.failed}  ({seconds})")
        else:
            there.append(event.cell)
            _tell("done", event.cell, f"{_main_metric(event.cell, workspace)}  ({seconds})")
    if there and not no_publish:
        _publish([cell.key for cell in there], suite, folder.name, workspace)
    if failed:
        raise BenchError(f"{len(failed)} of {len(asked)} runs failed; the same command runs them again")


def _tell(state: str, cell: Cell, text: str) -> None:
    click.echo(f"  {state.ljust(9)}  {cell.name}: {text}")


def _main_metric(cell: Cell, workspace: Workspace) -> str:
    from unimp_bench.kinds import kind_of
    from unimp_bench.results import RESULT_NAME, Result

    result = Result.read(workspace.runs / cell.key / RESULT_NAME)
    main = kind_of(registry.task_cards()[result.spec.task].kind).main
    return f"{main} {result.metrics[main].value:.4f}"


def _publish(keys: list[str], suite: Suite, corpus: str, workspace: Workspace) -> None:
    """Publish the runs, write every page, and show what the suite's page says of the corpus."""
    from unimp_bench.leaderboard.store import publish
    from unimp_bench.leaderboard.text import show, show_topic
    from unimp_bench.leaderboard.write import write_all

    published = publish(workspace, keys)
    echo_replaced(published)
    folder = workspace.leaderboards
    write_all(folder)
    click.echo(f"published {len(published.written)} results; wrote the pages of {folder}, {suite.name}.md among them")
    card = registry.task_cards().get(suite.name)
    click.echo(show(folder, card, corpus) if card else show_topic(folder, suite, corpus))
