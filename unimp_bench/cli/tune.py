"""``unimp-bench tune``: hyper-parameter search on the validation part."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from unimp_bench import registry
from unimp_bench.cli.common import (
    corpus_folder,
    corpus_option,
    device_option,
    features_named,
    features_option,
    pairs,
    protocol_of,
    protocol_option,
    task_option,
)
from unimp_bench.errors import UsageError, find
from unimp_bench.files import Workspace
from unimp_bench.kinds import kind_of

if TYPE_CHECKING:
    from unimp_bench.records import Protocol
    from unimp_bench.runs.tuned import Trial, Tuned
    from unimp_bench.runs.tuning import Space


@click.command("tune")
@click.option("--task", required=True, help="Task; see 'unimp-bench list tasks'.")
@click.option("--model", required=True, help="Model to tune; see 'unimp-bench list models'.")
@corpus_option
@click.option("--trials", type=click.IntRange(1), default=20, show_default=True, help="Maximum number of trials.")
@click.option(
    "--jobs",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Trials at once, in processes that share the cores; several make the search depend on which ends first.",
)
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True)
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Override a setting in all trials; repeatable."
)
@click.option(
    "--over",
    multiple=True,
    metavar="KEY=VALUE,VALUE",
    help="Values to search, instead of the model's own space; repeatable.",
)
@protocol_option
@task_option
@features_option
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Output file (default: in leaderboards/tuned)."
)
@click.option("--replace", is_flag=True, help="Replace an earlier search in the output file.")
@device_option
def command(
    task: str,
    model: str,
    corpus: str,
    trials: int,
    jobs: int,
    seed: int,
    settings: tuple[str, ...],
    over: tuple[str, ...],
    protocol: Protocol | None,
    options: tuple[str, ...],
    features: tuple[str, ...],
    out: Path | None,
    replace: bool,
) -> None:
    """Search settings of MODEL on the validation part, and store the best as its configuration for the corpus.

    Every trial is a separate fit in runs/fits; the same command resumes after an interrupt. A trial that is worse than
    most others at the same validation ends early (pruned), and is never chosen. The test part is not used.
    'unimp-bench run --preset tuned' runs the chosen settings.

    The search is written to leaderboards/tuned/TASK/CORPUS/MODEL.json, which is committed. Trials of an earlier search
    of the same problem in that file are kept; a file with incomparable scores is refused unless --replace is given.
    """
    find(registry.task_cards(), task, "task")
    registry.model_card(model)
    fixed, chosen = pairs("--set", settings), pairs("--option", options)
    searched = {key: _values(key, text) for key, text in pairs("--over", over).items()}
    protocol = protocol_of(task, protocol)
    sets = features_named(features)
    workspace = Workspace.here()
    folder = corpus_folder(corpus, workspace)

    from unimp_bench.corpus import Corpus
    from unimp_bench.corpus.features.stored import chosen_sets, keys_of
    from unimp_bench.runs.identity import fit_fingerprint
    from unimp_bench.runs.provenance import provenance
    from unimp_bench.runs.runner import differing_options
    from unimp_bench.runs.trials import Question
    from unimp_bench.runs.tuned import Tuned, best, counted, place
    from unimp_bench.runs.tuning import search, space_of

    opened = Corpus.open(folder)
    path = out or place(workspace, task, opened.name, model, protocol, sets)
    space = space_of(model, fixed, searched)
    measured = f"validation {kind_of(registry.task_cards()[task].kind).validated}"
    click.echo(f"{model} on {task}, corpus {opened.name}: {_account(space, trials)}", err=True)
    click.echo(f"Scores are {measured} under protocol {protocol}, higher is better.", err=True)
    tuned = Tuned(
        task=task,
        model=model,
        corpus=opened.name,
        fingerprint=fit_fingerprint(opened, registry.model_card(model).reads, (task,), options=bool(chosen)),
        settings=dict(space.fixed),
        fixed=dict(space.fixed),
        trials=(),
        protocol=protocol,
        seed=seed,
        options=differing_options(registry.make_task(task, chosen)),
        features=keys_of(chosen_sets(opened, sets)),
        versions=_versions(task, model, protocol),
        provenance=provenance(
            _command(task, model, opened.name, trials, jobs, seed, protocol, settings, over, options, sets)
        ),
    )
    earlier = None if replace else _comparable(path, tuned, opened.fingerprint)
    question = Question(task, model, folder, seed, chosen, protocol, sets)
    done = search(question, space, trials, workspace, _Progress(), jobs)
    winner = best(done)
    assert winner is not None
    tuned = tuned.model_copy(update={"trials": done, "settings": {**space.fixed, **winner.values}})
    if earlier is not None:
        tuned = tuned.joined(earlier)
        added = len(tuned.trials) - len(earlier.trials)
        click.echo(f"Kept the {counted(earlier.trials)} of {path} and added {added}.", err=True)
    tuned.write(path)
    _table(tuned.trials, measured)
    command = f"unimp-bench run --task {task} --model {model} --corpus {corpus} --protocol {protocol} --preset tuned"
    command += f" --features {','.join(f'{key}={name}' for key, name in sets.items())}" if sets else ""
    click.echo(f"The chosen settings are in {path}. To fit and test them, run:\n  {command}")


def _comparable(path: Path, tuned: Tuned, whole: str) -> Tuned | None:
    """The search that is kept at ``path``; None where there is none with a score.

    Args:
        whole: fingerprint of the whole corpus, by which earlier searches name it.

    Raises:
        DataError: the file cannot be read.
        UsageError: its scores are not comparable with those of this search.
    """
    from unimp_bench.runs.tuned import Tuned, best, counted

    earlier = Tuned.read(path) if path.exists() else None
    if earlier is None or best(earlier.trials) is None:
        return None
    if earlier.fingerprint == whole:
        earlier = earlier.model_copy(update={"fingerprint": tuned.fingerprint})
    unlike = earlier.unlike(tuned)
    if unlike:
        raise UsageError(
            f"{path} holds a search of {counted(earlier.trials)} with {', '.join(unlike)}; "
            "--replace replaces it, --out FILE writes elsewhere"
        )
    return earlier


class _Progress:
    """Prints a line per finished trial to standard error."""

    def __init__(self) -> None:
        self._done: list[Trial] = []

    def __call__(self, count: int, trial: Trial) -> None:
        from unimp_bench.runs.tuned import best, words

        self._done.append(trial)
        leader = best(tuple(self._done))
        outcome = f"failed: {trial.failed}"
        if trial.score is not None:
            outcome = f"{'pruned at ' if trial.stopped else ''}{trial.score:.4f} in {trial.seconds:.0f} s"
        ahead = "" if leader is None or leader.score is None else f"  (best {leader.score:.4f})"
        click.echo(f"  trial {len(self._done)} of {count}: {words(trial.values)}: {outcome}{ahead}", err=True)


def _versions(task: str, model: str, protocol: Protocol) -> dict[str, int]:
    """The current versions on which a validation score depends, without those that are 1."""
    from unimp_bench.runs.versions import versions_of

    now = versions_of(registry.model_card(model), [task])
    rule = f"{registry.task_cards()[task].kind}/{protocol}"
    found = {"model": now.version, **now.features, rule: now.selection.get(rule, 1)}
    return {name: number for name, number in found.items() if number != 1}


def _values(key: str, text: str) -> tuple[str, ...]:
    values = tuple(part.strip() for part in text.split(",") if part.strip())
    if not values:
        raise UsageError(f"--over {key} has no values; write {key}=VALUE,VALUE")
    return values


def _account(space: Space, trials: int) -> str:
    size = " x ".join(f"{key} {len(values)}" for key, values in space.values.items())
    how = "all of them" if len(space) <= trials else f"{trials} of them"
    return f"{size} = {len(space):,} points, {how}"


def _table(trials: Sequence[Trial], measured: str) -> None:
    """The trials, best first, pruned and failed ones last; their scores are of what was ``measured``."""
    from unimp_bench.runs.tuned import ranked

    keys = list(dict.fromkeys(key for trial in trials for key in trial.values))
    rows = [(measured.upper(), "SECONDS", *keys)]
    rows += [
        (f"{trial.score:.4f}", f"{trial.seconds:.1f}", *(str(trial.values.get(key, "")) for key in keys))
        for trial in ranked(tuple(trials))
    ]
    rows += [
        (trial.stopped or "failed", "", *(str(trial.values.get(key, "")) for key in keys))
        for trial in sorted(trials, key=lambda trial: bool(trial.failed))
        if not trial.is_finished
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _command(
    task: str,
    model: str,
    corpus: str,
    trials: int,
    jobs: int,
    seed: int,
    protocol: Protocol,
    settings: tuple[str, ...],
    over: tuple[str, ...],
    options: tuple[str, ...],
    features: dict[str, str],
) -> str:
    """The command of this search."""
    parts = ["unimp-bench", "tune", "--task", task, "--model", model, "--corpus", corpus]
    parts += ["--trials", str(trials), "--protocol", protocol, "--seed", str(seed)]
    parts += ["--jobs", str(jobs)] if jobs > 1 else []
    for name, given in (("--set", settings), ("--over", over), ("--option", options)):
        parts += [part for pair in given for part in (name, pair)]
    parts += ["--features", ",".join(f"{key}={name}" for key, name in features.items())] if features else []
    return shlex.join(parts)
