"""Models are selected by the metric of their table: one fit keeps its best epoch under each protocol."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unimp_bench import registry
from unimp_bench.contracts import FitData, ModelCard, NoOptions, Ranker
from unimp_bench.corpus import Corpus, Items
from unimp_bench.errors import ModelError
from unimp_bench.files import Workspace
from unimp_bench.kinds import kind_of
from unimp_bench.kinds.early_stopping import BestEpoch, EarlyStopping, mean_scores
from unimp_bench.records import Examples, FloatArray, IntArray, Protocol
from unimp_bench.runs.runner import RunRequest, run
from unimp_bench.runs.tuning import Question, Space, search

load = registry.load


class TwoEpochs(Ranker[NoOptions]):
    """The first epoch predicts the order of half of the users, the second of all, but ranks seen items first."""

    Config = NoOptions
    fits = 0

    def fit(self, data: FitData) -> None:
        type(self).fits += 1
        self.stopping = EarlyStopping(patience=3)
        for self.epoch in (1, 2):
            self.stopping.update(self.epoch, data.validate(self, "recommendation"), "two epochs")
        self.select("paper", data)

    def select(self, protocol: Protocol, data: FitData) -> None:
        self.epoch = self.stopping.best[protocol].epoch

    def score(self, examples: Examples, catalogue: IntArray) -> FloatArray:
        last = examples.last_items(1)[:, 0]
        step = np.where((self.epoch == 1) & (examples.users % 2 == 1), 7, 1)
        wanted = last // 24 * 24 + (last % 24 + step) % 24
        scores = -np.abs(catalogue[None, :] - wanted[:, None]).astype(np.float64)
        if self.epoch == 2:
            for row in range(len(examples)):
                scores[row, np.isin(catalogue, examples.history(row))] += 1000
        return scores

    def save(self, folder: Path) -> None:
        (folder / "epoch").write_text(str(self.epoch))

    def load(self, folder: Path, items: Items, cache: Path) -> None:
        self.epoch = int((folder / "epoch").read_text())


@pytest.fixture
def two_epochs(monkeypatch: pytest.MonkeyPatch) -> ModelCard:
    card = ModelCard("two", "x:TwoEpochs", ("recommendation",), ("order",), "", "test", new_users=True, new_items=False)
    cards: dict[str, Any] = {**registry.model_cards(), "two": card}
    monkeypatch.setattr(registry, "model_cards", lambda: cards)
    monkeypatch.setattr(registry, "load", lambda factory: TwoEpochs if factory == card.factory else load(factory))
    TwoEpochs.fits = 0
    return card


@pytest.mark.usefixtures("two_epochs")
def test_each_protocol_uses_its_best_epoch_of_one_fit(planted: Corpus, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    request = RunRequest(task="recommendation", model="two", corpus=planted.folder)
    masked, _ = run(dataclasses.replace(request, protocol="masked"), workspace)
    paper, _ = run(request, workspace)
    assert TwoEpochs.fits == 1 and masked.spec.fit == paper.spec.fit
    folder = workspace.fits / paper.spec.fit.key
    assert [(folder / f"model-{name}" / "epoch").read_text() for name in ("paper", "masked")] == ["1", "2"]
    other, _ = run(dataclasses.replace(request, protocol="masked", fresh=True), workspace)
    assert other.metrics == masked.metrics, "found, and fitted anew"
    assert masked.metrics["NDCG@10"].value > 1.5 * paper.metrics["NDCG@10"].value


@pytest.mark.usefixtures("two_epochs")
def test_trials_of_both_protocols_share_fits(planted: Corpus, tmp_path: Path) -> None:
    space, scores = Space({}, {}), {}
    protocols: tuple[Protocol, Protocol] = ("paper", "masked")
    for protocol in protocols:
        question = Question("recommendation", "two", planted.folder, 0, {}, protocol)
        (trial,) = search(question, space, 1, Workspace(tmp_path), lambda count, trial: None)
        scores[protocol] = trial.score
    assert TwoEpochs.fits == 1
    assert scores["masked"] > scores["paper"] > 0


@pytest.mark.parametrize("name", ["ranking", "rating", "text", "selection", "picture"])
def test_models_are_selected_by_the_metric_that_orders_tables(name: str) -> None:
    """Each kind's ``validation`` is its main metric; for ratings, 1 minus the error's share of the scale."""
    kind = kind_of(name)
    validation = type(kind).validation.__doc__ or ""
    assert kind.main in validation or name == "picture"
    assert name != "text" or kind.validated == "margin", "Identification needs more texts than validation writes"
    assert kind.main in {column.name for column in kind.columns}
    if name == "ranking":
        assert kind.main == kind.compared == "NDCG@10" and kind.selection == {"paper": 2, "masked": 3}


def test_early_stopping_round_trips_and_refuses_what_is_not_finite() -> None:
    stopping = EarlyStopping(2, {"paper": BestEpoch(0.25, 3, 1), "masked": BestEpoch(0.5, 4)})
    assert EarlyStopping.parse(stopping.dump()) == stopping
    assert stopping.update(5, {"paper": 0.1, "masked": 0.6}, "x") == ["masked"]
    assert stopping.is_decided("paper") and not stopping.is_over
    with pytest.raises(ModelError, match="x: the validation score of epoch 6 is not finite"):
        stopping.update(6, {"paper": float("nan"), "masked": 0.1}, "x")


def test_patience_waits_for_the_least_number_of_steps() -> None:
    """Ten steps between validations: two without a better score are twenty, fewer than forty."""
    stopping = EarlyStopping(patience=2, least_steps=40)
    for epoch, score in enumerate((0.5, 0.1, 0.2, 0.3), start=1):
        stopping.update(epoch, {"masked": score}, "x", steps=10 * epoch)
        assert not stopping.is_over
    assert stopping.update(5, {"masked": 0.6}, "x", steps=50) == ["masked"], "a late gain"
    for epoch in range(6, 10):
        assert not stopping.is_over and EarlyStopping.parse(stopping.dump()) == stopping
        stopping.update(epoch, {"masked": 0.4}, "x", steps=10 * epoch)
    assert stopping.is_over and stopping.best["masked"].epoch == 5


def test_the_score_of_several_tasks_is_their_mean_under_each_protocol() -> None:
    assert mean_scores([{"paper": 0.25, "masked": 0.5}, {"paper": 0.75, "masked": 0.0}]) == {
        "paper": 0.5,
        "masked": 0.25,
    }
