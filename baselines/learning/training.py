"""The training loop: keeps the best epoch by validation, and resumes an interrupted training.

``Trainer`` is the interface to the trained model: ``NetworkTrainer`` for networks of this package,
``baselines.recbole.training.RecBoleTrainer`` for models of RecBole.
"""

from __future__ import annotations

import json
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from baselines.learning.files import reading
from baselines.learning.network import Trainable, TrainingSettings
from unimp_bench.contracts import Training
from unimp_bench.errors import ModelError
from unimp_bench.files import written
from unimp_bench.kinds.early_stopping import BestEpoch, EarlyStopping, Scores
from unimp_bench.progress import Training as TrainingProgress
from unimp_bench.progress import training
from unimp_bench.records import Protocol
from unimp_bench.torch_setup import seed_everything

LOG = "log"
"""Folder in the work folder of a fit that the harness keeps; one line of JSON per validation."""

_LATEST = "latest.safetensors"


@dataclass(frozen=True)
class Snapshot:
    """The checkpoint format: named tensors as safetensors, with JSON values as metadata. No pickle."""

    tensors: dict[str, Tensor]
    notes: dict[str, Any]

    def write(self, path: Path) -> None:
        """Replace ``path`` atomically, so that a reader finds either the old or the new snapshot."""
        own = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in self.tensors.items()}
        with written(path) as partial:
            save_file(own, partial, metadata={"notes": json.dumps(self.notes)})

    @classmethod
    def read(cls, path: Path) -> Snapshot:
        """Read a file written by ``write``.

        Raises:
            DataError: the file is missing or damaged.
        """
        with reading(path), safe_open(path, framework="pt") as stream:
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
            return cls(tensors, json.loads(stream.metadata()["notes"]))

    def below(self, prefix: str) -> dict[str, Tensor]:
        """The tensors named ``prefix.*``, without the prefix."""
        head = f"{prefix}."
        return {name.removeprefix(head): tensor for name, tensor in self.tensors.items() if name.startswith(head)}


@dataclass(frozen=True)
class Outcome:
    """How a training ended.

    Attributes:
        epochs: number of epochs trained.
        stopping: the best epoch under each protocol; empty without validation.
        steps, examples: optimizer steps, and training examples shown, up to the last epoch.
    """

    epochs: int
    stopping: EarlyStopping
    steps: int = 0
    examples: int = 0

    def after(self, earlier: Outcome) -> Outcome:
        """This outcome with the steps and examples of an earlier stage added."""
        return replace(self, steps=earlier.steps + self.steps, examples=earlier.examples + self.examples)

    def training(self, protocol: Protocol) -> Training:
        """The counts, and whether early stopping under ``protocol`` or the number of epochs ended the training."""
        stopped: Literal["converged", "budget"] = "converged" if self.stopping.is_decided(protocol) else "budget"
        return Training(self.steps, self.examples, self.epochs, stopped)

    def remark(self, protocol: Protocol) -> str:
        """A remark if the training ended by its maximum number of epochs; else empty."""
        if self.training(protocol).stopped == "converged":
            return ""
        best = self.stopping.best[protocol].epoch
        return f"undertrained: stopped by its budget of {self.epochs} epochs, the best one {best}"


@dataclass(frozen=True)
class Epoch:
    """What one epoch gave.

    Attributes:
        loss: mean loss of its batches; None for a model without a loss.
        steps: optimizer steps.
        examples: training examples shown.
    """

    loss: float | None
    steps: int
    examples: int


class StepCounter:
    """Counts the steps of some optimizers; a batch with two losses, or with an adversary, takes two."""

    def __init__(self, optimizers: Iterable[torch.optim.Optimizer]) -> None:
        self.steps = 0
        for optimizer in optimizers:
            optimizer.register_step_post_hook(self._count)

    def _count(self, *_: Any) -> None:
        self.steps += 1


class Trainer(ABC):
    """Interface of ``train``: trains epoch by epoch, with the state between epochs as snapshots.

    Args:
        settings: number of epochs, patience, epochs between validations.
        label: the model's name, in progress bars and errors.
    """

    def __init__(self, settings: TrainingSettings, label: str) -> None:
        self.settings, self.label = settings, label

    @abstractmethod
    def epoch(self, number: int, shown: TrainingProgress) -> Epoch:
        """Train epoch ``number``, counted from 0, and leave the model in eval mode.

        Raises:
            ModelError: the epoch has no batch, or its loss is not finite.
        """

    @abstractmethod
    def weights(self) -> Snapshot:
        """The weights that determine the predictions."""

    @abstractmethod
    def restore(self, weights: Snapshot) -> None:
        """Load ``weights`` into the model, in eval mode."""

    @abstractmethod
    def progress(self) -> Snapshot:
        """The state needed for resuming in addition to the weights, with no name under ``network``."""

    @abstractmethod
    def resume(self, progress: Snapshot) -> None:
        """Restore ``progress``; the snapshot may have further entries."""


class NetworkTrainer(Trainer):
    """Trains a ``Trainable`` network.

    The randomness of an epoch depends only on the seed and the epoch number, so no generator state is stored.

    Args:
        network: on its device, with its initial weights.
        seed: of all random choices.
        settings, label: see ``Trainer``.
    """

    def __init__(self, network: Trainable, settings: TrainingSettings, seed: int, label: str) -> None:
        super().__init__(settings, label)
        self._network, self._seed = network, seed
        self._optimizers = network.optimizers(settings)
        self._counter = StepCounter(self._optimizers)
        self._rates = [group["lr"] for optimizer in self._optimizers for group in optimizer.param_groups]

    def epoch(self, number: int, shown: TrainingProgress) -> Epoch:
        network = self._network
        groups = (group for optimizer in self._optimizers for group in optimizer.param_groups)
        for group, rate in zip(groups, self._rates, strict=True):
            group["lr"] = rate * network.pace(number)
        rng = np.random.default_rng([self._seed, number])
        seed_everything(int(rng.integers(2**31)))
        network.train()
        total, batches, examples = torch.zeros((), device=network.device), 0, 0
        before = self._counter.steps
        for batch in shown.batches(network.batches(rng)):
            total += network.step(batch, self._optimizers)
            batches += 1
            examples += network.size(batch)
        network.eval()
        if not batches:
            raise ModelError(f"{self.label}: the training part is too small, no sample for this model to learn from")
        loss = float(total) / batches
        if not math.isfinite(loss):
            raise ModelError(f"{self.label}: the loss of epoch {number + 1} is not finite; try a smaller learning_rate")
        return Epoch(loss, self._counter.steps - before, examples)

    def weights(self) -> Snapshot:
        return Snapshot(self._network.state_dict(), {})

    def restore(self, weights: Snapshot) -> None:
        self._network.load_state_dict(weights.tensors)
        self._network.eval()

    def progress(self) -> Snapshot:
        return Snapshot(optimizer_state(self._named()), {})

    def resume(self, progress: Snapshot) -> None:
        restore_optimizers(self._named(), progress)

    def _named(self) -> dict[str, torch.optim.Optimizer]:
        return {f"optimizer{number}": optimizer for number, optimizer in enumerate(self._optimizers)}


def train(
    trainer: Trainer,
    folder: Path,
    *,
    validate: Callable[[], Scores] | None,
    metric: str = "validation",
    earlier: Path | None = None,
) -> Outcome:
    """Train until no protocol has improved for as long as the settings say; keep the best epochs.

    The model is left with the weights of the last epoch; ``best_weights`` reads the best ones.

    Args:
        trainer: of the model.
        folder: for the checkpoints of this training only, written at each validation.
        validate: returns the score of the current weights under each protocol, higher is better; None trains all
            epochs.
        metric: name of the score, for progress bars.
        earlier: the folder of an earlier stage whose search for the best epochs goes on here: its epochs, steps and
            examples count, its best epochs stay until others are better, and patience begins anew.

    Raises:
        ModelError: an epoch fails, or a validation score is not finite.
    """
    settings, label = trainer.settings, trainer.label
    folder.mkdir(parents=True, exist_ok=True)
    log = folder.parent / LOG / f"{folder.name}.jsonl"
    log.parent.mkdir(exist_ok=True)
    latest_path = folder / _LATEST
    done, steps, examples = 0, 0, 0
    stopping = EarlyStopping(settings.patience, least_steps=settings.least_steps)
    latest = Snapshot.read(latest_path) if latest_path.is_file() else None
    if latest is not None and "steps" in latest.notes:  # else of a version that did not count: it begins again
        trainer.restore(Snapshot(latest.below("network"), latest.notes.get("network", {})))
        trainer.resume(latest)
        done, steps, examples = (latest.notes[name] for name in ("epoch", "steps", "examples"))
        stopping = EarlyStopping.parse(latest.notes["stopping"])
    elif earlier is not None:
        before = Snapshot.read(earlier / _LATEST).notes
        done, steps, examples = (before[name] for name in ("epoch", "steps", "examples"))
        for protocol, best in EarlyStopping.parse(before["stopping"]).best.items():
            stopping.best[protocol] = BestEpoch(best.score, best.epoch, steps=steps)
            best_weights(earlier, protocol).write(_best_path(folder, protocol))
    early = validate is not None
    with training(label, settings.epochs, metric=metric, done=done, best=stopping.scores, early=early) as shown:
        while done < settings.epochs and not stopping.is_over:
            until = min(done + settings.validate_every, settings.epochs)
            started = time.perf_counter()
            for number in range(done, until):
                epoch = trainer.epoch(number, shown)
                steps, examples = steps + epoch.steps, examples + epoch.examples
                if number + 1 < until:
                    shown.reached(number + 1, epoch.loss)
            trained = time.perf_counter()
            seconds = (trained - started) / (until - done)
            done, scores = until, None
            improved: list[Protocol] = []
            if validate is not None:
                scores = validate()
                improved = stopping.update(done, scores, label, steps)
            weights = trainer.weights()
            for protocol in improved:
                weights.write(_best_path(folder, protocol))
            shown.reached(done, epoch.loss, scores)
            _checkpoint(weights, trainer.progress(), Outcome(done, stopping, steps, examples)).write(latest_path)
            line = _Line(until, epoch.loss, scores, round(seconds, 4), round(time.perf_counter() - trained, 4))
            with log.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(asdict(line)) + "\n")
    return Outcome(done, stopping, steps, examples)


def best_weights(folder: Path, protocol: Protocol) -> Snapshot:
    """The weights of the best epoch of the training in ``folder`` under a protocol."""
    return Snapshot.read(_best_path(folder, protocol))


def optimizer_state(optimizers: Mapping[str, torch.optim.Optimizer]) -> dict[str, Tensor]:
    """The moments of named optimizers, under ``optimizer.parameter.moment``."""
    return {
        f"{name}.{parameter}.{moment}": torch.as_tensor(value)
        for name, optimizer in optimizers.items()
        for parameter, moments in optimizer.state_dict()["state"].items()
        for moment, value in moments.items()
    }


def restore_optimizers(optimizers: Mapping[str, torch.optim.Optimizer], snapshot: Snapshot) -> None:
    """Load the state returned by ``optimizer_state`` into optimizers."""
    for name, optimizer in optimizers.items():
        state: dict[int, dict[str, Tensor]] = {}
        for key, tensor in snapshot.below(name).items():
            parameter, _, moment = key.partition(".")
            state.setdefault(int(parameter), {})[moment] = tensor
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


@dataclass(frozen=True)
class _Line:
    """A line of the log: mean loss of the last epoch, wall-clock seconds per epoch and of the validation."""

    epoch: int
    loss: float | None
    validation: Scores | None
    epoch_seconds: float
    validation_seconds: float


def _checkpoint(weights: Snapshot, progress: Snapshot, outcome: Outcome) -> Snapshot:
    tensors = {f"network.{name}": tensor for name, tensor in weights.tensors.items()} | progress.tensors
    notes = {
        "epoch": outcome.epochs,
        "steps": outcome.steps,
        "examples": outcome.examples,
        "stopping": outcome.stopping.dump(),
        "network": weights.notes,
    }
    return Snapshot(tensors, notes | progress.notes)


def _best_path(folder: Path, protocol: Protocol) -> Path:
    return folder / f"best-{protocol}.safetensors"
