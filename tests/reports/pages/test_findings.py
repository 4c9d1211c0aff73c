"""The sentences of the index against values computed from the results alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.reports.pretended import make_result
from unimp_bench import registry
from unimp_bench.reports.pages.brief import boards_of
from unimp_bench.reports.pages.findings import findings, is_rule
from unimp_bench.reports.pages.write import boards
from unimp_bench.reports.rows.sections import sections
from unimp_bench.reports.store import Contents, load_results
from unimp_bench.reports.tables.build import table_of

COMMITTED = Path(__file__).resolve().parents[3] / "leaderboards"


def value(corpus: str, model: str, split: str) -> float:
    """NDCG@10 of a published masked recommendation."""
    (found,) = (
        result.metrics["NDCG@10"].value
        for result in load_results(COMMITTED)
        if (result.spec.task, result.corpus.name, result.model.name) == ("recommendation", corpus, model)
        if (result.spec.split, result.spec.protocol) == (split, "masked") and not result.spec.views
    )
    return found


def test_sentences_agree_with_the_results() -> None:
    tasks, _ = boards(Contents.published(COMMITTED))
    said = findings([board for page in tasks for board in boards_of(page)])
    (order,) = (line for line in said if "Transition graph minus ItemKNN" in line)
    for corpus in ("beauty", "sports"):
        leads = [
            value(name, "transition-graph", split) - value(name, "itemknn", split)
            for name, split in ((f"{corpus}-s3rec", "loo"), (corpus, "loo"), (corpus, "global-time"))
        ]
        assert f"{corpus} {', '.join(f'{lead:+.4f}' for lead in leads)}" in order
    (ratings,) = (line for line in said if line.startswith("Ratings"))
    for corpus in ("baby", "gift_cards", "movielens", "musical_instruments", "office"):
        errors = {
            result.model.name: result.metrics["MAE"].value
            for result in load_results(COMMITTED)
            if (result.spec.task, result.corpus.name) == ("preference", corpus) and not result.spec.views
        }
        leads = min(errors, key=lambda model: errors[model]) in ("global-mean", "constant-median", "constant-mode")
        assert leads == (corpus in ratings), corpus


def test_predictions_from_outside_are_no_untrained_rule() -> None:
    ours, theirs = make_result("a", np.array([1, 2])), make_result("external:b", np.array([1, 3]))
    results = [ours, theirs.model_copy(update={"cost": None})]
    (section,) = sections(results, registry.task_cards()["search"])
    assert {row.label: is_rule(row) for row in table_of(section, [], []).filled} == {"a": True, "external:b": False}
