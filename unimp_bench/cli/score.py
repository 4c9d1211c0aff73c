"""``unimp-bench score``: score predictions of an external system."""

from __future__ import annotations

from pathlib import Path

import click

from unimp_bench import registry
from unimp_bench.cli.common import (
    chosen_split,
    corpus_folder,
    corpus_option,
    device_option,
    echo_result,
    pairs,
    protocol_of,
    protocol_option,
    split_option,
    task_option,
    view_option,
)
from unimp_bench.errors import find
from unimp_bench.files import Workspace
from unimp_bench.records import Protocol, Split


@click.command("score")
@click.option("--task", required=True, help="Task of the predictions; see 'unimp-bench list tasks'.")
@corpus_option
@click.option("--predictions", type=Path, required=True, help="Parquet or JSONL file; format: docs/external.md.")
@click.option("--name", "system", required=True, help="Name of the system in tables.")
@split_option
@protocol_option
@task_option
@view_option
@click.option("--about", default="", help="One-line description of the system.")
@click.option("--source", default="", help="Paper or program of the system.")
@click.option("--reads", default="", help="Inputs of the system, such as order,text,pictures.")
@device_option
def command(
    task: str,
    corpus: str,
    predictions: Path,
    system: str,
    split: Split | None,
    protocol: Protocol | None,
    options: tuple[str, ...],
    views: tuple[str, ...],
    about: str,
    source: str,
    reads: str,
) -> None:
    """Score the PREDICTIONS of an external system, and store the result in runs/."""
    find(registry.task_cards(), task, "task")
    chosen = pairs("--option", options)
    workspace = Workspace.here()
    folder = corpus_folder(corpus, workspace)

    from unimp_bench.interchange.submission import Submission, score

    submission = Submission(
        task=task,
        corpus=folder,
        predictions=predictions,
        system=system,
        split=chosen_split(split, folder),
        protocol=protocol_of(task, protocol),
        options=chosen,
        views=views,
        about=about,
        source=source,
        reads=tuple(name.strip() for name in reads.split(",") if name.strip()),
    )
    result = score(submission, workspace)
    echo_result(result, "")
    key = result.spec.key
    click.echo(f"  result {workspace.runs / key} written; 'unimp-bench publish {key}' publishes it")
