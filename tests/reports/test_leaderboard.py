"""Leaderboards: committed pages follow from their results; order, comparison and labels of rows; publication."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.reports.pretended import make_result, place
from unimp_bench import registry
from unimp_bench.errors import DataError, UsageError
from unimp_bench.files import Workspace
from unimp_bench.kinds import kind_of
from unimp_bench.reports.pages.brief import Board
from unimp_bench.reports.pages.markdown import details_markdown
from unimp_bench.reports.pages.topic import task_page
from unimp_bench.reports.pages.write import pages, show, stale_pages, tables_of, write_all, write_pages
from unimp_bench.reports.rows.labels import label_of, shown_labels
from unimp_bench.reports.rows.scored import Scored
from unimp_bench.reports.rows.sections import NO_RESULT, sections
from unimp_bench.reports.store import Contents, load_results, publish
from unimp_bench.reports.tables.printed import load_reported
from unimp_bench.reports.tables.table import Row
from unimp_bench.reports.tables.text import tables_csv
from unimp_bench.runs.results import Result
from unimp_bench.runs.suite import ALL_TASKS
from unimp_bench.runs.suites import SUITES

pytestmark = pytest.mark.usefixtures("small")

COMMITTED = Path(__file__).resolve().parents[2] / "leaderboards"


def test_committed_metrics_follow_from_their_ranks() -> None:
    for result in load_results(COMMITTED):
        for name, estimate in result.metrics.items():
            values = result.example_values(name)
            if values is not None:
                rounding = 1e-12 if result.ranks else 1e-3 * max(1, np.abs(values).max())
                assert estimate.value == pytest.approx(values.mean(), abs=rounding), (name, result.spec.key)


def test_a_changed_cell_is_detected(tmp_path: Path) -> None:
    place(tmp_path, make_result("a", np.array([1, 2, 300])))
    write_all(tmp_path)
    page = (tmp_path / "search" / "toy.md").read_text()
    assert page == pages(tmp_path)["search/toy.md"] and "0.6667" in (tmp_path / "search" / "toy_details.md").read_text()
    assert list(stale_pages(Contents.published(tmp_path))) == []
    (tmp_path / "search" / "toy.md").write_text(page.replace("toy", "tie"))
    (tmp_path / "search" / "gone.md").write_text(page)
    assert list(stale_pages(Contents.published(tmp_path))) == ["search/toy.md", "search/gone.md"]
    write_all(tmp_path)
    assert (tmp_path / "search" / "toy.md").read_text() == page and not (tmp_path / "search" / "gone.md").exists()


def test_rows_are_ordered_and_compared_without_upper_bounds(tmp_path: Path) -> None:
    ranks = np.random.default_rng(0).integers(1, 12, 400)
    place(tmp_path, make_result("middle", ranks))
    place(tmp_path, make_result("same", ranks[::-1].copy()))
    place(tmp_path, make_result("worst", np.full(400, 200)))
    place(tmp_path, make_result("knows", np.full(400, 1), reads=("truth",)))
    (section,) = sections(load_results(tmp_path), registry.task_cards()["search"])
    assert [(row.place, row.label) for row in section.filled] == [
        (None, "knows"),
        (1, "middle"),
        (2, "same"),
        (3, "worst"),
    ]
    p_values = [row.test and row.test.p_value for row in section.filled]
    assert p_values[:2] == [None, None]
    assert p_values[2] is not None and p_values[2] > 0.5
    assert p_values[3] is not None and p_values[3] < 1e-3


def test_empty_rows_of_the_suite_have_a_reason(tmp_path: Path) -> None:
    place(tmp_path, make_result("bm25", np.array([1, 2, 300])))
    place(tmp_path, make_result("bm25", np.array([1, 2, 300]), split="new-user"))
    loo, other = sections(load_results(tmp_path), registry.task_cards()["search"])
    assert {row.label for row in loo.empty} == {row.label for row in SUITES["search"].rows} - {"BM25"}
    assert {row.reason for row in loo.empty if row.of and row.of.model} == {NO_RESULT}
    assert other.empty == (), "what the suite does not ask is no gap of it"
    made = pages(tmp_path)
    assert "* no result yet: UniMP; Popularity" in made["coverage.md"]
    assert "| UniMP" not in made["search/toy.md"] + made["search/toy_details.md"], "tables have no empty rows"


def test_seeds_of_a_configuration_form_one_row(tmp_path: Path) -> None:
    for seed in range(3):
        place(tmp_path, make_result("a", np.array([1, 1 + 10 * seed, 9]), seed=seed))
    (section,) = sections(load_results(tmp_path), registry.task_cards()["search"])
    (row,) = section.filled
    assert len(row.results) == 3
    assert row.metrics["HR@5"].value == pytest.approx((2 / 3 + 1 / 3 + 1 / 3) / 3)


def test_a_generated_corpus_is_never_shown_as_amazon(tmp_path: Path) -> None:
    place(tmp_path, make_result("a", np.array([1])))
    made = pages(tmp_path)
    assert "say nothing about real data" in made["search/toy.md"] and "(generated)" in made["search.md"]
    assert "say nothing about real data" in made["generated.md"] and "toy" not in made["README.md"]


def test_a_metric_that_no_row_has_gets_no_column() -> None:
    page = task_page(
        registry.task_cards()["search"],
        sections([make_result(name, np.array([1, 2])) for name in "ab"], registry.task_cards()["search"]),
        [],
        [],
    )
    (table,) = page.tables

    def without(row: Row, *names: str) -> Row:
        assert row.details is not None
        kept = {name: value for name, value in row.details.metrics.items() if name not in names}
        return replace(row, details=replace(row.details, metrics=kept, missing=dict.fromkeys(names, "no weights")))

    first, second, *others = table.rows
    lost = without(first, "HR@5", "HR@10", "NDCG@5"), without(second, "HR@5", "HR@10")
    table = replace(table, rows=(*lost, *others))
    text = details_markdown(Board(page, table.corpus, (table,)), [])
    heads = [line.split(" | ") for line in text.splitlines() if line.startswith(("| # |", "| Model |"))]
    assert heads and all("NDCG@5" in head and "HR@5" not in head and "HR@10" not in head for head in heads)
    assert "* NDCG@5: empty: no weights" in text
    assert "* HR@5, HR@10: not measured: no weights" in text
    cells = {len(line.split(" | ")) for line in text.splitlines() if line.startswith("|")}
    assert len(cells) == 2, "the two tables keep their cells under their heads"


def test_damaged_or_misplaced_results_raise(tmp_path: Path) -> None:
    path = place(tmp_path, make_result("a", np.array([1, 2])))
    moved = path.with_name("0" * 16 + ".json")
    shutil.move(path, moved)
    with pytest.raises(DataError, match="holds the run"):
        load_results(tmp_path)
    moved.write_text("{}")
    with pytest.raises(DataError, match="is not a result"):
        load_results(tmp_path)


def test_inconsistent_ranks_raise(tmp_path: Path) -> None:
    result = make_result("a", np.array([1, 2]))
    path = place(tmp_path, result.model_copy(update={"examples": 3}))
    with pytest.raises(DataError, match="the values of its 3 examples"):
        load_results(tmp_path)
    place(tmp_path, result.model_copy(update={"ranks": "no base64"}))
    with pytest.raises(DataError, match="lacks the values of its 2 examples"):
        Result.read(path)


def test_a_result_cannot_leave_its_folder(tmp_path: Path) -> None:
    result = make_result("a", np.array([1]))
    corpus = result.corpus.model_copy(update={"name": "../../evil"})
    folder = tmp_path / "runs" / "k"
    result.model_copy(update={"corpus": corpus}).write(folder / "result.json")
    with pytest.raises(DataError, match="not a plain name"):
        publish(Workspace(tmp_path), ["k"])


def test_only_finished_runs_are_published(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    with pytest.raises(UsageError, match="no finished run"):
        publish(workspace, None)
    with pytest.raises(UsageError, match="no finished run 'abc'"):
        publish(workspace, ["abc"])
    result = make_result("a", np.array([1]))
    result.write(workspace.runs / result.spec.key / "result.json")
    (path,) = publish(workspace, [result.spec.key]).written
    assert Result.read(path) == result


def test_a_result_replaces_an_earlier_one_of_its_row_and_seed(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    old = make_result("a", np.array([1]), config={"epochs": 1}, time="2026-01-02")
    kept = [
        make_result("a", np.array([2]), config={"epochs": 1}, seed=1),
        make_result("a", np.array([2]), config={"epochs": 1}, split="new-user"),
        make_result("a", np.array([2]), config={"epochs": 2}, settings={"epochs": "2"}),
        make_result("a", np.array([2]), config={"epochs": 1}, tune={"trained": "output"}),
        make_result("a", np.array([2]), config={"epochs": 1}, after=(("search",),)),
        make_result("a", np.array([2]), config={"epochs": 1}, corpus="other"),
        make_result("b", np.array([2]), config={"epochs": 1}),
    ]
    for result in (old, *kept):
        place(workspace.leaderboards, result)
    new = make_result("a", np.array([1]), config={"epochs": 1, "tied": False}, time="2026-01-03")
    for result in (old, new):
        result.write(workspace.runs / result.spec.key / "result.json")
    published = publish(workspace, [new.spec.key])
    assert [path.stem for path in published.replaced] == [old.spec.key]
    assert sorted(result.spec.key for result in load_results(workspace.leaderboards)) == sorted(
        result.spec.key for result in (new, *kept)
    )
    again = publish(workspace, None)
    assert [path.stem for path in again.written] == [new.spec.key], "the latest of two runs of a row stays"


def _finished(workspace: Workspace, result: Result, **origin: object) -> Result:
    """A run of the workspace with the given origin."""
    result = result.model_copy(update={"provenance": result.provenance.model_copy(update=origin)})
    result.write(workspace.runs / result.spec.key / "result.json")
    return result


@pytest.mark.parametrize("other", [{"machine": "another"}, {"host": "0123456789ab"}])
@pytest.mark.parametrize("config", [{"epochs": 1}, {"epochs": 1, "tied": False}])
def test_results_of_other_machines_are_replaced_only_on_request(
    tmp_path: Path, other: dict[str, str], config: dict[str, object]
) -> None:
    """With the same key, or another key of the same row."""
    workspace = Workspace(tmp_path)
    old = place(workspace.leaderboards, make_result("a", np.array([1]), config={"epochs": 1}))
    before = old.read_bytes()
    new = _finished(workspace, make_result("a", np.array([2]), config=config), **other)
    harmless = _finished(workspace, make_result("b", np.array([2])))
    for keys in ([new.spec.key], None):
        with pytest.raises(UsageError, match=f"run {new.spec.key} would replace .*--replace"):
            publish(workspace, keys)
    assert [path.read_bytes() for path in workspace.leaderboards.rglob("*.json")] == [before]
    publish(workspace, [harmless.spec.key])
    publish(workspace, [new.spec.key], replace=True)
    assert load_results(workspace.leaderboards) == sorted([new, harmless], key=lambda result: result.spec.key)
    publish(workspace, None)  # what stands there already replaces nothing


def test_results_of_changed_code_are_published_only_on_request(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    changed = _finished(workspace, make_result("a", np.array([1])), clean=False)
    with pytest.raises(UsageError, match=f"run {changed.spec.key} is of code with changes .*--dirty"):
        publish(workspace, None)
    assert not workspace.leaderboards.exists()
    publish(workspace, None, dirty=True)
    assert load_results(workspace.leaderboards) == [changed]
    installed = _finished(workspace, make_result("b", np.array([1])), clean=False, commit="")
    publish(workspace, [installed.spec.key])


def test_a_run_is_published_by_a_prefix_of_its_key(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    first = _finished(workspace, make_result("a", np.array([1])))
    second = _finished(workspace, make_result("b", np.array([1])))
    assert [path.stem for path in publish(workspace, [first.spec.key[:6]]).written] == [first.spec.key]
    with pytest.raises(UsageError, match="no finished run '" + second.spec.key[:5]):
        publish(workspace, [second.spec.key[:5]])
    twin = workspace.runs / (second.spec.key[:6] + "0" * 10)
    twin.mkdir()
    shutil.copy(workspace.runs / second.spec.key / "result.json", twin)
    with pytest.raises(UsageError, match="2 finished runs have a key that begins with"):
        publish(workspace, [second.spec.key[:6]])


def test_tables_of_runs_equal_published_ones_and_change_no_other_files(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    for model, rank in (("a", 1), ("b", 3)):
        _finished(workspace, make_result(model, np.array([rank, 300])))
    written = write_pages(Contents.of_runs(workspace))
    home = workspace.runs / "leaderboards"
    assert all(path.is_relative_to(home) for path in written) and not workspace.leaderboards.exists()
    publish(workspace, None)
    made = pages(workspace.leaderboards)
    for path in written:
        if path.name not in ("README.md", "systems.md"):  # they say whose results they are, and show generated data
            assert path.read_text(encoding="utf-8") == made[path.relative_to(home).as_posix()]
    assert "published or not" in (home / "README.md").read_text(encoding="utf-8")


def test_long_labels_wrap(tmp_path: Path) -> None:
    long = {f"setting_{number}": "value" for number in range(12)}
    place(tmp_path, make_result("a", np.array([1, 2, 300]), settings=long))
    place(tmp_path, make_result("b", np.array([1, 300, 300])))
    shown = show(Contents.published(tmp_path), registry.task_cards()["search"])
    lines = shown.splitlines()
    assert max(map(len, lines)) <= 120 and sum("0.6667" in line for line in lines) == 1
    assert " ".join(shown.split()).count("setting_") == 12
    assert lines[-1].split()[:2] == ["2", "b"]


def test_labels_tell_how_rows_were_fitted() -> None:
    ranks = np.array([1])
    assert label_of(make_result("a", ranks, settings={"epochs": "6"})) == "a (epochs=6)"
    assert label_of(make_result("a", ranks, fit_on=("search", "recommendation"))) == (
        "a (fitted on recommendation and search)"
    )
    adapted = make_result(
        "a", ranks, split="new-domain", fit_split="new-domain", after=(("search",),), tune={"trained": "all"}
    )
    assert label_of(adapted) == "a (after search, fitted on new-domain, then trained=all)"
    assert label_of(make_result("a", ranks, after=(ALL_TASKS, ("search", "preference")))) == (
        "a (after all six tasks, then preference and search)"
    )


@pytest.mark.parametrize(
    ("backbone", "words"),
    [
        ("llama", "from scratch"),
        ("smollm2", "pre-trained: SmolLM2"),
        ("gpt2", "pre-trained: gpt2"),
        ("/models/qwen", "pre-trained: qwen"),
    ],
)
def test_labels_say_whether_a_decoder_is_pre_trained(backbone: str, words: str) -> None:
    results = {"unimp": make_result("unimp", np.array([1]), task="recommendation", config={"backbone": backbone})}
    assert shown_labels(results)["unimp"] == f"UniMP-default, 0.0M, {words}"


def test_reported_rows_name_all_available_models() -> None:
    named = {model for table in load_reported(COMMITTED) for row in table.rows for model in row.models}
    assert named
    for model in named:
        registry.model_card(model)


def test_ranks_round_trip() -> None:
    ranks = np.array([1, 254, 255, 256, 100_000])
    assert make_result("a", ranks).target_ranks().tolist() == [1, 254, 255, 255, 255]


def test_a_result_that_is_older_than_a_cutoff_has_its_metrics_all_the_same() -> None:
    new = make_result("a", np.random.default_rng(0).integers(1, 99, 500))
    older = new.model_copy(update={"metrics": {name: new.metrics[name] for name in ("HR@5", "NDCG@10")}})
    assert older.estimates().keys() == new.metrics.keys() and older.estimates()["HR@5"] == new.metrics["HR@5"]
    for name, estimate in older.estimates().items():
        assert estimate.value == new.metrics[name].value and estimate.low <= estimate.value <= estimate.high
    assert older.estimates()["NDCG@20"].low > 0
    scored = Scored.of("a", [older], kind_of("ranking")).metrics()
    assert scored["HR@20"] == older.estimates()["HR@20"]
    elsewhere = older.model_copy(update={"cost": None})
    assert elsewhere.estimates() == older.metrics, "nobody knows how long its lists were"


def test_the_csv_has_all_metrics_of_all_rows(tmp_path: Path) -> None:
    result = make_result("a", np.array([1, 300]), settings={"k": '2,"x"'})
    place(tmp_path, result)
    tables = tables_of(Contents.published(tmp_path), registry.task_cards()["search"])
    head, *lines = csv.reader(tables_csv(tables).splitlines())
    assert len(lines) == len(result.metrics)
    (found,) = (line for row in lines if (line := dict(zip(head, row, strict=True)))["metric"] == "HR@5")
    wanted = {"corpus": "toy", "split": "loo", "protocol": "masked", "place": "1", "row": 'a (k=2,"x")', "seeds": "1"}
    assert wanted.items() <= found.items() and found["value"] == "0.5" and found["keys"] == result.spec.key


def test_the_csv_has_no_formula(tmp_path: Path) -> None:
    place(tmp_path, make_result("=1+1", np.array([1])))
    made = tables_csv(tables_of(Contents.published(tmp_path), registry.task_cards()["search"]))
    assert ",'=1+1" in made and ",=1+1" not in made
