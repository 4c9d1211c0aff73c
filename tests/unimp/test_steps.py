"""Fits of a number of optimizer steps instead of epochs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.unimp.small import SMALL, fit_data
from unimp_bench.contracts import Start
from unimp_bench.corpus import Corpus
from unimp_bench.errors import UsageError
from unimp_bench.records import Protocol
from unimp_bench.unimp.training import schedule
from unimp_bench.unimp.unimp import UniMP

EPOCHS = replace(SMALL, epochs=2, batch_tokens=2048, checkpoint_steps=5)


class Killed(BaseException):
    """As from a signal."""


def steady(model: UniMP, task: str) -> dict[Protocol, float]:
    """A validation score that is always the same."""
    return {"paper": 0.5}


def fitted(corpus: Corpus, work: Path, cache: Path, *tasks: str, start: Start | None = None, **settings: Any) -> UniMP:
    model = UniMP(replace(EPOCHS, **settings))
    model.fit(replace(fit_data(corpus, work, cache, *tasks, validate=steady), start=start))
    return model


def steps_of(model: UniMP) -> int:
    training = model.training()
    assert training is not None
    return training.steps


def lines_of(work: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (work / "log" / "training.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    ("tasks", "settings"),
    [
        (("search",), {}),
        (("search",), {"accumulation": 2}),
        (("search", "selection"), {}),
        (("search",), {"pretraining": "autoregressive", "pretraining_epochs": 1}),
    ],
    ids=["one task", "accumulated", "two tasks", "pre-trained"],
)
def test_a_fit_takes_exactly_its_steps(
    planted: Corpus, cache: Path, tmp_path: Path, tasks: tuple[str, ...], settings: dict[str, Any]
) -> None:
    """Fewer than an epoch, as many as two, and more than two."""
    whole = steps_of(fitted(planted, tmp_path / "epochs", cache, *tasks, **settings))
    first = whole - lines_of(tmp_path / "epochs")[-1]["step"]
    assert bool(first) == ("pretraining" in settings)
    for steps in (first + 3, whole, whole + 3):
        work = tmp_path / str(steps)
        assert steps_of(fitted(planted, work, cache, *tasks, steps=steps, **settings)) == steps
        lines = lines_of(work)
        assert lines[-1]["step"] == steps - first and "validation" in lines[-1], "the end of a cut epoch is validated"
        rates = {line["step"]: line["learning_rate"] for line in lines if "learning_rate" in line}
        expected = {step: schedule(step - 1, steps - first, EPOCHS.warmup) for step in rates}
        assert rates == pytest.approx({step: EPOCHS.learning_rate * share for step, share in expected.items()})


def test_the_steps_of_whole_epochs_are_the_fit_of_these_epochs(planted: Corpus, cache: Path, tmp_path: Path) -> None:
    by_epochs = fitted(planted, tmp_path / "epochs", cache, "search")
    by_steps = fitted(planted, tmp_path / "steps", cache, "search", steps=steps_of(by_epochs), epochs=7)
    assert by_steps.training() == by_epochs.training()
    expected = dict(by_epochs._model.named_parameters())
    assert all(torch.equal(tensor, expected[name]) for name, tensor in by_steps._model.named_parameters())


def test_a_fit_that_is_initialised_from_another_has_its_own_steps(planted: Corpus, cache: Path, tmp_path: Path) -> None:
    pretraining = {"pretraining": "autoregressive", "pretraining_epochs": 1}
    first = fitted(planted, tmp_path / "first", cache, "search", steps=60, **pretraining)
    (tmp_path / "model").mkdir()
    first.save(tmp_path / "model")
    start = Start(tmp_path / "model", ("search",), fit_data(planted, tmp_path / "none", cache, "search").catalogue)
    work = tmp_path / "second"
    second = fitted(planted, work, cache, "search", "selection", start=start, steps=7, **pretraining)
    assert (steps_of(first), steps_of(second), lines_of(work)[-1]["step"]) == (60, 7, 7)


@pytest.mark.parametrize("killed_at", [3, 17])
def test_a_killed_training_of_steps_ends_where_an_undisturbed_one_does(
    planted: Corpus, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_at: int
) -> None:
    """Killed before the first checkpoint, and in the last epoch, which is cut."""
    steps = 20
    whole = fitted(planted, tmp_path / "whole", cache, "search", steps=steps)
    assert whole.training().epochs == 2  # type: ignore[union-attr]
    taken, step = [0], torch.optim.AdamW.step

    def killed(optimizer: torch.optim.AdamW, *arguments: Any) -> Any:
        if taken[0] == killed_at:
            raise Killed
        taken[0] += 1
        return step(optimizer, *arguments)

    with monkeypatch.context() as context:
        context.setattr(torch.optim.AdamW, "step", killed)
        with pytest.raises(Killed):
            fitted(planted, tmp_path / "broken", cache, "search", steps=steps)
    resumed = fitted(planted, tmp_path / "broken", cache, "search", steps=steps)
    assert resumed.training() == whole.training()
    expected = dict(whole._model.named_parameters())
    assert all(torch.equal(tensor, expected[name]) for name, tensor in resumed._model.named_parameters())


def test_steps_must_exceed_those_of_pretraining(planted: Corpus, cache: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"pre-training takes .* of steps=2 in total; raise steps or lower") as raised:
        fitted(planted, tmp_path, cache, "search", steps=2, pretraining="autoregressive", pretraining_epochs=3)
    assert "\n" not in str(raised.value) and not (tmp_path / "pretrained.safetensors").exists()
