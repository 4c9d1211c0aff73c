"""The evaluation standard as far as a table can be held to it: which rows may be called best, and what is flagged.

The rules and their reasons are in ``docs/standard.md``; ``tests/reports/test_standard.py`` holds every table to them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from unimp_bench import registry
from unimp_bench.errors import UsageError
from unimp_bench.metrics.paired import PairedTest
from unimp_bench.reports.rows.remarks import Degenerate
from unimp_bench.reports.rows.scored import Scored
from unimp_bench.runs.results import LEAK_REMARK, Result
from unimp_bench.runs.versions import outdated

VERSION = "1"

MIN_SEEDS = 3
"""Seeds of a model that chance enters, below which no row is called best and no difference significant."""

MIN_STEPS = 300
"""Optimizer steps below which early stopping proves little: it counts epochs, of which a small one has few steps."""

MIN_EXAMPLES = 200
"""Test examples (users, where a user has several targets) below which rows have no order."""

LEVEL = 0.05

ONE_QUERY = 0.5
"""Share of the examples with the most frequent query from which on a corpus has no search table."""

FLOORS: dict[str, tuple[str, ...]] = {
    "recommendation": ("popularity", "itemknn", "ease", "transition-graph"),
    "search": ("popularity", "query-popularity", "bm25"),
    "preference": ("global-mean", "constant-median", "constant-mode", "item-mean", "bias"),
    "explanation": ("constant-sentence", "typical-sentence", "nearest-sentence"),
    "selection": ("select-all", "pick-one", "popular-candidates"),
}
"""By task, the untrained baselines without which a table is incomplete."""

Flag = Literal[
    "earlier version",
    "budget",
    "few steps",
    "few seeds",
    "unstable",
    "constant",
    "trials",
    "crowded",
    "leak",
    "as another row",
]

Best = Literal["first", "tied", ""]

FLAGS: dict[Flag, str] = {
    "earlier version": "made by an earlier version of the model, its features, the task or the selection rule: not "
    "ranked and not compared",
    "budget": "training was ended by its budget of epochs or steps, not by early stopping: possibly undertrained",
    "few steps": f"early stopping ended the training before {MIN_STEPS} optimizer steps: possibly undertrained",
    "few seeds": f"fewer than {MIN_SEEDS} seeds of a model with random choices: never best, no difference significant",
    "unstable": "the standard deviation over seeds exceeds half of the interval over examples: never called equal to "
    "the best, as the test can hardly tell it from any row",
    "constant": "(nearly) the same answer to all examples",
    "as another row": "(nearly) the answers of another row of the table",
    "trials": "settings chosen by more trials than those of other trained rows",
    "crowded": "other processes took part of the machine: cost not comparable",
    "leak": "read the test targets while it was fitted",
}
"""What a flag means."""


def verdict_words(test: PairedTest) -> str:
    """On which side of ``LEVEL`` a test is: ``p < 0.05``."""
    return f"p {'<' if test.p_value < LEVEL else '≥'} {LEVEL:g}"


def is_seeded(result: Result) -> bool:
    """Whether chance enters a result; of models that are not registered here nobody knows that it does not."""
    names = [part.model for part in result.spec.fit.parts] or [result.model.name]
    try:
        return any(registry.model_card(name).seeded for name in names)
    except UsageError:
        return True


def has_few_seeds(row: Scored) -> bool:
    """Whether a row has fewer seeds than the standard wants."""
    return len(row.results) < MIN_SEEDS and is_seeded(row.results[0])


def is_unstable(row: Scored) -> bool:
    """Whether seeds move a row's main metric by more than its 95% interval over examples leaves open."""
    spread = row.spread()
    if spread is None or not row.has_main:
        return False
    estimate = row.metrics()[row.kind.main]
    return spread > (estimate.high - estimate.low) / 2


def is_older(row: Scored) -> bool:
    """Whether any of a row's results is of an earlier version; results of two versions are never in one row."""
    return any(map(outdated, row.results))


def trials_of(results: Iterable[Result]) -> int:
    """Trials of the search that chose the settings of a row's results; 0 where nothing was searched."""
    return max(result.tuning.trials if result.tuning else 0 for result in results)


def flags_of(rows: Sequence[Scored], warned: Mapping[str, Degenerate]) -> dict[str, tuple[Flag, ...]]:
    """The flags of the rows of one table, by label.

    Args:
        rows: all with results.
        warned: their degenerate answers, by label.
    """
    trained = [trials_of(row.results) for row in rows if row.results[0].training is not None and not is_older(row)]
    fewest = min(trained, default=0)

    def raised(row: Scored) -> dict[Flag, bool]:
        return {
            "earlier version": is_older(row),
            "leak": any(LEAK_REMARK in result.remarks for result in row.results),
            "budget": any(each.training and each.training.stopped == "budget" for each in row.results),
            "few steps": any(map(_stopped_early, row.results)),
            "few seeds": has_few_seeds(row) and not row.is_ceiling,
            "unstable": is_unstable(row),
            "constant": bool(warned[row.label].constant),
            "as another row": bool(warned[row.label].repeated),
            "trials": bool(trained) and trials_of(row.results) > fewest,
            "crowded": any(each.cost and each.cost.is_crowded for each in row.results),
        }

    return {row.label: tuple(flag for flag, is_raised in raised(row).items() if is_raised) for row in rows}


def _stopped_early(result: Result) -> bool:
    training = result.training
    return training is not None and training.stopped == "converged" and 0 < training.steps < MIN_STEPS


def best_of(ranked: Sequence[Scored], tests: Mapping[str, PairedTest]) -> dict[str, Best]:
    """The best rows by label: the first one, and those of enough stable seeds that do not differ significantly from it.

    None where the first row has too few seeds.

    Args:
        ranked: best first.
        tests: of the others against the first, by label.
    """
    if not ranked or has_few_seeds(ranked[0]):
        return {}
    first, *others = ranked
    tied: dict[str, Best] = {
        row.label: "tied"
        for row in others
        if tests[row.label].p_value >= LEVEL and not has_few_seeds(row) and not is_unstable(row)
    }
    return {first.label: "first", **tied}
