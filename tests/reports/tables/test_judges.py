"""Scores of judges in tables: which rows have one, names of judges, and the correlation of two."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from tests.reports.pretended import make_result, place
from unimp_bench.contracts import Usage
from unimp_bench.kinds.base import spaced
from unimp_bench.kinds.judging import CONTROLS, JudgeFacts
from unimp_bench.records import FloatArray
from unimp_bench.registry import task_cards
from unimp_bench.reports.pages.html import html_page
from unimp_bench.reports.rows.sections import sections
from unimp_bench.reports.store import Contents
from unimp_bench.reports.tables.build import table_of
from unimp_bench.reports.tables.judges import judging_of
from unimp_bench.reports.tables.text import tables_csv
from unimp_bench.runs.judged import Judgement
from unimp_bench.runs.packed import pack_scores
from unimp_bench.runs.results import Result

COUNT = 60
RANKS = np.arange(1, COUNT + 1)


def scores(seed: int, count: int = COUNT) -> FloatArray:
    return np.random.default_rng(seed).uniform(1, 5, count).round(2)


def judged(result: Result, judge: str, given: FloatArray, *, able: bool = True, weights: str = "w") -> Result:
    """A result with a judgement of scores; an able judge puts the own reference above all other texts."""
    known = {name: np.full(len(given), 5.0 if name == "own" or not able else 1.0) for name in CONTROLS}
    judgement = Judgement(
        judge=JudgeFacts(judge, "explanation-1", "0", "likelihood", {"weights": weights}),
        examples=len(given),
        scores=pack_scores(given),
        controls={name: pack_scores(each) for name, each in known.items()},
        unread=0,
        usage=Usage(1, 2, 3),
        provenance=result.provenance,
    )
    return result.model_copy(update={"judgements": (*result.judgements, judgement)})


def test_a_row_has_the_mean_over_seeds_where_all_are_judged() -> None:
    one, two = (make_result("a", RANKS, seed=seed) for seed in (0, 1))
    rows = {"a": [judged(one, "J", scores(0)), judged(two, "J", scores(1))]}
    rows["b"] = [judged(make_result("b", RANKS), "J", scores(2)), make_result("b", RANKS, seed=1)]
    (column,) = judging_of(rows).columns
    assert set(column.scores) == {"a"} and column.head == "Judge J, explanation-1"
    wanted = (scores(0) + scores(1)) / 2
    assert column.scores["a"].value == pytest.approx(wanted.mean(), abs=1e-6)
    assert column.scores["a"].low < wanted.mean() < column.scores["a"].high


def test_one_row_in_which_a_judge_cannot_tell_decides() -> None:
    rows = {name: [judged(make_result(name, RANKS), "J", scores(0), able=name == "a")] for name in "ab"}
    found = judging_of(rows)
    assert not found.columns[0].able and "Rows by" not in found.words[0]
    assert "0.500 [0.500, 0.500] of 60" in found.words[0]


def test_judges_of_one_name_are_told_apart() -> None:
    result = judged(make_result("a", RANKS), "J", scores(0))
    found = judging_of({"a": [judged(result, "J", scores(1), weights="others")]})
    assert len({column.name for column in found.columns}) == 2
    assert all("60 examples]" in column.name for column in found.columns)


def test_correlation_is_over_the_texts_that_both_judged() -> None:
    rows, pairs = {}, []
    common = spaced(COUNT, 20)
    for seed, name in enumerate("abc"):
        first = scores(seed)
        second = np.clip(first[common] + scores(seed + 9, 20) - 3, 1, 5)
        rows[name] = [judged(judged(make_result(name, RANKS), "J", first), "K", second)]
        pairs.append((first[common].astype(np.float32), second.astype(np.float32)))
    rows["d"] = [judged(make_result("d", RANKS), "J", scores(7))]
    one, other = (np.concatenate(each) for each in zip(*pairs, strict=True))
    means = [spearmanr(*np.array([(a.mean(), b.mean()) for a, b in pairs]).T).statistic]
    wanted = f"{spearmanr(one, other).statistic:.3f} over 60 texts, {means[0]:.3f} over the means of 3 rows"
    found = judging_of(rows).words
    assert found[2] == f"Rank correlation of J, explanation-1 and K, explanation-1: {wanted}." and len(found) == 3
    assert len(judging_of({"a": [judged(make_result("a", RANKS), "J", scores(0))]}).words) == 1


def test_a_column_orders_only_by_a_judge_that_tells() -> None:
    rows = [
        judged(judged(make_result(name, RANKS), "J", scores(seed)), "K", scores(seed + 5), able=False)
        for seed, name in enumerate(("bm25", "itemknn"))
    ]
    (found,) = sections([*rows, make_result("popularity", RANKS)], task_cards()["search"])
    table = table_of(found, [], [])
    for row in table.filled:
        cells = [table.cell(row, column.head) for column in table.judging.columns]
        if row.name == "Popularity":
            assert [cell.text for cell in cells] == ["", ""]
        else:
            assert cells[0].value is not None and cells[0].interval is not None
            assert cells[1].text and cells[1].value is None and cells[1].interval is None
    lines = list(csv.DictReader(io.StringIO(tables_csv([table]))))
    told = [line for line in lines if line["metric"].startswith("Judge")]
    assert len(told) == 4 and {line["metric"] for line in told} == {each.head for each in table.judging.columns}
    assert float(told[0]["low"]) < float(told[0]["value"]) < float(told[0]["high"])


def test_the_html_page_escapes_what_a_judge_is_called(tmp_path: Path) -> None:
    place(tmp_path, judged(make_result("bm25", RANKS), "<b>J", scores(0)))
    page = html_page(Contents.published(tmp_path))
    assert "Judge &lt;b&gt;J, explanation-1 (likelihood, 60 examples)" in page and "<b>J" not in page
