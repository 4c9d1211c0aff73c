"""Weights and training state as safetensors: one file, there whole or not at all, and no pickle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from unimp_bench.files import damaged, written
from unimp_bench.kinds.early_stopping import EarlyStopping
from unimp_bench.machine import helping
from unimp_bench.unimp.learning.devices import like, whole
from unimp_bench.unimp.network.model import UniMPModel

_STATE = "progress"


@dataclass(frozen=True)
class Progress:
    """Where a training stands.

    Attributes:
        epoch: the epoch under way, counted from 0.
        batches: batches of it that are done.
        step: steps done in all.
        stopping: the best epochs so far (``EarlyStopping.dump``).
    """

    epoch: int = 0
    batches: int = 0
    step: int = 0
    stopping: str = EarlyStopping().dump()


def save_weights(model: UniMPModel, path: Path) -> None:
    """Write the model's parameters to ``path``, shared ones once."""
    _write(path, _parameters(model), {})


def load_weights(model: UniMPModel, path: Path) -> None:
    """Read what ``save_weights`` wrote.

    Raises:
        DataError: the file is missing or damaged, or of a model of another shape.
    """
    tensors, _ = _read(path)
    _restore(_parameters(model), tensors, path)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors that ``save_weights`` wrote, by their names.

    Raises:
        DataError: the file is missing or damaged.
    """
    return _read(path)[0]


def save_moving(model: UniMPModel, path: Path) -> None:
    """As ``save_weights``, without the parameters that training leaves alone."""
    _write(path, _moving(model), {})


def load_moving(model: UniMPModel, path: Path) -> None:
    """Read what ``save_moving`` wrote; the other parameters stay as they are.

    Raises:
        DataError: as ``load_weights``.
    """
    tensors, _ = _read(path)
    _restore(_moving(model), tensors, path)


def save_training(model: UniMPModel, optimizer: torch.optim.Optimizer, progress: Progress, path: Path) -> None:
    """Write all that an interrupted training needs to go on as if nothing had happened, beside what it begins from.

    Parameters that training leaves alone are what it begins from. All processes of a training must call this.
    """
    names: dict[Tensor, str] = {parameter: name for name, parameter in model.named_parameters()}
    tensors = {f"model/{name}": tensor for name, tensor in _moving(model).items()}
    for parameter, state in optimizer.state.items():
        tensors |= {f"optimizer/{names[parameter]}/{key}": value for key, value in state.items()}
    _write(path, tensors, {_STATE: TypeAdapter(Progress).dump_json(progress).decode()})


def load_training(model: UniMPModel, optimizer: torch.optim.Optimizer, path: Path) -> Progress:
    """Put the state that ``save_training`` wrote into ``model`` and ``optimizer``.

    Raises:
        DataError: the file is damaged, or of another model.
    """
    tensors, metadata = _read(path)
    weights = {name[6:]: tensor for name, tensor in tensors.items() if name.startswith("model/")}
    _restore(_moving(model), weights, path)
    names = dict(model.named_parameters())
    for key, tensor in tensors.items():
        kind, _, rest = key.partition("/")
        if kind == "optimizer":
            name, _, field = rest.rpartition("/")
            optimizer.state[names[name]][field] = like(names[name], tensor) if tensor.ndim else tensor
    try:
        return TypeAdapter(Progress).validate_json(metadata.get(_STATE, ""))
    except ValidationError:
        raise damaged(path, "it is no training checkpoint") from None


def _parameters(model: UniMPModel) -> dict[str, Tensor]:
    """The parameters by name, a shared one under its first name."""
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


def _moving(model: UniMPModel) -> dict[str, Tensor]:
    """Those that training moves."""
    return {name: parameter.detach() for name, parameter in model.named_parameters() if parameter.requires_grad}


def _restore(own: dict[str, Tensor], tensors: dict[str, Tensor], path: Path) -> None:
    if own.keys() != tensors.keys() or any(own[name].shape != tensors[name].shape for name in own):
        raise damaged(path, "it holds weights of another model than its configuration describes")
    for name, tensor in tensors.items():
        own[name].copy_(like(own[name], tensor))


def _write(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write the file in the main process; every process hands over its parts of the tensors."""
    from safetensors.torch import save_file

    gathered = {name: whole(tensor).contiguous().cpu() for name, tensor in tensors.items()}
    if helping():
        return
    with written(path) as partial:
        save_file(gathered, partial, metadata)


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise damaged(path, error) from None
