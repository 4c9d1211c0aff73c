"""Weights and training state as safetensors: one file, there whole or not at all, and no pickle."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from unimp_bench.errors import DataError
from unimp_bench.unimp.network.model import UniMPModel

_STATE = "progress"


@dataclass(frozen=True)
class Progress:
    """Where a training stands.

    Attributes:
        epoch: the epoch under way, counted from 0.
        batches: batches of it that are done.
        step: batches done in all.
        best_score: of the best epoch so far.
    """

    epoch: int = 0
    batches: int = 0
    step: int = 0
    best_score: float = -1.0


def save_weights(model: UniMPModel, path: Path) -> None:
    """Write the model's tensors to ``path``, shared ones once."""
    _write(path, _tensors(model), {})


def load_weights(model: UniMPModel, path: Path) -> None:
    """Read what ``save_weights`` wrote.

    Raises:
        DataError: the file is missing or damaged, or of a model of another shape.
    """
    tensors, _ = _read(path)
    _restore(model, tensors, path)


def save_training(model: UniMPModel, optimizer: torch.optim.Optimizer, progress: Progress, path: Path) -> None:
    """Write all that an interrupted training needs to go on as if nothing had happened."""
    names: dict[Tensor, str] = {parameter: name for name, parameter in model.named_parameters()}
    tensors = {f"model/{name}": tensor for name, tensor in _tensors(model).items()}
    for parameter, state in optimizer.state.items():
        tensors |= {f"optimizer/{names[parameter]}/{key}": value for key, value in state.items()}
    _write(path, tensors, {_STATE: TypeAdapter(Progress).dump_json(progress).decode()})


def load_training(model: UniMPModel, optimizer: torch.optim.Optimizer, path: Path) -> Progress:
    """Put the state that ``save_training`` wrote into ``model`` and ``optimizer``.

    Raises:
        DataError: the file is damaged, or of another model.
    """
    tensors, metadata = _read(path)
    _restore(model, {name[6:]: tensor for name, tensor in tensors.items() if name.startswith("model/")}, path)
    names = dict(model.named_parameters())
    for key, tensor in tensors.items():
        kind, _, rest = key.partition("/")
        if kind == "optimizer":
            name, _, field = rest.rpartition("/")
            optimizer.state[names[name]][field] = tensor.to(names[name].device) if tensor.ndim else tensor
    try:
        return TypeAdapter(Progress).validate_json(metadata.get(_STATE, ""))
    except ValidationError:
        raise DataError(f"{path} is no training checkpoint; remove it to begin again") from None


def _tensors(model: UniMPModel) -> dict[str, Tensor]:
    """The parameters by name, a shared one under its first name."""
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


def _restore(model: UniMPModel, tensors: dict[str, Tensor], path: Path) -> None:
    own = _tensors(model)
    if own.keys() != tensors.keys() or any(own[name].shape != tensors[name].shape for name in own):
        raise DataError(f"{path} holds weights of another model than its configuration describes; fit it again")
    for name, tensor in tensors.items():
        own[name].copy_(tensor)


def _write(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    from safetensors.torch import save_file

    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        save_file({name: tensor.contiguous().cpu() for name, tensor in tensors.items()}, partial, metadata)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path} holds no weights ({error}); fit the model again") from None
