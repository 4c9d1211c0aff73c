"""Committed pages follow from committed results, and these from the configurations of today."""

from __future__ import annotations

from pathlib import Path

from unimp_bench import registry
from unimp_bench.reports.pages.write import stale_pages
from unimp_bench.reports.store import Contents, load_results
from unimp_bench.runs.versions import outdated

COMMITTED = Path(__file__).resolve().parents[2] / "leaderboards"


def test_committed_tables_follow_from_their_results() -> None:
    board = Contents.published(COMMITTED)  # not the shared contents, whose sections may be of other thresholds
    assert not list(stale_pages(board)), "run 'unimp-bench leaderboard'"


def test_no_fit_converged_before_its_least_steps() -> None:
    """A field added to a configuration keeps the keys of earlier fits, so its default must not prolong them."""
    fits = [
        (result.spec.fit, result.training.steps)
        for result in load_results(COMMITTED)
        if result.training is not None and result.training.stopped == "converged" and not outdated(result)
    ]
    models = {fit.model for fit, _ in fits} & set(registry.model_cards())
    usual = {name: registry.load(registry.model_card(name).factory).Config() for name in models}
    least = {name: getattr(config, "least_steps", 0) for name, config in usual.items()}
    short = [fit.key for fit, steps in fits if steps < fit.config.get("least_steps", least.get(fit.model, 0))]
    assert max(least.values()) > 0 and not short
