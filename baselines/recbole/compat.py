"""The only module that imports RecBole 1.2.1, after restoring functions removed from NumPy and SciPy.

``recbole.quick_start``, which imports ray, and RecBole's own checkpoints, logs and TensorBoard folders are not used.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
import torch

for _removed, _current in (("float_", np.float64), ("complex_", np.complex128), ("unicode_", np.str_)):
    setattr(np, _removed, _current)


def _update(matrix: Any, entries: dict[tuple[int, int], float]) -> None:
    """Set entries of a ``dok_matrix``, a method removed from SciPy with which graph models fill their adjacency."""
    matrix._dict.update(entries)


scipy.sparse.dok_matrix._update = _update
warnings.filterwarnings("ignore", module=r"recbole\.")

import recbole.data.dataset as datasets  # noqa: E402
import recbole.model.sequential_recommender  # noqa: E402, F401
import recbole.trainer.trainer as trainers  # noqa: E402
from recbole.config import Config  # noqa: E402
from recbole.data.interaction import Interaction  # noqa: E402
from recbole.data.transform import construct_transform  # noqa: E402
from recbole.data.utils import get_dataloader  # noqa: E402
from recbole.model.general_recommender import admmslim, pop  # noqa: E402
from recbole.sampler import RepeatableSampler, Sampler  # noqa: E402
from recbole.utils import FeatureSource, FeatureType, ModelType, get_trainer, init_seed  # noqa: E402

torch.autograd.set_detect_anomaly(False)  # importing SINE enables it for the whole process, which slows all training
admmslim.add_noise = lambda scores, mag=0.0: scores  # breaks ties at random; a score must depend only on its example


def _count(model: Any, batch: Any) -> torch.Tensor:
    """Count every interaction; the original counts an item at most once per batch (RecBole #2198)."""
    items = batch[model.ITEM_ID]
    model.item_cnt.index_add_(0, items, torch.ones_like(items)[:, None])
    model.max_cnt = model.item_cnt.max(dim=0)[0]
    return torch.zeros(1, device=model.device, requires_grad=True)


pop.Pop.calculate_loss = _count

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
    "construct_transform",
    "datasets",
    "get_dataloader",
    "get_trainer",
    "init_seed",
    "model_packages",
    "quietly",
]


def model_packages() -> dict[str, str]:
    """All models with a RecBole configuration, by name, with their subpackage of ``recbole.model``."""
    packages = {path.stem: path.parent.name for path in _PACKAGE.glob("model/*_recommender/*.py")}
    names = {path.stem for path in PROPERTIES.glob("model/*.yaml")}
    names.add("Random")  # the only model without a settings file
    return {name: packages[name.lower()] for name in sorted(names)}


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Suppress RecBole's prints, log lines, and TensorBoard folder in the current directory."""
    logger, tensorboard = logging.getLogger(), trainers.get_tensorboard
    level = logger.level
    logger.setLevel(logging.ERROR)
    trainers.get_tensorboard = lambda logger: None
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)
        trainers.get_tensorboard = tensorboard
