"""Published results on disk: ``leaderboards/results/<task>/<corpus>/<run key>.json``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from unimp_bench.errors import DataError, UsageError
from unimp_bench.paths import Workspace
from unimp_bench.results import RESULT_NAME, Result

RESULTS = "results"


def load_results(folder: Path) -> list[Result]:
    """All published results below a leaderboards folder, in an order that depends on their content alone.

    Raises:
        DataError: a file is no result, or stands under another run's name.
    """
    results = []
    for path in sorted((folder / RESULTS).rglob("*.json")):
        result = Result.read(path)
        if path != _place(folder, result):
            raise DataError(f"{path} holds the run {result.spec.key} of {result.spec.task}; move or remove it")
        results.append(result)
    return results


def publish(workspace: Workspace, keys: Sequence[str] | None) -> list[Path]:
    """Copy results of finished runs to the leaderboards.

    Args:
        keys: of the runs; None for all finished ones.

    Raises:
        UsageError: a key names no finished run.
    """
    paths = []
    for path in _finished(workspace, keys):
        result = Result.read(path)
        target = _place(workspace.leaderboards, result)
        result.write(target)
        paths.append(target)
    return paths


def _finished(workspace: Workspace, keys: Sequence[str] | None) -> list[Path]:
    if keys is None:
        found = sorted(workspace.runs.glob(f"*/{RESULT_NAME}"))
        if not found:
            raise UsageError(f"there is no finished run in {workspace.runs}")
        return found
    paths = [workspace.runs / key / RESULT_NAME for key in keys]
    for key, path in zip(keys, paths, strict=True):
        if not key.isalnum() or not path.is_file():
            raise UsageError(f"{workspace.runs} has no finished run {key!r}; its folders are named by the runs' keys")
    return paths


def _place(folder: Path, result: Result) -> Path:
    """Where a result belongs. Names from a result file become one plain folder name each."""
    for name in (result.spec.task, result.corpus.name):
        if Path(name).name != name or name.startswith("."):
            raise DataError(f"a result names {name!r}, which is no plain name")
    return folder / RESULTS / result.spec.task / result.corpus.name / f"{result.spec.key}.json"
