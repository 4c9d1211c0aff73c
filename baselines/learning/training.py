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
from unimp_bench.kinds.early_stopping import EarlyStopping, Scores
from unimp_bench.progress import Training, training
from unimp_bench.records import Protocol
from unimp_bench.torch_setup import seed_everything

LOG = "log"
"""Folder in a fit's work folder that the harness keeps; a line of JSON for each validation."""


@dataclass(frozen=True)
class Outcome:
    """How a training ended.

    Attributes:
        epochs: that were trained.
        stopping: the best epoch under each protocol; empty without validation.
    """

    epochs: int
    stopping: EarlyStopping

    def remark(self, protocol: Protocol) -> str:
        """What readers must know of a training that ended by its number of epochs; else empty."""
        if self.stopping.is_decided(protocol):
            return ""
        best = self.stopping.best[protocol].epoch
        return f"undertrained: stopped by its budget of {self.epochs} epochs, the best one {best}"


@dataclass(frozen=True)
class _Line:
    """A line of the log: mean loss of the last epoch, and wall seconds of training an epoch and of the validation."""

    epoch: int
    loss: float
    validation: Scores | None
    epoch_seconds: float
    validation_seconds: float


def train(
    network: Trainable,
    settings: TrainingSettings,
    *,
    seed: int,
    validate: Callable[[], Scores] | None,
    folder: Path,
    label: str,
    metric: str = "validation",
) -> Outcome:
    """Train until ``settings.patience`` validations in a row were not better, under no protocol; keep the best epochs.

    ``restore_best`` makes the network one of them.

    Args:
        network: on its device, at its first weights.
        settings: the course of the training.
        seed: of every random choice.
        validate: quality of the present weights under each protocol, higher is better; None trains all epochs, and
            leaves the network at the last.
        folder: of this training alone; all that resuming needs is written there at each validation.
        label: the model's name, for progress and errors.
        metric: what the quality is measured by, for progress.

    Raises:
        ModelError: an epoch has no batch, or the loss or a validation score is not finite.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log = folder.parent / LOG / f"{folder.name}.jsonl"
    log.parent.mkdir(exist_ok=True)
    latest_path = folder / "latest.safetensors"
    optimizers = network.optimizers(settings)
    rates = [group["lr"] for optimizer in optimizers for group in optimizer.param_groups]
    done, stopping = 0, EarlyStopping(settings.patience)
    if latest_path.is_file():
        done, stopping = _restore(network, optimizers, Snapshot.read(latest_path))
    early = validate is not None
    with training(label, settings.epochs, metric=metric, done=done, best=stopping.scores, early=early) as shown:
        while done < settings.epochs and not stopping.is_over:
            until = min(done + settings.validate_every, settings.epochs)
            started = time.perf_counter()
            for epoch in range(done, until):
                groups = (group for optimizer in optimizers for group in optimizer.param_groups)
                for group, rate in zip(groups, rates, strict=True):
                    group["lr"] = rate * network.pace(epoch)
                loss = _epoch(network, optimizers, seed, epoch, shown)
                if epoch + 1 < until:
                    shown.reached(epoch + 1, loss)
            trained = time.perf_counter()
            seconds = (trained - started) / (until - done)
            done, scores = until, None
            if validate is not None:
                network.eval()
                scores = validate()
                for protocol in stopping.update(done, scores, label):
                    Snapshot(network.state_dict(), {}).write(_best_path(folder, protocol))
            shown.reached(done, loss, scores)
            _snapshot(network, optimizers, done, stopping).write(latest_path)
            line = _Line(until, loss, scores, round(seconds, 4), round(time.perf_counter() - trained, 4))
            with log.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(asdict(line)) + "\n")
    network.eval()
    return Outcome(done, stopping)


def restore_best(network: Trainable, folder: Path, protocol: Protocol) -> None:
    """Put a network at the best epoch of the training in ``folder`` under a protocol."""
    network.load_state_dict(Snapshot.read(_best_path(folder, protocol)).tensors)
    network.eval()


def _best_path(folder: Path, protocol: Protocol) -> Path:
    return folder / f"best-{protocol}.safetensors"


def _epoch(
    network: Trainable, optimizers: Sequence[torch.optim.Optimizer], seed: int, epoch: int, shown: Training
) -> float:
    """One epoch; returns the mean loss of its batches."""
    rng = np.random.default_rng([seed, epoch])
    seed_everything(int(rng.integers(2**31)))
    network.train()
    total, steps = torch.zeros((), device=network.device), 0
    for batch in shown.batches(network.batches(rng)):
        total += network.step(batch, optimizers)
        steps += 1
    if not steps:
        raise ModelError(f"{shown.label}: the training part is too small, it has nothing that this model learns from")
    loss = float(total) / steps
    if not math.isfinite(loss):
        raise ModelError(f"{shown.label}: the loss of epoch {epoch + 1} is not finite; try a smaller learning_rate")
    return loss


def _snapshot(
    network: Trainable, optimizers: Sequence[torch.optim.Optimizer], epoch: int, stopping: EarlyStopping
) -> Snapshot:
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    for number, optimizer in enumerate(optimizers):
        for place, moments in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer{number}.{place}.{name}": torch.as_tensor(value) for name, value in moments.items()}
    return Snapshot(tensors, {"epoch": epoch, "stopping": stopping.dump()})


def _restore(
    network: Trainable, optimizers: Sequence[torch.optim.Optimizer], latest: Snapshot
) -> tuple[int, EarlyStopping]:
    """The number of epochs that were done, and their scores."""
    network.load_state_dict(latest.below("network"))
    for number, optimizer in enumerate(optimizers):
        moments: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in latest.below(f"optimizer{number}").items():
            place, _, moment = name.partition(".")
            moments.setdefault(int(place), {})[moment] = tensor
        optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
    return latest.notes["epoch"], EarlyStopping.parse(latest.notes["stopping"])
