"""RecBole's epochs under our validation: the best epoch is kept, and an interrupted training goes on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from baselines.learning.snapshot import Snapshot
from baselines.recbole.compat import quietly
from baselines.recbole.state import model_state, restore_model, restore_training, training_state
from unimp_bench.errors import ModelError
from unimp_bench.progress import progress


def train(trainer: Any, loader: Any, *, patience: int, validate: Callable[[], float], folder: Path, label: str) -> None:
    """Train until ``patience`` epochs in a row were not better, and leave the model as it was after its best epoch.

    Args:
        trainer: RecBole's, with its model and its most epochs.
        loader: batches of training samples.
        patience: see above.
        validate: the model's quality on the validation part, higher is better.
        folder: of this fit; after every epoch but the last, all that resuming needs is written there.
        label: the model's name, for the progress bar and errors.

    Raises:
        ModelError: RecBole's training failed, as where the loss is no number.
    """
    best_path, latest_path = folder / "best.safetensors", folder / "latest.safetensors"
    epoch, waited, best = 0, 0, -math.inf
    if latest_path.is_file():
        latest = Snapshot.read(latest_path)
        restore_model(trainer.model, Snapshot(latest.below("model"), latest.notes["model"]))
        restore_training(trainer, loader, latest)
        epoch, waited, best = (latest.notes[name] for name in ("epoch", "waited", "best"))
    while epoch < trainer.epochs and waited < patience:
        _train_epoch(trainer, loader, epoch, label)
        epoch += 1
        score = validate()
        waited = 0 if score > best else waited + 1
        state = model_state(trainer.model)
        if score > best:
            best = score
            state.write(best_path)
        if epoch < trainer.epochs:
            latest = training_state(trainer, loader, epoch=epoch, waited=waited, best=best, model=state.notes)
            weights = {f"model.{name}": tensor for name, tensor in state.tensors.items()}
            Snapshot(latest.tensors | weights, latest.notes).write(latest_path)
    restore_model(trainer.model, Snapshot.read(best_path))


def _train_epoch(trainer: Any, loader: Any, epoch: int, label: str) -> None:
    try:
        with quietly():
            trainer._train_epoch(_Watched(loader, f"{label}: epoch {epoch + 1}"), epoch)
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"{label} failed in epoch {epoch + 1}: {error}; try other settings") from error


class _Watched:
    """A loader with a progress bar over its batches."""

    def __init__(self, loader: Any, label: str) -> None:
        self._loader, self._label = loader, label

    def __iter__(self) -> Iterator[Any]:
        return progress(self._loader, self._label, total=len(self._loader), unit="batch")

    def __len__(self) -> int:
        return len(self._loader)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)
