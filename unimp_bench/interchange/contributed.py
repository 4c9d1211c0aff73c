"""Checks results that others add to ``leaderboards/results``, by a pull request for example. The files are untrusted.

A finding is a problem, which must be solved before the result is accepted, or a note to the reviewer.
"""

from __future__ import annotations

import math
import shlex
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unimp_bench import registry
from unimp_bench.errors import BenchError, DataError, UsageError, did_you_mean, find
from unimp_bench.files import Workspace
from unimp_bench.interchange.predictions import PredictionFile
from unimp_bench.interchange.stored_answers import has_its_examples
from unimp_bench.interchange.submission import EXTERNAL, SYSTEM, read_answers
from unimp_bench.kinds import Setting, kind_of
from unimp_bench.metrics.ranking import rank_scores
from unimp_bench.metrics.rating import SQUARED_ERROR
from unimp_bench.metrics.resources import Resources
from unimp_bench.metrics.several import user_scores
from unimp_bench.reports.store import RESULTS, corpora_of, identity, place_of
from unimp_bench.runs.fitting import corpus_cache
from unimp_bench.runs.reproduction import ROUNDING, corpus_of
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

_COMMANDS = ("run", "score", "ensemble")


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


@dataclass(frozen=True)
class Changes:
    """Result files that were added or changed, and removed ones."""

    present: list[Path]
    removed: list[Path]


def changed_since(reference: str, home: Path) -> Changes:
    """The result files that differ from where this branch left ``reference``, committed or not.

    Raises:
        UsageError: git or the commit is missing, or the folder is in no repository.
    """
    try:
        commit = _git(home, "rev-parse", "--verify", "--end-of-options", f"{reference}^{{commit}}")
        base = _git(home, "merge-base", commit[0], "HEAD")
    except (OSError, subprocess.CalledProcessError):
        raise UsageError(f"git has no commit {reference!r} with a common history in {home}; fetch it first") from None
    differ = ("diff", "--name-only", "--no-renames", "--relative", "-z", base[0], "--", RESULTS)
    names = _git(home, *differ) + _git(home, "ls-files", "--others", "--exclude-standard", "-z", "--", RESULTS)
    paths = [home / name for name in sorted(set(names))]
    present = [path for path in paths if path.is_symlink() or path.exists()]
    return Changes(present, [path for path in paths if path not in present])


def _git(folder: Path, *arguments: str) -> list[str]:
    """The answer of git, split at NUL."""
    answer = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
    return [part for part in answer.stdout.strip("\n").split("\0") if part]


def check_files(paths: Iterable[Path], home: Path) -> tuple[dict[Path, Result], list[Finding]]:
    """The results of files and what is to be said of them: of place, size, form and content, each alone and by others.

    Args:
        paths: the files.
        home: the leaderboards folder.
    """
    results: dict[Path, Result] = {}
    findings: list[Finding] = []
    for path in paths:
        try:
            result = _read(path, home)
            find(registry.task_cards(), result.spec.task, "task")
            results[path] = result
        except BenchError as error:
            findings.append(Finding(path, str(error).removeprefix(f"{path} ")))
    others = {path: result for path, result in _published(home) if path not in {each.resolve() for each in results}}
    corpora = _known_corpora((others or results).values())  # where all are checked, they are the published ones
    for path, result in results.items():
        wrong = list(_problems(result, corpora))
        findings += [Finding(path, text) for text in wrong]
        if not wrong:
            findings += [Finding(path, text, is_problem=False) for text in _notes(result)]
    findings += _duplicates(results, others)
    return results, findings


def _read(path: Path, home: Path) -> Result:
    """The result of a file at its place below the results.

    Raises:
        DataError: it is no result, or not at its place.
    """
    results, real = (home / RESULTS).resolve(), path.resolve()
    if path.is_symlink() or not path.is_file():
        raise DataError("is not a regular file")
    parts = real.relative_to(results).parts if real.is_relative_to(results) else ()
    if len(parts) != 3 or path.suffix != ".json":
        raise DataError(f"is not at {home / RESULTS}/<task>/<corpus>/<key>.json")
    if (size := path.stat().st_size) > LARGEST:
        raise DataError(f"has {size:,} bytes; a result has at most {LARGEST:,}")
    result = Result.read(path)
    place = place_of(home, result).relative_to(home / RESULTS)
    if place.parts != parts:
        raise DataError(f"its specification belongs at {place}: it was changed after the run, or moved")
    return result


def _published(home: Path) -> Iterator[tuple[Path, Result]]:
    """All results at their places, by resolved path; what else is there is for ``check_files`` of all files."""
    for path in sorted((home / RESULTS).resolve().glob("*/*/*.json")):
        try:
            result = _read(path, home)
        except BenchError:
            continue
        if result.spec.task in registry.task_cards():
            yield path, result


def _known_corpora(published: Iterable[Result]) -> dict[str, set[str]]:
    """Names of corpora, with the fingerprints of the interactions that are known of them."""
    known: dict[str, set[str]] = {name: set() for name in registry.corpus_cards()}
    for corpus in registry.public_corpora().values():
        known[corpus.name] = {part.fingerprint for part in corpus.parts if part.part == "interactions"}
    for result in published:
        name, views = corpus_of(result)
        known.setdefault(name, set())
        if result.corpus.parts and not views:
            known[name].add(result.corpus.parts["interactions"])
    return known


def _problems(result: Result, corpora: dict[str, set[str]]) -> Iterator[str]:
    """What is wrong with the content of a result; names first, as the other checks look them up."""
    names = list(_names(result, corpora))
    yield from names or (*_texts(result), *_metrics(result), *_values(result))


def _names(result: Result, corpora: dict[str, set[str]]) -> Iterator[str]:
    spec, model = result.spec, result.model
    is_external = model.name.startswith(EXTERNAL)
    try:
        for name in [part.model for part in spec.fit.parts] or [model.name]:
            if not is_external:
                registry.model_card(name)
    except BenchError as error:
        yield str(error)
    if is_external and not SYSTEM.fullmatch(model.name.removeprefix(EXTERNAL)):
        yield f"invalid name {model.name!r} of an external system"
    if model.name != spec.fit.model:
        yield f"the row is of {model.name}, the specification of {spec.fit.model}"
    if is_external != (result.cost is None):
        yield "only predictions of an external system have no cost" if result.cost is None else "external with a cost"
    name, views = corpus_of(result)
    if name not in corpora:
        yield f"unknown corpus {name!r}{did_you_mean(name, corpora)}; a new corpus comes with its card"
    elif result.corpus.parts and not views:
        found, wanted = result.corpus.parts.get("interactions", "none"), corpora[name]
        if wanted and found not in wanted:
            yield f"its corpus is not the published {name}: interactions {found[:12]}, not {min(wanted)[:12]}"


def _texts(result: Result) -> Iterator[str]:
    """Texts that pages print, and the command that they give to readers."""
    model, origin = result.model, result.provenance
    words = [*model.settings.values(), *model.tune.values(), *result.spec.options.values()]
    for judgement in result.judgements:
        judge = judgement.judge
        words += [judge.name, judge.rubric, judge.mode, judgement.provenance.command, *judge.identity.values()]
    for text in (model.preset, model.about, model.source, origin.command, origin.machine, *result.remarks, *words):
        if not str(text).isprintable() or len(str(text)) > _LONGEST:
            yield f"a text is longer than {_LONGEST:,} letters or has unprintable ones: {str(text)[:40]!r}..."
    try:
        program, command, *options = shlex.split(origin.command)
    except ValueError:
        program, command, options = "", "", []
    name = model.name.removeprefix(EXTERNAL)
    wanted = set() if result.spec.fit.parts else {result.spec.task, name}  # an ensemble names its parts
    if program != "unimp-bench" or command not in _COMMANDS or not wanted <= {*options}:
        yield f"its command is not that of its row: {origin.command!r}"
    if not origin.commit or not result.is_committed:
        yield "it is of code with changes that are not committed; commit them and run again with --fresh"


def _metrics(result: Result) -> Iterator[str]:
    kind = kind_of(registry.task_cards()[result.spec.task].kind)
    for name, estimate in result.metrics.items():
        if kind.column(name) is None:
            yield f"{result.spec.task} has no metric {name}"
        slack = ROUNDING * max(1.0, abs(estimate.value))
        if not estimate.low - slack <= estimate.value <= estimate.high + slack:  # so for NaN
            yield f"{name} {estimate.value} is not within its interval [{estimate.low}, {estimate.high}]"
    if kind.main not in {*result.metrics, *result.missing}:
        yield f"lacks the main metric, {kind.main}"
    if not 0 < result.examples <= result.corpus.interactions:
        yield f"{result.examples:,} examples on {result.corpus.interactions:,} interactions"


def _values(result: Result) -> Iterator[str]:
    """Metrics that do not follow from the ranks or values per example."""
    for name, (value, tolerance) in _recomputed(result).items():
        stored = result.metrics[name].value
        if abs(stored - value) > tolerance:
            yield f"{name} is {stored:.6f}, but {value:.6f} by its values per example"
    counts = result.target_counts()
    if result.ranks and result.target_ranks().min(initial=1) > 0:
        ranks = result.target_ranks()
        for name, score in (rank_scores(ranks) if counts is None else user_scores(ranks, counts)).items():
            given = result.metrics.get(name)
            if given and max(abs(given.low - score.low), abs(given.high - score.high)) > _OF_INTERVALS:
                yield (
                    f"the interval of {name} is [{given.low:.4f}, {given.high:.4f}], but [{score.low:.4f}, "
                    f"{score.high:.4f}] by its ranks"
                )
    elif result.ranks:
        yield "it has ranks below 1"


def _recomputed(result: Result) -> dict[str, tuple[float, float]]:
    """Metrics by their values per example, with a tolerance."""
    found = {}
    for name in result.metrics:
        values = result.example_values(name)
        if values is not None:
            rounding = 0.0 if result.ranks else _OF_HALVES * float(np.abs(values).mean())
            found[name] = float(values.mean()), _EXACT + rounding
    squares = result.example_values(SQUARED_ERROR) if "RMSE" in result.metrics else None
    if squares is not None:
        root = math.sqrt(float(squares.mean()))
        found["RMSE"] = root, _EXACT + _OF_HALVES * root
    return found


def _notes(result: Result) -> Iterator[str]:
    if older := outdated(result):
        yield f"it is of an earlier version ({'; '.join(older)})"
    if corpus_of(result)[0] not in registry.public_corpora() and not result.corpus.synthetic:
        yield f"{result.corpus.name} is not built from public files by name: say in the request how others get it"


def _duplicates(results: dict[Path, Result], others: dict[Path, Result]) -> Iterator[Finding]:
    """Several results of one row, data and seed, of which tables would count each as another seed."""
    corpora = corpora_of([*results.values(), *others.values()])
    rows = {identity(result, corpora): path for path, result in others.items()}
    for path, result in results.items():
        earlier = rows.setdefault(identity(result, corpora), path)
        if earlier != path:
            yield Finding(path, f"{earlier.name} is a result of the same row, data and seed; remove one")


def predictions_of(result: Result, folder: Path) -> Path | None:
    """The predictions of a result in a folder: ``<key>.parquet``, ``<key>.jsonl`` or those of a run's folder."""
    key = result.spec.key
    names = (f"{key}.parquet", f"{key}.jsonl", f"{key}/predictions.parquet")
    return next((folder / name for name in names if (folder / name).is_file()), None)


def rescored(result: Result, predictions: Path, folder: Path, workspace: Workspace) -> Result:
    """The result that predictions give on the corpus in ``folder``; model, cost and provenance are taken over.

    Raises:
        DataError: the corpus is another one, or the predictions are invalid.
        UsageError: the corpus lacks the task or split.
    """
    spec = result.spec
    corpus = open_corpus(folder, corpus_of(result)[1])
    if not has_its_examples(corpus, result):
        raise DataError(f"{folder} is not the corpus of the result; build the published one")
    task = registry.make_task(spec.task, spec.options)
    check_askable(task, spec.split, spec.protocol)
    cache, resources = corpus_cache(corpus, workspace), Resources.of(workspace)
    setting = Setting(task, corpus, spec.protocol, cache, result.model.name, resources)
    with PredictionFile.open(predictions) as file:
        answers = read_answers(file, spec.split, setting)
    return scored(answers, spec, result.model, result.remarks, result.cost, result.provenance)


def differences(path: Path, stored: Result, new: Result) -> Iterator[Finding]:
    """What differs between a stored result and that of its predictions; below the printed precision as a note."""
    if new.examples != stored.examples:
        yield Finding(path, f"has {stored.examples:,} examples, the corpus {new.examples:,}")
        return
    for name, estimate in stored.metrics.items():
        if name in new.metrics:
            yield from _difference(path, name, estimate, new.metrics[name])
        else:
            yield Finding(path, f"{name} is not checked: {new.missing.get(name, 'it is no longer computed')}", False)
    if stored.ranks and new.ranks and (count := int((stored.target_ranks() != new.target_ranks()).sum())):
        yield Finding(path, f"{count:,} of {stored.examples:,} ranks differ from those of its predictions")
    for name in stored.values.keys() & new.values.keys():
        ours, theirs = stored.example_values(name), new.example_values(name)
        if ours is not None and theirs is not None and not np.allclose(ours, theirs, rtol=1e-3, atol=1e-4):
            count = int((~np.isclose(ours, theirs, rtol=1e-3, atol=1e-4)).sum())
            yield Finding(path, f"{count:,} values per example of {name} differ from those of its predictions")


def _difference(path: Path, name: str, stored: Estimate, new: Estimate) -> Iterator[Finding]:
    pairs = ((stored.value, new.value), (stored.low, new.low), (stored.high, new.high))
    largest = max(abs(ours - theirs) for ours, theirs in pairs)
    printed = [f"{ours:.{_DIGITS}f}" == f"{theirs:.{_DIGITS}f}" for ours, theirs in pairs]
    if not all(printed) and largest > 0.5 * 10**-_DIGITS / 10:
        ours, theirs = (f"{each.value:.6f} [{each.low:.4f}, {each.high:.4f}]" for each in (stored, new))
        yield Finding(path, f"{name} is {ours}, but {theirs} by its predictions")
    elif largest > _EXACT:
        yield Finding(path, f"{name} differs by {largest:.1g} from its predictions, below the printed digits", False)
