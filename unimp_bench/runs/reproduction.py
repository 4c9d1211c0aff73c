"""Reruns a published result from its stored specification alone, and compares the numbers.

A reproduction has its own runs, in ``runs/reproductions/<key>``. No earlier run or fit is read; an interrupted
reproduction resumes from its checkpoints, a finished one starts over when it is repeated.
"""

from __future__ import annotations

import dataclasses
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unimp_bench import registry
from unimp_bench.corpus.fingerprints import fingerprint_of
from unimp_bench.corpus.views import parts_of_name
from unimp_bench.errors import DataError, UsageError
from unimp_bench.files import Workspace, locked
from unimp_bench.kinds import kind_of
from unimp_bench.machine import main_says
from unimp_bench.runs.identity import parts_read
from unimp_bench.runs.provenance import Provenance
from unimp_bench.runs.results import GIVEN, RESULT_NAME, Estimate, Result
from unimp_bench.runs.runner import RunRequest, open_corpus, planned, run
from unimp_bench.runs.spec import FitSpec
from unimp_bench.runs.versions import outdated

ROUNDING = 1e-9
"""Tolerance, since intervals of equal values may exclude their mean by rounding."""


@dataclass(frozen=True)
class ReproductionSpace(Workspace):
    """A workspace with the corpora and cache of another one, and separate runs for one reproduction."""

    key: str

    @property
    def runs(self) -> Path:
        return self.root / "runs" / "reproductions" / self.key

    def forget_finished(self) -> None:
        """Delete all runs and fits if a run is finished; interrupted ones are kept."""
        finished = list(self.runs.glob(f"*/{RESULT_NAME}"))
        if finished:
            shutil.rmtree(self.fits, ignore_errors=True)  # before the results, which show that a deletion is incomplete
        for path in finished:
            shutil.rmtree(path.parent)


@dataclass(frozen=True)
class Metric:
    """One metric of the main table, published and new; None if it cannot be computed now."""

    name: str
    published: Estimate
    new: Estimate | None

    @property
    def inside(self) -> bool:
        """Whether the published interval contains the new value, and its own (it does unless the file was edited)."""
        low, high = self.published.low - ROUNDING, self.published.high + ROUNDING
        return self.new is not None and low <= self.new.value <= high and low <= self.published.value <= high


@dataclass(frozen=True)
class Reproduction:
    """Two results of one specification."""

    published: Result
    new: Result

    def metrics(self) -> list[Metric]:
        """The published metrics of the main table."""
        kind = kind_of(registry.task_cards()[self.published.spec.task].kind)
        return [
            Metric(name, estimate, self.new.metrics.get(name))
            for name, estimate in self.published.metrics.items()
            if (column := kind.column(name)) and column.brief
        ]

    def same_ranks(self) -> int | None:
        """Number of identical target ranks, as stored; None for other kinds than rankings."""
        if not self.published.ranks:
            return None
        return int(np.sum(self.published.target_ranks() == self.new.target_ranks()))

    def changes(self) -> list[str]:
        """Differences of code, machine, and packages named in both records, one per line."""
        then, now = self.published.provenance, self.new.provenance
        pairs = [("commit", _commit(then), _commit(now)), ("machine", then.machine, now.machine)]
        pairs += [(name, old, now.versions[name]) for name, old in then.versions.items() if name in now.versions]
        return [f"{name}: published with {old}, now {new}" for name, old, new in pairs if old != new]


def reproduce(published: Result, request: RunRequest, workspace: Workspace) -> Reproduction:
    """Rerun a result's specification from scratch.

    Args:
        published: the result.
        request: its request, from ``request_of``.
        workspace: the user's workspace, of which only corpora and cache are read.
    """
    space = ReproductionSpace(workspace.root, published.spec.key)
    with locked(space.runs):
        main_says(space.forget_finished)
        new, _ = run(request, space)
    if new.examples != published.examples:
        raise DataError(
            f"not comparable: the published row has {published.examples} examples, now there are {new.examples}"
        )
    return Reproduction(published, new)


def corpus_of(published: Result) -> tuple[str, tuple[str, ...]]:
    """Name of the corpus as built, and the views that were applied to it."""
    name, views = parts_of_name(published.corpus.name)
    return name, tuple(map(str, views))


def request_of(published: Result, corpus: Path, workspace: Workspace) -> RunRequest:
    """The request with the specification of a result, field by field.

    Args:
        published: the result.
        corpus: folder of its corpus.
        workspace: workspace of the request.

    Raises:
        UsageError: the result was scored from a file or is an ensemble, or this version cannot express its
            specification.
        DataError: the folder holds another corpus.
    """
    spec = published.spec
    if published.cost is None:
        raise UsageError(f"{spec.key} was scored from a prediction file: there is no model to rerun")
    if spec.fit.parts:
        raise UsageError(
            f"{spec.key} is an ensemble: reproduce its parts, then '{published.provenance.command}' mixes them"
        )
    if older := outdated(published):
        origin = _commit(published.provenance)
        raise UsageError(f"{spec.key} is a result of an earlier version ({'; '.join(older)}); use commit {origin}")
    names_whole = _check_corpus(published, corpus)
    try:
        request = _request(published, corpus)
        now = planned(request, workspace).spec
        if names_whole:
            now = now.model_copy(update={"fit": _naming(now.fit, spec.fit.fingerprint), "views": spec.views})
    except UsageError as error:
        raise UsageError(f"this version cannot run {spec.key}: {error}") from None
    changed = _differences(spec.model_dump(mode="json"), now.model_dump(mode="json"))
    if changed:
        origin = _commit(published.provenance)
        raise UsageError(f"this version cannot run {spec.key} as it was ({'; '.join(changed)}); commit {origin} did")
    return request


def _request(published: Result, corpus: Path) -> RunRequest:
    """The request with complete configurations; fields added since have their defaults, regardless of presets."""
    *_, last = stages = published.spec.fit.stages
    usual = dataclasses.asdict(registry.load(registry.model_card(last.model).factory).Config())
    settings = {**usual, **stages[0].config}
    return RunRequest(
        task=published.spec.task,
        model=last.model,
        corpus=corpus,
        split=published.spec.split,
        protocol=published.spec.protocol,
        seed=last.seed,
        fit_on=tuple(name for name, _ in last.tasks),
        fit_split=last.split,
        after=tuple(tuple(name for name, _ in stage.tasks) for stage in stages[:-1]),
        settings=settings,
        tune={key: value for key, value in last.config.items() if settings.get(key) != value},
        options=published.spec.options,
        views=corpus_of(published)[1],
        features={
            key.removeprefix(GIVEN): name for key, name in published.model.settings.items() if key.startswith(GIVEN)
        },
    )


def _naming(fit: FitSpec, fingerprint: str) -> FitSpec:
    """The specification of a fit as earlier versions wrote it, with the fingerprint of the whole corpus."""
    start = None if fit.start is None else _naming(fit.start, fingerprint)
    return fit.model_copy(update={"fingerprint": fingerprint, "start": start})


def _check_corpus(published: Result, folder: Path) -> bool:
    """Refuse a corpus that differs from that of a result in what its fit reads; whether the result names it whole."""
    name, views = corpus_of(published)
    fit, found = published.spec.fit, open_corpus(folder, views)
    wanted = fit.fingerprint
    if found.fingerprint == wanted:
        return True
    tasks = [name for name, _ in fit.tasks]
    reads = registry.model_card(fit.model).reads
    parts = parts_read(reads, tasks, options=bool(fit.options))
    if fingerprint_of(found.part_fingerprints, parts) == wanted:
        return False
    then, now = published.corpus, found.manifest.counts
    pairs = [(noun, getattr(now, noun), getattr(then, noun)) for noun in ("users", "items", "interactions")]
    counts = ", ".join(f"{new:,} {noun} instead of {old:,}" for noun, new, old in pairs if new != old)
    known = registry.public_corpora() | registry.corpus_cards()
    remedy = f"build it with 'make data CORPUS={name}'" if name in known else "docs/data.md builds it"
    public = registry.public_corpora().get(name)
    differ = [part for part in parts if found.part_fingerprints[part] != then.parts.get(part)]
    if public is not None and differ and not any(part.same for part in public.parts if part.part in differ):
        remedy = f"public files do not give the published {' and '.join(differ)} ('unimp-bench describe corpus {name}')"
    raise DataError(
        f"{folder} is not the corpus of {published.spec.key}: its fingerprint{' under the views' if views else ''} is "
        f"{found.fingerprint[:12]}, not {wanted[:12]} ({counts or 'of the same size'}); {remedy}, or name another "
        "folder with --corpus"
    )


def _differences(stored: Any, now: Any, place: str = "") -> list[str]:
    """Differences of a stored record from the current one; new fields are not differences."""
    if isinstance(stored, dict) and isinstance(now, dict):
        return [
            line
            for key, value in stored.items()
            for line in _differences(value, now.get(key), f"{place}.{key}".lstrip("."))
        ]
    return [] if stored == now else [f"{place} was {stored!r} and is {now!r}"]


def _commit(origin: Provenance) -> str:
    return (origin.commit[:12] or "unknown") + ("" if origin.clean or not origin.commit else " with changes")
