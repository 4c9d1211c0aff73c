"""Fits that go on from another one: what they take over, what begins afresh, what moves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.unimp.small import SMALL, answers, examples_of, fit_data
from unimp_bench.contracts import FitData, Start, Training
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.splits import catalogue
from unimp_bench.errors import DataError
from unimp_bench.records import Protocol
from unimp_bench.unimp.model import UniMPModel
from unimp_bench.unimp.unimp import UniMP

ONE = replace(SMALL, epochs=1, batch_tokens=4096)


def steady(model: UniMP, task: str) -> dict[Protocol, float]:
    return {"paper": 0.5}


def fitted(corpus: Corpus, folder: Path, cache: Path, *tasks: str, **settings: object) -> UniMP:
    model = UniMP(replace(ONE, **settings))  # type: ignore[arg-type]
    model.fit(fit_data(corpus, folder / "work", cache, *tasks, validate=steady))
    (folder / "model").mkdir()
    model.save(folder / "model")
    return model


def after(data: FitData, folder: Path, *tasks: str, known: np.ndarray | None = None) -> FitData:
    return replace(data, start=Start(folder / "model", tasks, data.catalogue if known is None else known))


def tensors(model: UniMP) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model._model.named_parameters()}


def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(model: UniMPModel, *_: object) -> Training:
        model.eval()
        return Training(0, 0, 0, "budget")

    monkeypatch.setattr("unimp_bench.unimp.unimp.train", none)
    monkeypatch.setattr("unimp_bench.unimp.unimp.restore_best", lambda *_: None)


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fit ends where it began."""
    no_training(monkeypatch)


def test_a_fit_begins_where_the_earlier_one_ended(
    planted: Corpus, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Same task, no step: the same answers. A new task: its tokens are added, and the old task's answers stay."""
    first = fitted(planted, tmp_path, cache, "search")
    search = examples_of(planted, "search", "test")
    no_training(monkeypatch)
    for tasks in (("search",), ("search", "selection", "preference")):
        second = UniMP(replace(ONE, trained="output"))
        second.fit(after(fit_data(planted, tmp_path / "again", cache, *tasks), tmp_path, "search"))
        added = len(second._vocabulary) - len(first._vocabulary)
        assert (added > 0) == (len(tasks) > 1)
        if not added:
            assert np.array_equal(answers(second, search, planted), answers(first, search, planted))
    old, new, words = tensors(first), tensors(second), first._vocabulary.words
    for name, tensor in old.items():
        if tensor.shape == new[name].shape:
            assert torch.equal(tensor, new[name]), name
        else:
            assert torch.equal(tensor[:words], new[name][:words])
            assert torch.equal(tensor[words:], new[name][words + added :])


def test_efficient_tuning_moves_the_output_layer_alone(planted: Corpus, cache: Path, tmp_path: Path) -> None:
    first = fitted(planted, tmp_path, cache, "search")
    second = UniMP(replace(ONE, trained="output"))
    second.fit(after(fit_data(planted, tmp_path / "again", cache, "search", validate=steady), tmp_path, "search"))
    before, now = tensors(first), tensors(second)
    moved = {name for name in before if not torch.equal(before[name], now[name])}
    output = next(
        name
        for name, parameter in second._model.named_parameters()
        if parameter is second._model.decoder.model.get_output_embeddings().weight
    )
    assert moved == {output}


@pytest.mark.usefixtures("untrained")
def test_items_that_were_no_answers_begin_afresh(planted: Corpus, cache: Path, tmp_path: Path) -> None:
    first = fitted(planted, tmp_path, cache, "search")
    items = catalogue(planted, "loo")
    fresh = items[-3:]
    with torch.no_grad():
        first._model.decoder.set_output_rows(
            torch.from_numpy(first._vocabulary.item_tokens(items)[:, 0]),
            torch.full((len(items), first.config.width), 7.0),
        )
    first.save(tmp_path / "model")
    second = UniMP(ONE)
    second.fit(after(fit_data(planted, tmp_path / "again", cache, "search"), tmp_path, "search", known=items[:-3]))
    rows = second._model.decoder.output_rows(torch.from_numpy(second._vocabulary.item_tokens(items)[:, 0])).detach()
    assert (rows[:-3] == 7).all()
    assert not (rows[-3:] == 7).any()
    assert len(fresh) == 3


def test_old_tasks_are_thinned_beside_new_ones(planted: Corpus, cache: Path, tmp_path: Path) -> None:
    fitted(planted, tmp_path, cache, "search")
    model = UniMP(replace(ONE, rehearsal=0.25, next_item=False))
    data = after(fit_data(planted, tmp_path / "again", cache, "search", "recommendation"), tmp_path, "search")
    model.fit(replace(data, validate=steady))
    lessons = model._training_examples(data)
    assert lessons.rehearsed == ("search",)
    everything = replace(lessons, rehearsed=())
    # Labels of tasks: one an example.
    share = len(drawn_answers(lessons)) / len(drawn_answers(everything))
    assert 0.57 < share < 0.68, "all of one task and a quarter of the other"
    assert model._training_examples(after(data, tmp_path, "search", "recommendation")).rehearsed == ()


def drawn_answers(lessons: object) -> np.ndarray:
    drawn = lessons.draw(3)  # type: ignore[attr-defined]
    return np.unique(drawn.examples[drawn.examples >= 0])


def test_a_start_of_other_sizes_is_one_clear_line(planted: Corpus, cache: Path, tmp_path: Path) -> None:
    fitted(planted, tmp_path, cache, "search")
    model = UniMP(replace(ONE, width=32))
    with pytest.raises(DataError, match="initial weights do not match the sizes of the model"):
        model.fit(after(fit_data(planted, tmp_path / "again", cache, "search"), tmp_path, "search"))
