"""``unimp-bench check-results``: check results that are added to ``leaderboards/``, as a pull request does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from unimp_bench.cli.common import corpus_folder
from unimp_bench.errors import BenchError, UsageError
from unimp_bench.files import Workspace
from unimp_bench.progress import progress, stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from unimp_bench.interchange.contributed import Finding
    from unimp_bench.runs.results import Result


@click.command("check-results")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--since", metavar="REF", help="The results added or changed since this commit or branch.")
@click.option(
    "--predictions",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder with KEY.parquet, KEY.jsonl or KEY/predictions.parquet of each result. [default: runs/, if there]",
)
@click.option("--no-pages", is_flag=True, help="Do not check the pages of leaderboards/ against the results.")
def command(paths: tuple[Path, ...], since: str | None, predictions: Path | None, no_pages: bool) -> None:
    """Check result files: PATHS, or those since a commit, or all in leaderboards/results.

    Checks place, form, specification, names, data and values of each result; scores its predictions again where they
    are given; and checks the pages. Problems are one line each, with exit code 1; notes are for reviewers.

    \b
    Example: unimp-bench check-results --since origin/main --predictions predictions
    """
    if paths and since:
        raise UsageError("give paths or --since, not both")

    from unimp_bench.interchange.contributed import Finding, changed_since, check_files, result_files

    workspace = Workspace.here()
    home = workspace.leaderboards
    findings: list[Finding] = []
    if since:
        changes = changed_since(since, home)
        chosen = changes.present
        findings += [Finding(path, "is removed", is_problem=False) for path in changes.removed]
    else:
        chosen = result_files(paths, home)
    results, found = check_files(progress(chosen, "checking results", unit="file"), home)
    findings += found
    wrong = {each.path for each in findings if each.is_problem}
    for path, result in results.items():
        if path not in wrong:
            findings += _scored_again(path, result, workspace, predictions)
    if not no_pages:
        findings += _pages(home, complete=not any(each.is_problem for each in findings))
    for each in findings:
        click.echo(each)
    problems = sum(each.is_problem for each in findings)
    checked = f"{len(chosen):,} {'result' if len(chosen) == 1 else 'results'}"
    if problems:
        raise BenchError(f"{problems:,} {'problem' if problems == 1 else 'problems'} in {checked}")
    click.echo(f"{checked} without problems")


def _scored_again(path: Path, result: Result, workspace: Workspace, given: Path | None) -> Iterator[Finding]:
    """Differences of a result from that of its predictions; without predictions a problem if a folder is given."""
    from unimp_bench.interchange.contributed import Finding, differences, predictions_of, rescored
    from unimp_bench.runs.reproduction import corpus_of

    predictions = predictions_of(result, given or workspace.runs)
    if predictions is None:
        text = f"not scored again: no predictions of {result.spec.key} in {given or workspace.runs}"
        yield Finding(path, text, is_problem=given is not None)
        return
    try:
        folder = corpus_folder(corpus_of(result)[0], workspace)
    except UsageError as error:
        yield Finding(path, f"not scored again: {error}", is_problem=given is not None)
        return
    try:
        yield from differences(path, result, rescored(result, predictions, folder, workspace))
    except BenchError as error:
        yield Finding(path, f"its predictions cannot be scored: {error}")


def _pages(home: Path, *, complete: bool) -> Iterator[Finding]:
    from unimp_bench.interchange.contributed import Finding
    from unimp_bench.reports.pages.write import stale_pages
    from unimp_bench.reports.store import Contents

    if not complete:
        yield Finding(home, "the pages are not checked, as there are problems with results", is_problem=False)
        return
    with stage("making the leaderboards"):
        stale = list(stale_pages(Contents.published(home)))
    for name in stale:
        yield Finding(home / name, "does not follow from the results; 'unimp-bench leaderboard' writes it")
