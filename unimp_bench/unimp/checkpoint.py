"""Weights and training state as safetensors, written atomically, and the initial weights from an earlier fit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from unimp_bench.errors import DataError
from unimp_bench.files import damaged, written
from unimp_bench.kinds.early_stopping import EarlyStopping
from unimp_bench.low_rank import LORA, merged
from unimp_bench.machine import helping
from unimp_bench.unimp.adaptation import base_name
from unimp_bench.unimp.model import UniMPModel

_STATE = "progress"


@dataclass(frozen=True)
class Progress:
    """Progress of a training.

    Attributes:
        epoch: the current epoch, from 0.
        batches: its finished batches.
        step: all finished steps.
        stopping: the best epochs so far (``EarlyStopping.dump``).
    """

    epoch: int = 0
    batches: int = 0
    step: int = 0
    stopping: str = EarlyStopping().dump()


def save_weights(model: UniMPModel, path: Path, trained_only: bool = False) -> None:
    """Write the model's parameters to ``path``, shared ones once; all of them or the trained ones."""
    _write(path, _parameters(model, trained_only), {})


def load_weights(model: UniMPModel, path: Path, trained_only: bool = False) -> None:
    """Read what ``save_weights`` wrote; other parameters are unchanged.

    Raises:
        DataError: the file is missing or damaged, or of a model of another shape.
    """
    tensors, _ = _read(path)
    _restore(_parameters(model, trained_only), tensors, path)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors that ``save_weights`` wrote, by their names.

    Raises:
        DataError: the file is missing or damaged.
    """
    return _read(path)[0]


@torch.no_grad()
def load_initial(model: UniMPModel, path: Path, words: int) -> None:
    """Initialise a model with the weights of an earlier fit; parameters that the earlier one lacks are unchanged.

    Args:
        path: weights of a model of the same sizes, whose vocabulary may lack some of the last words.
        words: tokens of the model that are not of ids; those of ids come after them.

    Raises:
        DataError: the file is damaged, or of a model of another shape.
    """
    earlier = read_tensors(path)
    if not any(LORA in name for name, _ in model.named_parameters()):
        earlier = merged(earlier)
    own = {base_name(name) or name: parameter for name, parameter in model.named_parameters()}
    for name, tensor in earlier.items():
        parameter = own.get(base_name(name) or name)
        if parameter is None or not _fits(parameter, tensor):
            raise DataError(f"{path}: initial weights do not match the sizes of the model")
        added = len(parameter) - len(tensor)
        if not added:
            parameter.copy_(tensor)
            continue
        # Rows are tokens: new words come after the old ones, before the ids.
        ids = model.decoder.vocabulary_size - words
        parameter[: len(tensor) - ids] = tensor[: len(tensor) - ids]
        parameter[len(parameter) - ids :] = tensor[len(tensor) - ids :]


def _fits(parameter: Tensor, tensor: Tensor) -> bool:
    same = parameter.shape[1:] == tensor.shape[1:] and parameter.ndim == tensor.ndim
    return same and (parameter.shape == tensor.shape or (parameter.ndim == 2 and len(parameter) > len(tensor)))


def save_training(model: UniMPModel, optimizer: torch.optim.Optimizer, progress: Progress, path: Path) -> None:
    """Write all that an interrupted training needs to resume exactly: trained parameters, optimizer and progress.

    All processes of a training must call this.
    """
    names: dict[Tensor, str] = {parameter: name for name, parameter in model.named_parameters()}
    tensors = {f"model/{name}": tensor for name, tensor in _parameters(model, trained_only=True).items()}
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
    _restore(_parameters(model, trained_only=True), weights, path)
    names = dict(model.named_parameters())
    for key, tensor in tensors.items():
        kind, _, rest = key.partition("/")
        if kind == "optimizer":
            name, _, field = rest.rpartition("/")
            optimizer.state[names[name]][field] = like(names[name], tensor) if tensor.ndim else tensor
    try:
        return TypeAdapter(Progress).validate_json(metadata.get(_STATE, ""))
    except ValidationError:
        raise damaged(path, "not a training checkpoint") from None


def _parameters(model: UniMPModel, trained_only: bool) -> dict[str, Tensor]:
    """The parameters by name, a shared one under its first name."""
    named = model.named_parameters()
    return {name: each.detach() for name, each in named if each.requires_grad or not trained_only}


def _restore(own: dict[str, Tensor], tensors: dict[str, Tensor], path: Path) -> None:
    if own.keys() != tensors.keys() or any(own[name].shape != tensors[name].shape for name in own):
        raise damaged(path, "weights of another model than its configuration describes")
    for name, tensor in tensors.items():
        own[name].copy_(like(own[name], tensor))


def _write(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write the file in the main process; every process contributes its parts of the tensors."""
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


def whole(tensor: Tensor) -> Tensor:
    """The tensor, gathered where every process has a part; then all processes must call this."""
    from torch.distributed.tensor import DTensor

    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def like(own: Tensor, tensor: Tensor) -> Tensor:
    """A whole tensor on the device of ``own``, or this process's part of it if ``own`` is sharded."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    if isinstance(own, DTensor):
        return distribute_tensor(tensor.to(own.device), own.device_mesh, own.placements)
    return tensor.to(own.device)
