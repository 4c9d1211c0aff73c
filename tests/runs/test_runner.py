"""The runner: results are the model's, cached by specification; unsupported requests are refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from unimp_bench import registry
from unimp_bench.contracts import FitData, ModelCard, Ranker
from unimp_bench.corpus import Corpus, Items
from unimp_bench.errors import ModelError, UsageError
from unimp_bench.files import Workspace
from unimp_bench.records import Examples, FloatArray, IntArray
from unimp_bench.runs import runner
from unimp_bench.runs.results import Result
from unimp_bench.runs.runner import RunRequest, carry_out, run


@dataclasses.dataclass(frozen=True)
class NextConfig:
    """Settings of the test's model."""

    step: int = 1
    fail_after: int = -1


class NextOnRing(Ranker[NextConfig]):
    """Uses the planted cycle: scores the item ``step`` after the last one highest."""

    Config = NextConfig
    fits = 0

    def fit(self, data: FitData) -> None:
        type(self).fits += 1
        assert data.examples["recommendation"].train.part == "train"
        self.seen_checkpoint = (data.work / "checkpoint").exists()
        (data.work / "checkpoint").write_text("half")
        if self.config.fail_after == 0 and not self.seen_checkpoint:
            raise KeyboardInterrupt
        self.validation = data.validate(self, "recommendation")

    def score(self, examples: Examples, catalogue: IntArray) -> FloatArray:
        assert examples.targets is None
        last = examples.last_items(1)[:, 0]
        wanted = last // 24 * 24 + (last % 24 + self.config.step) % 24
        return -np.abs(catalogue[None, :] - wanted[:, None]).astype(np.float32)

    def save(self, folder: Path) -> None:
        (folder / "model.txt").write_text("next")

    def load(self, folder: Path, items: Items, cache: Path) -> None:
        assert (folder / "model.txt").read_text() == "next"


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch) -> None:
    card = ModelCard(
        name="ring",
        factory="tests.runs.test_runner:NextOnRing",
        tasks=("recommendation",),
        reads=("order",),
        about="knows the ring",
        source="test",
        new_users=True,
        new_items=False,
    )
    cards: dict[str, Any] = {**registry.model_cards(), "ring": card}
    monkeypatch.setattr(registry, "model_cards", lambda: cards)
    # The registry imports the factory by name; give it this very class, under whatever name pytest loaded this file.
    monkeypatch.setattr(registry, "load", lambda factory: NextOnRing if "ring" in factory.lower() else load(factory))
    NextOnRing.fits = 0


load = registry.load


def _request(corpus: Corpus, **changes: Any) -> RunRequest:
    return dataclasses.replace(RunRequest(task="recommendation", model="ring", corpus=corpus.folder), **changes)


@pytest.mark.usefixtures("ring")
def test_a_run_scores_the_test_part_and_stores_its_files(planted: Corpus, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    result, cached = run(_request(planted), workspace)
    examples = registry.make_task("recommendation").examples(planted, "loo", "test")
    assert examples.targets is not None
    last = examples.last_items(1)[:, 0]
    hits = (last // 24 * 24 + (last % 24 + 1) % 24) == examples.targets
    assert not cached
    assert result.metrics["HR@1"].value == pytest.approx(hits.mean())
    assert result.metrics["HR@1"].low < hits.mean() < result.metrics["HR@1"].high
    folder = tmp_path / "runs" / result.spec.key
    assert Result.read(folder / "result.json") == result
    predictions = pq.read_table(folder / "predictions.parquet").to_pylist()
    assert np.mean([row["items"][0] == row["target"] for row in predictions]) == pytest.approx(hits.mean())
    assert np.array_equal(result.target_ranks(), [min(row["rank"], 255) for row in predictions])
    assert not list((tmp_path / "runs" / "fits").glob("*/work"))


@pytest.mark.usefixtures("ring")
def test_a_finished_run_is_reused_unless_fresh(planted: Corpus, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    first, _ = run(_request(planted), workspace)
    second, cached = run(_request(planted), workspace)
    assert cached and second == first and NextOnRing.fits == 1
    _, cached = run(_request(planted, fresh=True), workspace)
    assert not cached and NextOnRing.fits == 2


@pytest.mark.usefixtures("ring")
def test_a_note_is_added_to_an_existing_result(planted: Corpus, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    first, _ = run(_request(planted), workspace)
    noted = carry_out(_request(planted, note="by night"), workspace)
    assert (noted.cached, noted.noted) == (True, True) and NextOnRing.fits == 1
    assert noted.result == first.model_copy(update={"remarks": (*first.remarks, "by night")})
    path = workspace.runs / first.spec.key / "result.json"
    content = path.read_bytes()
    again = carry_out(_request(planted, note="by night"), workspace)
    assert (again.result, again.cached, again.noted) == (noted.result, True, False) and path.read_bytes() == content
    assert Result.read(path) == noted.result


@pytest.mark.usefixtures("ring")
def test_protocols_and_splits_but_not_settings_share_a_fit(planted: Corpus, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    results = [
        run(_request(planted, **change), workspace)[0]
        for change in ({}, {"protocol": "masked"}, {"split": "new-user"}, {"settings": {"step": "2"}}, {"seed": 1})
    ]
    assert NextOnRing.fits == 3
    assert len({result.spec.key for result in results}) == 5
    assert results[3].metrics["HR@1"].value < results[0].metrics["HR@1"].value
    assert results[1].metrics["HR@5"].value >= results[0].metrics["HR@5"].value


@pytest.mark.usefixtures("ring")
def test_an_interrupted_fit_resumes_from_its_checkpoint(planted: Corpus, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    request = _request(planted, settings={"fail_after": 0})
    with pytest.raises(KeyboardInterrupt):
        run(request, workspace)
    assert not list(tmp_path.rglob("result.json")) and not list(tmp_path.rglob("fit.json"))
    _, cached = run(request, workspace)
    assert not cached and NextOnRing.fits == 2


@pytest.mark.usefixtures("ring")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "search"}, "does not serve search; it serves recommendation"),
        ({"split": "new-domain"}, "cannot score items"),
        ({"model": "rng"}, "did you mean 'ring'"),
        ({"settings": {"stepp": 1}}, "did you mean 'step'"),
        ({"preset": "tiny"}, "unknown preset of ring 'tiny'"),
        ({"fit_on": ("search",)}, "does not serve search"),
    ],
)
def test_unsupported_requests_are_refused(planted: Corpus, tmp_path: Path, change: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        run(_request(planted, **change), Workspace(tmp_path))
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.usefixtures("ring")
def test_nan_scores_are_an_error_and_no_result(
    planted: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(NextOnRing, "score", lambda self, e, c: np.full((len(e), len(c)), np.nan, np.float32))
    with pytest.raises(ModelError, match="ring"):
        run(_request(planted), Workspace(tmp_path))
    assert not list(tmp_path.rglob("result.json"))


def test_the_command_of_a_request_is_complete() -> None:
    request = RunRequest(
        task="search", model="unimp", corpus=Path("data/sample"), settings={"epochs": "3"}, note="cut short", seed=4
    )
    assert runner.command_of(request) == (
        "unimp-bench run --task search --model unimp --corpus sample --split loo --protocol paper --seed 4 "
        "--set epochs=3 --note 'cut short'"
    )
