"""``unimp-bench runs``: list, show, compare, complete and remove the runs of the workspace."""

from __future__ import annotations

import json
import shlex
import time
from typing import TYPE_CHECKING

import click

from unimp_bench import registry
from unimp_bench.cli import Group
from unimp_bench.cli.common import echo_result, printable
from unimp_bench.errors import BenchError, UsageError, find
from unimp_bench.files import Workspace

if TYPE_CHECKING:
    from unimp_bench.runs.results import Result
    from unimp_bench.runs.stored import Comparison, StoredRun

_SHOWN = 10
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


@click.group("runs", cls=Group, no_args_is_help=True)
def command() -> None:
    """List, show, compare, complete and remove the runs in runs/."""


@command.command("list")
@click.option("--task", help="Only runs of this task.")
@click.option("--model", help="Only runs of this model.")
@click.option("--corpus", help="Only runs on this corpus; an unfinished run has no name of a corpus.")
@click.option("--state", help="Only runs that are finished, running, failed or interrupted.")
def list_runs(task: str | None, model: str | None, corpus: str | None, state: str | None) -> None:
    """List runs, the latest first: key, state, task, model, corpus, main metric, age and size.

    \b
    Example: unimp-bench runs list --task search --state finished
    """
    from unimp_bench.runs.stored import STATES, stored_runs

    if task:
        find(registry.task_cards(), task, "task")
    if model:
        registry.model_card(model)
    if state:
        find(dict.fromkeys(STATES), state, "state")
    workspace = Workspace.here()
    rows = [
        _row(run)
        for run in stored_runs(workspace)
        if task in (None, run.spec.task)
        and model in (None, run.spec.fit.model)
        and state in (None, run.state)
        and (corpus is None or (run.result is not None and run.result.corpus.name == corpus))
    ]
    if not rows:
        if any((task, model, state, corpus)):
            raise UsageError(f"there is no such run in {workspace.runs}")
        raise UsageError(f"there is no run yet in {workspace.runs}; 'unimp-bench run' makes one")
    head = ("KEY", "STATE", "TASK", "MODEL", "CORPUS", "SPLIT", "SEED", "MAIN METRIC", "AGE", "SIZE")
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    for row in [head, *rows]:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _row(run: StoredRun) -> tuple[str, ...]:
    spec, result = run.spec, run.result
    protocol = f" {spec.protocol}" if result is not None and result.ranks else ""
    return (
        run.key,
        run.state,
        spec.task,
        spec.fit.model,
        result.corpus.name if result else "",
        spec.split + protocol,
        str(spec.fit.seed),
        _main(result) if result else "",
        _age(time.time() - run.changed),
        f"{run.size / 2**20:.1f} MiB",
    )


def _main(result: Result) -> str:
    from unimp_bench.kinds import kind_of

    name = kind_of(registry.task_cards()[result.spec.task].kind).main
    return f"{name} {result.metrics[name].value:.4f}" if name in result.metrics else f"no {name}"


def _age(seconds: float) -> str:
    length, unit = next((each for each in _UNITS if seconds >= each[0]), _UNITS[-1])
    return f"{max(0, int(seconds / length))} {unit}"


@command.command("show")
@click.argument("key")
@click.option("--toml", is_flag=True, help="Only the options of the run, as a file for 'unimp-bench run --file'.")
def show(key: str, toml: bool) -> None:
    """Show the run of KEY (or its first digits): results, budget, cost, settings, command and files.

    \b
    Example: unimp-bench runs show 3f9a2c
    """
    from unimp_bench.runs.stored import find_run

    workspace = Workspace.here()
    run = find_run(workspace, key)
    if toml:
        click.echo(_toml(_finished(run)), nl=False)
        return
    spec = run.spec
    if run.result is None:
        click.echo(f"{run.key} {run.state}: {spec.fit.model} on {spec.task}, split {spec.split}, seed {spec.fit.seed}")
    else:
        echo_result(run.result, f", seed {spec.fit.seed}")
        _echo_cost(run.result)
        _echo_judges(run.result)
        click.echo(f"  command  {run.result.provenance.command}")
        commit, clean = run.result.provenance.commit, run.result.provenance.clean
        click.echo(f"  code     {commit[:12] or 'no checkout'}{'' if clean or not commit else ', with changes'}")
        click.echo(f"  time     {run.result.provenance.time}, {run.result.provenance.machine}")
    for stage in spec.fit.stages:
        tasks = ", ".join(name for name, _ in stage.tasks)
        click.echo(f"  fit      {workspace.fits / stage.key}: {tasks}, split {stage.split}")
        click.echo(f"  settings {json.dumps(stage.config, sort_keys=True)}")
    for path in sorted(run.folder.glob("[!.]*")):
        click.echo(f"  file     {path}")


def _echo_cost(result: Result) -> None:
    if (trained := result.training) is not None:
        click.echo(f"  training {trained.steps:,} steps, {trained.examples:,} examples, ended by {trained.stopped}")
    if (cost := result.cost) is not None:
        click.echo(
            f"  cost     fit {cost.fit_seconds:.1f} s, prediction {cost.predict_seconds:.1f} s, "
            f"{cost.peak_memory_mib:,} MiB, {cost.parameters_total:,} parameters"
            + (f", device {cost.device}" if cost.device else "")
        )
        if (used := cost.usage) is not None:
            click.echo(
                f"  usage    {used.requests:,} requests, {used.prompt_tokens:,} prompt tokens, "
                f"{used.generated_tokens:,} generated tokens"
            )


def _echo_judges(result: Result) -> None:
    from unimp_bench.reports.tables.judges import judging_of

    found = judging_of({result.model.name: [result]})
    for column in found.columns:
        for estimate in column.scores.values():
            click.echo(f"  judge    {column.name}: {estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]")
    for sentence in found.words:
        click.echo(f"           {sentence}")


def _finished(run: StoredRun) -> Result:
    if run.result is None:
        raise UsageError(f"run {run.key} is {run.state}; only a finished run has results")
    return run.result


def _toml(result: Result) -> str:
    from unimp_bench.cli.run import command as run_command
    from unimp_bench.cli.toml_file import as_toml

    program, name, *arguments = shlex.split(result.provenance.command)
    if (program, name) != ("unimp-bench", "run"):
        raise UsageError(f"run {result.spec.key} is not of 'unimp-bench run' but of '{program} {name}'")
    return as_toml(run_command, arguments)


@command.command("compare")
@click.argument("first")
@click.argument("second")
@click.option("--metric", help="Metric with values per example. [default: the main one of paired tests]")
@click.option("-n", "--count", type=click.IntRange(0, 1000), default=_SHOWN, show_default=True, help="Examples shown.")
def compare_runs(first: str, second: str, metric: str | None, count: int) -> None:
    """Compare two finished runs on the same examples: difference, 95% interval, p-value, largest differences.

    \b
    Example: unimp-bench runs compare 3f9a2c 81d0e7 --metric HR@10
    """
    from unimp_bench.kinds import kind_of
    from unimp_bench.reports.rows.standard import is_seeded
    from unimp_bench.runs.stored import compare, find_run

    workspace = Workspace.here()
    runs = [find_run(workspace, key) for key in (first, second)]
    results = [_finished(run) for run in runs]
    kind = kind_of(registry.task_cards()[results[0].spec.task].kind)
    if metric:
        find(dict.fromkeys(results[0].metrics), metric, "metric of these runs")
    found = compare(results[0], results[1], metric or kind.compared)
    for name, run, value in zip("AB", runs, found.values, strict=True):
        click.echo(f"{name}  {run.key}  {_label(_finished(run))}  {found.metric} {value:.4f}")
    click.echo(
        f"A - B  {found.test.difference:+.4f} [{found.low:+.4f}, {found.high:+.4f}], p {_p(found.test.p_value)}, "
        f"{len(found.differences):,} examples, {found.identical:,} equal"
    )
    if any(is_seeded(result) for result in results):
        click.echo("note: a single seed each; the test is over examples, and another seed may differ")
    _echo_examples(found, runs[0], workspace, count)


def _label(result: Result) -> str:
    changed = "".join(f" {key}={value}" for key, value in result.model.settings.items())
    preset = "" if result.model.preset == "default" else f" ({result.model.preset})"
    return f"{result.model.name}{preset}{changed}, seed {result.spec.fit.seed}"


def _p(value: float) -> str:
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def _echo_examples(found: Comparison, run: StoredRun, workspace: Workspace, count: int) -> None:
    """The examples with the largest differences, with the titles of their targets where the corpus is built."""
    from pyarrow.parquet import read_table

    from unimp_bench.runs.results import PREDICTIONS_NAME

    result, path = _finished(run), run.folder / PREDICTIONS_NAME
    if result.targets or not path.is_file() or not len(rows := found.largest(count)):
        return
    table = read_table(path)
    targets = table["target"].to_pylist() if "target" in table.column_names else None
    titles = _titles(workspace, result)
    for row in rows.tolist():
        target = "" if targets is None else f"  {targets[row]} {printable(titles.get(str(targets[row]), ''))}"
        click.echo(f"  {found.differences[row]:+.4f}  {table['id'][row].as_py()}{target}".rstrip())


def _titles(workspace: Workspace, result: Result) -> dict[str, str]:
    """Titles of items by name; empty if the corpus is not built or has changed."""
    from unimp_bench.corpus import Corpus

    folder = workspace.data / result.corpus.name
    if not (folder / "manifest.json").is_file():
        return {}
    corpus = Corpus.open(folder)
    if corpus.fingerprint != result.corpus_id or "title" not in corpus.items.attributes:
        return {}
    return dict(zip(corpus.items.names, corpus.items.text("title"), strict=True))


@command.command("complete")
@click.argument("keys", nargs=-1)
def complete_runs(keys: tuple[str, ...]) -> None:
    """Add to the rankings of KEYS, or of all runs, what earlier versions did not store: the part of cold items.

    It follows from the stored lists; no model runs, and nothing else of a result changes.

    \b
    Example: unimp-bench runs complete
    """
    from unimp_bench.interchange.completion import complete, lacks_cold_items
    from unimp_bench.runs.stored import find_run, stored_runs

    workspace = Workspace.here()
    runs = [find_run(workspace, key) for key in keys] if keys else stored_runs(workspace)
    lacking, failed = [run for run in runs if lacks_cold_items(run)], 0
    for run in lacking:
        try:
            result = complete(run, workspace)
        except BenchError as error:
            failed += 1
            click.echo(f"error: {error}", err=True)
            continue
        cold = result.cold
        assert cold is not None
        click.echo(f"{run.key}  {_label(result)}  {cold.items:,} cold items in {result.corpus.name}")
    click.echo(f"completed {len(lacking) - failed:,} of {len(runs):,} runs")
    if failed:
        raise BenchError(f"{failed} runs could not be completed")


@command.command("remove")
@click.argument("keys", nargs=-1, required=True)
@click.option("--fits", is_flag=True, help="Also remove fits that no other run needs.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove_runs(keys: tuple[str, ...], fits: bool, yes: bool) -> None:
    """Remove the runs of KEYS (or their first digits); published copies stay.

    \b
    Example: unimp-bench runs remove 3f9a2c --fits
    """
    from unimp_bench.runs.stored import find_run, remove

    workspace = Workspace.here()
    runs = list({run.key: run for run in (find_run(workspace, key) for key in keys)}.values())
    for run in runs:
        if run.state == "running":
            raise UsageError(f"run {run.key} is running; stop it first")
        click.echo(f"{run.key}  {run.state}  {run.spec.fit.model} on {run.spec.task}, seed {run.spec.fit.seed}")
    if not yes:
        click.confirm(f"remove {len(runs)} {'run' if len(runs) == 1 else 'runs'}?", abort=True)
    for folder in remove(runs, workspace, fits=fits):
        click.echo(f"removed {folder}")
