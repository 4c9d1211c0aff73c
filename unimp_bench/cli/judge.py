"""``unimp-bench judge``: score the explanations of finished runs by a language model with a rubric."""

from __future__ import annotations

import shlex

import click

from unimp_bench import registry
from unimp_bench.cli.common import device_option, pairs
from unimp_bench.errors import UsageError
from unimp_bench.files import Workspace

EXAMPLES = 500


@click.command("judge")
@click.argument("keys", nargs=-1, required=True)
@click.option("--model", help="Language model: a package of weights, a folder, or its name at --server.")
@click.option("--server", help="Address of a server that speaks OpenAI's protocol. [default: this machine]")
@click.option("--rubric", help="File of the judge's words, with its version.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override another setting of the judge, as mode=generation or chat=true; repeatable.",
)
@click.option(
    "--examples",
    type=click.IntRange(1),
    default=EXAMPLES,
    show_default=True,
    help="Test examples that are judged, evenly spaced, at most.",
)
@device_option
def command(
    keys: tuple[str, ...],
    model: str | None,
    server: str | None,
    rubric: str | None,
    settings: tuple[str, ...],
    examples: int,
) -> None:
    """Let a language model score the explanations of the runs of KEYS, and test it on the same examples.

    The scores are stored with the results; an interrupted judgement goes on where it ended.

    \b
    Example: unimp-bench judge 3f9a2c 81d0e7 --model smollm2
    """
    if server and not model:
        raise UsageError("--server needs --model, the model's name at the server")
    named = {"model": model, "server": server, "rubric": rubric}
    chosen = {**pairs("--set", settings), **{name: value for name, value in named.items() if value}}
    workspace = Workspace.here()

    from unimp_bench.interchange.judging import check_judgeable, judge_run
    from unimp_bench.reports.tables.judges import judging_of
    from unimp_bench.runs.stored import find_run

    runs = {run.key: run for run in (find_run(workspace, key) for key in keys)}
    for run in runs.values():
        check_judgeable(run)
    judge = registry.make_judge(chosen)
    judged = {}
    for key, run in runs.items():
        line = ["unimp-bench", "judge", key, *(f"--{name}={chosen[name]}" for name in named if name in chosen)]
        line += [part for pair in settings for part in ("--set", pair)] + ["--examples", str(examples)]
        judged[key] = judge_run(run, judge, examples, shlex.join(line), workspace)
    found = judging_of({f"{key} {result.model.name}": [result] for key, result in judged.items()})
    for column in found.columns:
        for label, estimate in column.scores.items():
            click.echo(f"{label}: {estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}] by {column.name}")
    for sentence in found.words:
        click.echo(f"  {sentence}")
