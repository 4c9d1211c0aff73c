"""``unimp-bench ensemble``: results like any other, the settings by validation alone, and one-line errors."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cli.test_cli import call
from unimp_bench.corpus import Corpus
from unimp_bench.files import Workspace
from unimp_bench.interchange.ensemble import NAME, VALIDATION, mix_runs, parts_of
from unimp_bench.kinds.fusion import Mix
from unimp_bench.reports.rows.standard import is_seeded
from unimp_bench.reports.store import load_results
from unimp_bench.runs.results import LEAK_REMARK, Result
from unimp_bench.runs.runner import RunRequest, run
from unimp_bench.runs.versions import outdated


@pytest.fixture
def home(tmp_path: Path, planted: Corpus, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("UNIMP_BENCH_HOME", str(tmp_path))
    workspace = Workspace(tmp_path)
    workspace.data.mkdir()
    (workspace.data / planted.name).symlink_to(planted.folder)
    return workspace


def made(home: Workspace, model: str, **changes: Any) -> Result:
    """The result of a run on the planted corpus."""
    (corpus,) = home.data.iterdir()
    request = {"protocol": "masked", "task": "recommendation", **changes}
    return run(RunRequest(model=model, corpus=corpus, **request), home)[0]


def mixed(home: Workspace, *results: Result) -> Result:
    (corpus,) = home.data.iterdir()
    return mix_runs(parts_of([result.spec.key for result in results], home), corpus, home)


def test_an_ensemble_is_a_result_like_any_other(
    home: Workspace, capsys: pytest.CaptureFixture[str], planted: Corpus
) -> None:
    knn, popular = made(home, "itemknn"), made(home, "popularity")
    code, out, err = call(capsys, NAME, popular.spec.key[:12], knn.spec.key[:12])
    assert code == 0, err
    (result,) = [each for each in map(Result.read, home.runs.glob("*/result.json")) if each.model.name == NAME]
    assert f"result {home.runs / result.spec.key} written" in out
    assert result.model.settings == {"of": "itemknn + popularity"}
    assert result.spec.fit.parts == (knn.spec.fit, popular.spec.fit)
    assert (result.spec.task, result.spec.protocol, result.examples) == ("recommendation", "masked", knn.examples)
    assert result.cost is not None and knn.cost is not None and popular.cost is not None
    assert result.cost.parameters_total == knn.cost.parameters_total + popular.cost.parameters_total
    assert "validation examples, NDCG@10" in result.remarks[0]
    assert result.tuning is not None and result.tuning.trials == len(list(Mix.candidates(2))), "a choice is a search"
    assert mixed(home, knn, popular).spec.key == result.spec.key  # in either order
    stored = pq.read_table(home.runs / result.spec.key / "predictions.parquet")
    assert stored.num_rows == result.examples and "items" in stored.column_names
    assert not outdated(result)
    call(capsys, "publish", "--all", "--dirty")
    assert result.spec in [each.spec for each in load_results(home.leaderboards)]
    page = (home.leaderboards / "recommendation" / f"{planted.name}_details.md").read_text()
    assert "ensemble (of=itemknn + popularity)" in page
    code, _, err = call(capsys, "reproduce", result.spec.key)
    assert code == 2 and "is an ensemble: reproduce its parts" in err and err.count("\n") == 1
    code, out, _ = call(capsys, "check-results")
    assert "ensemble" not in out.replace(str(home.root), "")


def rewrite(path: Path, edit: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Edit each row of a file of predictions."""
    pq.write_table(pa.Table.from_pylist([edit(row) for row in pq.read_table(path).to_pylist()]), path)


def found_first(row: dict[str, Any]) -> dict[str, Any]:
    rest = [item for item in row["items"] if item != row["target"]]
    return {**row, "items": [row["target"], *rest][: len(row["items"])], "rank": 1}


def found_last(row: dict[str, Any]) -> dict[str, Any]:
    rest = [item for item in row["items"] if item != row["target"]]
    items = [*rest[: len(row["items"]) - 1], row["target"]]
    return {**row, "items": items, "rank": len(items)}


def test_settings_are_chosen_on_validation_alone(home: Workspace) -> None:
    """Validation lists that favour one part give it all weight, and its test lists."""
    knn, popular = made(home, "itemknn"), made(home, "popularity")
    first = mixed(home, knn, popular)
    rewrite(home.runs / knn.spec.key / VALIDATION, found_first)
    rewrite(home.runs / popular.spec.key / VALIDATION, found_last)
    second = mixed(home, knn, popular)
    assert second.remarks[0].startswith("1 itemknn + 0 popularity, ") and first.spec.key == second.spec.key
    names = [home.runs / result.spec.key / "predictions.parquet" for result in (second, knn)]
    lists = [pq.read_table(name).column("items").to_pylist() for name in names]
    assert lists[0] == lists[1]
    assert second.metrics == {name: knn.metrics[name] for name in second.metrics}


def test_leaks_seeds_and_training_come_from_the_parts(home: Workspace) -> None:
    one, other = made(home, "mf", settings={"epochs": "1"}), made(home, "mf", settings={"epochs": "1"}, seed=1)
    knn = made(home, "itemknn")
    path = home.runs / one.spec.key / "result.json"
    one.model_copy(update={"remarks": (LEAK_REMARK,)}).write(path)
    seeds = mixed(home, one, other)
    assert seeds.model.settings == {"of": "mf (epochs=1) seed 0 + mf (epochs=1) seed 1"}
    assert LEAK_REMARK in seeds.remarks
    assert is_seeded(seeds)
    pair = mixed(home, knn, other)
    assert (pair.model.settings["of"], LEAK_REMARK in pair.remarks) == ("itemknn seed 0 + mf (epochs=1) seed 1", False)
    assert pair.training == other.training


def test_errors_are_one_line(home: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    knn, popular = made(home, "itemknn"), made(home, "popularity")
    paper, search = made(home, "itemknn", protocol="paper"), made(home, "bm25", task="search")
    rating = made(home, "item-mean", task="preference", protocol="paper")
    view = made(home, "itemknn", views=("NV",))
    ensemble = mixed(home, knn, popular)
    capsys.readouterr()
    for keys, message in (
        ((knn,), "takes 2 to 4 different runs"),
        ((knn, knn), "takes 2 to 4 different runs"),
        ((knn, paper), "different protocols"),
        ((knn, search), "different tasks"),
        ((knn, view), "different corpora"),
        ((rating, knn), "which ranks nothing"),
        ((knn, ensemble), "is an ensemble; name its parts instead"),
    ):
        code, _, err = call(capsys, NAME, *(result.spec.key for result in keys))
        assert code == 2 and message in err and err.count("\n") == 1, err
    other = made(home, "itemknn", split="new-user"), made(home, "popularity", split="new-user")
    shutil.rmtree(home.fits)
    capsys.readouterr()
    code, _, err = call(capsys, NAME, *(result.spec.key for result in other))
    assert code == 2 and "its fit is not in" in err and "run it again with --fresh" in err and err.count("\n") == 1
    external = home.runs / popular.spec.key / "result.json"
    popular.model_copy(update={"cost": None}).write(external)
    code, _, err = call(capsys, NAME, knn.spec.key, popular.spec.key)
    assert code == 2 and "scored from a file" in err and err.count("\n") == 1
