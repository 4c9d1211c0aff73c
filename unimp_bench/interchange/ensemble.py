"""Ensembles: the lists of finished runs mixed by weighted reciprocal ranks, with settings chosen on validation.

The test lists are those that the runs stored; the validation lists are made once from the runs' fits and stored in the
same format. An ensemble reads nothing else, and its specification is derived from those of its parts.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from unimp_bench import registry
from unimp_bench.contracts import Training, Usage
from unimp_bench.corpus.splits import catalogue
from unimp_bench.errors import UsageError
from unimp_bench.files import Workspace, locked, write_atomically
from unimp_bench.interchange.predictions import PredictionFile, read_predictions
from unimp_bench.kinds import Setting, draw_examples, kind_of
from unimp_bench.kinds.fusion import CONSTANTS, STEPS, Fusion, Mix
from unimp_bench.kinds.ranking import LISTED, RankingKind
from unimp_bench.kinds.ranks import Ranking, seen_columns
from unimp_bench.metrics.resources import Resources
from unimp_bench.records import Examples, learned_from
from unimp_bench.reports.rows.labels import label_of
from unimp_bench.runs.fitting import FIT_NAME, check_selectable, corpus_cache, fit_or_load, unknown_users
from unimp_bench.runs.provenance import provenance
from unimp_bench.runs.reproduction import corpus_of, request_of
from unimp_bench.runs.results import LEAK_REMARK, PREDICTIONS_NAME, RESULT_NAME, Cost, ModelFacts, Result, Tuning
from unimp_bench.runs.runner import open_corpus, planned
from unimp_bench.runs.scoring import Answers, scored, write_predictions
from unimp_bench.runs.spec import FitSpec, RunSpec
from unimp_bench.runs.stored import StoredRun, check_same_examples, find_run

NAME = "ensemble"
MOST = 4
VALIDATION = "validation.parquet"
_RULE = "weighted reciprocal ranks"


@dataclass(frozen=True)
class Part:
    """A finished run and its label in tables."""

    folder: Path
    result: Result
    label: str

    @property
    def key(self) -> str:
        return self.result.spec.key


def parts_of(keys: Sequence[str], workspace: Workspace) -> list[Part]:
    """The runs of some keys or prefixes, in an order that does not depend on that of the keys.

    Raises:
        UsageError: a run cannot be part of an ensemble, or two do not answer the same examples.
    """
    found = {run.key: run for run in (find_run(workspace, key) for key in keys)}
    if not 2 <= len(found) <= MOST or len(found) < len(keys):
        raise UsageError(f"an ensemble takes 2 to {MOST} different runs, not {', '.join(keys)}")
    parts = sorted((_part(run) for run in found.values()), key=lambda part: (part.label, part.key))
    for part in parts[1:]:
        check_same_examples(parts[0].result, part.result)
    return parts


def _part(run: StoredRun) -> Part:
    result = run.result
    if result is None:
        raise UsageError(f"run {run.key} is not finished ({run.state})")
    if not isinstance(kind_of(registry.task_cards()[result.spec.task].kind), RankingKind):
        raise UsageError(f"run {run.key} is of {result.spec.task}, which ranks nothing: an ensemble mixes rankings")
    if result.spec.fit.parts:
        raise UsageError(f"run {run.key} is an ensemble; name its parts instead: {result.provenance.command}")
    if result.cost is None:
        raise UsageError(f"run {run.key} was scored from a file: it has no validation answers to choose weights by")
    return Part(run.folder, result, label_of(result))


def mix_runs(parts: Sequence[Part], folder: Path, workspace: Workspace) -> Result:
    """Choose the settings on validation, and store the result of the mixed test lists like that of a run.

    Args:
        parts: of ``parts_of``.
        folder: of their corpus.
        workspace: of the runs, where the result is stored.

    Raises:
        UsageError: a part has no fit, or was made by another version.
        DataError: the corpus is another one, or a stored list is damaged.
    """
    first = parts[0].result
    spec = _specify(parts)
    corpus = open_corpus(folder, corpus_of(first)[1])
    task = registry.make_task(first.spec.task, first.spec.options)
    cache = corpus_cache(corpus, workspace)
    setting = Setting(task, corpus, spec.protocol, cache, NAME, Resources.of(workspace))
    validation = draw_examples(task, corpus, learned_from(spec.split), "validation", cache)
    check_selectable(validation, corpus, "the weights of an ensemble are chosen on them")
    for part in parts:
        _store_validation(part, validation, setting, folder, workspace)
    started = time.perf_counter()
    mix, score, tried = _chosen(_fusion(parts, VALIDATION, validation, setting), len(parts), validation, setting)
    choosing = Tuning(trials=tried, seconds=round(time.perf_counter() - started, 3))
    test = draw_examples(task, corpus, spec.split, "test", cache)
    ranking = _fusion(parts, PREDICTIONS_NAME, test, setting).ranking(mix)
    if ranking.top.shape[1] < LISTED:
        ranking = replace(ranking, depth=None)  # lists of all items, so all ranks are known
    answers = Answers(ranking, test, setting)
    run = workspace.runs / spec.key
    with locked(run):
        write_atomically(run / "spec.json", spec.model_dump_json(indent=1) + "\n")
        write_predictions(run / PREDICTIONS_NAME, answers)
        remarks = (_words(parts, mix, len(validation), score), *_leaks(parts))
        command = shlex.join(["unimp-bench", NAME, *(part.key for part in parts)])
        result = scored(answers, spec, _facts(parts), remarks, _cost(parts), provenance(command))
        result = result.model_copy(update={"training": _training(parts), "tuning": _tuning(parts, choosing)})
        result.write(run / RESULT_NAME)
    return result


def _store_validation(part: Part, examples: Examples, setting: Setting, folder: Path, workspace: Workspace) -> None:
    """Write the validation lists of a part, which its fit gives; does nothing where they are stored."""
    with locked(part.folder):
        if (part.folder / VALIDATION).is_file():
            return
        plan = planned(request := request_of(part.result, folder, workspace), workspace)
        fit = plan.spec.fit
        if not (workspace.fits / fit.key / FIT_NAME).is_file():
            raise UsageError(
                f"run {part.key} has no validation answers, and its fit is not in {workspace.fits}; run it again with "
                f"--fresh: {part.result.provenance.command}"
            )
        fit_or_load(plan.model, fit, plan.corpus, workspace, request.protocol, fresh=False)
        unknown = unknown_users(plan.card, plan.corpus, fit.split)
        own = Setting(setting.task, plan.corpus, setting.protocol, setting.cache, request.model, None, unknown)
        prediction = kind_of(setting.task.kind).predict(plan.model, examples, own)
        write_predictions(part.folder / VALIDATION, Answers(prediction, examples, own))


def _fusion(parts: Sequence[Part], name: str, examples: Examples, setting: Setting) -> Fusion:
    rankings = [_read(part, name, examples, setting) for part in parts]
    assert examples.targets is not None
    return Fusion(rankings, np.asarray(examples.targets), len(catalogue(setting.corpus, examples.split)))


def _read(part: Part, name: str, examples: Examples, setting: Setting) -> Ranking:
    with PredictionFile.open(part.folder / name) as file:
        ranking: Ranking = read_predictions(file, examples, setting)
    items = catalogue(setting.corpus, examples.split)
    seen = seen_columns(examples, items).lengths() if setting.protocol == "masked" else 0
    if ((ranking.top >= 0).sum(axis=1) < np.minimum(LISTED, len(items) - seen)).any():
        raise UsageError(
            f"run {part.key} stored lists of {ranking.top.shape[1]} items instead of {LISTED}; run it again with "
            f"--fresh: {part.result.provenance.command}"
        )
    return ranking


def _chosen(fusion: Fusion, parts: int, examples: Examples, setting: Setting) -> tuple[Mix, float, int]:
    """The best settings on some examples, the first of equal ones; their score, and how many were tried."""
    kind = kind_of(setting.task.kind)
    assert isinstance(kind, RankingKind)
    scores = {mix: kind.selects(fusion.ranks(mix), examples, setting) for mix in Mix.candidates(parts)}
    best = max(scores, key=lambda mix: scores[mix])
    return best, scores[best], len(scores)


def _specify(parts: Sequence[Part]) -> RunSpec:
    """The specification of the parts, but for the fit; its seed is that of all parts, 0 where they differ."""
    first = parts[0].result.spec
    fits = tuple(part.result.spec.fit for part in parts)
    seeds = {fit.seed for fit in fits}
    fit = FitSpec(
        tasks=((first.task, first.task_version),),
        model=NAME,
        config={"rule": _RULE, "constants": list(CONSTANTS), "steps": STEPS},
        fingerprint=parts[0].result.corpus_id,
        seed=seeds.pop() if len(seeds) == 1 else 0,
        options={first.task: first.options} if first.options else {},
        split=learned_from(first.split),
        parts=fits,
    )
    return first.model_copy(update={"fit": fit})


def _facts(parts: Sequence[Part]) -> ModelFacts:
    """A row of its own for each combination of systems; parts of different seeds are distinguished by them."""
    seeds = [part.result.spec.fit.seed for part in parts]
    named = [
        part.label if len(set(seeds)) == 1 else f"{part.label} seed {seed}"
        for part, seed in zip(parts, seeds, strict=True)
    ]
    return ModelFacts(
        name=NAME,
        preset="default",
        settings={"of": " + ".join(named)},
        about="rankings mixed by weighted reciprocal ranks, weights chosen on validation",
        source="Reciprocal rank fusion (Cormack et al., SIGIR 2009), weighted",
        reads=tuple(dict.fromkeys(word for part in parts for word in part.result.model.reads)),
    )


def _words(parts: Sequence[Part], mix: Mix, examples: int, score: float) -> str:
    shares = " + ".join(f"{weight:g} {part.label}" for part, weight in zip(parts, mix.weights, strict=True))
    return f"{shares}, constant {mix.constant}: chosen on {examples:,} validation examples, NDCG@10 {score:.4f}"


def _leaks(parts: Sequence[Part]) -> tuple[str, ...]:
    return (LEAK_REMARK,) if any(LEAK_REMARK in part.result.remarks for part in parts) else ()


def _cost(parts: Sequence[Part]) -> Cost:
    """The sum over the parts, each on its machine; mixing takes little."""
    costs = [cost for part in parts if (cost := part.result.cost) is not None]
    used = [cost.cpu_seconds for cost in costs if cost.cpu_seconds is not None]
    asked = [cost.usage for cost in costs if cost.usage is not None]
    seconds = sum(cost.predict_seconds for cost in costs)
    return Cost(
        fit_seconds=sum(cost.fit_seconds for cost in costs),
        predict_seconds=seconds,
        examples_per_second=round(parts[0].result.examples / max(seconds, 1e-9), 1),
        peak_memory_mib=max(cost.peak_memory_mib for cost in costs),
        parameters_trained=sum(cost.parameters_trained for cost in costs),
        parameters_total=sum(cost.parameters_total for cost in costs),
        cpu_seconds=sum(used) if len(used) == len(costs) else None,
        usage=sum(asked, Usage()) if asked else None,
    )


def _training(parts: Sequence[Part]) -> Training | None:
    """The steps of all parts; one that its budget ended counts for all."""
    trained = [training for part in parts if (training := part.result.training) is not None]
    if not trained:
        return None
    return Training(
        steps=sum(each.steps for each in trained),
        examples=sum(each.examples for each in trained),
        epochs=sum(each.epochs for each in trained),
        stopped="budget" if any(each.stopped == "budget" for each in trained) else "converged",
    )


def _tuning(parts: Sequence[Part], choosing: Tuning) -> Tuning:
    """The searches of the parts, and the choice of weights and constant."""
    searches = [choosing, *(tuning for part in parts if (tuning := part.result.tuning) is not None)]
    return Tuning(trials=sum(each.trials for each in searches), seconds=sum(each.seconds for each in searches))
