"""Synthetic results for tests of tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from unimp_bench import registry
from unimp_bench.errors import UsageError
from unimp_bench.kinds import kind_of
from unimp_bench.metrics.ranking import RANK_METRICS
from unimp_bench.records import IntArray, Protocol, Split, learned_from
from unimp_bench.reports.rows import sections, standard, verdict
from unimp_bench.runs.packed import pack_ranks
from unimp_bench.runs.provenance import Provenance
from unimp_bench.runs.results import CorpusFacts, Cost, Estimate, ModelFacts, Result
from unimp_bench.runs.spec import FitSpec, RunSpec
from unimp_bench.runs.versions import versions_of


@contextmanager
def small_tables() -> Iterator[None]:
    """Tables of a few examples and one seed have an order and a best row, for tests that look at other things."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (sections, verdict):
            patch.setattr(module, "MIN_EXAMPLES", 1)
        patch.setattr(standard, "MIN_SEEDS", 1)
        yield


def _versions(model: str, tasks: Iterable[str]) -> dict[str, Any]:
    try:
        return asdict(versions_of(registry.model_card(model), tasks))
    except UsageError:
        return {}


def make_result(
    model: str,
    ranks: IntArray,
    *,
    task: str = "search",
    split: Split = "loo",
    seed: int = 0,
    preset: str = "default",
    settings: Mapping[str, str] | None = None,
    tune: Mapping[str, str] | None = None,
    fit_on: tuple[str, ...] = (),
    fit_split: Split | None = None,
    after: tuple[tuple[str, ...], ...] = (),
    config: Mapping[str, Any] | None = None,
    reads: tuple[str, ...] = ("order",),
    corpus: str = "toy",
    fingerprint: str = "f" * 64,
    time: str = "t",
    protocol: Protocol | None = None,
) -> Result:
    """A synthetic result of the current versions with the given ranks."""
    settings, tune = dict(settings or {}), dict(tune or {})
    fit: FitSpec | None = None
    unprepared = learned_from(split)
    stages = [*((tasks, {}, unprepared) for tasks in after), (fit_on or (task,), tune, fit_split or unprepared)]
    for tasks, learnt, split_of in stages:
        fit = FitSpec(
            tasks=tuple((name, 1) for name in sorted(tasks)),
            model=model,
            config={"preset": preset, **settings, **(config or {}), **learnt},
            fingerprint=fingerprint,
            seed=seed,
            split=split_of,
            start=fit,
            **_versions(model, tasks),
        )
    assert fit is not None
    under = kind_of(registry.task_cards()[task].kind).under(protocol)
    return Result(
        spec=RunSpec(
            fit=fit,
            task=task,
            task_version=1,
            split=split,
            protocol=under,
        ),
        corpus=CorpusFacts(name=corpus, synthetic=True, users=9, items=9, interactions=9, pictures=9, catalogue=9),
        model=ModelFacts(name=model, preset=preset, settings=settings, tune=tune, about="", source="", reads=reads),
        metrics={
            metric.name: Estimate(value=float(metric.values(ranks).mean()), low=0.0, high=1.0)
            for metric in RANK_METRICS
        },
        examples=len(ranks),
        ranks=pack_ranks(ranks),
        remarks=(),
        cost=Cost(
            fit_seconds=1,
            predict_seconds=1,
            examples_per_second=1,
            peak_memory_mib=1,
            parameters_trained=0,
            parameters_total=0,
        ),
        provenance=Provenance(command="c", commit="abc", clean=True, versions={}, machine="m", time=time),
    )


def place(folder: Path, result: Result) -> Path:
    """Publish a synthetic result."""
    path = folder / "results" / result.spec.task / result.corpus.name / f"{result.spec.key}.json"
    result.write(path)
    return path
