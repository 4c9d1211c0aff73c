"""The page of a model, from its card, its module and its configuration."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unimp_bench import registry
from unimp_bench.contracts import Model, ModelCard
from unimp_bench.reports.describing import ELSEWHERE, model_facts
from unimp_bench.reports.documentation.docstrings import docstring
from unimp_bench.reports.documentation.leaderboards import Place
from unimp_bench.reports.documentation.markdown import code, documented, facts, further, settings_list, table, words
from unimp_bench.reports.documentation.settings import differences, settings_of, typed
from unimp_bench.runs.suites import CATALOGUE


def model_page(card: ModelCard, published: Sequence[Place], root: Path) -> str:
    """All about one model.

    Args:
        card: the model.
        published: where the leaderboards have results of it.
        root: of the project.
    """
    model_class: type[Model[Any]] = registry.load(card.factory)
    model = model_class(model_class.Config())
    return "\n".join(
        [
            f"# {words(card.name)}",
            "",
            *documented(docstring(sys.modules[model_class.__module__].__doc__)),
            "",
            *facts(model_facts(card, model)),
            "",
            "Tasks: " + ", ".join(f"[{words(task)}](../tasks/{task}.md)" for task in card.tasks) + ".",
            "",
            *([] if model_class.__doc__ == ELSEWHERE else documented(docstring(model_class.__doc__))),
            "",
            *further(card.name, root),
            *_settings(model),
            *_presets(model),
            *_space(model),
            *_suites(card),
            *_published(published),
        ]
    )


def _settings(model: Model[Any]) -> list[str]:
    found = settings_of(model.config)
    if not found:
        return ["It has no settings.", ""]
    return ["## Settings", "", "`--set KEY=VALUE` of `run`.", "", *settings_list(found), ""]


def _presets(model: Model[Any]) -> list[str]:
    if not model.presets:
        return []
    rows = [
        (code(name), ", ".join(code(f"{key}={value}") for key, value in differences(preset, model.config).items()))
        for name, preset in model.presets.items()
    ]
    heads = ("preset", "differs from the defaults in")
    return ["## Presets", "", "The first one runs where none is named.", "", *table(heads, rows), ""]


def _space(model: Model[Any]) -> list[str]:
    if not model.space:
        return []
    rows = [(code(key), ", ".join(code(typed(value)) for value in values)) for key, values in model.space.items()]
    told = "What `unimp-bench tune` tries beside the model's own value."
    return ["## Search space", "", told, "", *table(("setting", "values"), rows), ""]


def _suites(card: ModelCard) -> list[str]:
    rows = [
        f"* [{words(suite.name)}](../suites/{suite.name}.md): {', '.join(labels)}"
        for suite in CATALOGUE
        if (labels := [words(row.label) for row in suite.rows if row.model.partition(":")[0] == card.name])
    ]
    return ["## Suites", "", *rows, ""] if rows else []


def _published(published: Sequence[Place]) -> list[str]:
    if not published:
        return ["## Published results", "", "None yet.", ""]
    rows = [f"* [{words(place.page)}: {words(place.title)}]({place.link})" for place in published]
    return ["## Published results", "", *rows, ""]
