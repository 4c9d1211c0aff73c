"""The settings of RecBole's models, and their conversion to RecBole's configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, JsonValue

from baselines.recbole.compat import PROPERTIES, Config, ModelType, construct_transform, model_packages
from unimp_bench.errors import UsageError, did_you_mean, find
from unimp_bench.machine import device
from unimp_bench.settings import Count, Rate

SUPPORTED = ("sequential_recommender", "general_recommender")
REFUSED = {
    "S3Rec": "its pre-training stores weights in a pickled checkpoint; model s3rec has both stages",
    "RaCT": "its three stages pass weights in pickled checkpoints",
    "GRU4RecKG": "it needs embeddings of a knowledge graph, which a corpus has not",
    "NCL": "its clustering step needs faiss, which is not a dependency",
    "Random": "it draws new scores at every call",
    "KSR": "it needs embeddings of a knowledge graph, which a corpus has not",
}
TRAINING_OPTIONS = ("learner", "weight_decay", "clip_grad_norm", "train_neg_sample_args", "enable_amp", "require_pow")
PICKLED_OPTIONS = ("use_pretrain", "mf_pretrain_path", "mlp_pretrain_path", "pretrain_path", "pre_model_path")
FIELDS = {
    "epochs": "epochs",
    "stopping_step": "patience",
    "learning_rate": "learning_rate",
    "train_batch_size": "batch_size",
    "MAX_ITEM_LIST_LENGTH": "max_length",
}
DATASET = "corpus"


def _parsed(value: object) -> object:
    """Parse options from the command line, given as JSON."""
    return json.loads(value) if isinstance(value, str) else value


Options = Annotated[dict[str, JsonValue], BeforeValidator(_parsed)]


@dataclass(frozen=True)
class RecBoleConfig:
    """Any model of RecBole, with RecBole's own defaults.

    Attributes:
        model: RecBole's name of the model.
        epochs: maximum number of epochs; models without gradient training take one.
        patience: epochs in a row without a better validation score after which training stops.
        learning_rate: of the optimizer.
        batch_size: training samples per step (users, for autoencoders).
        max_length: most recent history items that a sequential model reads.
        options: further settings under RecBole's names, of the model's settings file and a few of training; a mapping,
            or its JSON text.
    """

    model: str = "SASRec"
    epochs: Count = 300
    patience: Count = 10
    learning_rate: Rate = 1e-3
    batch_size: Count = 2048
    max_length: Count = 50
    options: Options = field(default_factory=dict)


class IsolatedConfig(Config):  # type: ignore[misc]
    """RecBole's configuration without side effects.

    The original reads the command line of the running program, evaluates text as Python and sets
    ``CUDA_VISIBLE_DEVICES``.
    """

    def _load_cmd_line(self) -> dict[str, Any]:
        return {}

    def _convert_config_dict(self, config_dict: dict[str, Any]) -> dict[str, Any]:
        return config_dict

    def _init_device(self) -> None:
        self.final_config_dict |= {"single_spec": True, "local_rank": 0, "device": device()}

    def _get_final_config_dict(self) -> dict[str, Any]:
        final: dict[str, Any] = super()._get_final_config_dict()
        if final["MODEL_TYPE"] == ModelType.SEQUENTIAL and final.get("loss_type") == "CE":
            final["train_neg_sample_args"] = None  # a full softmax has no sampled negatives
        if self.model == "Pop":
            final["train_neg_sample_args"] = None  # it would count the negatives
        return final

    def own_options(self) -> set[str]:
        """Names of the settings in the model's settings file."""
        path = PROPERTIES / "model" / f"{self.model}.yaml"
        return set(self._update_internal_config_dict(path) or ())


def check_model(name: str) -> None:
    """Check that the adapter can run a model.

    Raises:
        UsageError: RecBole has no such model (the nearest name is suggested), or the model is not supported.
    """
    package = find(model_packages(), name, "model of RecBole")
    if package not in SUPPORTED:
        kind = package.removesuffix("_recommender").replace("exlib", "decision-tree").replace("_", "-")
        raise UsageError(f"recbole:{name} is a {kind} model; only sequential and general models run here")
    if name in REFUSED:
        raise UsageError(f"recbole:{name} does not run here: {REFUSED[name]}")


def recbole_config(settings: RecBoleConfig, seed: int, folder: Path) -> IsolatedConfig:
    """RecBole's configuration of one fit.

    Args:
        settings: the user's settings.
        seed: of all random choices.
        folder: an existing folder, required by RecBole; nothing is written to it.

    Raises:
        UsageError: a model or option does not exist in RecBole or is not supported.
    """
    check_model(settings.model)
    options = settings.options
    ours = {
        "epochs": settings.epochs,
        "learning_rate": settings.learning_rate,
        "train_batch_size": settings.batch_size,
        "MAX_ITEM_LIST_LENGTH": settings.max_length,
        "seed": seed,
        "checkpoint_dir": str(folder),
        "data_path": str(folder),
    }
    try:
        config = IsolatedConfig(settings.model, DATASET, config_dict=options | ours)
    except (ValueError, NotImplementedError) as error:
        raise UsageError(f"recbole:{settings.model}: {error}") from None
    _check_options(options, config)
    construct_transform(config)  # called for its side effect: defines the field names that BERT4Rec and SHAN read
    return config


def _check_options(options: Mapping[str, Any], config: IsolatedConfig) -> None:
    known = {*config.own_options(), *TRAINING_OPTIONS}
    for name in options:
        if name in FIELDS:
            raise UsageError(f"recbole:{config.model}: set {FIELDS[name]!r} instead of the option {name!r}")
        if name in PICKLED_OPTIONS:
            raise UsageError(f"recbole:{config.model}: option {name!r} reads a pickled checkpoint; it is not allowed")
        if name not in known:
            raise UsageError(f"recbole:{config.model} has no option {name!r}{did_you_mean(name, known)}")
