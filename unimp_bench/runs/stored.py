"""The runs of a workspace: their states, comparison on the same examples, and removal.

A run folder has a specification from its start and a result at its end; its lock tells whether a process works on it.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from pydantic import ValidationError

from unimp_bench.errors import DataError, UsageError
from unimp_bench.files import Workspace, is_locked, locked
from unimp_bench.metrics.paired import PairedTest, paired_test
from unimp_bench.metrics.scores import bootstrap_interval
from unimp_bench.records import FloatArray, IntArray
from unimp_bench.runs.execution.executor import LOG_NAME, last_line
from unimp_bench.runs.results import RESULT_NAME, Result
from unimp_bench.runs.spec import KEY_LENGTH, RunSpec

State = Literal["finished", "running", "failed", "interrupted"]
"""A run of a suite has failed if its output, in the run's folder, ends with an error."""

STATES: tuple[State, ...] = get_args(State)

SPEC_NAME = "spec.json"
_KEY = re.compile(rf"[0-9a-f]{{1,{KEY_LENGTH}}}")
_FAILED = re.compile(r"(error: (?!interrupted)|\w+Error\b)")
"""The last line of a failed process: an error of the command line, or the exception of a traceback."""

_SEED = 0


@dataclass(frozen=True)
class StoredRun:
    """A run folder.

    Attributes:
        result: None unless finished.
        changed: seconds since the epoch of the last change.
        size: of its files in bytes, without those of the fit.
    """

    folder: Path
    spec: RunSpec
    state: State
    result: Result | None
    changed: float
    size: int

    @property
    def key(self) -> str:
        return self.folder.name


def stored_runs(workspace: Workspace) -> list[StoredRun]:
    """All runs of a workspace, the latest first.

    Raises:
        DataError: the result or specification of a run is damaged.
    """
    return sorted(_runs(workspace), key=lambda run: -run.changed)


def _runs(workspace: Workspace) -> Iterator[StoredRun]:
    folders = workspace.runs.iterdir() if workspace.runs.is_dir() else ()
    for folder in folders:
        if _is_run(folder):
            yield _run(folder)


def _is_run(folder: Path) -> bool:
    named = len(folder.name) == KEY_LENGTH and _KEY.fullmatch(folder.name) is not None
    return named and any((folder / name).is_file() for name in (SPEC_NAME, RESULT_NAME))


def _run(folder: Path) -> StoredRun:
    state: State = "running" if is_locked(folder) else "interrupted"
    result = None
    if (folder / RESULT_NAME).is_file():
        result = Result.read(folder / RESULT_NAME)
        state = "finished" if state == "interrupted" else state
    elif state == "interrupted" and _FAILED.match(last_line(folder / LOG_NAME)):
        state = "failed"
    files = [path.stat() for path in folder.rglob("*") if path.is_file()]
    return StoredRun(
        folder=folder,
        spec=result.spec if result else _spec(folder / SPEC_NAME),
        state=state,
        result=result,
        changed=max(file.st_mtime for file in files),
        size=sum(file.st_size for file in files),
    )


def _spec(path: Path) -> RunSpec:
    try:
        return RunSpec.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        raise DataError(f"{path} is damaged; remove {path.parent}") from None


def find_run(workspace: Workspace, key: str) -> StoredRun:
    """The run of a key or of a unique prefix of one.

    Raises:
        UsageError: no run or several runs match.
    """
    found = [path for path in sorted(workspace.runs.glob(f"{key}*")) if _is_run(path)] if _KEY.fullmatch(key) else []
    if not found:
        raise UsageError(f"{workspace.runs} has no run {key!r}; 'unimp-bench runs list' shows the keys")
    if len(found) > 1:
        named = ", ".join(path.name for path in found[:4])
        raise UsageError(f"{len(found)} runs have a key that begins with {key}: {named}; give more of it")
    return _run(found[0])


@dataclass(frozen=True)
class Comparison:
    """Two results on the same examples (with a public split: the same users).

    Attributes:
        metric: the compared one.
        values: the means of both.
        test: of the difference, first less second.
        low, high: 95% bootstrap interval of the difference.
        differences: (n,) per example, first less second.
        identical: number of examples of equal values.
    """

    metric: str
    values: tuple[float, float]
    test: PairedTest
    low: float
    high: float
    differences: FloatArray

    @property
    def identical(self) -> int:
        return int((self.differences == 0).sum())

    def largest(self, count: int) -> IntArray:
        """Numbers of the examples with the largest absolute differences, equal ones in order."""
        order: IntArray = np.argsort(-np.abs(self.differences), kind="stable")[:count]
        found: IntArray = order[self.differences[order] != 0]
        return found


def compare(first: Result, second: Result, metric: str) -> Comparison:
    """Compare two results by a metric.

    Raises:
        UsageError: they are not about the same examples, or lack values per example.
    """
    check_same_examples(first, second)
    values = [result.example_values(metric) for result in (first, second)]
    if values[0] is None or values[1] is None:
        raise UsageError(f"{metric} has no values per example in these runs")
    differences = values[0] - values[1]
    interval = bootstrap_interval(differences, seed=_SEED)
    return Comparison(
        metric,
        (float(values[0].mean()), float(values[1].mean())),
        paired_test(values[0], values[1], seed=_SEED),
        interval.low,
        interval.high,
        differences,
    )


def check_same_examples(first: Result, second: Result) -> None:
    """Refuse two results that differ in task, split, protocol, options or corpus, views included.

    Raises:
        UsageError: they differ.
    """
    for what, ours, theirs in (
        ("tasks", first.spec.task, second.spec.task),
        ("splits", first.spec.split, second.spec.split),
        ("protocols", first.spec.protocol, second.spec.protocol),
        ("options", first.spec.options, second.spec.options),
        ("corpora", first.corpus_id, second.corpus_id),
        ("numbers of examples", first.examples, second.examples),
    ):
        if ours != theirs:
            raise UsageError(f"the runs have different {what}, {ours} and {theirs}: their examples are not the same")


def users_of_fits(workspace: Workspace) -> dict[str, list[str]]:
    """The keys of the runs and fits that need a fit, by its key; a fit initialised from another one needs it."""
    found: dict[str, list[str]] = {}
    for run in _runs(workspace):
        for stage in run.spec.fit.stages:
            found.setdefault(stage.key, []).append(run.key)
    return found


def remove(runs: Sequence[StoredRun], workspace: Workspace, *, fits: bool) -> list[Path]:
    """Remove runs, and with ``fits`` the fits that no other run needs; returns the removed folders.

    Raises:
        BusyError: a process works on one of them; nothing of it is removed.
    """
    keys = {run.key for run in runs}
    needed = users_of_fits(workspace) if fits else {}
    removed = []
    for run in runs:
        _remove(run.folder)
        removed.append(run.folder)
    for key in dict.fromkeys(stage.key for run in runs for stage in run.spec.fit.stages) if fits else ():
        folder = workspace.fits / key
        if set(needed[key]) <= keys and folder.is_dir():
            _remove(folder)
            removed.append(folder)
    return removed


def _remove(folder: Path) -> None:
    """Remove a folder that no process has locked. Specification and result go first: without them it is no run."""
    with locked(folder):
        for name in (SPEC_NAME, RESULT_NAME):
            (folder / name).unlink(missing_ok=True)
        shutil.rmtree(folder)
