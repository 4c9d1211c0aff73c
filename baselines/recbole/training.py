"""RecBole's epochs under our validation: the best epoch is kept, and an interrupted training goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from baselines.learning.training import Outcome, Snapshot
from baselines.recbole.compat import quietly
from baselines.recbole.state import model_state, restore_model, restore_training, training_state
from unimp_bench.errors import ModelError
from unimp_bench.kinds.early_stopping import EarlyStopping, Scores
from unimp_bench.progress import Training, training
from unimp_bench.records import Protocol


def train(
    trainer: Any,
    loader: Any,
    *,
    patience: int,
    validate: Callable[[], Scores],
    folder: Path,
    label: str,
    metric: str = "validation",
) -> Outcome:
    """Train until ``patience`` epochs in a row were better under no protocol; ``restore_best`` gives the best ones.

    Args:
        trainer: RecBole's, with its model and its most epochs.
        loader: batches of training samples.
        patience: see above.
        validate: the model's quality on the validation part under each protocol, higher is better.
        folder: of this fit; after every epoch but the last, all that resuming needs is written there.
        label: the model's name, for progress and errors.
        metric: what the quality is measured by, for progress.

    Raises:
        ModelError: RecBole's training failed, as where the loss is no number.
    """
    latest_path = folder / "latest.safetensors"
    epoch, stopping = 0, EarlyStopping(patience)
    if latest_path.is_file():
        latest = Snapshot.read(latest_path)
        restore_model(trainer.model, Snapshot(latest.below("model"), latest.notes["model"]))
        restore_training(trainer, loader, latest)
        epoch, stopping = latest.notes["epoch"], EarlyStopping.parse(latest.notes["stopping"])
    with training(label, trainer.epochs, metric=metric, done=epoch, best=stopping.scores, early=True) as shown:
        while epoch < trainer.epochs and not stopping.is_over:
            loss = _train_epoch(trainer, _Watched(loader, shown), epoch, label)
            epoch += 1
            scores = validate()
            improved = stopping.update(epoch, scores, label)
            shown.reached(epoch, loss, scores)
            state = model_state(trainer.model)
            for protocol in improved:
                state.write(_best_path(folder, protocol))
            if epoch < trainer.epochs:
                latest = training_state(trainer, loader, epoch=epoch, stopping=stopping.dump(), model=state.notes)
                weights = {f"model.{name}": tensor for name, tensor in state.tensors.items()}
                Snapshot(latest.tensors | weights, latest.notes).write(latest_path)
    return Outcome(epoch, stopping)


def restore_best(model: Any, folder: Path, protocol: Protocol) -> None:
    """Put a RecBole model at the best epoch of the training in ``folder`` under a protocol."""
    restore_model(model, Snapshot.read(_best_path(folder, protocol)))


def _best_path(folder: Path, protocol: Protocol) -> Path:
    return folder / f"best-{protocol}.safetensors"


def _train_epoch(trainer: Any, loader: _Watched, epoch: int, label: str) -> float | None:
    """One epoch; returns the mean loss of its batches, None where the model has none."""
    try:
        with quietly():
            losses = trainer._train_epoch(loader, epoch)
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"{label} failed in epoch {epoch + 1}: {error}; try other settings") from error
    return None if losses is None else float(np.sum(losses)) / max(len(loader), 1)


class _Watched:
    """A loader whose batches are counted as they pass."""

    def __init__(self, loader: Any, shown: Training) -> None:
        self._loader, self._shown = loader, shown

    def __iter__(self) -> Iterator[Any]:
        return self._shown.batches(self._loader, total=len(self._loader))

    def __len__(self) -> int:
        return len(self._loader)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)
