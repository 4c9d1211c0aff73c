"""The epochs of a training: the best one by validation is kept, and an interrupted training goes on.

All chance in an epoch comes from the seed and the epoch's number, so a training that was killed and goes on from its
last validation ends with the same weights as one that was not.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from baselines.learning.network import Trainable
from baselines.learning.settings import TrainingSettings
from baselines.learning.snapshot import Snapshot
from unimp_bench.errors import ModelError
from unimp_bench.progress import progress
from unimp_bench.torch_setup import seed_everything

LOG = "log"
"""Folder in a fit's work folder that the harness keeps; a line of JSON for each validation."""


@dataclass(frozen=True)
class Outcome:
    """How a training ended.

    Attributes:
        epochs: that were trained.
        best_epoch: whose weights are kept, counted from 1.
        best: its validation score.
        limited: it ended at its most epochs, before its patience was at an end.
    """

    epochs: int
    best_epoch: int
    best: float
    limited: bool


@dataclass
class _State:
    """Where a training stands between two validations."""

    epoch: int = 0
    best_epoch: int = 0
    best: float = -math.inf
    waited: int = 0


@dataclass(frozen=True)
class _Line:
    """A line of the log: mean loss of the last epoch, and wall seconds of training an epoch and of the validation."""

    epoch: int
    loss: float
    validation: float | None
    epoch_seconds: float
    validation_seconds: float


def train(
    network: Trainable,
    settings: TrainingSettings,
    *,
    seed: int,
    validate: Callable[[], float] | None,
    folder: Path,
    label: str,
) -> Outcome:
    """Train until ``settings.patience`` validations in a row were not better; leave the network at its best epoch.

    Args:
        network: on its device, at its first weights.
        settings: the course of the training.
        seed: of every random choice.
        validate: quality of the present weights, higher is better; None trains all epochs and keeps the last.
        folder: of this training alone; all that resuming needs is written there at each validation.
        label: the model's name, for the progress bar and errors.

    Raises:
        ModelError: the loss is not finite.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log = folder.parent / LOG / f"{folder.name}.jsonl"
    log.parent.mkdir(exist_ok=True)
    best_path, latest_path = folder / "best.safetensors", folder / "latest.safetensors"
    optimizers = network.optimizers(settings)
    rates = [group["lr"] for optimizer in optimizers for group in optimizer.param_groups]
    state = _State()
    if latest_path.is_file():
        state = _restore(network, optimizers, Snapshot.read(latest_path))
    while state.epoch < settings.epochs and state.waited < settings.patience:
        until = min(state.epoch + settings.validate_every, settings.epochs)
        started = time.perf_counter()
        for epoch in range(state.epoch, until):
            groups = (group for optimizer in optimizers for group in optimizer.param_groups)
            for group, rate in zip(groups, rates, strict=True):
                group["lr"] = rate * network.pace(epoch)
            loss = _epoch(network, optimizers, seed, epoch, label)
        trained = time.perf_counter()
        seconds = (trained - started) / (until - state.epoch)
        state.epoch = until
        score = None
        if validate is not None:
            network.eval()
            score = validate()
            state.waited += 1
        if score is None or score > state.best:
            state.best, state.best_epoch, state.waited = score or 0.0, until, 0
            Snapshot(network.state_dict(), {}).write(best_path)
        _snapshot(network, optimizers, state).write(latest_path)
        line = _Line(until, loss, score, round(seconds, 4), round(time.perf_counter() - trained, 4))
        with log.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(asdict(line)) + "\n")
    network.load_state_dict(Snapshot.read(best_path).tensors)
    network.eval()
    limited = validate is not None and state.waited < settings.patience
    return Outcome(state.epoch, state.best_epoch, state.best, limited)


def _epoch(network: Trainable, optimizers: Sequence[torch.optim.Optimizer], seed: int, epoch: int, label: str) -> float:
    """One epoch; returns the mean loss of its batches."""
    rng = np.random.default_rng([seed, epoch])
    seed_everything(int(rng.integers(2**31)))
    network.train()
    total, steps = torch.zeros((), device=network.device), 0
    for batch in progress(network.batches(rng), f"{label}: epoch {epoch + 1}", unit="batch"):
        total += network.step(batch, optimizers)
        steps += 1
    loss = float(total) / max(steps, 1)
    if not math.isfinite(loss):
        raise ModelError(f"{label}: the loss of epoch {epoch + 1} is not finite; try a smaller learning_rate")
    return loss


def _snapshot(network: Trainable, optimizers: Sequence[torch.optim.Optimizer], state: _State) -> Snapshot:
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    for number, optimizer in enumerate(optimizers):
        for place, moments in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer{number}.{place}.{name}": torch.as_tensor(value) for name, value in moments.items()}
    return Snapshot(tensors, asdict(state) | {"best": None if math.isinf(state.best) else state.best})


def _restore(network: Trainable, optimizers: Sequence[torch.optim.Optimizer], latest: Snapshot) -> _State:
    network.load_state_dict(latest.below("network"))
    for number, optimizer in enumerate(optimizers):
        moments: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in latest.below(f"optimizer{number}").items():
            place, _, moment = name.partition(".")
            moments.setdefault(int(place), {})[moment] = tensor
        optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
    notes = latest.notes
    return _State(**(notes | {"best": -math.inf if notes["best"] is None else notes["best"]}))
