"""What a model is given cannot be changed by it, in whatever way it tries: it would change what it is measured on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from unimp_bench import registry
from unimp_bench.contracts import FitData, ModelCard, NoOptions, Ranker, Rater
from unimp_bench.corpus import Corpus, Items
from unimp_bench.errors import ModelError
from unimp_bench.files import Workspace
from unimp_bench.guard import read_only
from unimp_bench.kinds import Setting, kind_of
from unimp_bench.kinds.ranks import rank_examples
from unimp_bench.kinds.rating import RatingExamples
from unimp_bench.records import Examples, FloatArray, IntArray
from unimp_bench.runs.runner import RunRequest, run

Write = Callable[[IntArray], None]


def plainly(array: IntArray) -> None:
    array[:] = array[::-1].copy()


def in_place(array: IntArray) -> None:
    array.sort()
    array += 1


def after_unlocking(array: IntArray) -> None:
    array.flags.writeable = True
    plainly(array)


@pytest.mark.filterwarnings("ignore:The given NumPy array is not writable")
def as_a_tensor(array: IntArray) -> None:
    torch.from_numpy(array).add_(1)


WRITES = [plainly, in_place, after_unlocking, as_a_tensor]


class Vandal(Ranker[NoOptions]):
    """Scores all items by their numbers, and then writes into what it was given."""

    Config = NoOptions
    write: Write
    target: Callable[[Examples, IntArray], IntArray]
    in_fit = False

    def fit(self, data: FitData) -> None:
        if self.in_fit:
            type(self).write(type(self).target(data.examples["recommendation"].train, data.catalogue))

    def score(self, examples: Examples, catalogue: IntArray) -> FloatArray:
        scores = np.repeat(catalogue[None, :].astype(np.float64), len(examples), axis=0)
        if not self.in_fit:
            type(self).write(type(self).target(examples, catalogue))
        return scores

    def save(self, folder: Path) -> None:
        (folder / "nothing").touch()

    def load(self, folder: Path, items: Items, cache: Path) -> None:
        pass


TARGETS: dict[str, Callable[[Examples, IntArray], IntArray]] = {
    "catalogue": lambda examples, catalogue: catalogue,
    "items": lambda examples, catalogue: examples.histories.items,
    "users": lambda examples, catalogue: examples.users,
}


def vandal(monkeypatch: pytest.MonkeyPatch, write: Write, target: str, *, in_fit: bool = False) -> None:
    monkeypatch.setattr(Vandal, "write", staticmethod(write), raising=False)
    monkeypatch.setattr(Vandal, "target", staticmethod(TARGETS[target]), raising=False)
    monkeypatch.setattr(Vandal, "in_fit", in_fit)


@pytest.mark.filterwarnings("ignore:The given NumPy array is not writable")
@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("target", TARGETS)
def test_a_model_that_modifies_scored_examples_is_an_error(
    planted: Corpus, monkeypatch: pytest.MonkeyPatch, write: Write, target: str
) -> None:
    vandal(monkeypatch, write, target)
    examples = registry.make_task("recommendation").examples(planted, "loo", "test")
    with pytest.raises(ModelError, match=r"mine (failed in score .* is read-only: copy|modified its input)"):
        rank_examples(Vandal(NoOptions()), examples, np.arange(72), "masked", byte_budget=72 * 8 * 50, label="mine")


@pytest.mark.filterwarnings("ignore:The given NumPy array is not writable")
@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("target", TARGETS)
def test_a_model_that_modifies_its_training_data_is_an_error(
    planted: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Write, target: str
) -> None:
    vandal(monkeypatch, write, target, in_fit=True)
    card = replace(registry.model_card("popularity"), name="vandal", factory="vandal:Vandal")
    cards: dict[str, ModelCard] = {**registry.model_cards(), "vandal": card}
    load = registry.load
    monkeypatch.setattr(registry, "model_cards", lambda: cards)
    monkeypatch.setattr(registry, "load", lambda factory: Vandal if factory == card.factory else load(factory))
    with pytest.raises(ModelError, match=r"vandal (failed in fit .* is read-only: copy|modified its input)"):
        run(RunRequest(task="recommendation", model="vandal", corpus=planted.folder), Workspace(tmp_path))
    assert not list(tmp_path.glob("runs/*/result.json"))


class Scribbler(Rater[NoOptions]):
    """Rates, and writes into the shown items."""

    def fit(self, data: FitData) -> None:
        pass

    def rate(self, examples: RatingExamples) -> FloatArray:
        examples.histories.ratings[:] = 5
        return np.full(len(examples), 3.0)

    def save(self, folder: Path) -> None:
        pass

    def load(self, folder: Path, items: Items, cache: Path) -> None:
        pass


def test_examples_of_other_kinds_are_read_only_as_well(planted: Corpus, tmp_path: Path) -> None:
    task = registry.make_task("preference")
    examples = task.examples(planted, "loo", "test")
    before = examples.histories.ratings.copy()
    with pytest.raises(ModelError, match=r"mine failed in rate .* is read-only: copy"):
        kind_of(task.kind).predict(Scribbler(NoOptions()), examples, Setting(task, planted, "paper", tmp_path, "mine"))
    np.testing.assert_array_equal(examples.histories.ratings, before)


def test_the_originals_can_still_be_written_to(planted: Corpus) -> None:
    examples = registry.make_task("recommendation").examples(planted, "loo", "test")
    given: Any = read_only(examples)
    assert not given.users.flags.writeable and not given.histories.items.flags.writeable
    assert examples.users.flags.writeable and given.users.base is examples.users
    np.testing.assert_array_equal(given.histories.items, examples.histories.items)
