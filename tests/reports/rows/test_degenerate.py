"""Rows with constant answers, or with those of another row, have a warning in every format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from tests.reports.pretended import make_result, place
from unimp_bench import registry
from unimp_bench.kinds import kind_of
from unimp_bench.kinds.rating import are_of_one_rating
from unimp_bench.metrics.rating import rating_errors
from unimp_bench.records import FloatArray
from unimp_bench.reports.pages.html import html_page
from unimp_bench.reports.pages.write import pages, show, tables_of
from unimp_bench.reports.rows.sections import Row, sections
from unimp_bench.reports.store import Contents, load_results
from unimp_bench.reports.tables.table import DEGENERATE as MARK
from unimp_bench.runs.packed import pack_values
from unimp_bench.runs.results import AnswerSpread, Estimate, Result
from unimp_bench.runs.suites import CATALOGUE

pytestmark = pytest.mark.usefixtures("small")

STARS = (1.0, 5.0, 1.0)
TRUTH = np.random.default_rng(0).choice(5, 400, p=(0.05, 0.05, 0.1, 0.2, 0.6)) + 1.0


def _scored(
    model: str, values: Mapping[str, FloatArray], task: str, answers: AnswerSpread | None = None, seed: int = 0
) -> Result:
    """A synthetic result without ranking."""
    means = {name: float(each.mean()) for name, each in values.items()}
    if "MAE" in values:
        means["RMSE"] = float(np.sqrt(np.mean(values["MAE"] ** 2)))
    metrics = {name: Estimate(value=mean, low=0.0, high=9.0) for name, mean in means.items()}
    changes = {
        "metrics": metrics,
        "examples": len(next(iter(values.values()))),
        "ranks": "",
        "values": {name: pack_values(each) for name, each in values.items()},
        "answers": answers,
    }
    return make_result(model, np.array([1]), task=task, seed=seed).model_copy(update=changes)


def _rated(model: str, ratings: FloatArray | float, answers: AnswerSpread | None = None, seed: int = 0) -> Result:
    errors = rating_errors(np.broadcast_to(ratings, TRUTH.shape), TRUTH, STARS)
    return _scored(model, {"MAE": errors, "Unparsable": np.zeros(len(TRUTH))}, "preference", answers, seed)


def _written(model: str, rouge: FloatArray, answers: AnswerSpread | None = None, seed: int = 0) -> Result:
    return _scored(model, {"ROUGE-1": rouge / 2, "ROUGE-L": rouge}, "explanation", answers, seed)


def _rows(folder: Path, results: Sequence[Result]) -> dict[str, Row]:
    for result in results:
        place(folder, result)
    task = results[0].spec.task
    (section,) = sections(load_results(folder), registry.task_cards()[task])
    return {row.label: row for row in section.filled}


@pytest.fixture(scope="module")
def tables(committed: Contents) -> list[list[Row]]:
    """The rows with results of every published table without rankings."""
    cards = registry.task_cards().values()
    filled = [list(part.filled) for of in (*cards, *CATALOGUE) for part in committed.sections(of)]
    return [rows for rows in filled if rows[0].results[0].values]


def test_published_constant_or_equal_rows_have_warnings(tables: list[list[Row]]) -> None:
    """By stored values, and by recorded answer frequencies."""
    compared = 0
    for rows in tables:
        for row in rows:
            counted = [result.answers for result in row.results if result.answers is not None]
            assert row.warnings or all(each.commonest < 0.95 for each in counted), row.label
        for row, other in combinations(rows, 2):
            for result in row.results:
                for again in other.results:
                    same_data = result.corpus_id == again.corpus_id
                    compared += same_data
                    if same_data and result.values == again.values:
                        assert row.warnings and other.warnings, (row.label, other.label)
    assert compared > 100


def test_published_constant_ratings_have_warnings(tables: list[list[Row]]) -> None:
    """A constant prediction has at most one error for each of the five stars."""
    few = {
        (row.results[0].model.name, bool(row.warnings))
        for rows in tables
        for row in rows
        if row.results[0].spec.task == "preference" and row.results[0].corpus.name != "movielens"
        for result in row.results
        if not result.model.is_ceiling and len(np.unique(result.example_values("MAE"))) <= 5  # type: ignore[arg-type]
    }
    assert few >= {("global-mean", True)} and all(warned for _, warned in few)


@pytest.mark.parametrize("answer", [4.7, 1.3, 3.9, 4.21342, 2.26])
def test_errors_of_a_constant_are_recognised(answer: float) -> None:
    errors = rating_errors(np.full(len(TRUTH), answer), TRUTH, STARS).astype(np.float16).astype(np.float64)
    assert are_of_one_rating(errors)


def test_errors_of_different_answers_are_not_constant() -> None:
    """Nor of few answers, or of whole stars, whose errors always look like those of a constant."""
    rng = np.random.default_rng(2)
    few = [rng.choice(answers, 400) for answers in ([4.7, 3.7], [4.7, 4.2], [4.7, 1.3, 2.9], [3.5, 4.5], [4.7, 4.69])]
    seldom = np.where(np.arange(400) < 9, 2.1, 4.7)
    for ratings in (*few, seldom, TRUTH, rng.integers(1, 6, 400).astype(np.float64), rng.uniform(1, 5, 400)):
        assert not are_of_one_rating(rating_errors(ratings, TRUTH, STARS).astype(np.float16).astype(np.float64))


def test_recorded_answers_take_precedence_over_inference(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    rows = _rows(
        tmp_path,
        [
            _rated("counted", rng.uniform(1, 5, 400), AnswerSpread(distinct=7, commonest=0.97)),
            _rated("differs", 4.7, AnswerSpread(distinct=2, commonest=0.6)),
            _rated("older", 3.9),
            _rated("good", rng.uniform(1, 5, 400)),
        ],
    )
    assert rows["counted"].warnings == ("7 distinct answers, the most frequent one for 97.0% of the examples",)
    assert rows["differs"].warnings == rows["good"].warnings == ()
    assert rows["older"].warnings == ("its stored errors imply a constant prediction",)


def test_a_seed_with_the_values_of_another_row_is_named(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    rouge = rng.random(400)
    nearly = np.where(np.arange(400) < 5, 0.0, rouge)
    rows = _rows(
        tmp_path,
        [
            _written("rule", rouge),
            _written("net", rng.random(400), seed=0),
            _written("net", nearly, seed=1),
            _written("half", np.where(np.arange(400) < 200, rouge, rng.random(400))),
        ],
    )
    assert rows["net"].warnings == ("seed 1: equal to rule in all stored metrics for 98.8% of the examples",)
    assert rows["rule"].warnings == ("equal to net in all stored metrics for 98.8% of the examples",)
    assert rows["half"].warnings == ()


def test_one_equal_metric_is_not_enough_and_rankings_are_excluded(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    rouge = rng.random(400)
    other = _scored("b", {"ROUGE-1": rng.random(400), "ROUGE-L": rouge}, "explanation")
    assert all(not row.warnings for row in _rows(tmp_path / "text", [_written("a", rouge), other]).values())
    ranks = np.full(400, 300)
    alike = [make_result("a", ranks), make_result("b", ranks)]
    assert all(not row.warnings for row in _rows(tmp_path / "ranks", alike).values())


def test_all_formats_show_mark_warning_and_counts(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    spread = AnswerSpread(distinct=3, commonest=0.975)
    results = [_rated("flat", rng.uniform(1, 5, 400), spread), _rated("good", rng.uniform(1, 5, 400))]
    (warning,) = _rows(tmp_path, results)["flat"].warnings
    page = pages(tmp_path)["preference/toy_details.md"]
    assert f"| flat {MARK} |" in page and f"* flat {MARK}: {warning}" in page and f"good {MARK}" not in page
    assert "| Distinct answers | Most frequent answer |" in page and "| 3 | 97.5% |" in page
    text = show(Contents.published(tmp_path), registry.task_cards()["preference"])
    assert f"flat {MARK}" in text and warning in text
    (table,) = tables_of(Contents.published(tmp_path), registry.task_cards()["preference"])
    details = next(row.details for row in table.rows if row.label == "flat")
    assert details is not None and details.warnings == (warning,)
    assert details.answers == {"Distinct answers": "3", "Most frequent answer": "97.5%"}
    html = html_page(Contents.published(tmp_path))
    assert html.count('<span class="flag">constant</span>') == 1, "visible without a click"


def test_all_kinds_but_rankings_are_compared() -> None:
    """A kind that is not compared would never have a warning."""
    kinds = {card.kind for card in registry.task_cards().values()}
    compares = {kind for kind in kinds if type(kind_of(kind)).answers is not type(kind_of("ranking")).answers}
    assert compares == kinds - {"ranking"}


def test_a_result_without_the_main_metric_comes_last_and_is_compared_with_nothing(tmp_path: Path) -> None:
    """Texts that were scored before there was Identification."""
    rng = np.random.default_rng(7)
    named = [
        _scored(name, {"ROUGE-L": rng.random(400), "Identification": (rng.random(400) < share) * 1.0}, "explanation")
        for name, share in (("worse", 0.1), ("better", 0.4))
    ]
    rows = _rows(tmp_path, [*named, _written("earlier", rng.random(400))])
    assert [(row.label, row.place) for row in rows.values()] == [("better", 1), ("worse", 2), ("earlier", None)]
    assert rows["earlier"].test is None and rows["worse"].test is not None
    assert "earlier" in pages(tmp_path)["explanation/toy_details.md"]
    alone = _rows(tmp_path / "alone", [_written(name, rng.random(9)) for name in ("a", "b")])
    assert [row.place for row in alone.values()] == [None, None]
    assert "| a |" in pages(tmp_path / "alone")["explanation/toy_details.md"]
