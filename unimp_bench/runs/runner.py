"""Runs one specification: fit or load the model, predict the test part once, score, write the result."""

from __future__ import annotations

import dataclasses
import json
import shlex
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from unimp_bench import registry
from unimp_bench.contracts import Model, ModelCard, Task, Training
from unimp_bench.corpus import Corpus, Items
from unimp_bench.corpus.features.names import NOTHING
from unimp_bench.corpus.features.stored import PARTS, chosen_sets, keys_of, use
from unimp_bench.corpus.splits import check_split
from unimp_bench.corpus.views import CHANGED, View, parts_of_name, view_of
from unimp_bench.errors import ModelError, UsageError
from unimp_bench.files import Workspace, locked, write_atomically
from unimp_bench.kinds import Setting, draw_examples, kind_of
from unimp_bench.machine import (
    cores,
    cpu_seconds,
    device_name,
    helping,
    load,
    main_first,
    main_says,
    peak_memory_mib,
    threads,
    wait,
)
from unimp_bench.metrics.resources import Resources
from unimp_bench.progress import stage
from unimp_bench.records import MAIN_SPLITS, Protocol, Split, learned_from
from unimp_bench.runs.fitting import (
    FitCost,
    as_tested,
    check_known,
    check_not_empty,
    corpus_cache,
    fit_or_load,
    unknown_users,
)
from unimp_bench.runs.identity import fit_fingerprint, parts_read
from unimp_bench.runs.provenance import provenance
from unimp_bench.runs.results import (
    GIVEN,
    LEAK_REMARK,
    PREDICTIONS_NAME,
    RESULT_NAME,
    UNREAD,
    Cost,
    ModelFacts,
    Result,
    Tuning,
)
from unimp_bench.runs.scoring import Answers, scored, write_predictions
from unimp_bench.runs.spec import FitSpec, RunSpec
from unimp_bench.runs.tuned import TUNED, tuned_search
from unimp_bench.runs.versions import versions_of
from unimp_bench.settings import specified


@dataclass(frozen=True)
class RunRequest:
    """A requested run; names are not checked yet.

    Attributes:
        preset: of the model; ``tuned`` for settings chosen by ``unimp-bench tune`` for the task and corpus.
        fit_on: training tasks; empty for the evaluated task alone.
        fit_split: split of the training part; None for the default of the evaluated split (``records.learned_from``).
            ``new-domain`` trains on the new domain itself.
        after: the tasks of each earlier fit that initialises the next one, in order; these use the default split.
        settings: fields of the model's configuration that differ from the preset, in all fits.
        tune: fields that differ in the last fit only.
        options: options of the task that differ from the defaults.
        views: seeded changes of the corpus, applied in order (``NT``, ``NV:0.4``); last those that only the fitted
            model sees (``MT:0.5@test``).
        features: names of stored feature sets that the model reads instead of what its own encoders give, by modality.
        note: a remark to store with the result.
        fresh: fit and score again even if a result exists.
    """

    task: str
    model: str
    corpus: Path
    split: Split = "loo"
    protocol: Protocol = "paper"
    seed: int = 0
    preset: str | None = None
    fit_on: tuple[str, ...] = ()
    fit_split: Split | None = None
    after: tuple[tuple[str, ...], ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    tune: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    views: tuple[str, ...] = ()
    features: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    fresh: bool = False


@dataclass(frozen=True)
class Planned:
    """A request that was checked: what runs on what, and the specification that names it.

    Attributes:
        tuning: what the search took that chose the settings; None where none did.
    """

    corpus: Corpus
    task: Task
    card: ModelCard
    model: Model[Any]
    spec: RunSpec
    tuning: Tuning | None = None


def planned(request: RunRequest, workspace: Workspace) -> Planned:
    """Check a request without running it.

    Args:
        request: the run.
        workspace: location of tuned configurations.

    Raises:
        BenchError: the request cannot be run; the message gives the reason in one line.
    """
    corpus = open_corpus(request.corpus, request.views)
    _check_changes(corpus, request)
    task = registry.make_task(request.task, request.options)
    check_askable(task, request.split, request.protocol)
    check_split(corpus, request.split)
    card = registry.model_card(request.model)
    _check_serves(card, task, corpus, request)
    _use_features(card, corpus, request.features)
    request, tuning = _without_tuned(request, workspace)
    model = registry.make_model(request.model, request.preset, {**request.settings, **request.tune})
    return Planned(corpus, task, card, model, specify(request, task, model, corpus), tuning)


def _use_features(card: ModelCard, corpus: Corpus, names: Mapping[str, str]) -> None:
    """Have the model read stored features, and refuse those that it cannot read."""
    for modality in names:
        if modality not in card.features:
            known = f"it reads {' and '.join(card.features)}" if card.features else "it reads no features at all"
            raise UsageError(f"{card.name} reads no features of {modality!r}: {known}")
    sets = chosen_sets(corpus, names)
    for items in filter(None, (corpus.items, corpus.tested)):
        use(items, sets)


def _check_changes(corpus: Corpus, request: RunRequest) -> None:
    """Reject a view of texts or pictures that the corpus does not have, neither itself nor as stored features."""
    there = {"text": bool(corpus.items.attributes), "pictures": corpus.manifest.counts.pictures > 0}
    for view in map(View.parse, request.views):
        modality = next((name for name, part in PARTS.items() if part == CHANGED[view.kind]), "")
        if modality and not there[modality] and modality not in request.features:
            raise UsageError(f"view {view} changes nothing: corpus {request.corpus.name} has no {modality}")


@dataclass(frozen=True)
class Outcome:
    """Result of a request, whether it existed already, and whether the note was added to it."""

    result: Result
    cached: bool = False
    noted: bool = False


def run(request: RunRequest, workspace: Workspace) -> tuple[Result, bool]:
    """The result of ``carry_out``, and whether it existed already."""
    outcome = carry_out(request, workspace)
    return outcome.result, outcome.cached


def carry_out(request: RunRequest, workspace: Workspace) -> Outcome:
    """Run a request, or find its result; an existing result gets the note as an additional remark.

    Raises:
        BenchError: any error that the user can fix, in one line. Nothing half-written remains: an interrupted fit
            keeps its checkpoints, and the same request resumes from them.
    """
    plan = planned(request, workspace)
    corpus, task, model, spec = plan.corpus, plan.task, plan.model, plan.spec
    folder = workspace.runs / spec.key
    with locked(folder):
        if main_says(lambda: (folder / RESULT_NAME).is_file() and not request.fresh):
            return _with_note(folder / RESULT_NAME, request.note)
        unknown = unknown_users(plan.card, corpus, spec.fit.split)
        cache, resources = corpus_cache(corpus, workspace), Resources.of(workspace)
        setting = Setting(task, corpus, request.protocol, cache, request.model, resources, unknown)
        with main_first():
            examples = draw_examples(task, corpus, request.split, "test", cache)
        check_not_empty(examples, corpus, "there is nothing to score")
        missed = check_known(examples, task.kind, corpus, request.model, unknown)
        write_atomically(folder / "spec.json", spec.model_dump_json(indent=1) + "\n")
        before = load()
        fit = fit_or_load(model, spec.fit, corpus, workspace, request.protocol, fresh=request.fresh)
        if helping():
            wait()  # until the result is written
            return Outcome(Result.read(folder / RESULT_NAME))
        model = as_tested(model, spec.fit, corpus, workspace, request.protocol)
        started, cpu = time.perf_counter(), cpu_seconds()
        with stage(f"{request.model}: predicting {len(examples):,} examples"):
            prediction = kind_of(task.kind).predict(model, examples, setting)
        seconds, cpu = time.perf_counter() - started, cpu_seconds() - cpu
        cost = _cost(model, fit, len(examples), seconds, cpu, (before + load()) / 2)
        answers = Answers(prediction, examples, setting)
        write_predictions(folder / PREDICTIONS_NAME, answers)
        _check_read(plan)
        leaked, unseen = LEAK_REMARK if fit.leaked else "", _unseen_note(request.model, corpus)
        notes = (missed, leaked, unseen, *_feature_notes(corpus.items), request.note)
        remarks = (*model.remarks(), *filter(None, notes))
        result = scored(answers, spec, _facts(request, plan.card), remarks, cost, provenance(command_of(request)))
        result = result.model_copy(update={"training": _training(model, fit), "tuning": plan.tuning})
        result.write(folder / RESULT_NAME)
        wait()
    return Outcome(result, noted=bool(request.note))


def _feature_notes(items: Items) -> list[str]:
    """What the stored features are that a model read, and those that it did not read, in words."""
    notes = []
    for modality, stored in sorted(items.features.items()):
        name = NOTHING if stored is None else f"{stored.record.name} ({stored.record.words})"
        unread = "" if modality in items.features_read else UNREAD
        notes.append(f"{modality} features: {name}{unread}")
    return notes


def _unseen_note(model: str, corpus: Corpus) -> str:
    """The remark on views at test of what the fitted model did not read; empty without any."""
    tested = [view for view in parts_of_name(corpus.name)[1] if view.at_test]
    read = set() if corpus.tested is None else corpus.tested.parts_read
    unseen = [view for view in tested if CHANGED[view.kind] not in read]
    parts = " and ".join(dict.fromkeys(CHANGED[view.kind] for view in unseen))
    return f"view {' and '.join(map(str, unseen))}: {model} reads no {parts} after its fit" if unseen else ""


def _with_note(path: Path, note: str) -> Outcome:
    """The existing result, with the note among its remarks."""
    result = Result.read(path)
    if not note or note in result.remarks:
        return Outcome(result, cached=True)
    result = result.model_copy(update={"remarks": (*result.remarks, note)})
    if not helping():  # the main process writes for all
        result.write(path)
    return Outcome(result, cached=True, noted=True)


def _without_tuned(request: RunRequest, workspace: Workspace) -> tuple[RunRequest, Tuning | None]:
    """The same request with the settings that preset ``tuned`` stands for, and what their search took.

    Noise in a corpus asks for no others.
    """
    if request.preset != TUNED:
        return request, None
    if learned_from(request.split) not in MAIN_SPLITS:
        raise UsageError(
            f"settings are tuned on the validation part of loo, which overlaps the test part of {request.split}: "
            "omit --preset tuned"
        )
    corpus = Corpus.open(request.corpus)
    use(corpus.items, chosen_sets(corpus, request.features))
    tuned = tuned_search(workspace, request.task, request.model, corpus, request.protocol)
    return dataclasses.replace(request, preset=None, settings={**tuned.settings, **request.settings}), tuned.budget


def open_corpus(folder: Path, views: tuple[str, ...]) -> Corpus:
    """A corpus with views applied.

    Raises:
        DataError: the folder holds no corpus.
        UsageError: a view is unknown or without effect.
    """
    corpus = Corpus.open(folder)
    for text in views:
        corpus = view_of(corpus, View.parse(text))
    return corpus


def check_askable(task: Task, split: Split, protocol: Protocol) -> None:
    """Reject a split or protocol that does not apply to a task."""
    if split not in task.splits:
        raise UsageError(f"{task.name} has no split {split}; it has {', '.join(task.splits)}")
    if protocol != "paper" and not kind_of(task.kind).has_protocols:
        raise UsageError(f"{task.name} ranks no catalogue; omit --protocol {protocol}")


def _check_serves(card: ModelCard, task: Task, corpus: Corpus, request: RunRequest) -> None:
    """Reject a request that the model or task does not support."""
    for name in (task.name, *request.fit_on, *chain.from_iterable(request.after)):
        if name not in card.tasks:
            raise UsageError(f"{card.name} does not serve {name}; it serves {', '.join(card.tasks)}")
    if request.after and not card.goes_on:
        raise UsageError(f"{card.name} cannot be initialised from another fit; omit --after")
    if request.tune and not request.after:
        raise UsageError("--tune needs --after; use --set")
    if card.corpora and corpus.manifest.source not in card.corpora:
        raise UsageError(f"{card.name} runs only on {', '.join(card.corpora)}: it needs data of that corpus")
    if request.split == "new-user" and not card.new_users:
        raise UsageError(f"{card.name} cannot score users that were not in its training data (split new-user)")
    if request.split == "new-domain" and not card.new_items and request.fit_split != "new-domain":
        raise UsageError(
            f"{card.name} cannot score items that were not in its training data (split new-domain); "
            "--fit-split new-domain fits it there"
        )
    if request.fit_split not in (None, learned_from(request.split), request.split):
        raise UsageError(
            f"models evaluated on {request.split} are trained on {learned_from(request.split)}"
            + (" or new-domain" if request.split == "new-domain" else "")
            + f", not on {request.fit_split}; omit --fit-split"
        )


def specify(request: RunRequest, task: Task, model: Model[Any], corpus: Corpus) -> RunSpec:
    """The specification of a request; ``model`` has the settings of the last fit."""
    options, card = differing_options(task), registry.model_card(request.model)
    earlier = registry.make_model(request.model, request.preset, request.settings) if request.after else model
    unprepared = learned_from(request.split)
    stages = [(tasks, earlier, unprepared) for tasks in request.after]
    stages.append((request.fit_on or (task.name,), model, request.fit_split or unprepared))
    fit: FitSpec | None = None
    for tasks, fitted, split in stages:
        fit = FitSpec(
            tasks=tuple(sorted((name, registry.make_task(name).version) for name in set(tasks))),
            model=request.model,
            config=json.loads(json.dumps(specified(fitted.config))),
            fingerprint=fit_fingerprint(corpus, card.reads, tasks, options=bool(options) and task.name in tasks),
            seed=request.seed,
            options={task.name: options} if options and task.name in tasks else {},
            split=split,
            start=fit,
            given=keys_of(corpus.items.features),
            **dataclasses.asdict(versions_of(card, tasks)),
        )
    assert fit is not None
    return RunSpec(
        fit=fit,
        task=task.name,
        task_version=task.version,
        split=request.split,
        protocol=request.protocol,
        options=options,
        views=tuple(View.parse(text).canonical for text in request.views),
    )


def differing_options(task: Task) -> dict[str, Any]:
    """Options of a task that differ from the defaults."""
    usual = dataclasses.asdict(task.Config())
    return {key: value for key, value in dataclasses.asdict(task.config).items() if value != usual[key]}


def _check_read(plan: Planned) -> None:
    """Reject a model that read what its card does not declare: the fit would be taken for one of another corpus."""
    items, name = plan.corpus.items, plan.card.name
    if items.truth_was_read and "truth" not in plan.card.reads:
        raise ModelError(f"{name} read the ground truth of {plan.corpus.name}; its card must declare 'truth'")
    tasks = {plan.task.name, *(task for stage in plan.spec.fit.stages for task, _ in stage.tasks)}
    read = items.parts_read | (set() if plan.corpus.tested is None else plan.corpus.tested.parts_read)
    for part in read - set(parts_read(plan.card.reads, tasks, options=bool(plan.spec.options))):
        word = "text" if part == "texts" else part
        raise ModelError(f"{name} read the {part} of {plan.corpus.name}; its card must declare {word!r}")


def _training(model: Model[Any], fit: FitCost) -> Training | None:
    """The training record of a model, with the steps and examples of the fits that initialised it."""
    own = model.training()
    return None if own is None else dataclasses.replace(own, steps=fit.steps, examples=fit.examples)


def _cost(model: Model[Any], fit: FitCost, examples: int, seconds: float, cpu: float, busy: float) -> Cost:
    parameters = model.parameters()
    return Cost(
        fit_seconds=fit.seconds,
        predict_seconds=round(seconds, 3),
        examples_per_second=round(examples / max(seconds, 1e-9), 1),
        peak_memory_mib=max(fit.peak_memory_mib, peak_memory_mib()),
        parameters_trained=parameters.trained,
        parameters_total=parameters.total,
        cpu_seconds=None if fit.cpu_seconds is None else round(fit.cpu_seconds + cpu, 3),
        threads=threads(),
        cores=cores(),
        load=round(busy, 2),
        device=device_name(),
        usage=model.usage(),
    )


def _facts(request: RunRequest, card: ModelCard) -> ModelFacts:
    return ModelFacts(
        name=request.model,
        preset=request.preset or registry.default_preset(request.model),
        settings={
            **{key: str(value) for key, value in sorted(request.settings.items())},
            **{f"{GIVEN}{modality}": name for modality, name in sorted(request.features.items())},
        },
        tune={key: str(value) for key, value in sorted(request.tune.items())},
        about=card.about,
        source=card.source,
        reads=card.reads,
    )


def command_of(request: RunRequest) -> str:
    """The command of this run."""
    return shlex.join(["unimp-bench", *arguments_of(request, request.corpus.name)])


def arguments_of(request: RunRequest, corpus: str) -> list[str]:
    """The command-line arguments of this run, with the corpus as a name or path."""
    parts = ["run", "--task", request.task, "--model", request.model, "--corpus", corpus]
    parts += ["--split", request.split, "--protocol", request.protocol, "--seed", str(request.seed)]
    for view in request.views:
        parts += ["--view", view]
    for modality, name in sorted(request.features.items()):
        parts += ["--features", f"{modality}={name}"]
    parts += model_arguments(request.options, request.preset, request.fit_on, request.settings)
    for tasks in request.after:
        parts += ["--after", ",".join(tasks)]
    if request.fit_split not in (None, learned_from(request.split)):
        parts += ["--fit-split", request.fit_split]
    for key, value in sorted(request.tune.items()):
        parts += ["--tune", f"{key}={value}"]
    if request.note:
        parts += ["--note", request.note]
    return parts


def model_arguments(
    options: Mapping[str, Any], preset: str | None, fit_on: Iterable[str], settings: Mapping[str, Any]
) -> list[str]:
    """The command-line arguments for a model and its training tasks."""
    parts = [part for key, value in sorted(options.items()) for part in ("--option", f"{key}={value}")]
    parts += ["--preset", preset] if preset else []
    parts += [part for name in fit_on for part in ("--fit-on", name)]
    return parts + [part for key, value in sorted(settings.items()) for part in ("--set", f"{key}={value}")]
