"""Labels of configurations and fits, and the assignment of results to rows of suites."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from unimp_bench import registry
from unimp_bench.corpus.features.names import NOTHING
from unimp_bench.corpus.views import View, viewed
from unimp_bench.errors import UsageError
from unimp_bench.kinds import Kind, kind_of
from unimp_bench.records import learned_from
from unimp_bench.runs.results import GIVEN, UNREAD, Result
from unimp_bench.runs.spec import FitSpec
from unimp_bench.runs.suite import ALL_TASKS, SUBJECT, Suite, SuiteRow
from unimp_bench.runs.suites import CATALOGUE, SUITES, VARIED
from unimp_bench.runs.versions import outdated
from unimp_bench.unimp.config import FROM_SCRATCH

OLDER = "‡"
"""Mark of rows of an earlier version of model, features, task or selection rule."""

ENCODERS = {
    "minilm": "MiniLM",
    "minilm-untrained": "MiniLM, untrained",
    "efficientnet-lite0": "EfficientNet-Lite0",
    "efficientnet-lite0-pca128": "EfficientNet-Lite0, 128 components",
    "lsa": "LSA",
    "tiny": "random",
}
"""Encoders as tables name them; others as the user does."""

DECODERS = {"smollm2": "SmolLM2"}
"""Pre-trained decoders as tables name them; others by the last part of their name."""


def label_of(result: Result) -> str:
    """The model, its preset and settings if changed, and how it was fitted if not on the evaluated task alone.

    Results of earlier versions are marked, so that they form a separate row.
    """
    model, fit = result.model, result.spec.fit
    parts = [] if model.preset == "default" else [model.preset]
    parts += settings_words(settings_of(result))
    parts += _fit_words(
        [tasks_of(stage) for stage in fit.stages[:-1]], tasks_of(fit), fit.split, model.tune, result.spec.task
    )
    label = f"{model.name} ({', '.join(parts)})" if parts else model.name
    return f"{label}{older_mark(result)}"


BUDGET = ("epochs", "steps", "patience", "validate_every", "pretraining_epochs", "checkpoint_steps")
"""Settings that are a budget: a column of their own, and no part of a name unless rows differ in nothing else."""


def shown_labels(results: Mapping[str, Result]) -> dict[str, str]:
    """How a table names its rows: the system as its task's suite names it, and what is changed.

    Args:
        results: one of each row, by ``label_of``.
    """
    short = {label: _shown(result, BUDGET) for label, result in results.items()}
    counts = Counter(short.values())
    return {label: name if counts[name] == 1 else _shown(results[label], ()) for label, name in short.items()}


def _shown(result: Result, left_out: Iterable[str]) -> str:
    model, fit = result.model, result.spec.fit
    suite = SUITES.get(result.spec.task)
    rows = [row for row in suite.rows if row.model and describes(row, result)] if suite else []
    row = next((row for row in rows if row.preset), next(iter(rows), None))  # a row of the very preset comes first
    if model.name == SUBJECT:
        millions = result.cost.parameters_total / 1e6 if result.cost else 0.0
        name = f"UniMP-{model.preset}, {millions:.1f}M, {_weights(fit.config)}"
    else:
        name = model.name if row is None else row.label
        preset = "" if model.preset in ("default", usual_preset(model.name)) or (row and row.preset) else model.preset
        name += f", {preset}" if preset else ""
    name += f", {words}" if (words := features_words(features_of(result))) else ""
    own = row.settings if row else {}
    # a budget of nothing leaves out a stage, and is part of a name
    kept = {k: v for k, v in model.settings.items() if k not in own and (k not in left_out or str(v) == "0")}
    parts = settings_words({key: value for key, value in kept.items() if not key.startswith(GIVEN)})
    earlier, last = [tasks_of(stage) for stage in fit.stages[:-1]], tasks_of(fit)
    if row is None or earlier or not row.fit_on:
        parts += _fit_words(earlier, last, fit.split, model.tune, result.spec.task)
    return f"{name} ({', '.join(parts)}){older_mark(result)}" if parts else f"{name}{older_mark(result)}"


def usual_preset(model: str) -> str:
    """The preset of a model where none is named; empty for models that are not registered here."""
    try:
        return registry.default_preset(model)
    except UsageError:
        return ""


def _weights(config: Mapping[str, Any]) -> str:
    """Where the weights of UniMP's decoder and encoder come from."""
    decoder, encoder = str(config.get("backbone", "")), str(config.get("pretrained", ""))
    names = [DECODERS.get(decoder, Path(decoder).name)] if decoder and decoder not in FROM_SCRATCH else []
    names += [f"{config.get('encoder')} ({encoder})"] if encoder else []
    return f"pre-trained: {', '.join(names)}" if names else "from scratch"


def features_of(result: Result) -> dict[str, str]:
    """Names of the stored feature sets that a model read, by modality; ``none`` where one was left out."""
    settings = result.model.settings
    named = {key.removeprefix(GIVEN): name for key, name in settings.items() if key.startswith(GIVEN)}
    unread = [note.partition(" features: ")[0] for note in result.remarks if note.endswith(UNREAD)]
    return {modality: name for modality, name in named.items() if modality not in unread}


def settings_of(result: Result) -> dict[str, str]:
    """The settings that tell a result from others of its model, in order: feature sets that were not read do not."""
    read = {f"{GIVEN}{modality}": name for modality, name in features_of(result).items()}
    own = {key: value for key, value in result.model.settings.items() if not key.startswith(GIVEN)}
    return dict(sorted({**own, **read}.items()))


def features_words(features: Mapping[str, str]) -> str:
    """Stored features by modality: ``MiniLM and EfficientNet-Lite0``, ``MiniLM, no pictures``."""
    known = [ENCODERS.get(name, name) for _, name in sorted(features.items(), reverse=True) if name != NOTHING]
    left_out = [f"no {modality}" for modality, name in sorted(features.items()) if name == NOTHING]
    return ", ".join([*([" and ".join(known)] if known else []), *left_out])


_OWN = "own"
"""An encoder that no setting names."""


def encoders_of(result: Result) -> dict[str, str]:
    """What a result's model read of texts and pictures, by modality.

    The names of stored features, or of its own encoders; ``none`` for what was left out. Features of texts that a
    setting leaves out are not in the answer.
    """
    try:
        card = registry.model_card(result.model.name)
    except UsageError:
        return dict(features_of(result))
    config, found = result.spec.fit.config, dict(features_of(result))
    if "pictures" in card.features and result.corpus.pictures:
        found.setdefault("pictures", _encoder(config, "encoder") or _OWN)
    replaced = card.either and found.get("pictures", NOTHING) != NOTHING
    if "text" in card.features and not replaced:
        pictured = "pictures" in card.features  # then ``encoder`` is of pictures
        fields = ("text_encoder", "text", "item_texts", *(() if pictured else ("encoder",)))
        if text := _encoder(config, *fields) or ("" if pictured else _OWN):
            found.setdefault("text", text)
    return found


def _encoder(config: Mapping[str, Any], *keys: str) -> str:
    """The encoder of the first of some fields that a configuration has, with the tag of its weights; empty without."""
    name = next((str(config[key]) for key in keys if key in config), "")
    return " ".join(filter(None, (name, str(config.get("pretrained", "")) if keys == ("encoder",) else "")))


def older_mark(result: Result) -> str:
    """Suffix of the label of a result of an earlier version; else empty."""
    return f" {OLDER}" if outdated(result) else ""


def older_remark(result: Result) -> str:
    """A remark on the version of an earlier result; empty for results of the current versions."""
    found = outdated(result)
    return f"result of an earlier version: {', '.join(found)}; the same command gives a new result" if found else ""


def row_words(row: SuiteRow) -> str:
    """The changes of a suite's row; empty for an unchanged model."""
    parts = [row.preset] if row.preset else []
    parts += settings_words(row.settings)
    parts += settings_words(row.features)
    parts += _fit_words(row.after, row.fit_on, row.fit_split, row.tune, "")
    parts += [f"view {view}" for view in row.views]
    return ", ".join(parts)


def settings_words(settings: Mapping[str, str]) -> list[str]:
    """Settings in alphabetical order; empty values are ``none``."""
    return [f"{key}={value or 'none'}" for key, value in sorted(settings.items())]


def tasks_of(fit: FitSpec) -> tuple[str, ...]:
    """Names of the tasks of one fit, sorted."""
    return tuple(sorted(name for name, _ in fit.tasks))


def _fit_words(
    after: Iterable[tuple[str, ...]], last: tuple[str, ...], split: str | None, tune: Mapping[str, str], evaluated: str
) -> list[str]:
    """How a model was fitted, if not on the evaluated task alone."""
    earlier = [_tasks_words(tasks) for tasks in after]
    parts = [f"after {', then '.join(earlier)}"] if earlier else []
    if last and last != (evaluated,):
        parts.append(f"fitted on {_tasks_words(last)}")
    if split == "new-domain":
        parts.append(f"fitted on {split}")
    return [*parts, *(f"then {words}" for words in settings_words(tune))]


def _tasks_words(tasks: tuple[str, ...]) -> str:
    return "all six tasks" if set(tasks) == set(ALL_TASKS) else " and ".join(tasks)


def describes(row: SuiteRow, result: Result) -> bool:
    """Whether a result is of the model and the way of fitting that a row names, whatever it is evaluated on.

    Settings that suites vary must equal those of the row; all others are the budget.
    """
    spec, model = result.spec, result.model
    stages = spec.fit.stages
    own = {key: value for key, value in model.settings.items() if key in VARIED.get(model.name, ())}
    return (
        model.name == row.model
        and row.preset in (None, model.preset)
        and own == row.settings
        and model.tune == row.tune
        and [tasks_of(stage) for stage in stages[:-1]] == [tuple(sorted(tasks)) for tasks in row.after]
        and tasks_of(stages[-1]) == tuple(sorted(row.fit_on or (spec.task,)))
    )


def claims(suite: Suite, row: SuiteRow, result: Result) -> bool:
    """Whether a result is one of a row's, on whatever corpus and budget.

    A result of a preset that another row of the suite names is only that row's.
    """
    spec = result.spec
    return (
        describes(row, result)
        and (row.preset is not None or not any(each.preset and describes(each, result) for each in suite.rows))
        and suite.has_split(spec.split)
        and spec.protocol == _kind(result).under(suite.protocol)
        and not spec.options
        and spec.fit.split == (row.fit_split or learned_from(spec.split))
        and result.corpus.name.partition("+")[2] == viewed_as(row, "", "")[0].removeprefix("+")
        and (_reads(row, result) if suite.grouped else True)
    )


def _reads(row: SuiteRow, result: Result) -> bool:
    """Whether a result's model read the features that a row names, and its own where the row names none."""
    encoders = encoders_of(result)
    named = all(encoders.get(modality, NOTHING) == name for modality, name in row.features.items())
    return named and set(features_of(result)) <= set(row.features)


def _kind(result: Result) -> Kind:
    return kind_of(registry.task_cards()[result.spec.task].kind)


def viewed_as(row: SuiteRow, name: str, fingerprint: str) -> tuple[str, str]:
    """Name and fingerprint of a corpus under the views of a row."""
    for view in row.views:
        name, fingerprint = viewed(name, fingerprint, View.parse(view))
    return name, fingerprint


def left_over(suite: Suite, row: SuiteRow, result: Result) -> dict[str, str]:
    """The settings of a result that are not set by its row.

    In a suite of a total of steps those of the subject are the total of its stages, so that rows of one total agree.
    """
    left = {key: value for key, value in settings_of(result).items() if key not in row.settings}
    if suite.grouped:
        left = {key: value for key, value in left.items() if not key.startswith(GIVEN)}
    if suite.steps and suite.budgets(row) and (steps := _steps(result)):
        left["steps"] = str(steps * row.stages)
    return left


def has_equal_steps(suite: Suite, result: Result) -> bool:
    """Whether a result of the subject can be in a suite's tables: those of a total of steps need a number of them."""
    return not suite.steps or _steps(result) > 0


def _steps(result: Result) -> int:
    """The number of steps that was set for each fit of a result; 0 where epochs set it."""
    steps = result.spec.fit.config.get("steps")
    return steps if isinstance(steps, int) else 0


def budget_words(suite: Suite, result: Result) -> str:
    """The budget of a suite's section, from a result of its first row: the preset, and settings that no row sets."""
    left = left_over(suite, suite.rows[0], result)
    total = [f"{int(left.pop('steps')):,} steps in total"] if suite.steps else []
    return ", ".join([f"preset {result.model.preset}", *total, *settings_words(left)])


def only_in_topics(result: Result) -> bool:
    """Whether a result is a variant that suites compare with another row, shown only on their pages.

    That are variants of a suite's first row, models without features that they usually read, and rows whose view is of
    the test alone.
    """
    if NOTHING in features_of(result).values():
        grouped = [row for suite in CATALOGUE if suite.grouped for row in suite.rows]
        return any(describes(row, result) and _reads(row, result) for row in grouped)
    claimed = [
        (suite.variants and row is not suite.rows[0]) or any(View.parse(view).at_test for view in row.views)
        for suite in CATALOGUE
        for row in suite.rows
        if row.model and claims(suite, row, result)
    ]
    return bool(claimed) and all(claimed)
