"""Published results on disk: ``leaderboards/results/<task>/<corpus>/<run key>.json``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from unimp_bench.errors import DataError, UsageError
from unimp_bench.paths import Workspace
from unimp_bench.results import RESULT_NAME, Result
from unimp_bench.spec import KEY_LENGTH

RESULTS = "results"

_KEY = re.compile(rf"[0-9a-f]{{6,{KEY_LENGTH}}}")


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


def find_result(folder: Path, row: str) -> Result:
    """One published result, by its run key, a beginning of it that no other has, or the path of its file.

    Raises:
        UsageError: nothing or more than one thing is named so.
        DataError: the file is no result, or that of another run.
    """
    path = Path(row) if row.endswith(".json") else _path_of(folder, row)
    result = Result.read(path)
    if path.name != _place(folder, result).name:
        raise DataError(f"{path} holds the run {result.spec.key}, whose name it does not bear: it is not as published")
    return result


def _path_of(folder: Path, key: str) -> Path:
    if not _KEY.fullmatch(key):
        raise UsageError(f"{key!r} is no key of a run: give 6 to {KEY_LENGTH} of its hexadecimal digits, or its file")
    found = sorted((folder / RESULTS).glob(f"*/*/{key}*.json"))
    if not found:
        raise UsageError(f"no published result in {folder / RESULTS} has a key that begins with {key}")
    if len(found) > 1:
        named = ", ".join(str(path.relative_to(folder)) for path in found[:4])
        raise UsageError(f"{len(found)} published results have a key that begins with {key}: {named}; give more of it")
    return found[0]


@dataclass(frozen=True)
class Published:
    """The files that were written, and the earlier ones that they replace, which are gone."""

    written: tuple[Path, ...]
    replaced: tuple[Path, ...]


def publish(workspace: Workspace, keys: Sequence[str] | None) -> Published:
    """Copy results of finished runs to the leaderboards, each in place of an earlier one of the same identity.

    A configuration that gained a field gives the same row another key, and both files would count as two seeds. Among
    several of the same identity the latest stays.

    Args:
        keys: of the runs; None for all finished ones.

    Raises:
        UsageError: a key names no finished run.
    """
    folder = workspace.leaderboards
    places = {_identity(result): _place(folder, result) for result in load_results(folder)}
    written: dict[Path, None] = {}
    replaced: dict[Path, None] = {}
    for result in sorted(map(Result.read, _finished(workspace, keys)), key=lambda result: result.provenance.time):
        target = _place(folder, result)
        result.write(target)
        earlier = places.get(_identity(result), target)
        if earlier != target:
            earlier.unlink()
            written.pop(earlier, None)
            replaced[earlier] = None
        places[_identity(result)] = target
        written[target] = None
    return Published(tuple(written), tuple(replaced))


def _identity(result: Result) -> tuple[object, ...]:
    """What must not be there twice: a row of a table, the question, the data and the seed; versions are left out."""
    spec, model = result.spec, result.model
    stages = tuple((tuple(name for name, _ in stage.tasks), stage.split) for stage in spec.fit.stages)
    words = (model.settings, model.tune, spec.options)
    return (
        *(spec.task, spec.split, spec.protocol, result.corpus.name, spec.fit.fingerprint, spec.fit.seed),
        *(model.name, model.preset, stages),
        *(tuple(sorted((key, str(value)) for key, value in each.items())) for each in words),
    )


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
