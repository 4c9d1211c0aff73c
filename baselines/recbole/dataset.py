"""Our training part as a RecBole dataset: in memory, numbered by us, the held-out interactions nowhere in it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors.numpy import load_file, save_file

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
from baselines.recbole.features import Feature
from unimp_bench.errors import DataError
from unimp_bench.records import Examples, IntArray

PADDING = "[PAD]"


@dataclass(frozen=True)
class Numbering:
    """RecBole's ids of corpus numbers: 1 for the lowest number, 2 for the next; 0 is RecBole's padding.

    Attributes:
        numbers: (n,) sorted, distinct corpus numbers.
    """

    numbers: IntArray

    def __len__(self) -> int:
        """Ids in use, padding included."""
        return len(self.numbers) + 1

    def ids(self, numbers: IntArray) -> IntArray:
        """The id of each corpus number, int64, same shape; 0 where it has none."""
        places = np.minimum(np.searchsorted(self.numbers, numbers), len(self.numbers) - 1)
        return np.where(self.numbers[places] == numbers, places + 1, 0).astype(np.int64)


@dataclass(frozen=True)
class TrainingPart:
    """The training interactions, each user's in time order, and the items that may be answers.

    Attributes:
        user_numbers, item_numbers: (rows,) corpus numbers, users ascending.
        catalogue: sorted corpus numbers of the items; all of them get an embedding, seen in training or not.
    """

    user_numbers: IntArray
    item_numbers: IntArray
    catalogue: IntArray

    @classmethod
    def of(cls, examples: Examples, catalogue: IntArray) -> TrainingPart:
        """From the training examples of a task."""
        histories = examples.histories
        users = np.repeat(np.arange(histories.users, dtype=np.int32), histories.lengths())
        return cls(users, np.ascontiguousarray(histories.items), catalogue.astype(np.int32))

    @classmethod
    def read(cls, path: Path) -> TrainingPart:
        """What ``write`` wrote."""
        return cls(**load_file(path))

    def write(self, path: Path) -> None:
        """To a safetensors file."""
        save_file({field.name: getattr(self, field.name) for field in fields(self)}, path)

    @cached_property
    def users(self) -> Numbering:
        """Ids of the users with training interactions."""
        return Numbering(np.unique(self.user_numbers))

    @cached_property
    def items(self) -> Numbering:
        """Ids of the items."""
        return Numbering(self.catalogue)

    def table(self, config: Config) -> pd.DataFrame:
        """The rows as RecBole numbers them; the time is the position in the user's sequence.

        Raises:
            DataError: an interaction with an item outside the catalogue.
        """
        users, items = self.users.ids(self.user_numbers), self.items.ids(self.item_numbers)
        if not items.all():
            raise DataError("the training part holds items outside its catalogue; build the corpus again")
        starts = np.searchsorted(users, users)
        columns = {
            config["USER_ID_FIELD"]: users,
            config["ITEM_ID_FIELD"]: items,
            config["TIME_FIELD"]: (np.arange(len(users)) - starts).astype(np.float64),
        }
        return pd.DataFrame(columns)


def training_dataset(config: Config, part: TrainingPart, features: tuple[Feature, ...] = ()) -> Any:
    """The dataset class that RecBole has for the model, filled with our training part.

    For a sequential model each training interaction but a user's first is a sample: the items before it (at most
    ``MAX_ITEM_LIST_LENGTH``), and it as the target. These are RecBole's own training samples under leave-one-out of
    the whole sequences.
    """
    general = "SequentialDataset" if config["MODEL_TYPE"] == ModelType.SEQUENTIAL else "Dataset"
    base = getattr(datasets, f"{config['model']}Dataset", getattr(datasets, general))
    dataset = type(f"InMemory{base.__name__}", (_InMemory, base), {})(config, part, features)
    dataset._change_feat_format()
    return dataset


def training_loader(config: Config, dataset: Any) -> Any:
    """Batches of training samples, with negatives where the model wants them."""
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
    """Mixed into a RecBole dataset class: takes its tables from memory and its ids from our numbering."""

    def __init__(self, config: Config, part: TrainingPart, features: tuple[Feature, ...]) -> None:
        self._part, self._features = part, features
        super().__init__(config)  # type: ignore[call-arg]

    def _load_data(self: Any, token: str, dataset_path: str) -> None:
        self.inter_feat = self._part.table(self.config)
        self.set_field_property(self.uid_field, FeatureType.TOKEN, FeatureSource.USER_ID, 1)
        self.set_field_property(self.iid_field, FeatureType.TOKEN, FeatureSource.ITEM_ID, 1)
        self.set_field_property(self.time_field, FeatureType.FLOAT, FeatureSource.INTERACTION, 1)
        self.user_feat, self.item_feat = None, self._item_table() if self._features else None

    def _data_processing(self: Any) -> None:
        """Instead of RecBole's filters and numbering by first appearance: nothing is missing, all is numbered."""
        self.feat_name_list = self._build_feat_name_list()
        self._name_ids(self.uid_field, self._part.users.numbers)
        self._name_ids(self.iid_field, self._part.items.numbers)
        for feature in self._features:
            self._name_ids(feature.name, feature.tokens)

    def _item_table(self: Any) -> pd.DataFrame:
        """Features by item id, a row of padding first."""
        table: dict[str, Any] = {self.iid_field: np.arange(len(self._part.items))}
        for feature in self._features:
            kind = FeatureType.TOKEN_SEQ if feature.many else FeatureType.TOKEN
            length = max(map(len, feature.ids)) if feature.many else 1
            self.set_field_property(feature.name, kind, FeatureSource.ITEM, length)
            rows = [np.zeros(0, dtype=np.int64), *feature.ids]
            table[feature.name] = rows if feature.many else [int(row[0]) if len(row) else 0 for row in rows]
        return pd.DataFrame(table)

    def _name_ids(self: Any, name: str, tokens: Any) -> None:
        self.field2id_token[name] = np.array([PADDING, *(str(token) for token in tokens)])
        self.field2token_id[name] = {token: number for number, token in enumerate(self.field2id_token[name])}
