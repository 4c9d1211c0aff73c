"""The page of a suite, from its rows."""

from __future__ import annotations

from unimp_bench.reports.documentation.leaderboards import PAGES
from unimp_bench.reports.documentation.markdown import code, facts, table, words
from unimp_bench.runs.suite import Suite, SuiteRow

_HEADS = ("row", "model", "preset", "settings", "fitted", "seeds", "in the paper")


def suite_page(suite: Suite) -> str:
    """All rows of one suite."""
    return "\n".join(
        [
            f"# {words(suite.name)}",
            "",
            f"{words(suite.about[0].upper() + suite.about[1:])}.",
            "",
            *facts(
                {
                    "where it comes from": suite.table,
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
            f"Its page: [{words(suite.title)}]({PAGES}/{suite.name}.md). All rows are compared with the first one.",
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
        "several" if row.seeded else "one",
        words(row.system),
    )


def _fitted(row: SuiteRow) -> str:
    """How the row's model comes to be fitted, where that is not on the asked task alone."""
    parts = [f"after {' and '.join(stage)}" for stage in row.after]
    parts += [f"on {', '.join(row.fit_on)}"] if row.fit_on else []
    parts += [f"on split {row.fit_split}"] if row.fit_split not in (None, "loo") else []
    parts += [f"with {key}={value} in the last fit" for key, value in row.tune.items()]
    return words("; ".join(parts))
