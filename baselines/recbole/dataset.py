"""The training part as a RecBole dataset: in memory, with a fixed numbering, without held-out interactions.

The RecBole id of a user or item is its row in ``Interactions`` plus 1; id 0 is RecBole's padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from baselines.learning.interactions import Interactions
from baselines.recbole.compat import (
    Config,
    FeatureSource,
    FeatureType,
    ModelType,
    RepeatableSampler,
    Sampler,
    datasets,
    get_dataloader,
)
from unimp_bench.corpus import Items
from unimp_bench.errors import UsageError, find
from unimp_bench.ragged import Ragged
from unimp_bench.records import IntArray

PADDING = "[PAD]"
DEFAULT = ("category", "brand")


@dataclass(frozen=True)
class Feature:
    """One attribute of the catalogue's items as token ids; id 0 is padding.

    Attributes:
        name: the attribute.
        tokens: the token of each id, from 1 on.
        ids: int64 ids per item, empty for an item without a value.
        many: whether an item may have several tokens.
    """

    name: str
    tokens: list[str]
    ids: Ragged
    many: bool


def feature_names(items: Items, chosen: Sequence[str] | None) -> tuple[str, ...]:
    """The attributes that a model reads: the configured ones, else category and brand if the corpus has them.

    Raises:
        UsageError: a configured attribute does not exist, or the corpus has neither category nor brand.
    """
    if chosen is not None:
        known = dict.fromkeys(items.attributes)
        for name in chosen:
            find(known, name, "item attribute")
        return tuple(chosen)
    names = tuple(name for name in DEFAULT if name in items.attributes)
    if not names:
        raise UsageError("this model reads item attributes, and the corpus has neither category nor brand")
    return names


def item_feature(items: Items, catalogue: IntArray, name: str) -> Feature:
    """One attribute of the items of ``catalogue`` (corpus numbers), in the same order."""
    column = items.column(name).take(pa.array(catalogue))
    many = pa.types.is_list(column.type)
    values = [_texts(value) for value in column.to_pylist()]
    tokens, ids = np.unique(np.array([text for texts in values for text in texts], dtype=str), return_inverse=True)
    rows = Ragged.of_lengths([len(texts) for texts in values], ids.astype(np.int64) + 1)
    return Feature(name, tokens.tolist(), rows, many)


def _texts(value: object) -> list[str]:
    if value is None:
        return []
    return [str(part) for part in value] if isinstance(value, list) else [str(value)]


def training_dataset(config: Config, interactions: Interactions, features: tuple[Feature, ...] = ()) -> Any:
    """RecBole's dataset class for the model, filled with the training part.

    For a sequential model each training interaction except a user's first is a sample: the items before it (at most
    ``MAX_ITEM_LIST_LENGTH``), with the interaction as target. RecBole creates the same training samples from complete
    sequences under leave-one-out.
    """
    general = "SequentialDataset" if config["MODEL_TYPE"] == ModelType.SEQUENTIAL else "Dataset"
    base = getattr(datasets, f"{config['model']}Dataset", getattr(datasets, general))
    dataset = type(f"InMemory{base.__name__}", (_InMemory, base), {})(config, interactions, features)
    dataset._change_feat_format()
    return dataset


def training_loader(config: Config, dataset: Any) -> Any:
    """Batches of training samples, with negatives if the model requires them."""
    distribution, alpha = (config["train_neg_sample_args"][key] for key in ("distribution", "alpha"))
    sampler = None
    if distribution != "none":
        sampler = (
            RepeatableSampler(["train"], dataset, distribution, alpha)
            if config["repeatable"]
            else Sampler(["train"], [dataset], distribution, alpha)
        ).set_phase("train")
    return get_dataloader(config, "train")(config, dataset, sampler, shuffle=True)


class _InMemory:
    """Mix-in for RecBole dataset classes: tables from memory, ids from ``Interactions``."""

    def __init__(self, config: Config, interactions: Interactions, features: tuple[Feature, ...]) -> None:
        self._interactions, self._features = interactions, features
        super().__init__(config)  # type: ignore[call-arg]

    def _load_data(self: Any, token: str, dataset_path: str) -> None:
        sequences = self._interactions.sequences
        columns = {
            self.uid_field: self._interactions.owners + 1,
            self.iid_field: sequences.values + 1,  # noqa: PD011
            self.time_field: sequences.positions().astype(np.float64),
        }
        self.inter_feat = pd.DataFrame(columns)
        self.set_field_property(self.uid_field, FeatureType.TOKEN, FeatureSource.USER_ID, 1)
        self.set_field_property(self.iid_field, FeatureType.TOKEN, FeatureSource.ITEM_ID, 1)
        self.set_field_property(self.time_field, FeatureType.FLOAT, FeatureSource.INTERACTION, 1)
        self.user_feat, self.item_feat = None, self._item_table() if self._features else None

    def _data_processing(self: Any) -> None:
        """Replaces RecBole's filtering and renumbering: nothing is missing, and ids are assigned."""
        self.feat_name_list = self._build_feat_name_list()
        self._name_ids(self.uid_field, self._interactions.users)
        self._name_ids(self.iid_field, self._interactions.items)
        for feature in self._features:
            self._name_ids(feature.name, feature.tokens)

    def _item_table(self: Any) -> pd.DataFrame:
        """Features by item id; row 0 is padding."""
        table: dict[str, Any] = {self.iid_field: np.arange(len(self._interactions.items) + 1)}
        for feature in self._features:
            kind = FeatureType.TOKEN_SEQ if feature.many else FeatureType.TOKEN
            length = int(feature.ids.lengths().max()) if feature.many else 1
            self.set_field_property(feature.name, kind, FeatureSource.ITEM, length)
            rows = [np.zeros(0, dtype=np.int64), *feature.ids.rows()]
            table[feature.name] = rows if feature.many else [int(row[0]) if len(row) else 0 for row in rows]
        return pd.DataFrame(table)

    def _name_ids(self: Any, name: str, tokens: Any) -> None:
        self.field2id_token[name] = np.array([PADDING, *(str(token) for token in tokens)])
        self.field2token_id[name] = {token: number for number, token in enumerate(self.field2id_token[name])}
