"""Files of published weights, on this machine or from Hugging Face: no pickled objects, and no code of others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from unimp_bench.errors import UsageError
from unimp_bench.torch_setup import make_torchvision_importable

T = TypeVar("T")


def find_file(name: str, *files: str) -> Path:
    """The first of some files that a folder, or a repository of Hugging Face, has; fetched into the cache.

    Raises:
        OSError: it has none of them, or cannot be reached.
    """
    if Path(name).is_dir():
        found = [path for path in (Path(name) / file for file in files) if path.is_file()]
        if not found:
            raise OSError(f"there is no {' or '.join(files)} in it")
        return found[0]
    if Path(name).is_absolute() or name.startswith("."):
        raise OSError("there is no such folder")
    make_torchvision_importable()
    from transformers.utils import cached_file

    reason = OSError(name)
    for file in files:
        try:
            return Path(str(cached_file(name, file)))
        except OSError as error:
            reason = error
    raise reason


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, or of a state dict of torch that holds nothing but tensors and plain values.

    What was saved beside a training is taken from under ``model_state_dict``, and DDP's ``module.`` off the names.

    Raises:
        ValueError: it holds something else.
    """
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    held: Any = torch.load(path, map_location="cpu", weights_only=True)
    held = held.get("model_state_dict", held) if isinstance(held, dict) else held
    if not isinstance(held, dict) or not all(isinstance(each, Tensor) for each in held.values()):
        raise ValueError("it holds no state dict of tensors")
    return {str(name).removeprefix("module."): tensor for name, tensor in held.items()}


def read(reader: Callable[[], T], noun: str, name: str) -> T:
    """What ``reader`` reads.

    Raises:
        UsageError: it cannot.
    """
    try:
        return reader()
    except UsageError:
        raise
    except Exception as error:  # the libraries below raise of every kind: OSError, ValueError, KeyError, bare Exception
        reason = " ".join(str(error).split())[:200]
        raise UsageError(
            f"{noun} {name!r} cannot be read ({reason}); give what lies on this machine, or the name of a repository "
            "on Hugging Face that is in its cache or that a network reaches"
        ) from None
