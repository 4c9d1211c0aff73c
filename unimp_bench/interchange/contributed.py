"""Checks results that others add to ``leaderboards/results``, by a pull request for example. The files are untrusted.

A finding is a problem, which must be solved before the result is accepted, or a note to the reviewer.
"""

from __future__ import annotations

import math
import shlex
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unimp_bench import registry
from unimp_bench.corpus.fingerprints import fingerprint_of
from unimp_bench.errors import BenchError, DataError, UsageError, did_you_mean, find
from unimp_bench.files import Workspace
from unimp_bench.interchange.predictions import PredictionFile
from unimp_bench.interchange.submission import EXTERNAL, SYSTEM, read_answers
from unimp_bench.kinds import Setting, kind_of
from unimp_bench.metrics.ranking import rank_scores
from unimp_bench.metrics.rating import SQUARED_ERROR
from unimp_bench.metrics.resources import Resources
from unimp_bench.metrics.several import user_scores
from unimp_bench.reports.store import RESULTS, corpora_of, identity, load_results, place_of
from unimp_bench.runs.fitting import corpus_cache
from unimp_bench.runs.identity import parts_read
from unimp_bench.runs.reproduction import corpus_of
from unimp_bench.runs.results import Estimate, Result
from unimp_bench.runs.runner import check_askable, open_corpus
from unimp_bench.runs.scoring import scored
from unimp_bench.runs.versions import outdated

LARGEST = 4 << 20
"""Bytes of a result file; a result of 20,000 examples has less than 100 kB."""

_LONGEST = 2_000
_DIGITS = 4
_EXACT = 1e-9
_OF_HALVES = 2**-10
"""Relative error of values that are stored as float16, twice that of rounding."""

_OF_INTERVALS = 1e-3
"""Tolerance of ends of recomputed intervals, whose resamples depend on the version of NumPy."""

_COMMANDS = ("run", "score")


@dataclass(frozen=True)
class Finding:
    """What is to be said of one file.

    Attributes:
        path: the file.
        text: one line.
        is_problem: false for a note.
    """

    path: Path
    text: str
    is_problem: bool = True

    def __str__(self) -> str:
        return f"{'' if self.is_problem else 'note: '}{self.path}: {self.text}"


def result_files(paths: Iterable[Path], home: Path) -> list[Path]:
    """The files that paths name, those in folders included; without paths all below the results of ``home``.

    Raises:
        UsageError: a path does not exist.
    """
    found: dict[Path, None] = {}
    for path in list(paths) or [home / RESULTS]:
        if not path.exists() and not path.is_symlink():
            raise UsageError(f"{path} does not exist")
        files = (each for each in sorted(path.rglob("*")) if each.is_symlink() or not each.is_dir())
        found.update(dict.fromkeys(files if path.is_dir() and not path.is_symlink() else [path]))
    return list(found)


def check_files(paths: Sequence[Path], home: Path) -> tuple[list[tuple[Path, Result]], list[Finding]]:
    """Check result files: place, size, form, content, and each against all others.

    Returns the results of files without problems of form, and the findings.

    Args:
        paths: the files.
        home: the leaderboards folder.
    """
    results: list[tuple[Path, Result]] = []
    findings: list[Finding] = []
    for path in paths:
        try:
            results.append((path, _read(path, home)))
        except BenchError as error:
            text = str(error).removeprefix(f"{path} ")
            findings.append(Finding(path, text))
    if findings:  # the others can only be read if all are results
        others = [result for _, result in results]
    else:
        try:
            others = load_results(home)
        except BenchError as error:
            findings.append(Finding(home, str(error)))
            others = [result for _, result in results]
    checked = {result.spec.key for _, result in results}
    corpora = known_corpora([result for result in others if result.spec.key not in checked])
    for path, result in results:
        findings += [Finding(path, text) for text in _problems(result, corpora)]
        findings += [Finding(path, text, is_problem=False) for text in _notes(result)]
    findings += _duplicates(results, others)
    return results, findings


def _read(path: Path, home: Path) -> Result:
    """The result of a file at its place below the results.

    Raises:
        DataError: it is no result or not at its place.
    """
    results = (home / RESULTS).resolve()
    if path.resolve() != path.parent.resolve() / path.name or not path.is_file():
        raise DataError("is not a regular file")
    parts = path.resolve().relative_to(results).parts if path.resolve().is_relative_to(results) else ()
    if len(parts) != 3 or path.suffix != ".json":
        raise DataError(f"is not at {home / RESULTS}/<task>/<corpus>/<key>.json")
    if path.stat().st_size > LARGEST:
        raise DataError(f"has {path.stat().st_size:,} bytes; a result has at most {LARGEST:,}")
    result = Result.read(path)
    place = place_of(home, result).relative_to(home / RESULTS)
    if place.parts != parts:
        raise DataError(f"holds a result whose specification belongs at {place}: changed after the run, or misplaced")
    return result


def known_corpora(published: Iterable[Result]) -> dict[str, set[str]]:
    """Names of corpora, with the fingerprints of the interactions that are known of them."""
    known: dict[str, set[str]] = defaultdict(set)
    for name in registry.corpus_cards():
        known[name] |= set()
    for corpus in registry.public_corpora().values():
        known[corpus.name] |= {part.fingerprint for part in corpus.parts if part.part == "interactions"}
    for result in published:
        name, views = corpus_of(result)
        known[name] |= {result.corpus.parts["interactions"]} if result.corpus.parts and not views else set()
    return dict(known)


def _problems(result: Result, corpora: Mapping[str, set[str]]) -> Iterator[str]:
    """What is wrong with the content of a result."""
    for check in (_names, _corpus, _texts, _metrics, _values):
        try:
            yield from _corpus(result, corpora) if check is _corpus else check(result)  # type: ignore[operator]
        except BenchError as error:
            yield str(error)
