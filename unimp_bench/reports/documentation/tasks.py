"""The page of a task, from its card and its class."""

from __future__ import annotations

from unimp_bench import registry
from unimp_bench.contracts import Task, TaskCard
from unimp_bench.kinds import kind_of
from unimp_bench.reports.describing import task_facts
from unimp_bench.reports.documentation.docstrings import docstring
from unimp_bench.reports.documentation.leaderboards import PAGES
from unimp_bench.reports.documentation.markdown import documented, facts, settings_list, table, words
from unimp_bench.reports.documentation.metrics import metric_link
from unimp_bench.reports.documentation.settings import settings_of
from unimp_bench.runs.suites import CATALOGUE


def task_page(card: TaskCard, example: str) -> str:
    """All about one task.

    Args:
        card: the task.
        example: one of its examples, as text; empty for none.
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
            "## An example",
            "",
            *(["Of a corpus that tests are run on:", "", "```text", example, "```", ""] if example else []),
            f"Of a corpus of yours: `unimp-bench describe task {card.name} --corpus <name> --example 3`.",
            "",
            "## Who answers it",
            "",
            *(
                f"* [{words(model.name)}](../models/{model.name}.md): {words(model.about)}"
                for model in registry.model_cards().values()
                if card.name in model.tasks
            ),
            "",
            f"Results: [leaderboard]({PAGES}/{card.name}.md). Suites that ask it where no other task is named:",
            "",
            *(
                f"* [{words(suite.name)}](../suites/{suite.name}.md): {words(suite.about)}"
                for suite in CATALOGUE
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
    places = {kind.main: "orders rows, and is tested"}
    rows = [
        (
            metric_link(column.name, ".."),
            "higher" if column.higher_is_better else "lower",
            "main table" if column.brief else "details",
            places.get(column.name, ""),
        )
        for column in kind.columns
    ]
    return table(("metric", "better", "stands in", ""), rows)
