"""``unimp-bench reproduce``: rerun a published row from its stored specification."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from unimp_bench.cli.common import corpus_folder, device_option
from unimp_bench.errors import BenchError
from unimp_bench.files import Workspace

if TYPE_CHECKING:
    from unimp_bench.runs.reproduction import Reproduction
    from unimp_bench.runs.results import Estimate


@click.command("reproduce")
@click.argument("row")
@click.option("--corpus", help="The corpus, if its name in data/ differs; a name or a path.")
@device_option
def command(row: str, corpus: str | None) -> None:
    """Rerun a published result from scratch, and compare it with the published intervals.

    ROW is the key of a published run, from the details of a table, or the first digits of the key, or its file in
    leaderboards/results. Earlier runs are not used; an interrupted reproduction resumes.
    """
    from unimp_bench.reports.store import find_result
    from unimp_bench.runs.reproduction import corpus_of, reproduce, request_of

    workspace = Workspace.here()
    published = find_result(workspace.leaderboards, row)
    request = request_of(published, corpus_folder(corpus or corpus_of(published)[0], workspace), workspace)
    click.echo(f"{published.spec.key}: {published.provenance.command}")
    _report(reproduce(published, request, workspace))


def _report(found: Reproduction) -> None:
    """Print the comparison of metrics, other differences, and the verdict.

    Raises:
        BenchError: a value is outside its published interval.
    """
    from unimp_bench.runs.packed import RANK_CEILING

    metrics = found.metrics()
    width = max(len(metric.name) for metric in metrics)
    click.echo(f"  {'metric'.ljust(width)}  published                  new     inside")
    for metric in metrics:
        new = "none  " if metric.new is None else f"{metric.new.value:.4f}"
        inside = "yes" if metric.inside else "no"
        click.echo(f"  {metric.name.ljust(width)}  {_with_interval(metric.published).ljust(25)}  {new}  {inside}")
        if metric.new is None:
            click.echo(f"  {' ' * width}  {found.new.missing.get(metric.name, 'is no longer computed')}")
    same = found.same_ranks()
    if same is not None:
        click.echo(
            f"  identical target ranks (ranks beyond {RANK_CEILING} as one): {same:,} of {found.published.examples:,}"
        )
    for change in found.changes():
        click.echo(f"  {change}")
    outside = [metric.name for metric in metrics if not metric.inside]
    if outside:
        raise BenchError(f"not reproduced: {', '.join(outside)} outside the published 95% interval")
    click.echo(f"reproduced: all {len(metrics)} metrics of the main table are within their published 95% intervals")


def _with_interval(estimate: Estimate) -> str:
    return f"{estimate.value:.4f} [{estimate.low:.4f}, {estimate.high:.4f}]"
