"""The one door to RecBole 1.2.1: puts back what newer NumPy and SciPy took away, then imports what we drive.

``recbole.quick_start`` stays out: it imports ray. So do RecBole's own checkpoints, logs and TensorBoard folders.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

for _removed, _current in (("float_", np.float64), ("complex_", np.complex128), ("unicode_", np.str_)):
    setattr(np, _removed, _current)


def _update(matrix: Any, entries: dict[tuple[int, int], float]) -> None:
    """Set entries of a ``dok_matrix``; the graph models fill their adjacency with this method of old SciPy."""
    matrix._dict.update(entries)


scipy.sparse.dok_matrix._update = _update
warnings.filterwarnings("ignore", category=FutureWarning, module=r"recbole\.")

import recbole.data.dataset as datasets  # noqa: E402
import recbole.trainer.trainer as trainers  # noqa: E402
from recbole.config import Config  # noqa: E402
from recbole.data.interaction import Interaction  # noqa: E402
from recbole.data.utils import get_dataloader  # noqa: E402
from recbole.sampler import RepeatableSampler, Sampler  # noqa: E402
from recbole.utils import FeatureSource, FeatureType, ModelType, get_model, get_trainer, init_seed  # noqa: E402

_PACKAGE = Path(trainers.__file__).parent.parent
PROPERTIES = _PACKAGE / "properties"

__all__ = [
    "PROPERTIES",
    "Config",
    "FeatureSource",
    "FeatureType",
    "Interaction",
    "ModelType",
    "RepeatableSampler",
    "Sampler",
    "datasets",
    "get_dataloader",
    "get_model",
    "get_trainer",
    "init_seed",
    "model_rooms",
    "without_tensorboard",
]


def model_rooms() -> dict[str, str]:
    """Every model that RecBole configures, by name, with the subpackage of ``recbole.model`` it lives in."""
    rooms = {path.stem: path.parent.name for path in _PACKAGE.glob("model/*_recommender/*.py")}
    names = {path.stem for path in PROPERTIES.glob("model/*.yaml")}
    names.add("Random")  # the one model without settings of its own
    return {name: rooms[name.lower()] for name in sorted(names)}


@contextlib.contextmanager
def without_tensorboard() -> Iterator[None]:
    """While a trainer is made: it opens a TensorBoard folder in the current directory, unless it is kept from it."""
    original = trainers.get_tensorboard
    trainers.get_tensorboard = lambda logger: None
    try:
        yield
    finally:
        trainers.get_tensorboard = original
