"""``unimp-bench ensemble``: mix the rankings of finished runs."""

from __future__ import annotations

import click

from unimp_bench.cli.common import corpus_folder, device_option, echo_result
from unimp_bench.files import Workspace


@click.command("ensemble", no_args_is_help=True)
@click.argument("runs", nargs=-1, required=True)
@click.option("--corpus", help="Folder of the corpus. [default: its name in data/]")
@device_option
def command(runs: tuple[str, ...], corpus: str | None) -> None:
    """Mix the rankings of RUNS (keys, or first digits of keys), with weights chosen on validation.

    The runs are of different models on the same examples. The result is stored in runs/ like that of a run. Validation
    lists are made once from the fit of each run.

    \b
    Example: unimp-bench ensemble 3f2a 91cc
    """
    workspace = Workspace.here()

    from unimp_bench.interchange.ensemble import mix_runs, parts_of
    from unimp_bench.runs.reproduction import corpus_of

    parts = parts_of(runs, workspace)
    folder = corpus_folder(corpus or corpus_of(parts[0].result)[0], workspace)
    result = mix_runs(parts, folder, workspace)
    echo_result(result, "")
    key = result.spec.key
    click.echo(f"  result {workspace.runs / key} written; 'unimp-bench publish {key}' publishes it")
