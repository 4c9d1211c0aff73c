"""The log of a training."""

from __future__ import annotations

import builtins
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.unimp.small import SMALL, fit_data
from unimp_bench.corpus import Corpus
from unimp_bench.errors import DependencyError
from unimp_bench.unimp.learning import log
from unimp_bench.unimp.learning.checkpoint import Progress
from unimp_bench.unimp.learning.log import EVENTS, LOG_NAME, TrainingLog
from unimp_bench.unimp.unimp import UniMP

CPU = torch.device("cpu")


def lines_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / LOG_NAME).read_text().splitlines()]


def opened(folder: Path, done: Progress) -> TrainingLog:
    return TrainingLog(folder, done, CPU, lambda tensor: tensor)


def test_a_training_tells_of_its_steps_and_epochs(
    planted: Corpus, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "EVERY", 3)
    scores = iter([0.25, 0.125])
    model = UniMP(replace(SMALL, epochs=2, batch_tokens=2048))
    model.fit(fit_data(planted, tmp_path, cache, "search", validate=lambda *_: {"paper": next(scores)}))
    lines = lines_of(tmp_path / "log")
    steps = [line for line in lines if "loss" in line]
    last = steps[-1]["step"]
    assert [line["step"] for line in steps] == sorted({*range(3, last + 1, 3), last // 2, last})
    for line in steps:
        assert line["loss"] == pytest.approx(line["task_loss"] + line["context_loss"])
        assert min(line["task_loss"], line["context_loss"], line["gradient_norm"], line["examples_per_second"]) > 0
        assert line["tokens_per_second"] > line["examples_per_second"] and line["peak_memory_mib"] > 10
    assert steps[-1]["loss"] < steps[0]["loss"] and steps[-1]["learning_rate"] < steps[0]["learning_rate"]
    epochs = [line for line in lines if "validation" in line]
    assert [(line["epoch"], line["validation"], line["best"]) for line in epochs] == [
        (1, {"paper": 0.25}, ["paper"]),
        (2, {"paper": 0.125}, []),
    ]
    assert not list((tmp_path / "log").glob("events*")), "nobody asked for them"


def test_what_comes_after_the_last_checkpoint_is_dropped(tmp_path: Path) -> None:
    """The epoch's own line too, where the checkpoint was written after its last step and before its end."""
    steps = [{"step": step, "epoch": 1, "loss": 1.0} for step in (20, 40, 60)]
    ended = {"step": 40, "epoch": 1, "validation": {"paper": 0.5}}
    written = [json.dumps(line) for line in (steps[0], steps[1], ended, steps[2])]
    text = "\n".join([*written, '{"step": 61, "ep'])
    for done, kept in (
        (Progress(), []),
        (Progress(epoch=0, step=40), steps[:2]),
        (Progress(epoch=1, step=40), [*steps[:2], ended]),
        (Progress(epoch=1, step=60), [*steps[:2], ended, steps[2]]),
    ):
        (tmp_path / LOG_NAME).write_text(text)
        opened(tmp_path, done).close()
        assert lines_of(tmp_path) == kept


def test_event_files_are_written_for_those_who_ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    monkeypatch.setenv(EVENTS, "1")
    written = opened(tmp_path, Progress())
    written.validated(Progress(step=7), {"paper": 0.5}, ["paper"])
    written.close()
    events = accumulator.EventAccumulator(str(tmp_path))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("validation/paper")] == [(7, 0.5)]


def test_event_files_without_the_package_are_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = builtins.__import__

    def missing(name: str, *arguments: Any, **options: Any) -> Any:
        if name == "torch.utils.tensorboard":
            raise ImportError(name)
        return found(name, *arguments, **options)

    monkeypatch.setenv(EVENTS, "1")
    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(DependencyError, match="install the package tensorboard"):
        opened(tmp_path, Progress())
