"""Runs one specification: fit or find the fitted model, score the test part once, write the result."""

from __future__ import annotations

import dataclasses
import json
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from unimp_bench import registry
from unimp_bench.contracts import Model, ModelCard, Ranker, Task
from unimp_bench.corpus import Corpus
from unimp_bench.errors import UsageError
from unimp_bench.files import locked, write_atomically
from unimp_bench.fitting import FitCost, fit_or_load
from unimp_bench.memory import peak_memory_mib
from unimp_bench.metrics.intervals import bootstrap_interval
from unimp_bench.metrics.ranking import RANK_METRICS
from unimp_bench.paths import Workspace
from unimp_bench.provenance import provenance
from unimp_bench.ranking import Ranking, rank_examples
from unimp_bench.records import Examples, IntArray, Protocol, Split
from unimp_bench.results import RESULT_NAME, CorpusFacts, Cost, Estimate, ModelFacts, Result, pack_ranks
from unimp_bench.spec import FitSpec, RunSpec
from unimp_bench.splits import catalogue


@dataclass(frozen=True)
class RunRequest:
    """What a user asks for; names are not checked yet.

    Attributes:
        fit_on: tasks the model is fitted on; empty for the evaluated task alone.
        settings: fields of the model's configuration that differ from the preset.
        note: a remark to keep with the result.
        fresh: fit and score again even where a result is there.
    """

    task: str
    model: str
    corpus: Path
    split: Split = "loo"
    protocol: Protocol = "paper"
    seed: int = 0
    preset: str | None = None
    fit_on: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    fresh: bool = False


def run(request: RunRequest, workspace: Workspace) -> tuple[Result, bool]:
    """Do what is asked, or find that it was done.

    Returns:
        The result, and whether it was there already.

    Raises:
        BenchError: anything the user can mend, as one line. Nothing half-written stays: an interrupted fit keeps its
            checkpoints, and the same request goes on from them.
    """
    corpus = Corpus.open(request.corpus)
    task = registry.make_task(request.task)
    card = registry.model_card(request.model)
    _check_serves(card, task, corpus, request)
    model = registry.make_model(request.model, request.preset, request.settings)
    spec = specify(request, task, model, corpus)
    folder = workspace.runs / spec.key
    with locked(folder):
        if (folder / RESULT_NAME).is_file() and not request.fresh:
            return Result.read(folder / RESULT_NAME), True
        write_atomically(folder / "spec.json", spec.model_dump_json(indent=1) + "\n")
        cost = fit_or_load(model, spec.fit, corpus, workspace, fresh=request.fresh)
        ranking, seconds = _rank_test(model, spec, task, corpus, folder / "predictions.parquet")
        result = _result(request, spec, corpus, card, model, ranking, _cost(model, cost, len(ranking.ranks), seconds))
        result.write(folder / RESULT_NAME)
    return result, False


def _check_serves(card: ModelCard, task: Task, corpus: Corpus, request: RunRequest) -> None:
    """Refuse, with the reason, what a model or task does not serve."""
    for name in (task.name, *request.fit_on):
        if name not in card.tasks:
            raise UsageError(f"{card.name} does not serve {name}; it serves {', '.join(card.tasks)}")
    if request.split not in task.splits:
        raise UsageError(f"{task.name} has no split {request.split}; it has {', '.join(task.splits)}")
    if card.corpora and corpus.manifest.source not in card.corpora:
        raise UsageError(f"{card.name} runs only on {', '.join(card.corpora)}: it needs what only that corpus knows")
    if request.split == "new-user" and not card.new_users:
        raise UsageError(f"{card.name} cannot score users that were not in its training data (split new-user)")
    if request.split == "new-domain" and not card.new_items:
        raise UsageError(f"{card.name} cannot score items that were not in its training data (split new-domain)")


def specify(request: RunRequest, task: Task, model: Model[Any], corpus: Corpus) -> RunSpec:
    """The specification of a request."""
    tasks = {name: registry.make_task(name).version for name in request.fit_on or (task.name,)}
    return RunSpec(
        fit=FitSpec(
            tasks=tuple(sorted(tasks.items())),
            model=request.model,
            config=json.loads(json.dumps(dataclasses.asdict(model.config))),
            fingerprint=corpus.fingerprint,
            seed=request.seed,
        ),
        task=task.name,
        task_version=task.version,
        split=request.split,
        protocol=request.protocol,
    )


def _rank_test(
    model: Model[Any], spec: RunSpec, task: Task, corpus: Corpus, predictions: Path
) -> tuple[Ranking, float]:
    """Score the test part, once; also the seconds it took."""
    if not isinstance(model, Ranker):
        raise UsageError(f"{spec.fit.model} gives no scores, and {task.name} ranks by scores")
    examples = task.examples(corpus, spec.split, "test")
    items = catalogue(corpus, spec.split)
    started = time.perf_counter()
    ranking = rank_examples(model, examples, items, spec.protocol, label=spec.fit.model)
    seconds = time.perf_counter() - started
    _write_predictions(predictions, corpus, examples, ranking)
    return ranking, seconds


def _cost(model: Model[Any], fit: FitCost, examples: int, seconds: float) -> Cost:
    parameters = model.parameters()
    return Cost(
        fit_seconds=fit.seconds,
        predict_seconds=round(seconds, 3),
        examples_per_second=round(examples / max(seconds, 1e-9), 1),
        peak_memory_mib=max(fit.peak_memory_mib, peak_memory_mib()),
        parameters_trained=parameters.trained,
        parameters_total=parameters.total,
    )


def _result(
    request: RunRequest,
    spec: RunSpec,
    corpus: Corpus,
    card: ModelCard,
    model: Model[Any],
    ranking: Ranking,
    cost: Cost,
) -> Result:
    counts = corpus.manifest.counts
    return Result(
        spec=spec,
        corpus=CorpusFacts(
            name=corpus.name,
            synthetic=corpus.manifest.synthetic,
            users=counts.users,
            items=counts.items,
            interactions=counts.interactions,
            pictures=counts.pictures,
            catalogue=len(catalogue(corpus, spec.split)),
        ),
        model=ModelFacts(
            name=request.model,
            preset=request.preset or registry.default_preset(request.model),
            settings={key: str(value) for key, value in sorted(request.settings.items())},
            about=card.about,
            source=card.source,
            reads=card.reads,
        ),
        metrics=_metrics(ranking.ranks),
        examples=len(ranking.ranks),
        ranks=pack_ranks(ranking.ranks),
        remarks=(*model.remarks(), *((request.note,) if request.note else ())),
        cost=cost,
        provenance=provenance(command_of(request)),
    )


def _metrics(ranks: IntArray) -> dict[str, Estimate]:
    estimates = {}
    for metric in RANK_METRICS:
        values = metric.values(ranks)
        interval = bootstrap_interval(values, seed=0)
        estimates[metric.name] = Estimate(value=float(values.mean()), low=interval.low, high=interval.high)
    return estimates


def command_of(request: RunRequest) -> str:
    """The command that gives this run."""
    parts = ["unimp-bench", "run", "--task", request.task, "--model", request.model, "--corpus", request.corpus.name]
    parts += ["--split", request.split, "--protocol", request.protocol, "--seed", str(request.seed)]
    if request.preset:
        parts += ["--preset", request.preset]
    for name in request.fit_on:
        parts += ["--fit-on", name]
    for key, value in sorted(request.settings.items()):
        parts += ["--set", f"{key}={value}"]
    if request.note:
        parts += ["--note", request.note]
    return shlex.join(parts)


def _write_predictions(path: Path, corpus: Corpus, examples: Examples, ranking: Ranking) -> None:
    """One row an example: user, target, its rank, and the best items, all by source name."""
    items = np.array(corpus.items.names, dtype=object)
    users = np.array(corpus.users.names, dtype=object)
    table = pa.table(
        {
            "user": users[examples.users].tolist(),
            "target": items[examples.targets].tolist(),
            "rank": pa.array(ranking.ranks),
            "top": items[ranking.top].tolist(),
        }
    )
    partial = path.with_suffix(".partial")
    pq.write_table(table, partial)
    partial.replace(path)
