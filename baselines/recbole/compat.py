"""The only module that imports RecBole 1.2.1: it restores what newer NumPy and SciPy removed, then imports what we use.

Not used are ``recbole.quick_start``, which imports ray, and RecBole's own checkpoints, logs and TensorBoard folders.
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
    """Set entries of a ``dok_matrix``; the graph models fill their adjacency with this method of old SciPy."""
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

torch.autograd.set_detect_anomaly(False)  # importing SINE turns it on for the whole process, and slows all training
admmslim.add_noise = lambda scores, mag=0.0: scores  # against ties; a score must depend on its example alone


def _count(model: Any, batch: Any) -> torch.Tensor:
    """Count every interaction; the original counts an item once a batch, however often it is there (RecBole #2198)."""
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
    """Every model that RecBole configures, by name, with its subpackage of ``recbole.model``."""
    packages = {path.stem: path.parent.name for path in _PACKAGE.glob("model/*_recommender/*.py")}
    names = {path.stem for path in PROPERTIES.glob("model/*.yaml")}
    names.add("Random")  # the one model without a file of settings
    return {name: packages[name.lower()] for name in sorted(names)}


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """While RecBole works: no prints, no log lines, and no TensorBoard folder in the current directory."""
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
