"""What to do where memory does not suffice, as one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from unimp_bench.errors import ModelError
from unimp_bench.machine import peak_memory_mib
from unimp_bench.unimp.config import UniMPConfig

# How the allocators of the CPU say it; for a device there is torch.OutOfMemoryError.
_SAID = ("not enough memory", "can't allocate memory")


@contextmanager
def memory_answered(config: UniMPConfig) -> Iterator[None]:
    """Turn the failures of allocators within the block into an error that names the settings to lower.

    Raises:
        ModelError: memory did not suffice.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        said = any(words in str(error) for words in _SAID)
        if not (said or isinstance(error, torch.OutOfMemoryError | MemoryError)):
            raise
        raise ModelError(
            f"unimp: memory does not suffice; lower batch_tokens (now {config.batch_tokens}), and raise accumulation "
            f"(now {config.accumulation}) by as much to keep the size of a step, or lower logit_rows (now "
            f"{config.logit_rows}); the same command with the same settings goes on from the last checkpoint"
        ) from None


def peak_mib(device: torch.device) -> float:
    """The most memory so far, in MiB: tensors on a graphics card, else all of the process."""
    if device.type == "cuda":
        return round(torch.cuda.max_memory_allocated(device) / 2**20, 1)
    return peak_memory_mib()
