"""Published results on disk, ``leaderboards/results/<task>/<corpus>/<run key>.json``, and the contents of pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from unimp_bench.contracts import TaskCard
from unimp_bench.corpus.fingerprints import fingerprint_of
from unimp_bench.errors import DataError, UsageError, did_you_mean
from unimp_bench.files import Workspace
from unimp_bench.reports.audit.corpus.record import CorpusAudit, load_audits
from unimp_bench.reports.audit.table.report import TableAudit, audit_reported, marked
from unimp_bench.reports.ids import PublishedIds, load_ids
from unimp_bench.reports.rows.labels import settings_of
from unimp_bench.reports.rows.sections import Section, sections, topic_sections
from unimp_bench.reports.tables.printed import Reported, load_reported
from unimp_bench.runs.identity import parts_read
from unimp_bench.runs.results import RESULT_NAME, Result
from unimp_bench.runs.spec import KEY_LENGTH
from unimp_bench.runs.suite import Suite
from unimp_bench.settings import Strict

RESULTS = "results"
WITHDRAWN = "withdrawn.json"

_KEY_BEGINS = 6
_KEY = re.compile(rf"[0-9a-f]{{{_KEY_BEGINS},{KEY_LENGTH}}}")
"""A key or a prefix of one."""


class Withdrawal(Strict):
    """Published results or conclusions that were withdrawn.

    Attributes:
        what: was withdrawn.
        why: the rule of the standard that it breaks, and the evidence.
        commit: the last one that has it.
        results: number of result files.
    """

    what: str
    why: str
    commit: str
    results: int


_WITHDRAWALS = TypeAdapter(tuple[Withdrawal, ...])


def load_withdrawn(folder: Path) -> tuple[Withdrawal, ...]:
    """What was withdrawn from a leaderboards folder; nothing where it has no such file.

    Raises:
        DataError: the file is not of this form.
    """
    path = folder / WITHDRAWN
    if not path.is_file():
        return ()
    try:
        return _WITHDRAWALS.validate_json(path.read_bytes())
    except ValidationError as error:
        raise DataError(f"{path} is no list of withdrawals ({error.errors()[0]['msg']})") from None


def load_results(folder: Path) -> list[Result]:
    """All published results below a leaderboards folder, sorted by path.

    Raises:
        DataError: a file is not a result, or has the name of another run.
    """
    results = []
    for path in sorted((folder / RESULTS).rglob("*.json")):
        result = Result.read(path)
        if path != place_of(folder, result):
            raise DataError(f"{path} holds the run {result.spec.key} of {result.spec.task}; move or remove it")
        results.append(result)
    return results


def find_result(folder: Path, row: str) -> Result:
    """One published result, by its run key, a unique prefix of it, or the path of its file.

    Raises:
        UsageError: no result or several results match.
        DataError: the file is not a result, or has the name of another run.
    """
    path = Path(row) if row.endswith(".json") else _path_of(folder, row)
    result = Result.read(path)
    if path.name != place_of(folder, result).name:
        raise DataError(f"{path} holds run {result.spec.key}, which does not match its name: changed after publication")
    return result


def _path_of(folder: Path, key: str) -> Path:
    if not _KEY.fullmatch(key):
        raise UsageError(f"{key!r} is not a key: give 6 to {KEY_LENGTH} hexadecimal digits, or a result file")
    found = sorted((folder / RESULTS).glob(f"*/*/{key}*.json"))
    if not found:
        raise UsageError(f"no published result in {folder / RESULTS} has a key that begins with {key}")
    if len(found) > 1:
        named = ", ".join(str(path.relative_to(folder)) for path in found[:4])
        raise UsageError(f"{len(found)} published results have a key that begins with {key}: {named}; give more of it")
    return found[0]


@dataclass(frozen=True)
class Published:
    """The written files, and the removed ones that they replace."""

    written: tuple[Path, ...]
    replaced: tuple[Path, ...]


def load_runs(workspace: Workspace) -> list[Result]:
    """The results of all finished runs; for each identity the latest."""
    found = _read(_finished(workspace, None))
    corpora = corpora_of(found)
    return list({identity(result, corpora): result for result in found}.values())


def publish(
    workspace: Workspace, keys: Sequence[str] | None, *, replace: bool = False, dirty: bool = False
) -> Published:
    """Copy results of finished runs to the leaderboards, replacing earlier ones of the same identity.

    New configuration fields change the key of a row, so that an earlier file would count as another seed. For each
    identity the latest result is kept.

    Args:
        keys: of the runs, or prefixes; None for all finished runs.
        replace: also replace results of other machines.
        dirty: also publish results of code with uncommitted changes.

    Raises:
        UsageError: a key has no finished run, or a result needs ``replace`` or ``dirty``; nothing is written then.
    """
    folder = workspace.leaderboards
    finished, published = _read(_finished(workspace, keys)), load_results(folder)
    corpora = corpora_of([*finished, *published])
    new = {identity(result, corpora): result for result in finished}
    earlier = {identity(result, corpora): result for result in published}
    fresh = {row: result for row, result in new.items() if earlier.get(row) != result}
    changed = [result for result in fresh.values() if not result.is_committed]
    if changed and not dirty:
        raise UsageError(
            f"run {_named(changed)} is of code with changes that are not committed: commit them and run it again with "
            "--fresh, or add --dirty"
        )
    others = [
        result
        for row, result in fresh.items()
        if row in earlier and earlier[row].provenance.origin != result.provenance.origin
    ]
    if others and not replace:
        raise UsageError(
            f"run {_named(others)} would replace the result that another machine gave to the same row, question and "
            "seed: name other runs, or add --replace"
        )
    for result in fresh.values():
        place_of(folder, result)
    replaced = []
    for row, result in fresh.items():
        result.write(place_of(folder, result))
        if row in earlier and place_of(folder, earlier[row]) != place_of(folder, result):
            replaced.append(place_of(folder, earlier[row]))
            replaced[-1].unlink()
    return Published(tuple(place_of(folder, result) for result in new.values()), tuple(replaced))


def _named(results: Sequence[Result]) -> str:
    """The key of the first result and the number of others."""
    more = f" (and {len(results) - 1} more)" if len(results) > 1 else ""
    return f"{results[0].spec.key}{more}"


def _read(paths: Iterable[Path]) -> list[Result]:
    """Results in order of time."""
    return sorted(map(Result.read, paths), key=lambda result: result.provenance.time)


def corpora_of(results: Iterable[Result]) -> Callable[[Result], str]:
    """The fingerprint by which the corpus of a result is known among ``results``.

    Corpora of one name that agree in what the examples of a task are drawn from are one corpus for that task, under
    the fingerprint of the latest result: another version of the texts makes no other ranking.
    """
    latest: dict[tuple[str, str, str], str] = {}
    known: dict[tuple[str, str], str] = {}
    for result in sorted(results, key=lambda result: result.provenance.time, reverse=True):
        spec, corpus = result.spec, result.corpus
        if corpus.parts:
            drawn = fingerprint_of(corpus.parts, parts_read((), (spec.task,), options=bool(spec.options)))
            known[spec.task, result.corpus_id] = latest.setdefault((spec.task, corpus.name, drawn), result.corpus_id)
    return lambda result: known.get((result.spec.task, result.corpus_id), result.corpus_id)


def on_one_corpus(results: Sequence[Result]) -> list[Result]:
    """The results, each with the fingerprint that ``corpora_of`` gives."""
    corpora = corpora_of(results)
    return [
        result
        if corpora(result) == result.corpus_id
        else result.model_copy(update={"corpus": result.corpus.model_copy(update={"fingerprint": corpora(result)})})
        for result in results
    ]


def identity(result: Result, corpora: Callable[[Result], str]) -> tuple[object, ...]:
    """What must be unique: model, fit, task, data and seed; versions are ignored."""
    spec, model = result.spec, result.model
    stages = tuple((tuple(name for name, _ in stage.tasks), stage.split) for stage in spec.fit.stages)
    words = (settings_of(result), model.tune, spec.options)
    return (
        *(spec.task, spec.split, spec.protocol, result.corpus.name, corpora(result), spec.fit.seed),
        *(model.name, model.preset, stages),
        *(tuple(sorted((key, str(value)) for key, value in each.items())) for each in words),
    )


def _finished(workspace: Workspace, keys: Sequence[str] | None) -> list[Path]:
    if keys is None:
        found = sorted(workspace.runs.glob(f"*/{RESULT_NAME}"))
        if not found:
            raise UsageError(f"there is no finished run in {workspace.runs}")
        return found
    return [_run_of(workspace, key) for key in dict.fromkeys(keys)]


def _run_of(workspace: Workspace, key: str) -> Path:
    """The result of a finished run, by its key or a unique prefix of it."""
    exact = workspace.runs / key / RESULT_NAME
    if key.isalnum() and exact.is_file():
        return exact
    found = sorted(workspace.runs.glob(f"{key}*/{RESULT_NAME}")) if _KEY.fullmatch(key) else []
    if not found:
        raise UsageError(
            f"{workspace.runs} has no finished run {key!r}; its folders are named by the runs' keys, of which "
            f"{_KEY_BEGINS} digits are enough"
        )
    if len(found) > 1:
        named = ", ".join(path.parent.name for path in found[:4])
        raise UsageError(f"{len(found)} finished runs have a key that begins with {key}: {named}; give more of it")
    return found[0]


def place_of(folder: Path, result: Result) -> Path:
    """Path of a published result.

    Raises:
        DataError: the task or corpus is not a plain name.
    """
    for name in (result.spec.task, result.corpus.name):
        if Path(name).name != name or name.startswith("."):
            raise DataError(f"a result names {name!r}, which is not a plain name")
    return folder / RESULTS / result.spec.task / result.corpus.name / f"{result.spec.key}.json"


@dataclass(frozen=True)
class Contents:
    """The contents of leaderboards.

    Attributes:
        home: folder of the pages.
        results: of all rows.
        sources: folder of reported numbers and published audits.
    """

    home: Path
    results: tuple[Result, ...]
    sources: Path
    _sections: dict[str, list[Section]] = field(default_factory=dict, compare=False, repr=False)
    _audits: list[TableAudit] = field(default_factory=list, compare=False, repr=False)

    @classmethod
    def published(cls, folder: Path) -> Contents:
        """All published results below a leaderboards folder."""
        return cls(folder, tuple(load_results(folder)), folder)

    @classmethod
    def of_runs(cls, workspace: Workspace) -> Contents:
        """The finished runs of a workspace, published or not, with pages in a separate folder.

        Raises:
            UsageError: there are none.
        """
        return cls(workspace.runs_leaderboards, tuple(load_runs(workspace)), workspace.leaderboards)

    @property
    def are_published(self) -> bool:
        """Whether the rows are published results."""
        return self.home == self.sources

    def reported(self) -> list[Reported]:
        """The numbers that papers print, rows marked that no ranking can give."""
        return marked(load_reported(self.sources), self.table_audits())

    def withdrawn(self) -> tuple[Withdrawal, ...]:
        """What was withdrawn; nothing for runs of a workspace."""
        return load_withdrawn(self.sources) if self.are_published else ()

    def ids(self) -> list[PublishedIds]:
        """Published records of semantic ids; nothing for runs of a workspace."""
        return load_ids(self.sources) if self.are_published else []

    def table_audits(self) -> list[TableAudit]:
        """The audits of what papers print, made once."""
        if not self._audits:
            self._audits.extend(audit_reported(self.sources))
        return self._audits

    def audits(self) -> list[CorpusAudit]:
        """Published audits; for runs of a workspace only those of their corpora."""
        fingerprints = {result.corpus_id for result in self.results}
        return [each for each in load_audits(self.sources) if self.are_published or each.fingerprint in fingerprints]

    def sections(self, of: TaskCard | Suite) -> list[Section]:
        """The sections of a task or suite (cached)."""
        key = f"{type(of).__name__} {of.name}"
        if key not in self._sections:
            results = on_one_corpus(self.results)
            self._sections[key] = topic_sections(of, results) if isinstance(of, Suite) else sections(results, of)
        return self._sections[key]

    def only(self, corpus: str) -> Contents:
        """The contents restricted to one corpus and its views.

        Raises:
            UsageError: there is no result on it; the error suggests the nearest name.
        """
        names = {name for result in self.results for name in (result.corpus.name, _store(result.corpus.name))}
        if corpus not in names:
            raise UsageError(f"no result on corpus {corpus!r}{did_you_mean(corpus, names)}")
        chosen = [result for result in self.results if _store(result.corpus.name) == _store(corpus)]
        return Contents(self.home, tuple(chosen), self.sources)


def _store(corpus: str) -> str:
    """The name of a corpus without its views."""
    return corpus.partition("+")[0]
