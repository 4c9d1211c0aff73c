"""Training: schedule, accumulation, checkpoints that resume exactly, and the log."""

from __future__ import annotations

import builtins
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch

from tests.unimp.small import SMALL, Parts, fit_data, scores, validator
from unimp_bench.contracts import Training
from unimp_bench.corpus import Corpus
from unimp_bench.errors import DataError, DependencyError, ModelError
from unimp_bench.kinds.early_stopping import BestEpoch, EarlyStopping
from unimp_bench.records import Protocol
from unimp_bench.torch_setup import derived_seed, seed_everything
from unimp_bench.unimp import log, training
from unimp_bench.unimp.batches import drawn_starts
from unimp_bench.unimp.checkpoint import (
    Progress,
    load_training,
    load_weights,
    read_tensors,
    save_training,
    save_weights,
)
from unimp_bench.unimp.fusions import build_model
from unimp_bench.unimp.log import EVENTS, LOG_NAME, TrainingLog
from unimp_bench.unimp.model import GatedCrossAttention, UniMPModel
from unimp_bench.unimp.training import parameter_groups, schedule
from unimp_bench.unimp.unimp import UniMP

QUICK = replace(SMALL, epochs=2, dropout=0.1, batch_tokens=2048)


class Killed(BaseException):
    """What a signal would do."""


class Steps:
    """Stands for ``seed_everything``, which begins every step: notes the steps, and kills the process at one."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.killed_at = -1

    def __call__(self, seed: int) -> None:
        if len(self.begun) == self.killed_at:
            raise Killed
        self.begun.append(seed)
        seed_everything(seed)


def steady(model: UniMP, task: str) -> dict[Protocol, float]:
    """A constant validation score."""
    return {"paper": 0.5}


def weights(model: UniMP) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model._model.state_dict().items()}


@pytest.mark.parametrize(
    ("batch", "kept", "accumulation", "trained"), [(3, 0, 1, "all"), (17, 15, 1, "all"), (19, 10, 2, "output")]
)
def test_a_killed_training_ends_where_an_undisturbed_one_does(
    planted: Corpus,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    batch: int,
    kept: int,
    accumulation: int,
    trained: Literal["all", "output"],
) -> None:
    """Killed before the first checkpoint, in the second epoch between two, and in the middle of a step."""
    config = replace(QUICK, checkpoint_steps=5, accumulation=accumulation, trained=trained)
    whole, broken, resumed = UniMP(config), UniMP(config), UniMP(config)
    steps = Steps()
    monkeypatch.setattr(training, "seed_everything", steps)
    whole.fit(fit_data(planted, tmp_path / "whole", cache, "search", validate=steady))
    undisturbed = steps.begun
    steps.begun, steps.killed_at = [], batch
    with pytest.raises(Killed):
        broken.fit(fit_data(planted, tmp_path / "broken", cache, "search", validate=steady))
    steps.begun, steps.killed_at = [], -1
    resumed.fit(fit_data(planted, tmp_path / "broken", cache, "search", validate=steady))
    assert steps.begun == undisturbed[kept:], "it goes on from its last checkpoint"
    expected = weights(whole)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in weights(resumed).items())


def test_steps_and_sentences_are_counted_over_an_interrupt(
    planted: Corpus, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sentence holds the examples of one user whose histories begin at one item."""
    config = replace(QUICK, checkpoint_steps=5)
    data = fit_data(planted, tmp_path / "work", cache, "search", validate=steady)
    train, sentences = data.examples["search"].train, 0
    for epoch in range(config.epochs):
        starts = drawn_starts(train, config.history, derived_seed(data.seed, epoch))
        sentences += len(set(zip(train.users.tolist(), starts.tolist(), strict=True)))
    steps = Steps()
    monkeypatch.setattr(training, "seed_everything", steps)
    steps.killed_at = 17
    with pytest.raises(Killed):
        UniMP(config).fit(data)
    begun, steps.begun, steps.killed_at = 15, [], -1  # up to the last checkpoint
    model, loaded = UniMP(config), UniMP(config)
    model.fit(fit_data(planted, tmp_path / "work", cache, "search", validate=steady))
    assert model.training() == Training(begun + len(steps.begun), sentences, 2, "budget")
    (tmp_path / "model").mkdir()
    model.save(tmp_path / "model")
    loaded.load(tmp_path / "model", planted.items, cache)
    assert loaded.training() == model.training()


def test_pretraining_counts_as_well(planted: Corpus, cache: Path, tmp_path: Path) -> None:
    """Each item is a sentence; what follows is unchanged."""
    config = replace(QUICK, epochs=1)
    plain, first = UniMP(config), UniMP(replace(config, pretraining="autoregressive", pretraining_epochs=2))
    for name, model in {"plain": plain, "first": first}.items():
        model.fit(fit_data(planted, tmp_path / name, cache, "search", validate=steady))
    alone, both = plain.training(), first.training()
    assert alone is not None and both is not None
    assert both.examples - alone.examples == 2 * len(planted.items) and both.steps > alone.steps


def test_the_largest_seed_of_the_command_line_trains(planted: Corpus, cache: Path, tmp_path: Path) -> None:
    """With pre-training, whose batches are seeded as well."""
    model = UniMP(replace(QUICK, epochs=1, pretraining="autoregressive", pretraining_epochs=1))
    model.fit(fit_data(planted, tmp_path, cache, "search", seed=2**31 - 1, validate=steady))
    assert all(tensor.isfinite().all() for tensor in weights(model).values())


def test_two_halves_of_a_batch_give_its_gradient(
    planted: Corpus, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Halves of unlike size: a mean of their means would be another loss."""
    whole = training.plan_batches

    def halved(*arguments: Any) -> Any:
        for batch in whole(*arguments):
            cut = 1 + len(batch) // 3
            yield from (batch[:cut], batch[cut:])

    gradients: list[list[torch.Tensor]] = []

    def stop(optimizer: torch.optim.AdamW, *arguments: object) -> None:
        gradients.append([p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None])
        raise Killed

    monkeypatch.setattr(torch.optim.AdamW, "step", stop)
    for accumulation, plan in ((1, whole), (2, halved)):
        monkeypatch.setattr(training, "plan_batches", plan)
        model = UniMP(replace(SMALL, accumulation=accumulation, clip=1e9))
        with pytest.raises(Killed):
            model.fit(fit_data(planted, tmp_path / str(accumulation), cache, "search"))
    assert gradients[0]
    for one, two in zip(*gradients, strict=True):
        torch.testing.assert_close(two, one, atol=1e-6, rtol=1e-5)


def test_frozen_parameters_are_not_in_checkpoints(parts: Parts, tmp_path: Path) -> None:
    model = build_model(SMALL, len(parts.vocabulary), parts.features.width)
    assert model.resampler is not None
    for parameter in model.decoder.parameters():
        parameter.requires_grad_(False)
    moving = {id(parameter) for parameter in model.parameters() if parameter.requires_grad}
    groups = parameter_groups(model, 0.1)
    assert {id(parameter) for group in groups for parameter in group["params"]} == moving  # type: ignore[attr-defined]
    save_weights(model, tmp_path / "best.safetensors", trained_only=True)
    names = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert read_tensors(tmp_path / "best.safetensors").keys() == names and len(names) < len(list(model.parameters()))
    still = model.decoder.logits(torch.ones(1, SMALL.width))
    expected = {name: parameter.clone() for name, parameter in model.named_parameters()}
    for parameter in model.resampler.parameters():
        parameter.data.zero_()
    load_weights(model, tmp_path / "best.safetensors", trained_only=True)
    assert all(torch.equal(parameter, expected[name]) for name, parameter in model.named_parameters())
    assert torch.equal(model.decoder.logits(torch.ones(1, SMALL.width)), still)


def test_half_precision_learns_as_much(planted: Corpus, cache: Path, tmp_path: Path) -> None:
    """Also: fits of both precisions in one process."""
    losses = {}
    for precision in ("no", "bf16"):
        model = UniMP(replace(QUICK, precision=precision, epochs=1))
        model.fit(fit_data(planted, tmp_path / precision, cache, "search", validate=steady))
        assert all(parameter.dtype == torch.float32 for parameter in model._model.parameters())
        lines = (tmp_path / precision / "log" / "training.jsonl").read_text().splitlines()
        losses[precision] = [line["loss"] for line in map(json.loads, lines) if "loss" in line]
    assert losses["bf16"] == pytest.approx(losses["no"], rel=0.02) and losses["bf16"] != losses["no"]


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried ..."),
        MemoryError(),
    ],
    ids=["device", "cpu", "numpy"],
)
def test_out_of_memory_names_the_settings_to_lower(
    planted: Corpus, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def full(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(UniMPModel, "forward", full)
    with pytest.raises(ModelError, match=r"lower batch_tokens \(now 2048\).*accumulation.*logit_rows") as raised:
        UniMP(QUICK).fit(fit_data(planted, tmp_path / "work", cache, "search"))
    assert "\n" not in str(raised.value)
    assert {path.name for path in (tmp_path / "work").rglob("*")} == {"log", "training.jsonl"}


def test_another_failure_is_not_taken_for_a_want_of_memory(
    planted: Corpus, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object) -> None:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(UniMPModel, "forward", broken)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        UniMP(QUICK).fit(fit_data(planted, tmp_path / "work", cache, "search"))


def test_it_keeps_its_best_epoch(planted: Corpus, cache: Path, tmp_path: Path) -> None:
    seen: list[dict[str, torch.Tensor]] = []

    def validate(model: UniMP, task: str) -> dict[Protocol, float]:
        seen.append(weights(model))
        return {"paper": [0.1, 0.3, 0.2][len(seen) - 1], "masked": [0.1, 0.2, 0.3][len(seen) - 1]}

    model = UniMP(replace(SMALL, epochs=3))
    data = fit_data(planted, tmp_path / "work", cache, "recommendation", validate=validate)
    model.fit(data)
    assert len(seen) == 3
    assert all(torch.equal(tensor, seen[1][name]) for name, tensor in weights(model).items())
    model.select("masked", data)
    assert all(torch.equal(tensor, seen[2][name]) for name, tensor in weights(model).items())


def test_a_diverging_training_is_one_clear_line(planted: Corpus, cache: Path, tmp_path: Path) -> None:
    model = UniMP(replace(QUICK, learning_rate=1e30, clip=1e30))
    with pytest.raises(ModelError, match="diverged at step"):
        model.fit(fit_data(planted, tmp_path / "work", cache, "search"))


def test_the_schedule_rises_and_falls() -> None:
    shares = [schedule(step, 100, 0.1) for step in range(100)]
    assert shares[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert shares[10] == 1.0 and 0 < shares[99] < 0.01
    assert shares[10:] == sorted(shares[10:], reverse=True)


def test_decay_is_on_cross_attention_matrices_alone(parts: Parts) -> None:
    plain, decayed = parameter_groups(parts.model, 0.1)
    fusion = {
        parameter
        for module in parts.model.modules()
        if isinstance(module, GatedCrossAttention)
        for parameter in module.parameters()
        if parameter.ndim == 2
    }
    assert set(decayed["params"]) == fusion and decayed["weight_decay"] == 0.1
    assert plain["weight_decay"] == 0.0
    assert len(plain["params"]) + len(decayed["params"]) == len(list(parts.model.parameters()))


def test_a_damaged_or_foreign_checkpoint_is_one_clear_line(parts: Parts, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_weights(parts.model, path)
    other = build_model(replace(SMALL, width=32), len(parts.vocabulary), parts.features.width)
    with pytest.raises(DataError, match="another model"):
        load_weights(other, path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"cannot be read .*; fit the model again with --fresh"):
        load_weights(parts.model, path)
    with pytest.raises(DataError, match=r"cannot be read .*; fit the model again with --fresh"):
        load_weights(parts.model, tmp_path / "absent.safetensors")


def test_training_state_survives_the_disk(parts: Parts, tmp_path: Path) -> None:
    model = build_model(SMALL, len(parts.vocabulary), parts.features.width)
    optimizer = torch.optim.AdamW(parameter_groups(model, 0.1))
    sum(parameter.square().sum() for parameter in model.parameters()).backward()  # type: ignore[union-attr]
    optimizer.step()
    state = Progress(epoch=1, batches=2, step=12, stopping=EarlyStopping(None, {"paper": BestEpoch(0.25, 1)}).dump())
    save_training(model, optimizer, state, tmp_path / "state.safetensors")
    again = build_model(SMALL, len(parts.vocabulary), parts.features.width)
    other = torch.optim.AdamW(parameter_groups(again, 0.1))
    assert load_training(again, other, tmp_path / "state.safetensors") == state
    for one, two in zip(model.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, two)
        for key in ("step", "exp_avg", "exp_avg_sq"):
            assert torch.equal(optimizer.state[one][key], other.state[two][key])


@pytest.mark.slow
@pytest.mark.parametrize("task", ["recommendation", "search"])
def test_it_learns_the_planted_order(planted: Corpus, cache: Path, tmp_path: Path, task: str) -> None:
    """Popularity reaches an NDCG@5 of about 0.05 there; the next item follows from the last one."""
    model = UniMP(replace(SMALL, width=32, epochs=12, learning_rate=5e-3))
    data = fit_data(planted, tmp_path / "work", cache, task)
    model.fit(data)
    assert validator(planted)(model, task)["paper"] > 0.5
    assert np.isfinite(scores(model, planted, task)).all()


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
