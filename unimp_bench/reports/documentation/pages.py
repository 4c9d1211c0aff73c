"""Reference pages of tasks, models, metrics, suites and corpora, from their cards, classes and docstrings."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

from unimp_bench import registry
from unimp_bench.contracts import Model, ModelCard, Task, TaskCard
from unimp_bench.errors import DataError
from unimp_bench.kinds import Column, Kind, MetricCard, kind_of, metric_cards
from unimp_bench.markdown import anchor
from unimp_bench.reports.documentation.describing import ELSEWHERE, model_facts, task_facts
from unimp_bench.reports.documentation.docstrings import (
    code,
    differences,
    docstring,
    documented,
    facts,
    further,
    settings_list,
    settings_of,
    table,
    typed,
    words,
)
from unimp_bench.runs.suite import Suite, SuiteRow
from unimp_bench.runs.suites import CATALOGUE as SUITES

PAGES = "../../../leaderboards"
"""Path of the leaderboards from a reference page."""

_HEADING = re.compile(r"## (.*)")
_COMMAND = re.compile(r"unimp-bench run .*--model (\S+)")


@dataclass(frozen=True)
class Place:
    """A section of a leaderboard with published results of a model."""

    page: str
    title: str

    @property
    def link(self) -> str:
        """Its link from a reference page."""
        return f"{PAGES}/{self.page}.md#{anchor(self.title)}"


def places(folder: Path) -> dict[str, list[Place]]:
    """By model or model family, the sections with a command of it, in the order of pages."""
    found: dict[str, dict[Place, None]] = {}
    for path in sorted((*folder.glob("*.md"), *folder.glob("*/*.md"))):
        page, title = path.relative_to(folder).with_suffix("").as_posix(), ""
        for line in path.read_text(encoding="utf-8").splitlines():
            heading, command = _HEADING.fullmatch(line), _COMMAND.match(line)
            if heading:
                title = heading[1]
            elif command:
                found.setdefault(command[1].partition(":")[0], {})[Place(page, title)] = None
    return {model: list(sections) for model, sections in found.items()}


def task_page(card: TaskCard, example: str) -> str:
    """The page of one task.

    Args:
        card: the task.
        example: one of its examples as text; empty for none.
    """
    task = registry.make_task(card.name)
    return "\n".join(
        [
            f"# {words(card.name)}",
            "",
            *documented(docstring(type(task).__doc__)),
            "",
            *facts(task_facts(card, task)),
            "",
            *_options(task),
            "## Metrics",
            "",
            *_metrics(card),
            "",
            "## Example",
            "",
            *(["From the corpus of the tests:", "", "```text", example, "```", ""] if example else []),
            f"From another corpus: `unimp-bench describe task {card.name} --corpus <name> --example 3`.",
            "",
            "## Models",
            "",
            *(
                f"* [{words(model.name)}](../models/{model.name}.md): {words(model.about)}"
                for model in registry.model_cards().values()
                if card.name in model.tasks
            ),
            "",
            f"Results: [leaderboard]({PAGES}/{card.name}.md). Suites that include it by default:",
            "",
            *(
                f"* [{words(suite.name)}](../suites/{suite.name}.md): {words(suite.about)}"
                for suite in SUITES
                if card.name in suite.tasks
            ),
            "",
        ]
    )


def _options(task: Task) -> list[str]:
    found = settings_of(task.config)
    if not found:
        return []
    return ["## Options", "", "`--option KEY=VALUE` of `run`, `export` and `describe`.", "", *settings_list(found), ""]


def _metrics(card: TaskCard) -> list[str]:
    kind = kind_of(card.kind)
    roles = {kind.main: "orders rows; significance test"}
    rows = [
        (
            metric_link(column.name, ".."),
            "higher" if column.higher_is_better else "lower",
            "main table" if column.brief else "details",
            roles.get(column.name, ""),
        )
        for column in kind.columns
    ]
    return table(("metric", "better", "shown in", ""), rows)


def model_page(card: ModelCard, published: Sequence[Place], root: Path) -> str:
    """The page of one model.

    Args:
        card: the model.
        published: sections of leaderboards with its results.
        root: folder of the project.
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
        return ["This model has no settings.", ""]
    return ["## Settings", "", "`--set KEY=VALUE` of `run`.", "", *settings_list(found), ""]


def _presets(model: Model[Any]) -> list[str]:
    if not model.presets:
        return []
    rows = [
        (code(name), ", ".join(code(f"{key}={value}") for key, value in differences(preset, model.config).items()))
        for name, preset in model.presets.items()
    ]
    heads = ("preset", "settings that differ from the defaults")
    return ["## Presets", "", "The first one is the default.", "", *table(heads, rows), ""]


def _space(model: Model[Any]) -> list[str]:
    if not model.space:
        return []
    rows = [(code(key), ", ".join(code(typed(value)) for value in values)) for key, values in model.space.items()]
    about = "Values that `unimp-bench tune` tries in addition to the default."
    return ["## Search space", "", about, "", *table(("setting", "values"), rows), ""]


def _suites(card: ModelCard) -> list[str]:
    rows = [
        f"* [{words(suite.name)}](../suites/{suite.name}.md): {', '.join(labels)}"
        for suite in SUITES
        if (labels := [words(row.label) for row in suite.rows if row.model.partition(":")[0] == card.name])
    ]
    return ["## Suites", "", *rows, ""] if rows else []


def _published(published: Sequence[Place]) -> list[str]:
    if not published:
        return ["## Published results", "", "None yet.", ""]
    rows = [f"* [{words(place.page)}: {words(place.title)}]({place.link})" for place in published]
    return ["## Published results", "", *rows, ""]


def metric_page(card: MetricCard, root: Path) -> str:
    """The page of one metric.

    Args:
        card: the metric.
        root: folder of the project with the tests.

    Raises:
        DataError: the metric has no test.
    """
    module_name, _, name = card.definition.partition(":")
    module = importlib.import_module(module_name)
    reported = list(_reported(card))
    column = reported[0][1]
    tasks = [task for task in registry.task_cards().values() if task.kind in {kind.name for kind, _ in reported}]
    return "\n".join(
        [
            f"# {words(card.name)}",
            "",
            f"{words(card.about[0].upper() + card.about[1:])}.",
            "",
            f"$$\n{card.equation}\n$$",
            "",
            *facts(
                {
                    "better": "higher" if column.higher_is_better else "lower",
                    "cutoffs": ", ".join(map(str, card.cutoffs)),
                    "aggregation": "over all examples jointly" if card.pooled else "mean over examples",
                    "used for": ", ".join(f"tasks of kind {kind.name}" for kind, _ in reported),
                }
            ),
            "",
            "Reported for " + ", ".join(f"[{words(task.name)}](../tasks/{task.name}.md)" for task in tasks) + ".",
            "",
            "## Definition",
            "",
            *documented(docstring(module.__doc__)),
            "",
            f"### {code(name)}",
            "",
            *documented(docstring(getattr(module, name).__doc__)),
            "",
            "## Tested against",
            "",
            *_checked(module_name, root),
            "",
        ]
    )


def metric_link(column: str, up: str) -> str:
    """A link to the page of a column's metric; ``up`` is the relative path to the reference."""
    return f"[{words(column)}]({up}/metrics/{slug(card_of(column).name)}.md)"


def card_of(column: str) -> MetricCard:
    """The metric of a column, such as HR for ``HR@5``, and Recall@K for ``Recall@5``: a selection has a Recall too."""
    name, at, _ = column.partition("@")
    return next(
        card for card in metric_cards() if bool(at) == bool(card.cutoffs) and card.name.removesuffix("@K") == name
    )


def slug(name: str) -> str:
    """The file name of a metric without its suffix."""
    return name.lower().replace(" ", "-").replace("@", "-at-")


def _reported(card: MetricCard) -> Iterator[tuple[Kind, Column]]:
    """The kinds that report a metric, each with one of its columns."""
    for name in dict.fromkeys(task.kind for task in registry.task_cards().values()):
        kind = kind_of(name)
        for column in kind.columns:
            if card_of(column.name) is card:
                yield kind, column
                break


def _checked(module: str, root: Path) -> list[str]:
    path = root / "tests" / "metrics" / f"test_{module.rpartition('.')[2]}.py"
    if not path.is_file():
        raise DataError(f"{module} has no test at {path}")
    parsed = docstring(ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))))
    return [f"{words(parsed.summary)} ({code(str(path.relative_to(root)))})"]


_HEADS = ("row", "model", "preset", "settings", "fitted", "seeds", "in the paper")


def suite_page(suite: Suite, root: Path) -> str:
    """The page of one suite; ``root`` is the folder of the project, whose leaderboards have a page of it or none."""
    has_page = (root / "leaderboards" / f"{suite.name}.md").is_file()
    page = f"Its page: [{words(suite.title)}]({PAGES}/{suite.name}.md)."
    results = page if has_page else f"[No results yet]({PAGES}/coverage.md)."
    return "\n".join(
        [
            f"# {words(suite.name)}",
            "",
            f"{words(suite.about[0].upper() + suite.about[1:])}.",
            "",
            *facts(
                {
                    "source": suite.table,
                    "tasks": ", ".join(suite.tasks),
                    "split": suite.split,
                    "protocol": suite.protocol,
                    "only on": ", ".join(suite.corpora),
                }
            ),
            "",
            "```sh",
            f"unimp-bench suite {suite.name}",
            "```",
            "",
            f"{results} All rows are compared with the first one.",
            "",
            *table(_HEADS, [_cells(row) for row in suite.rows]),
            "",
            *(f"* {words(row.label)}: empty, {words(row.lacks)}" for row in suite.rows if row.lacks),
            "",
        ]
    )


def _cells(row: SuiteRow) -> tuple[str, ...]:
    family = row.model.partition(":")[0]
    changed = [code(f"{key}={value}") for key, value in row.settings.items()]
    return (
        words(row.label),
        f"[{words(row.model)}](../models/{family}.md)" if row.model else "",
        code(row.preset or ""),
        ", ".join([*changed, *(code(f"--view {view}") for view in row.views)]),
        _fitted(row),
        "several" if row.model and registry.model_card(row.model).seeded else "one",
        words(row.system),
    )


def _fitted(row: SuiteRow) -> str:
    """How the row's model is fitted, if not simply on the evaluated task."""
    parts = [f"after {' and '.join(stage)}" for stage in row.after]
    parts += [f"on {', '.join(row.fit_on)}"] if row.fit_on else []
    parts += [f"on split {row.fit_split}"] if row.fit_split not in (None, "loo") else []
    parts += [f"with {key}={value} in the last fit" for key, value in row.tune.items()]
    return words("; ".join(parts))


OPTIONS = "data_prep.cleaning:BuildOptions"
SAMPLE = "data_prep.sample:generate"
"""The generator of the raw files of the kind without a reader."""


def corpus_page(card: Any, root: Path) -> str:
    """The page of one kind of corpus (``data_prep.CorpusCard``); ``root`` is the folder of the project."""
    source = registry.load(card.source or SAMPLE)
    reader = _reader(source)
    module = sys.modules[source.__module__ if card.source else SAMPLE.partition(":")[0]]
    options = registry.load(OPTIONS).usual(card)
    how = f"make data CORPUS={card.name}" + (" RAW=<folder>" if card.needs_raw else "")
    return "\n".join(
        [
            f"# {words(card.name)}",
            "",
            f"{words(card.about[0].upper() + card.about[1:])}.",
            "",
            "```sh",
            how,
            "```",
            "",
            *facts(
                {
                    "raw files": "" if card.needs_raw else "downloaded" if card.download else "generated",
                    "how to get them": card.obtain,
                    "licence": getattr(reader, "licence", ""),
                    "choices": ", ".join(card.choices),
                    "already filtered": "yes: no k-core filter, no held-out users" if card.filtered else "",
                }
            ),
            "",
            *further(card.name, root),
            *_download(card),
            "## Reader",
            "",
            *documented(docstring(module.__doc__)),
            "",
            *(documented(docstring(source.__doc__)) if inspect.isfunction(source) and card.source else []),
            "",
            "## Options",
            "",
            "Options of the pipeline shared by all readers, with the defaults of this kind.",
            "",
            *settings_list(settings_of(options)),
            "",
            "Properties of a built corpus (counts, attributes, skipped lines, fingerprint): "
            f"`unimp-bench describe corpus {card.name}`. See also [data](../../data.md).",
            "",
        ]
    )


def _reader(source: Any) -> Any:
    """The class of a source, also if the card names its factory function."""
    return get_type_hints(source)["return"] if inspect.isfunction(source) else source


def _download(card: Any) -> list[str]:
    if card.download is None:
        return []
    release = registry.load(card.download)
    return [
        "## Download",
        "",
        *(f"* {code(host)}" for host in (*release.hosts, *release.unpacked)),
        "",
        f"Default domains: {', '.join(map(code, release.usual)) or 'none'}. "
        f"Others: {', '.join(map(code, release.others))}.",
        "",
    ]
