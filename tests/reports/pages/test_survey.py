"""The page of the survey: its taxonomy covers the registry, and its numbers are those of the tables."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import baselines
from tests.reports.pretended import make_result, place
from unimp_bench import registry, unimp
from unimp_bench.contracts import Training
from unimp_bench.records import IntArray
from unimp_bench.reports.pages.brief import boards_of
from unimp_bench.reports.pages.html import html_page
from unimp_bench.reports.pages.survey import Measured, measured
from unimp_bench.reports.pages.taxonomy import TAXONOMY, Leaf, Member
from unimp_bench.reports.pages.write import boards, pages
from unimp_bench.reports.store import Contents
from unimp_bench.runs.results import Result
from unimp_bench.runs.suites import SUITES

pytestmark = pytest.mark.usefixtures("small")

MEMBERS = [(leaf, member) for leaf in TAXONOMY for member in leaf.members]


def test_every_member_is_a_system_of_the_registry_or_a_row_of_a_suite() -> None:
    for leaf, member in MEMBERS:
        assert set(leaf.tasks) & set(registry.model_card(member.model).tasks), (leaf.name, member.model)
        if member.suite:
            rows = [row for row in SUITES[member.suite].rows if row.label == member.row]
            assert [row.model for row in rows] == [member.model], member


def test_every_multi_modal_system_has_a_leaf() -> None:
    cards = [card for card in (*baselines.CATALOGUE, *unimp.CATALOGUE) if card.features]
    known = {member.model for _, member in MEMBERS}
    assert len(cards) > 15 and not {card.name for card in cards} - known


def test_systems_named_as_absent_are_absent() -> None:
    known = {re.sub(r"\W", "", name).lower() for name in registry.model_cards()}
    absent = {re.sub(r"\W", "", name).lower() for leaf in TAXONOMY for name in leaf.absent}
    assert absent and not absent & known


def test_leaves_have_different_names() -> None:
    assert len({leaf.name for leaf in TAXONOMY}) == len(TAXONOMY)


def ranks(seed: int, highest: int) -> IntArray:
    return np.random.default_rng(seed).integers(1, highest, 400)


def result(model: str, highest: int, *, real: bool = True, pictures: int = 5, seed: int = 0, **changes: Any) -> Result:
    """A synthetic result of recommendation, of a trained model if chance enters it; the higher, the worse."""
    options = {"task": "recommendation", "protocol": "masked", "preset": registry.default_preset(model), **changes}
    made = make_result(model, ranks(seed, highest), seed=seed, **options)
    facts = made.corpus.model_copy(update={"synthetic": not real, "pictures": pictures})
    trained = Training(100, 1000, 5, "converged") if registry.model_card(model).seeded else None
    return made.model_copy(update={"corpus": facts, "training": trained})


def found(folder: Path, *results: Result, leaf: Leaf) -> Measured:
    for each in results:
        place(folder, each)
    tasks, topics = boards(Contents.published(folder))
    (made,) = measured([board for page in tasks for board in boards_of(page)], topics, (leaf,))
    return made


def leaf_of(*models: str, fused: bool = False) -> Leaf:
    return Leaf("Leaf", "9", "of a test", tuple(Member(model, "planted") for model in models), fused=fused)


def test_a_row_has_its_place_and_the_strongest_rule_of_its_table(tmp_path: Path) -> None:
    rules = [result("popularity", 200), result("ease", 20), result("itemknn", 30)]
    trained = [result("bert4rec", 40, seed=seed) for seed in range(3)]
    made = found(tmp_path, *rules, *trained, result("sasrec", 5), leaf=leaf_of("bert4rec", "ease"))
    trained_line, rule_line = made.lines
    assert trained_line.row.label == "BERT4Rec" and trained_line.standing == "4 of 5" and trained_line.seeds == "3"
    best = next(row for row in trained_line.table.rows if row.label == "EASE")
    assert best.details is not None
    assert trained_line.rule == f"EASE {best.details.metrics['NDCG@10'].value:.4f}"
    assert rule_line.row is best and rule_line.rule.startswith("ItemKNN ") and not rule_line.seeds
    assert len(made.real) == 2 and not made.lacking


def test_generated_corpora_count_only_where_there_is_no_other(tmp_path: Path) -> None:
    real = result("bert4rec", 40, fingerprint="e" * 64, corpus="other")
    made = found(
        tmp_path,
        result("bert4rec", 5, real=False),
        result("sasrec", 9, real=False),
        real,
        leaf=leaf_of("bert4rec", "sasrec"),
    )
    assert [(line.member.model, line.table.corpus) for line in made.lines] == [("bert4rec", "other"), ("sasrec", "toy")]
    assert made.real == {made.leaf.members[0]}


def test_fusion_counts_no_rows_without_pictures(tmp_path: Path) -> None:
    results = [result("unimp", 9, pictures=0), result("popularity", 50, pictures=0)]
    assert found(tmp_path, *results, leaf=leaf_of("unimp", fused=True)).lacking
    assert found(tmp_path, *results, leaf=leaf_of("unimp")).lines
    pictured = result("unimp", 9, fingerprint="e" * 64, corpus="other")
    (line,) = found(tmp_path, pictured, leaf=leaf_of("unimp", fused=True)).lines
    assert line.table.corpus == "other"


def test_the_page_has_rows_of_suites_and_says_what_makes_those_of_an_empty_leaf(tmp_path: Path) -> None:
    steps = {"config": {"steps": 10}}
    for each in (
        result("unimp", 9, **steps),
        result("unimp", 12, settings={"pretraining": "contrastive"}, **steps),
        result("popularity", 50),
        result("oracle", 2, reads=("truth",)),
    ):
        place(tmp_path, each)
    made = pages(tmp_path)
    page, index = made["survey.md"], made["README.md"]
    assert "](survey.md)" in index
    (line,) = (line for line in page.splitlines() if line.startswith("| Contrastive |"))
    assert (
        "[recommendation: toy](pretraining.md)" in line
        and " to No pre-training |" in line
        and "| Popularity 0." in line
    )
    (summary,) = (line for line in page.splitlines() if line.startswith("| Prompts |"))
    assert summary == "| Prompts | 3.4 | 5 | 0 | 0 | 5 |"
    section = page.partition("## Prompts\n")[2].partition("\n## ")[0]
    assert "| --- |" not in section and section.count("No published row") == 5
    commands = re.findall(r"`(unimp-bench [^`]+)`", page)
    assert len(commands) > 20
    for command in commands:
        words = shlex.split(command)
        options = dict(zip(words[3::2], words[4::2], strict=True)) if words[1] == "suite" else {}
        assert words[1] in ("suite", "run")
        assert not options or options["--row"] in [row.label for row in SUITES[words[2]].rows], command


def test_the_html_page_leads_to_the_rows(tmp_path: Path) -> None:
    place(tmp_path, result("sasrec", 9))
    place(tmp_path, result("popularity", 50))
    html = html_page(Contents.published(tmp_path))
    links = re.findall(r'<td><a href="#([^"]+)">recommendation: toy</a>', html)
    assert 'id="survey"' in html and "No published row: pretraining, Autoregressive; P5" in html
    assert len(links) == 1 and f'<tr id="{links[0]}"' in html and links[0].endswith("--sasrec")


def test_a_fit_that_leaves_out_the_stage_of_a_leaf_does_not_count(tmp_path: Path) -> None:
    (leaf,) = (leaf for leaf in TAXONOMY if leaf.name == "Contrastive pre-training")
    better = result("unisrec", 5, settings={"pretraining_epochs": "0"})
    made = found(tmp_path, better, result("unisrec", 20), leaf=leaf)
    assert [line.row.label for line in made.lines] == ["UniSRec"]
    (other,) = (leaf for leaf in TAXONOMY if leaf.name == "Alignment with behaviour")
    made = found(tmp_path, leaf=other)
    assert [line.row.label for line in made.lines] == ["UniSRec (pretraining_epochs=0)"]
