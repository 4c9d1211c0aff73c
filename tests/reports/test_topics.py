"""Topic pages: assignment of results to rows, and comparison with the first row within a budget."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.reports.pretended import make_result, place
from unimp_bench import registry
from unimp_bench.corpus.views import View, viewed
from unimp_bench.metrics.ranking import RankMetric
from unimp_bench.records import IntArray
from unimp_bench.reports.pages.controls import controls_words
from unimp_bench.reports.pages.write import pages, show
from unimp_bench.reports.rows.labels import claims, only_in_topics
from unimp_bench.reports.rows.sections import NO_RESULT, Section, sections, topic_sections
from unimp_bench.reports.store import Contents
from unimp_bench.runs.results import Result
from unimp_bench.runs.suite import ALL_TASKS
from unimp_bench.runs.suites import CATALOGUE, SUITES

pytestmark = pytest.mark.usefixtures("small")

NDCG = RankMetric("NDCG", 10)
RANKS = np.random.default_rng(0).integers(1, 12, 400)


def ranked(ranks: IntArray = RANKS, **changes: Any) -> Result:
    """A synthetic result of preset tiny on recommendation."""
    return make_result("unimp", ranks, **{"task": "recommendation", "preset": "tiny", **changes})


def labels(section: Section) -> list[str]:
    """Labels of the rows with results."""
    return [row.label for row in section.rows if row.results]


def rows_of(result: Result) -> list[str]:
    """Every row of every suite that a result belongs to."""
    return [f"{suite.name}: {row.label}" for suite in CATALOGUE for row in suite.rows if claims(suite, row, result)]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"settings": {"fusion": "none"}}, ["ablation: w/o Vision"]),
        ({"settings": {"fusion": "sum"}}, ["ablation: w/o Fine-grained", "fusion: w/o Cross-attention"]),
        ({"settings": {"context": "", "gamma": "0"}}, ["ablation: w/o Context & Rew"]),
        ({"settings": {"gamma": "0", "epochs": "6"}}, ["ablation: w/o Rew"]),
        ({"settings": {"gamma": "1"}}, []),
        ({"settings": {"fusion": "none", "gamma": "0"}}, []),
        ({"split": "new-user"}, ["new_user: UniMP"]),
        ({"corpus": "toy+NV"}, ["robustness: UniMP with NV"]),
        ({"corpus": "toy+NT"}, ["robustness: UniMP with NT"]),
        ({"corpus": "toy+NT", "settings": {"fusion": "none"}}, []),
        ({"preset": "paper"}, None),
        (
            {
                "split": "new-domain",
                "fit_split": "new-domain",
                "after": (("recommendation",),),
                "tune": {"trained": "all"},
            },
            ["new_domain: UniMP, all adapted"],
        ),
        ({"after": (("search",),), "tune": {"trained": "lora"}}, ["adaptation: Low-rank updates (LoRA)"]),
        ({"after": (("search",),)}, []),
        ({"fit_on": ("search", "recommendation")}, []),
    ],
)
def test_results_belong_to_the_intended_rows(changes: dict[str, Any], expected: list[str] | None) -> None:
    found = rows_of(ranked(**changes))
    if expected is None:
        assert "backbones: UniMP (RedPajama-3B)" in found
    else:
        assert found == expected


def test_runs_of_a_row_belong_to_no_other_row_of_its_suite() -> None:
    for suite in CATALOGUE:
        for row in suite.rows:
            if not row.model:
                continue
            result = make_result(
                row.model,
                RANKS,
                task=suite.tasks[0],
                split=suite.split,
                preset=row.preset or "tiny",
                settings={**row.settings, **{f"features.{key}": name for key, name in row.features.items()}},
                config={"encoder": "tiny", "text_encoder": "lsa"},
                tune=row.tune,
                fit_on=row.fit_on,
                fit_split=row.fit_split,
                after=row.after,
                corpus="+".join(["toy", *(str(View.parse(view)).replace(":", "-") for view in row.views)]),
            )
            facts = result.corpus.model_copy(update={"pictures": 9})
            result = result.model_copy(update={"corpus": facts})
            group = [other for other in suite.rows if other.group == row.group]
            claimed = [other.label for other in group if other.model and claims(suite, other, result)]
            assert claimed == [row.label], suite.name


def test_rows_are_compared_with_the_first_one_within_a_budget(tmp_path: Path) -> None:
    worse = np.minimum(RANKS + 4, 255)
    results = [
        *(ranked(settings={"epochs": "6"}, seed=seed) for seed in range(3)),
        ranked(worse, settings={"epochs": "6", "fusion": "none"}),
        ranked(settings={"epochs": "6", "gamma": "0"}),
        ranked(worse, settings={"gamma": "0"}),
        ranked(settings={"epochs": "6", "context": ""}, task="search"),
    ]
    (section,) = topic_sections(SUITES["ablation"], results)
    assert section.title == "toy, recommendation, preset tiny, epochs=6"
    assert labels(section) == ["UniMP", "w/o Vision", "w/o Rew"]
    rows = {row.label: row for row in section.rows}
    assert len(rows["UniMP"].results) == 3 and rows["UniMP"].test is None
    without, same = rows["w/o Vision"].test, rows["w/o Rew"].test
    assert without is not None and same is not None
    expected = float(np.mean(NDCG.values(worse)) - np.mean(NDCG.values(RANKS)))
    assert without.difference == pytest.approx(expected) and expected < -0.1 and without.p_value < 1e-3
    assert same.difference == 0 and same.p_value == 1
    assert rows["w/o Context"].reason == NO_RESULT and not rows["w/o Context"].metrics
    for result in results:
        place(tmp_path, result)
    shown = show(Contents.published(tmp_path), SUITES["ablation"], "toy")
    assert "   3  UniMP " in shown and "   -  w/o Context " in shown


def test_a_preset_of_a_row_is_no_budget_of_the_first_one() -> None:
    from_scratch, pretrained = ranked(), ranked(RANKS + 1, preset="smol", config={"backbone": "smollm2"})
    (section,) = topic_sections(SUITES["backbones"], [from_scratch, pretrained])
    assert labels(section) == ["GPT-NeoX, from scratch", "SmolLM2-135M, pre-trained, LoRA"]
    assert [row.results for row in section.rows if row.results] == [(from_scratch,), (pretrained,)]


def with_steps(steps: int, **changes: Any) -> Result:
    """A synthetic result each of whose fits takes a number of steps."""
    return ranked(settings={"steps": str(steps)}, config={"steps": steps}, protocol="masked", **changes)


def test_rows_of_one_total_of_steps_are_one_section() -> None:
    suite = SUITES["learning_strategy"]
    rows = {row.label: row for row in suite.rows}
    results = [
        with_steps(400),
        *(
            with_steps(steps, fit_on=row.fit_on, after=row.after, tune=row.tune)
            for steps, row in [(400, rows["Multi-task"]), (200, rows["Multi-task + Full"]), (100, rows["Continue"])]
        ),
        with_steps(400, after=rows["Multi-task + Efficient"].after, tune=rows["Multi-task + Efficient"].tune),
        with_steps(200),
        with_steps(200, fit_on=rows["Multi-task"].fit_on),
    ]
    larger, smaller = sorted(topic_sections(suite, results), key=lambda section: -len(section.filled))
    assert larger.title == "toy, recommendation, preset tiny, 400 steps in total"
    assert labels(larger) == ["Single task", "Continue", "Multi-task", "Multi-task + Full"]
    assert smaller.title == "toy, recommendation, preset tiny, 200 steps in total"
    assert labels(smaller) == ["Single task", "Multi-task"]


def test_a_suite_of_equal_steps_has_no_section_of_epochs() -> None:
    by_epochs = [ranked(settings={"epochs": "4"}, protocol="masked", fit_on=tasks) for tasks in ((), ALL_TASKS)]
    assert topic_sections(SUITES["learning_strategy"], by_epochs) == []


def test_a_suite_about_another_model_has_a_budget_of_that_model() -> None:
    """Rows of one budget make a section; variants are on its page alone, the first row also on that of its task."""

    def adapted(**settings: str) -> Result:
        return make_result("transrec", RANKS, task="recommendation", preset="default", settings=settings)

    frozen = {"trained": "frozen"}
    results = [adapted(), adapted(**frozen), adapted(**frozen, text="none"), adapted(**frozen, epochs="9")]
    (section,) = topic_sections(SUITES["text_adaptation"], results)
    assert section.title == "toy, recommendation, preset default"
    assert labels(section) == ["Adapters", "Frozen encoder", "Id embeddings, no texts"]
    assert [only_in_topics(each) for each in results] == [False, True, True, True]


def test_a_topic_needs_two_comparable_rows() -> None:
    assert topic_sections(SUITES["ablation"], [ranked(), ranked(seed=1)]) == []
    assert topic_sections(SUITES["ablation"], [ranked(settings={"gamma": "0"}), ranked(settings={"context": ""})]) == []


def test_noisy_views_belong_to_their_corpus() -> None:
    name, fingerprint = viewed("toy", "f" * 64, View.parse("NT"))
    noisy = ranked(corpus=name, fingerprint=fingerprint)
    of_another = ranked(corpus="toy+NV", fingerprint=viewed("toy", "0" * 64, View.parse("NV"))[1])
    (section,) = topic_sections(SUITES["robustness"], [ranked(), noisy, of_another])
    assert labels(section) == ["UniMP", "UniMP with NT"]
    assert {row.reason for row in section.rows if not row.results} == {NO_RESULT}


def test_an_exchange_without_loss_is_said() -> None:
    """The control of the suite of views: a row that keeps its ranks does not use what was exchanged."""

    def on(view: str, ranks: np.ndarray) -> Result:
        name, fingerprint = viewed("toy", "f" * 64, View.parse(view))
        return make_result("vbpr", ranks, task="recommendation", preset="small", corpus=name, fingerprint=fingerprint)

    clean = make_result("vbpr", RANKS, task="recommendation", preset="small")
    for ranks, hurt in ((RANKS, False), (RANKS + 20, True)):
        budgets = ranked(), ranked(settings={"epochs": "9"})
        found = topic_sections(SUITES["robustness"], [*budgets, clean, on("XV:1@test", ranks)])
        (said,) = controls_words(found)
        assert len(found) == len(budgets), "with the rows of VBPR in both"
        assert said.startswith("Control on toy: pictures exchanged") and "VBPR" in said and "p " in said
        assert ("No loss is shown for VBPR" in said) != hurt


def test_a_topic_of_views_needs_a_row_on_one() -> None:
    """Systems on the corpus as it is are compared on the page of the task."""
    other = make_result("unisrec", RANKS, task="recommendation", preset="small")
    noisy = ranked(corpus="toy+NV", fingerprint=viewed("toy", other.corpus_id, View.parse("NV"))[1])
    assert topic_sections(SUITES["robustness"], [ranked(), other]) == []
    (section,) = topic_sections(SUITES["robustness"], [ranked(), other, noisy])
    assert labels(section) == ["UniMP", "UniMP with NV", "UniSRec"]


def test_ways_to_use_pictures_need_a_corpus_with_some() -> None:
    results = [ranked(), ranked(settings={"fusion": "late"})]
    assert len(topic_sections(SUITES["fusion"], results)) == 1
    blind = [each.model_copy(update={"corpus": each.corpus.model_copy(update={"pictures": 0})}) for each in results]
    assert topic_sections(SUITES["fusion"], blind) == []


def test_rows_have_one_line_per_budget() -> None:
    baseline = {"task": "recommendation", "split": "new-user"}
    results = [
        ranked(split="new-user"),
        make_result("sasrec", RANKS, settings={"epochs": "3"}, **baseline),
        make_result("sasrec", RANKS, settings={"epochs": "9"}, **baseline),
        make_result("popularity", RANKS, **baseline),
    ]
    (section,) = topic_sections(SUITES["new_user"], results)
    assert labels(section) == ["UniMP", "SASRec (epochs=3)", "SASRec (epochs=9)", "Popularity"]
    assert len({row.test.p_value for row in section.rows if row.test}) == 1


def test_task_pages_omit_variants_of_topics(tmp_path: Path) -> None:
    variant = ranked(settings={"fusion": "none", "epochs": "6"})
    unclaimed = ranked(settings={"fusion": "none", "gamma": "0"})
    adapted = ranked(after=(("search",),), tune={"trained": "lora"})
    strategy = ranked(after=(SUITES["learning_strategy"].rows[2].fit_on,), tune={"trained": "output"})
    assert only_in_topics(variant) and only_in_topics(adapted)
    kept = [ranked(), ranked(settings={"epochs": "6"}), unclaimed, strategy]
    assert not any(map(only_in_topics, kept))
    for result in (variant, adapted, *kept):
        place(tmp_path, result)
    (section,) = sections([variant, adapted, *kept], registry.task_cards()["recommendation"])
    assert len(section.filled) == len(kept) and "w/o Vision" not in pages(tmp_path)["recommendation/toy_details.md"]
    page = pages(tmp_path)["ablation.md"]
    assert re.search(r"\| w/o Vision \| fusion=none \| 0\.\d+", page) and "say nothing about real data" in page
    assert "* w/o Fine-grained, w/o Context & Rew, w/o Context, w/o Rew: no result yet" in page


def test_rows_have_reported_numbers(tmp_path: Path) -> None:
    committed = Path(__file__).resolve().parents[2] / "leaderboards" / "reported"
    (tmp_path / "reported").symlink_to(committed)
    for result in (ranked(), ranked(settings={"gamma": "0"})):
        place(tmp_path, result)
    lines = pages(tmp_path)["ablation.md"].splitlines()
    assert any(line.startswith("| w/o Rew | gamma=0 ") and "| 0.0302†¶✗ |" in line for line in lines)
    assert any(line.startswith("| w/o Vision |") and "0.0284" in line for line in lines), "in the table of the paper"
    assert "Table 3" not in pages(tmp_path)["recommendation.md"]
