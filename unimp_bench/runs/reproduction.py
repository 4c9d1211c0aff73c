"""Runs a published result again, from nothing but its stored specification, and sets the new numbers beside it.

A reproduction has runs of its own, in ``runs/reproductions/<key>``: no earlier run or fit is read, and killing it and
asking again goes on from its checkpoints. Asking for a finished one starts over.
"""

from __future__ import annotations

import dataclasses
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unimp_bench import registry
from unimp_bench.corpus.views import parts_of_name
from unimp_bench.errors import DataError, UsageError
from unimp_bench.files import Workspace, locked
from unimp_bench.kinds import kind_of
from unimp_bench.machine import main_says
from unimp_bench.runs.identity import fit_fingerprint
from unimp_bench.runs.results import RESULT_NAME, Estimate, Provenance, Result, outdated
from unimp_bench.runs.runner import RunRequest, open_corpus, planned, run
from unimp_bench.runs.spec import FitSpec

ROUNDING = 1e-9
"""Intervals of equal values may miss their own mean in the last bits."""


@dataclass(frozen=True)
class ReproductionSpace(Workspace):
    """The corpora and the cache of a workspace, with runs of its own: those of one reproduction."""

    key: str

    @property
    def runs(self) -> Path:
        return self.root / "runs" / "reproductions" / self.key

    def forget_finished(self) -> None:
        """Forget all runs and fits where one run is finished; what was interrupted stays."""
        finished = list(self.runs.glob(f"*/{RESULT_NAME}"))
        if finished:
            shutil.rmtree(self.fits, ignore_errors=True)  # before the results, by which an interrupt here is noticed
        for path in finished:
            shutil.rmtree(path.parent)


@dataclass(frozen=True)
class Metric:
    """One metric of the main table, as it was published and as it is now; None where it cannot be computed now."""

    name: str
    published: Estimate
    new: Estimate | None

    @property
    def inside(self) -> bool:
        """Whether the published interval holds the new value; and its own, as it does in a file that nobody edited."""
        low, high = self.published.low - ROUNDING, self.published.high + ROUNDING
        return self.new is not None and low <= self.new.value <= high and low <= self.published.value <= high


@dataclass(frozen=True)
class Reproduction:
    """Two results of one specification."""

    published: Result
    new: Result

    def metrics(self) -> list[Metric]:
        """Of the main table, those that were published."""
        kind = kind_of(registry.task_cards()[self.published.spec.task].kind)
        return [
            Metric(name, estimate, self.new.metrics.get(name))
            for name, estimate in self.published.metrics.items()
            if (column := kind.column(name)) and column.brief
        ]

    def same_ranks(self) -> int | None:
        """How many target ranks are identical, as results keep them; None where nothing is ranked."""
        if not self.published.ranks:
            return None
        return int(np.sum(self.published.target_ranks() == self.new.target_ranks()))

    def changes(self) -> list[str]:
        """What differs in code, machine and packages that both records name, a line each."""
        then, now = self.published.provenance, self.new.provenance
        pairs = [("commit", _commit(then), _commit(now)), ("machine", then.machine, now.machine)]
        pairs += [(name, old, now.versions[name]) for name, old in then.versions.items() if name in now.versions]
        return [f"{name}: {old} then, {new} now" for name, old, new in pairs if old != new]


def reproduce(published: Result, request: RunRequest, workspace: Workspace) -> Reproduction:
    """Run a result's specification from the beginning.

    Args:
        published: the result.
        request: what ``request_of`` made of it.
        workspace: the user's, of which nothing but the corpora and the cache is read.
    """
    space = ReproductionSpace(workspace.root, published.spec.key)
    with locked(space.runs):
        main_says(space.forget_finished)
        new, _ = run(request, space)
    if new.examples != published.examples:
        raise DataError(f"the row has {published.examples} examples, now there are {new.examples}: not comparable")
    return Reproduction(published, new)


def corpus_of(published: Result) -> tuple[str, tuple[str, ...]]:
    """Name of the corpus as it was built, and the views of it that the result is on."""
    name, views = parts_of_name(published.corpus.name)
    return name, tuple(map(str, views))


def request_of(published: Result, corpus: Path, workspace: Workspace) -> RunRequest:
    """The request whose specification is that of a result, field by field.

    Args:
        published: the result.
        corpus: folder of the corpus it is on.
        workspace: where the request will be made.

    Raises:
        UsageError: the result was scored from a file, or this version has no such specification.
        DataError: the folder holds another corpus.
    """
    spec = published.spec
    if published.cost is None:
        raise UsageError(f"{spec.key} was scored from a prediction file: there is no model to rerun")
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
    """Configurations in full; fields that came later stand at their own defaults, whatever a preset says."""
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
    if fit_fingerprint(found, reads, tasks, options=bool(fit.options)) == wanted:
        return False
    then, now = published.corpus, found.manifest.counts
    pairs = [(noun, getattr(now, noun), getattr(then, noun)) for noun in ("users", "items", "interactions")]
    counts = ", ".join(f"{new:,} {noun} instead of {old:,}" for noun, new, old in pairs if new != old)
    remedy = f"build it with 'make data CORPUS={name}'" if name in registry.corpus_cards() else "docs/data.md builds it"
    raise DataError(
        f"{folder} is not the corpus of {published.spec.key}: its fingerprint{' under the views' if views else ''} is "
        f"{found.fingerprint[:12]}, not {wanted[:12]} ({counts or 'of the same size'}); {remedy}, or name another "
        "folder with --corpus"
    )


def _differences(stored: Any, now: Any, place: str = "") -> list[str]:
    """Where a stored record is not what it would be now; what is new there beside it is no difference."""
    if isinstance(stored, dict) and isinstance(now, dict):
        return [
            line
            for key, value in stored.items()
            for line in _differences(value, now.get(key), f"{place}.{key}".lstrip("."))
        ]
    return [] if stored == now else [f"{place} was {stored!r} and is {now!r}"]


def _commit(origin: Provenance) -> str:
    return (origin.commit[:12] or "unknown") + ("" if origin.clean or not origin.commit else " with changes")
