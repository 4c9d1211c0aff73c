"""RecBole's models in the shared training loop: epochs by RecBole's trainer, state as snapshots."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from baselines.learning.network import TrainingSettings
from baselines.learning.training import Epoch, Snapshot, StepCounter, Trainer, optimizer_state, restore_optimizers
from baselines.recbole.compat import quietly
from unimp_bench.errors import ModelError
from unimp_bench.machine import device
from unimp_bench.progress import Training

SPARSE_PARTS = ("data", "indices", "indptr")
# State outside the weights that the models do not list themselves (DiffRec, LDiffRec).
UNLISTED = ("Lt_history", "Lt_count")


class RecBoleTrainer(Trainer):
    """Adapter to a trainer of RecBole.

    RecBole uses the global random generators, so their states are part of the progress.

    Args:
        trainer: RecBole's, with its model and its number of epochs.
        loader: batches of training samples.
        patience: of the training.
        label: the model's name, in progress bars and errors.
    """

    def __init__(self, trainer: Any, loader: Any, patience: int, label: str) -> None:
        super().__init__(TrainingSettings(epochs=trainer.epochs, patience=patience), label)
        self._trainer, self._loader = trainer, loader
        values = vars(trainer).items()
        self._optimizers = {name: value for name, value in values if isinstance(value, torch.optim.Optimizer)}
        self._counter = StepCounter(self._optimizers.values())

    def epoch(self, number: int, shown: Training) -> Epoch:
        before, watched = self._counter.steps, _Watched(self._loader, shown)
        try:
            with quietly():
                losses = self._trainer._train_epoch(watched, number)
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"{self.label} failed in epoch {number + 1}: {error}; try other settings") from error
        self._trainer.model.eval()
        loss = None if losses is None else float(np.sum(losses)) / max(len(self._loader), 1)
        return Epoch(loss, self._counter.steps - before, watched.examples)

    def weights(self) -> Snapshot:
        return model_state(self._trainer.model)

    def restore(self, weights: Snapshot) -> None:
        restore_model(self._trainer.model, weights)

    def progress(self) -> Snapshot:
        _, words, position, has_gauss, gauss = np.random.get_state()  # noqa: NPY002 - RecBole samples from it
        version, python_words, _ = random.getstate()
        tensors = optimizer_state(self._optimizers) | {
            "random.torch": torch.get_rng_state(),
            "random.loader": self._loader.generator.get_state(),
            "random.numpy": torch.from_numpy(np.asarray(words, dtype=np.int64)),
            "random.python": torch.tensor(python_words, dtype=torch.int64),
        }
        if device().type == "cuda":
            tensors["random.cuda"] = torch.cuda.get_rng_state(device())
        return Snapshot(tensors, {"numpy": [int(position), int(has_gauss), float(gauss)], "python": version})

    def resume(self, progress: Snapshot) -> None:
        restore_optimizers(self._optimizers, progress)
        generators = progress.below("random")
        torch.set_rng_state(generators["torch"])
        self._loader.generator.set_state(generators["loader"])
        position, has_gauss, gauss = progress.notes["numpy"]
        words = generators["numpy"].numpy().astype(np.uint32)
        np.random.set_state(("MT19937", words, position, has_gauss, gauss))  # noqa: NPY002
        random.setstate((progress.notes["python"], tuple(generators["python"].tolist()), None))
        if "cuda" in generators and device().type == "cuda":
            torch.cuda.set_rng_state(generators["cuda"], device())


def model_state(model: Any, **notes: Any) -> Snapshot:
    """Weights, and the state of RecBole's models outside their weights (counts, similarities, annealing steps)."""
    tensors = {f"weights.{name}": tensor for name, tensor in model.state_dict().items()}
    notes |= {"numbers": {name: value for name, value in vars(model).items() if _is_number(name, value)}, "kinds": {}}
    unlisted = {name: getattr(model, name) for name in UNLISTED if hasattr(model, name)}
    for name, value in (model.other_parameter() | unlisted).items():
        if isinstance(value, Tensor | np.ndarray):
            tensors[f"learned.{name}"] = torch.as_tensor(value)
            notes["kinds"][name] = "tensor" if isinstance(value, Tensor) else "array"
        elif scipy.sparse.issparse(value):
            rows = value.tocsr()
            tensors |= {f"learned.{name}.{part}": torch.as_tensor(getattr(rows, part)) for part in SPARSE_PARTS}
            notes["kinds"][name] = [value.format, *value.shape]
    return Snapshot(tensors, notes)


def stored_numbers(model: Any) -> int:
    """How many numbers a model of RecBole's keeps outside its weights; of sparse matrices those that are not zero."""
    tables = model_state(model).below("learned")
    places = tuple(f".{part}" for part in SPARSE_PARTS[1:])
    return sum(table.numel() for name, table in tables.items() if not name.endswith(places))


def restore_model(model: Any, snapshot: Snapshot) -> None:
    """Load the state returned by ``model_state`` into a model of the same shape."""
    model.load_state_dict(snapshot.below("weights"))
    learned = snapshot.below("learned")
    for name, kind in snapshot.notes["kinds"].items():
        if isinstance(kind, list):
            parts = tuple(learned[f"{name}.{part}"].numpy() for part in SPARSE_PARTS)
            value = scipy.sparse.csr_matrix(parts, shape=tuple(kind[1:])).asformat(kind[0])
        else:
            value = learned[name].to(model.device) if kind == "tensor" else learned[name].numpy()
        setattr(model, name, value)
    for name, value in snapshot.notes["numbers"].items():
        setattr(model, name, value)


def _is_number(name: str, value: object) -> bool:
    return name != "training" and type(value) in (int, float, bool)


class _Watched:
    """A loader that counts its batches for progress, and their rows, negatives of pointwise models included."""

    def __init__(self, loader: Any, shown: Training) -> None:
        self._loader, self._shown = loader, shown
        self.examples = 0

    def __iter__(self) -> Iterator[Any]:
        for batch in self._shown.batches(self._loader, total=len(self._loader)):
            self.examples += len(batch)
            yield batch

    def __len__(self) -> int:
        return len(self._loader)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)
