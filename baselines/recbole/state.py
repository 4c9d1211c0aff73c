"""The state of a RecBole model, of its optimizers and of the random generators, as snapshots."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from baselines.learning.training import Snapshot
from unimp_bench.machine import device

SPARSE_PARTS = ("data", "indices", "indptr")
# Learned outside the weights too, but not on the models' own lists (DiffRec, LDiffRec).
UNLISTED = ("Lt_history", "Lt_count")


def model_state(model: Any, **notes: Any) -> Snapshot:
    """Weights, and what RecBole's models learn outside their weights (counts, similarities, annealing steps)."""
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


def restore_model(model: Any, snapshot: Snapshot) -> None:
    """Put a model of the same shape into the state of ``model_state``."""
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


def training_state(trainer: Any, loader: Any, **notes: Any) -> Snapshot:
    """The optimizers' moments and all random generators, between two epochs."""
    tensors: dict[str, Tensor] = {}
    for name, optimizer in _optimizers(trainer):
        for number, moments in optimizer.state_dict()["state"].items():
            tensors |= {f"{name}.{number}.{moment}": torch.as_tensor(value) for moment, value in moments.items()}
    _, words, position, has_gauss, gauss = np.random.get_state()  # noqa: NPY002 - RecBole samples from it
    version, python_words, _ = random.getstate()
    tensors |= {
        "random.torch": torch.get_rng_state(),
        "random.loader": loader.generator.get_state(),
        "random.numpy": torch.from_numpy(np.asarray(words, dtype=np.int64)),
        "random.python": torch.tensor(python_words, dtype=torch.int64),
    }
    if device().type == "cuda":
        tensors["random.cuda"] = torch.cuda.get_rng_state(device())
    return Snapshot(tensors, notes | {"numpy": [int(position), int(has_gauss), float(gauss)], "python": version})


def restore_training(trainer: Any, loader: Any, snapshot: Snapshot) -> None:
    """Go on as if the training had never stopped."""
    for name, optimizer in _optimizers(trainer):
        state: dict[int, dict[str, Tensor]] = {}
        for place, tensor in snapshot.below(name).items():
            number, _, moment = place.partition(".")
            state.setdefault(int(number), {})[moment] = tensor
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    generators = snapshot.below("random")
    torch.set_rng_state(generators["torch"])
    loader.generator.set_state(generators["loader"])
    position, has_gauss, gauss = snapshot.notes["numpy"]
    words = generators["numpy"].numpy().astype(np.uint32)
    np.random.set_state(("MT19937", words, position, has_gauss, gauss))  # noqa: NPY002
    random.setstate((snapshot.notes["python"], tuple(generators["python"].tolist()), None))
    if "cuda" in generators and device().type == "cuda":
        torch.cuda.set_rng_state(generators["cuda"], device())


def _optimizers(trainer: Any) -> Iterator[tuple[str, torch.optim.Optimizer]]:
    attributes: Mapping[str, Any] = vars(trainer)
    return ((name, value) for name, value in attributes.items() if isinstance(value, torch.optim.Optimizer))


def _is_number(name: str, value: object) -> bool:
    return name != "training" and type(value) in (int, float, bool)
