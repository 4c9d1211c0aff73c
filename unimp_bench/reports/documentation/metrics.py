"""The page of a metric, from its card, its docstrings and the tests that check it."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

from unimp_bench import registry
from unimp_bench.errors import DataError
from unimp_bench.kinds import Column, Kind, kind_of
from unimp_bench.metrics.cards import CATALOGUE, MetricCard
from unimp_bench.metrics.ranking import CUTOFFS
from unimp_bench.reports.documentation.docstrings import docstring
from unimp_bench.reports.documentation.markdown import code, documented, facts, words


def metric_page(card: MetricCard, root: Path) -> str:
    """All about one metric.

    Args:
        card: the metric.
        root: of the project, where the tests are.

    Raises:
        DataError: nothing checks the metric.
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
                    "cutoffs": ", ".join(map(str, CUTOFFS)) if card.cutoffs else "",
                    "value of a table": "of all examples together" if card.pooled else "mean over examples",
                    "asked of": ", ".join(f"tasks of kind {kind.name}" for kind, _ in reported),
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
            "## What it is checked against",
            "",
            *_checked(module_name, root),
            "",
        ]
    )


def metric_link(column: str, up: str) -> str:
    """A link to the page of a column's metric, from a page whose folder ``up`` leads out of."""
    return f"[{words(column)}]({up}/metrics/{slug(card_of(column).name)}.md)"


def card_of(column: str) -> MetricCard:
    """The metric of a column: ``HR@5`` is of HR."""
    name = column.partition("@")[0]
    return next(card for card in CATALOGUE if card.name == name)


def slug(name: str) -> str:
    """The file of a metric, without its ending."""
    return name.lower().replace(" ", "-")


def _reported(card: MetricCard) -> Iterator[tuple[Kind, Column]]:
    """The kinds that report a metric, each with a column of it."""
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
    said = docstring(ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))))
    return [f"{words(said.summary)} ({code(str(path.relative_to(root)))})"]
