"""Where a training runs: one device, or several processes that share the batches of a step or the weights as well."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unimp_bench.errors import UsageError
from unimp_bench.machine import device, helping, join
from unimp_bench.records import IntArray
from unimp_bench.unimp.config import UniMPConfig
from unimp_bench.unimp.network.model import UniMPModel

if TYPE_CHECKING:
    from accelerate import Accelerator


@dataclass(frozen=True)
class Share:
    """A batch of a step that this process computes.

    Attributes:
        chosen: sentence numbers.
        place: of the batch in its step; its random numbers follow from it, whoever computes it.
        counts: false for a batch that is only there to keep the processes in step; its loss is multiplied by 0.
    """

    chosen: IntArray
    place: int
    counts: bool


def accelerator_for(config: UniMPConfig) -> Accelerator:
    """What places and distributes a training of these settings.

    Raises:
        UsageError: the processes cannot share the batches of a step evenly.
    """
    processes = join()
    from accelerate import Accelerator, DistributedDataParallelKwargs
    from accelerate.state import AcceleratorState, PartialState

    if config.accumulation % processes:
        raise UsageError(
            f"{processes} processes share the batches of a step; set accumulation, now {config.accumulation}, to a "
            f"multiple of {processes}"
        )
    AcceleratorState._reset_state()  # an earlier fit of this process may have had another precision
    if (alone := PartialState()).distributed_type == "NO":
        alone.device = device()
    # A batch without pictures uses no resampler.
    unused = DistributedDataParallelKwargs(find_unused_parameters=True)
    return Accelerator(mixed_precision=config.precision, kwargs_handlers=[unused])


def share(batches: Sequence[IntArray], process: int, processes: int) -> list[Share]:
    """The batches of a step that one of several processes computes: as many as each of the others does."""
    places = range(process, process + processes * -(-len(batches) // processes), processes)
    return [
        Share(batches[place], place, True) if place < len(batches) else Share(batches[0], 0, False) for place in places
    ]


def is_sharded(accelerator: Accelerator) -> bool:
    """Whether each process holds a part of the weights alone (FSDP)."""
    return bool(accelerator.distributed_type == "FSDP")


@contextmanager
def gathered(moving: UniMPModel, model: UniMPModel, device: torch.device) -> Iterator[None]:
    """Let ``model`` have the weights of ``moving`` in the block: the same object, or whole where that is sharded.

    The main process has it on the device, the others, which need no more than to take part, on the CPU.
    """
    moving.eval()
    if model is not moving:
        with torch.no_grad():
            for own, tensor in zip(model.parameters(), moving.parameters(), strict=True):
                own.copy_(whole(tensor.detach()))
        model.to("cpu" if helping() else device).eval()
    yield
    if model is not moving:
        model.cpu()


def whole(tensor: Tensor) -> Tensor:
    """A tensor itself, or all of it where every process has a part; then all processes must ask."""
    from torch.distributed.tensor import DTensor

    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def like(own: Tensor, tensor: Tensor) -> Tensor:
    """A whole tensor on the device of ``own``, or this process's part of it, as ``own`` is one."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    if isinstance(own, DTensor):
        return distribute_tensor(tensor.to(own.device), own.device_mesh, own.placements)
    return tensor.to(own.device)
