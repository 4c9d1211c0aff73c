"""Options shared by commands, and the printed form of a result."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from unimp_bench import registry
from unimp_bench.errors import UsageError, did_you_mean
from unimp_bench.files import Workspace
from unimp_bench.kinds import kind_of
from unimp_bench.machine import VARIABLE, choose_device
from unimp_bench.records import PROTOCOLS, SPLITS, Protocol, Split

if TYPE_CHECKING:
    from unimp_bench.runs.results import Result


def corpus_folder(name: str, workspace: Workspace) -> Path:
    """The folder of a built corpus: a name below ``data/``, or a path.

    Raises:
        UsageError: the corpus does not exist; says how to build it, or suggests the nearest name.
    """
    if "/" in name:
        return Path(name)
    folder = workspace.data / name
    if folder.is_dir():
        return folder
    public = registry.public_corpora().get(name)
    if public is not None:
        raise UsageError(f"no corpus is called {name!r}; build it with: {public.command}")
    if name in registry.corpus_cards():
        raise UsageError(f"corpus {name!r} is not built; run 'make data CORPUS={name}'")
    known = {*built(workspace), *registry.public_corpora()}
    raise UsageError(f"unknown corpus {name!r} in {workspace.data}{did_you_mean(name, known)}")


def built(workspace: Workspace) -> list[str]:
    """Names of the built corpora."""
    if not workspace.data.is_dir():
        return []
    return sorted(path.parent.name for path in workspace.data.glob("[!.]*/manifest.json"))


def chosen_split(split: Split | None, folder: Path) -> Split:
    """The split that a user named, or the default one of a corpus."""
    if split is not None:
        return split

    from unimp_bench.corpus import Corpus
    from unimp_bench.corpus.splits import default_split

    return default_split(Corpus.open(folder))


corpus_option = click.option(
    "--corpus", default="sample", show_default=True, help="Corpus: a name in data/, or a path."
)
split_option = click.option(
    "--split",
    type=click.Choice(SPLITS),
    help="Evaluation split: test users and their held-out interactions. [default: public where the corpus has a public "
    "split, else loo]",
)
protocol_option = click.option(
    "--protocol",
    type=click.Choice(PROTOCOLS),
    help="Mask seen items in the ranking (masked) or keep them (paper).  [default: masked for rankings]",
)
device_option = click.option(
    "--device",
    envvar=VARIABLE,
    metavar="DEVICE",
    expose_value=False,
    callback=lambda context, option, name: choose_device(name) if name else None,
    help="Compute device: cpu, cuda, cuda:N or mps. [default: a CUDA GPU if available]",
)
task_option = click.option(
    "--option", "options", multiple=True, metavar="KEY=VALUE", help="Override an option of the task; repeatable."
)
view_option = click.option(
    "--view",
    "views",
    multiple=True,
    help="View of the corpus: NT (missing attributes), NV (wrong pictures), ST (shuffled time ties), MT and MV "
    "(missing texts and pictures), XT and XV (exchanged between items); NT:0.4:7 sets share and seed, MT@test shows it "
    "to the fitted model alone. Repeatable.",
)


features_option = click.option(
    "--features",
    multiple=True,
    metavar="KEY=VALUE",
    help="Stored features ('unimp-bench features') that the model reads instead of its own encoders', as "
    "text=NAME,pictures=NAME; none leaves a modality out. Repeatable.",
)


def protocol_of(task: str, protocol: Protocol | None) -> Protocol:
    """The named protocol, else that of the main table of a task."""
    return protocol or kind_of(registry.task_cards()[task].kind).protocol


def pairs(option: str, given: Iterable[str]) -> dict[str, str]:
    """The values of a repeatable KEY=VALUE option, each key once.

    Raises:
        UsageError: a key or value is missing, or a key is repeated.
    """
    settings = {}
    for pair in given:
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise UsageError(f"{option} takes KEY=VALUE, not {pair!r}")
        if key in settings:
            raise UsageError(f"{option} gives {key} twice")
        settings[key] = value
    return settings


def printable(text: str) -> str:
    """A text of a corpus on one line, without control characters, which a terminal would obey."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def features_named(given: Iterable[str]) -> dict[str, str]:
    """The names of stored features by modality, from ``--features text=NAME,pictures=NAME``.

    Raises:
        UsageError: a modality or name is missing, or a modality is repeated.
    """
    return pairs("--features", [part for words in given for part in words.split(",")])


def earlier_results(workspace: Workspace) -> list[Result]:
    """The results of finished runs and the published ones, from which times are estimated."""
    from unimp_bench.reports.store import load_results
    from unimp_bench.runs.stored import stored_runs

    return [run.result for run in stored_runs(workspace) if run.result] + load_results(workspace.leaderboards)


def published_keys(workspace: Workspace) -> frozenset[str]:
    """Keys of the runs with a published result."""
    from unimp_bench.reports.store import load_results

    return frozenset(result.spec.key for result in load_results(workspace.leaderboards))


def echo_result(result: Result, ending: str) -> None:
    """Print model, task, corpus and split, then one line per metric of the main table and per remark.

    A metric has its interval, or the reason why it is missing. The diversity of the answers is a remark.
    """
    spec = result.spec
    ranked = f", protocol {spec.protocol}" if result.ranks else ""
    click.echo(f"{result.model.name} on {spec.task}, corpus {result.corpus.name}, split {spec.split}{ranked}{ending}")
    kind = kind_of(registry.task_cards()[spec.task].kind)
    names = [name for name in (*result.metrics, *result.missing) if (column := kind.column(name)) and column.brief]
    width = max(len(name) for name in names)
    for name in names:
        if name in result.missing:
            click.echo(f"  {name.ljust(width)}  none: {result.missing[name]}")
        else:
            estimate = result.metrics[name]
            click.echo(f"  {name.ljust(width)}  {estimate.value:.4f}  [{estimate.low:.4f}, {estimate.high:.4f}]")
    if result.answers is not None:
        click.echo(f"  {'note: near-constant output: ' if result.answers.is_constant else ''}{result.answers.words}")
    for remark in result.remarks:
        click.echo(f"  note: {remark}")
