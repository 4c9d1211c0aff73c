"""What has to happen once before torch is put to work: a remedy for torchvision, and seeds."""

from __future__ import annotations

import importlib.util
import random
import sys
from functools import cache
from pathlib import Path

import numpy as np
import torch

_OPERATORS = ("nms", "qnms")


@cache
def make_torchvision_importable() -> torch.library.Library | None:
    """Let ``import torchvision`` succeed where its compiled operators do not fit the installed torch.

    Package registries serve torchvision built for CUDA; beside a CPU torch its library does not load, its import
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
    """A seed below 2**32 for the ``number``-th part of what ``seed`` begins, unrelated to those of other seeds."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


def seed_everything(seed: int) -> None:
    """Seed the generators of Python, NumPy and torch (all devices)."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - libraries that we drive draw from the global generator
    torch.manual_seed(seed)


def _loads(package: Path) -> bool:
    """Whether torchvision's compiled library loads into this process."""
    for path in (*package.glob("_C*.so"), *package.glob("_C*.pyd")):
        try:
            torch.ops.load_library(path)  # type: ignore[no-untyped-call]
        except OSError:
            return False
        return True
    return False
