"""Set-up of torch: a workaround for torchvision, and seeds."""

from __future__ import annotations

import importlib.util
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import torch

_OPERATORS = ("nms", "qnms")


@cache
def make_torchvision_importable() -> torch.library.Library | None:
    """Let ``import torchvision`` succeed where its compiled operators do not fit the installed torch.

    Package registries serve torchvision built for CUDA; with a CPU torch its library does not load, its import
    fails because ``torchvision::nms`` is not registered, and the imports of transformers and open_clip fail with it.
    Declaring the two operators that torchvision's import looks up is enough for transforms and models;
    ``torchvision.io`` and ``torchvision.ops.nms`` stay unusable there. Call it before the first import of
    torchvision, transformers or open_clip. It does nothing where torchvision is absent, imported or whole.

    Returns:
        The operator library, kept alive by this function's cache; None where nothing had to be done.
    """
    spec = importlib.util.find_spec("torchvision")
    if "torchvision" in sys.modules or spec is None or spec.origin is None or _loads(Path(spec.origin).parent):
        return None
    library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for operator in _OPERATORS:
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
    return library


def derived_seed(seed: int, number: int) -> int:
    """A seed below 2**32 for part ``number`` of the work with ``seed``, independent of those of other seeds."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


def seed_everything(seed: int) -> None:
    """Seed the generators of Python, NumPy and torch (all devices)."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - libraries that we drive draw from the global generator
    torch.manual_seed(seed)


@contextmanager
def own_chance(seed: int = 0) -> Iterator[None]:
    """Seed the random generators with ``seed`` within the block, and restore their states afterwards.

    For code that loads or trains a model with cached outputs. Building a network draws weights even if they are
    replaced then, and a fit that finds the output in the cache draws none: without this, the two would continue with
    different random numbers.
    """
    states = random.getstate(), np.random.get_state()  # noqa: NPY002 - libraries draw from the global generator
    # A device that nothing has used yet has no state to save, and is not used here to build a network.
    devices = [torch.cuda.current_device()] if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    with torch.random.fork_rng(devices=devices):
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        torch.default_generator.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])  # noqa: NPY002


def _loads(package: Path) -> bool:
    """Whether torchvision's compiled library loads into this process."""
    for path in (*package.glob("_C*.so"), *package.glob("_C*.pyd")):
        try:
            torch.ops.load_library(path)  # type: ignore[no-untyped-call]
        except OSError:
            return False
        return True
    return False
