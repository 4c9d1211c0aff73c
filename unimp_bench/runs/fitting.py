"""Fits a model or finds it fitted: one folder per fit specification, shared by all runs that evaluate the fit.

During a fit the folder has ``work`` (the model's checkpoints); afterwards ``model`` (for a model that is selected on
validation, one per protocol: ``model-masked``), ``log`` if the model kept one, and ``fit.json``, which is written
last and marks the fit as finished.
"""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from unimp_bench import registry
from unimp_bench.contracts import NO_VALIDATION, FitData, Model, ModelCard, Start, Task, TaskExamples
from unimp_bench.corpus import Corpus, Items
from unimp_bench.corpus.splits import catalogue, target_examples
from unimp_bench.errors import BenchError, DataError, ModelError, UsageError
from unimp_bench.files import Workspace, damaged, disk_error, locked, storing, write_atomically
from unimp_bench.guard import blamed, read_only, reason, untouched
from unimp_bench.kinds import Setting, draw_examples, kind_of
from unimp_bench.machine import cpu_seconds, helping, main_first, main_says, peak_memory_mib, wait
from unimp_bench.progress import stage
from unimp_bench.records import PROTOCOLS, BoolArray, Examples, Protocol, Split
from unimp_bench.runs.spec import FitSpec
from unimp_bench.settings import Strict

_NAMED = 3


def check_not_empty(examples: Examples, corpus: Corpus, use: str) -> None:
    """Raise an error for a part without examples.

    Args:
        examples: all of the part.
        corpus: corpus of the examples.
        use: purpose of the examples, for the message.

    Raises:
        UsageError: there are no examples.
    """
    if len(examples):
        return
    name = {"train": "training", "validation": "validation", "test": "test"}[examples.part]
    raise UsageError(
        f"corpus {corpus.name!r} has no {name} examples of {examples.task} in split {examples.split}: {use}"
    )


def check_selectable(examples: Examples, corpus: Corpus, use: str) -> None:
    """Raise an error if there are no validation examples for selection.

    Raises:
        UsageError: there are no examples.
    """
    check_not_empty(examples, corpus, f"{use}; {NO_VALIDATION}")


def unknown_users(card: ModelCard, corpus: Corpus, learned: Split) -> BoolArray | None:
    """(users,) bool: users that a model cannot score, for lack of a training interaction; None if there are none.

    Args:
        learned: the split of the training part.
    """
    if card.new_users:
        return None
    unknown = target_examples(corpus, learned, "train", "").histories.lengths() == 0
    return unknown if unknown.any() else None


def check_known(examples: Examples, kind: str, corpus: Corpus, model: str, unknown: BoolArray | None) -> str:
    """The remark on examples of users that the model cannot score, which a ranking counts as misses; empty without any.

    Args:
        examples: of any part.
        kind: kind of their task.
        unknown: result of ``unknown_users``.

    Raises:
        UsageError: the kind has no misses, or no user is known.
    """
    of_unknown = np.zeros(0, dtype=np.int64) if unknown is None else examples.users[unknown[examples.users]]
    if not len(of_unknown):
        return ""
    names = [corpus.users.names[user] for user in np.unique(of_unknown)]
    listed = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
    remark = (
        f"{len(of_unknown):,} of {len(examples):,} {examples.part} examples are of users without a training "
        f"interaction, which {model} cannot score ({len(names):,}: {listed})"
    )
    if not kind_of(kind).has_protocols:
        raise UsageError(f"{remark}; use a model that scores new users, or give these users training interactions")
    if len(of_unknown) == len(examples):
        raise UsageError(f"{remark}; use a model that scores new users")
    return f"{remark}: they count as misses"


FIT_NAME = "fit.json"
SCORE_NAME = "validation-{}.json"
"""Validation score of the fit under a protocol, as measured by a search."""

MODEL_NAME = "model"

_LEAKED = "leaked"

LOG_NAME = "log"
"""The folder in ``work`` that is kept when a fit has finished."""

_KEPT_EVERY = 10.0
"""Seconds between the notes of a fit's time, from which it goes on after it was killed."""


class FitCost(Strict):
    """Cost of a finished fit, including the fits that initialised it.

    Attributes:
        seconds: wall time.
        peak_memory_mib: maximum memory.
        leaked: the model read the held-out interactions (``FitData.leak``).
        cpu_seconds: processor time, without the parts before an interrupt; None in earlier fits.
        steps, examples: numbers of optimizer steps and training examples; 0 without gradient steps.
    """

    seconds: float
    peak_memory_mib: float
    leaked: bool = False
    cpu_seconds: float | None = None
    steps: int = 0
    examples: int = 0

    @classmethod
    def read(cls, path: Path) -> FitCost:
        """Read the cost of a finished fit.

        Raises:
            DataError: the file is damaged.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise damaged(path, error.errors()[0]["msg"]) from None


Watch = Callable[[Mapping[Protocol, float]], None]
"""Called with the scores of each validation of a fit; what it raises ends the fit."""


def fit_or_load(
    model: Model[Any],
    spec: FitSpec,
    corpus: Corpus,
    workspace: Workspace,
    protocol: Protocol,
    *,
    fresh: bool,
    watch: Watch | None = None,
) -> FitCost:
    """Load the fitted model of ``spec`` into ``model``, or fit and save it.

    Args:
        protocol: whose selection ``model`` becomes, of those that were made from the one fit.
        fresh: forget an earlier fit of the same specification.
        watch: sees the validations of this fit, not those of fits that it goes on from.
    """
    folder = workspace.fits / spec.key
    cache = corpus_cache(corpus, workspace)
    with locked(folder):
        if fresh and not helping():
            _clear(folder)
        record = folder / FIT_NAME
        if main_says(record.is_file):
            cost = FitCost.read(record)
            _load(model, spec, _model_folder(folder, spec, protocol), corpus.items, cache)
            return cost
        before, start = _start(spec, corpus, workspace, fresh=fresh)
        if helping():
            _fit(model, spec, _fit_data(spec, corpus, folder / "work", cache, start))
            wait()  # until it is selected and saved
            return before
        write_atomically(folder / "spec.json", spec.model_dump_json(indent=1) + "\n")
        work = folder / "work"
        work.mkdir(exist_ok=True)
        cpu = cpu_seconds()
        with _stopwatch(work / "seconds") as elapsed, stage(f"{spec.model}: fitting"):
            data = _fit_data(spec, corpus, work, cache, start, watch)
            _fit(model, spec, data)
            _select_and_save(model, data, spec, folder, protocol)
            training = model.training()
            cost = FitCost(
                seconds=round(before.seconds + elapsed(), 3),
                peak_memory_mib=max(before.peak_memory_mib, peak_memory_mib()),
                leaked=before.leaked or (work / _LEAKED).exists(),
                cpu_seconds=round((before.cpu_seconds or 0.0) + cpu_seconds() - cpu, 3),
                steps=before.steps + (training.steps if training else 0),
                examples=before.examples + (training.examples if training else 0),
            )
        _keep_log(work, folder)
        write_atomically(record, cost.model_dump_json() + "\n")
        shutil.rmtree(work)
        wait()
    return cost


def work_of(spec: FitSpec, workspace: Workspace) -> Path:
    """Where a fit that is under way keeps its checkpoints."""
    return workspace.fits / spec.key / "work"


def abandon(spec: FitSpec, workspace: Workspace) -> float:
    """Remove what an unfinished fit left, so that no later fit goes on from it; returns the wall seconds it took."""
    work = work_of(spec, workspace)
    with locked(work.parent):
        with _stopwatch(work / "seconds") as elapsed:
            seconds = elapsed()
        shutil.rmtree(work)
    return seconds


def as_tested(model: Model[Any], spec: FitSpec, corpus: Corpus, workspace: Workspace, protocol: Protocol) -> Model[Any]:
    """The fitted ``model`` itself, or where a view changes items at test, the same fit loaded with these items."""
    if corpus.tested is None:
        return model
    shown = registry.make_model(spec.model, None, spec.config)
    folder = _model_folder(workspace.fits / spec.key, spec, protocol)
    _load(shown, spec, folder, corpus.tested, corpus_cache(corpus, workspace))
    return shown


def _load(model: Model[Any], spec: FitSpec, folder: Path, items: Items, cache: Path) -> None:
    """Load ``model`` from ``folder``.

    Raises:
        DataError: a file is missing or damaged.
    """
    try:
        with blamed(model, spec.model, "load"):
            model.load(folder, items, cache)
    except BenchError:
        raise
    except Exception as error:  # any exception that a damaged file causes
        if disk_error(error) is not None:  # from the cache, which loading may fill
            raise
        raise damaged(folder, reason(error)) from error


def _fit(model: Model[Any], spec: FitSpec, data: FitData) -> None:
    with (
        storing(data.work),
        untouched(spec.model, data.catalogue, *data.examples.values()),
        blamed(model, spec.model, "fit"),
    ):
        model.fit(data)


def _start(spec: FitSpec, corpus: Corpus, workspace: Workspace, *, fresh: bool) -> tuple[FitCost, Start | None]:
    """The fitted model that initialises a fit, fitted now if necessary, and its cost.

    Args:
        fresh: refit it if it is damaged.
    """
    start = spec.start
    if start is None:
        return FitCost(seconds=0.0, peak_memory_mib=0.0), None
    model = registry.make_model(start.model, None, start.config)
    try:
        cost = fit_or_load(model, start, corpus, workspace, "paper", fresh=False)
    except DataError:
        if not fresh:
            raise
        cost = fit_or_load(model, start, corpus, workspace, "paper", fresh=True)
    tasks = dict.fromkeys(name for stage in start.stages for name, _ in stage.tasks)
    return cost, Start(
        _model_folder(workspace.fits / start.key, start, "paper"), tuple(tasks), catalogue(corpus, start.split)
    )


def _fit_data(
    spec: FitSpec, corpus: Corpus, work: Path, cache: Path, start: Start | None, watch: Watch | None = None
) -> FitData:
    tasks = {name: registry.make_task(name, spec.options.get(name)) for name, _ in spec.tasks}
    protocols = protocols_of(spec)
    unknown = unknown_users(registry.model_card(spec.model), corpus, spec.split)
    with main_first():
        examples = {name: _examples(task, spec, corpus, cache, unknown) for name, task in tasks.items()}

    def validate(model: Model[Any], name: str) -> dict[Protocol, float]:
        setting = Setting(tasks[name], corpus, "paper", cache, spec.model, unknown=unknown)
        scores = validation_scores(model, examples[name].validation, setting)
        under = {protocol: scores.get(protocol, scores["paper"]) for protocol in protocols}
        if watch is not None:
            watch(under)
        return under

    def leak() -> Corpus:
        (work / _LEAKED).touch()  # before the corpus is read, so that an interrupted fit keeps the mark
        return corpus

    answers = read_only(catalogue(corpus, spec.split))
    metrics = {name: kind_of(task.kind).validated for name, task in tasks.items()}
    return FitData(corpus.items, answers, examples, spec.seed, work, cache, validate, start, leak, metrics)


def _examples(task: Task, spec: FitSpec, corpus: Corpus, cache: Path, unknown: BoolArray | None) -> TaskExamples[Any]:
    """The examples of a task for a model, read-only.

    Raises:
        UsageError: a required part is empty, or the model cannot score the validation users.
    """
    card = registry.model_card(spec.model)
    train = draw_examples(task, corpus, spec.split, "train", cache)
    validation = draw_examples(task, corpus, spec.split, "validation", cache)
    if not len(train.histories):  # a user's only interaction is not an example, but some models learn from it
        check_not_empty(train, corpus, "there is nothing to train on")
    if card.validated:
        check_selectable(validation, corpus, f"{spec.model} requires them for selection (card: validated=True)")
    check_known(validation, task.kind, corpus, spec.model, unknown)
    return read_only(TaskExamples(train, validation))


def validation_scores(model: Model[Any], examples: Examples, setting: Setting) -> dict[Protocol, float]:
    """``Kind.validation``, with finite scores only, as required for selection.

    Raises:
        ModelError: a score is not finite.
    """
    scores = kind_of(setting.task.kind).validation(model, examples, setting)
    if not np.isfinite(list(scores.values())).all():
        raise ModelError(f"{setting.label}: the validation scores of {examples.task} are not all finite: {scores}")
    return scores


def corpus_cache(corpus: Corpus, workspace: Workspace) -> Path:
    """The folder of files that depend only on a corpus, created if missing; views at test share that of the fit."""
    fingerprint = corpus.fingerprint if corpus.tested is None else corpus.items.fingerprint
    cache = workspace.cache / fingerprint[:16]
    cache.mkdir(parents=True, exist_ok=True)
    return cache


def protocols_of(spec: FitSpec) -> tuple[Protocol, ...]:
    """The protocols under which a fit is selected on validation."""
    cards = registry.task_cards()
    ranks = any(kind_of(cards[name].kind).has_protocols for name, _ in spec.tasks)
    return PROTOCOLS if ranks else ("paper",)


def _model_folder(folder: Path, spec: FitSpec, protocol: Protocol) -> Path:
    """The folder of the model selected under a protocol."""
    if not registry.model_card(spec.model).validated:
        return folder / MODEL_NAME
    return folder / f"{MODEL_NAME}-{protocol if protocol in protocols_of(spec) else 'paper'}"


def _select_and_save(model: Model[Any], data: FitData, spec: FitSpec, folder: Path, protocol: Protocol) -> None:
    """Save the model of each protocol, and leave ``model`` in the state of ``protocol``."""
    kept = {_model_folder(folder, spec, each): each for each in protocols_of(spec)}
    last = _model_folder(folder, spec, protocol)
    for place in sorted(kept, key=lambda place: place == last):
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        with storing(place), blamed(model, spec.model, "save"):
            model.select(kept[place], data)
            model.save(place)


def _keep_log(work: Path, folder: Path) -> None:
    if (work / LOG_NAME).is_dir():
        shutil.rmtree(folder / LOG_NAME, ignore_errors=True)
        (work / LOG_NAME).replace(folder / LOG_NAME)


def _clear(folder: Path) -> None:
    """Empty a fit folder, ``fit.json`` first, so that a half-cleared folder does not count as finished."""
    (folder / FIT_NAME).unlink(missing_ok=True)
    for path in (*folder.glob(SCORE_NAME.format("*")), *folder.glob("spec.json")):
        path.unlink()
    for path in (folder / "work", *folder.glob(f"{MODEL_NAME}*")):
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def _stopwatch(record: Path) -> Iterator[Callable[[], float]]:
    """Wall seconds of a fit, including its interrupted parts: ``record`` has them up to ``_KEPT_EVERY`` seconds ago."""
    try:
        before = float(record.read_text(encoding="utf-8")) if record.is_file() else 0.0
    except ValueError as error:
        raise damaged(record, error) from None
    started, over = time.perf_counter(), threading.Event()

    def elapsed() -> float:
        return before + time.perf_counter() - started

    def keep() -> None:  # a killed process writes nothing at its end
        while not over.wait(_KEPT_EVERY):
            with contextlib.suppress(OSError, BenchError):
                write_atomically(record, str(elapsed()))

    keeper = threading.Thread(target=keep, daemon=True)
    keeper.start()
    try:
        yield elapsed
    finally:
        over.set()
        keeper.join()
        write_atomically(record, str(elapsed()))
