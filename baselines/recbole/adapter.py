"""RecBole's models as rankers (Zhao et al., CIKM 2021; RecBole 1.2.1)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from baselines.learning.interactions import TASK, Interactions, rows_of
from baselines.learning.model import WEIGHTS, count_parameters
from baselines.learning.training import Outcome, Snapshot, best_weights, train
from baselines.recbole.compat import Config, Interaction, ModelType, get_trainer, init_seed, quietly
from baselines.recbole.config import RecBoleConfig, check_model, recbole_config
from baselines.recbole.dataset import Feature, feature_names, item_feature, training_dataset, training_loader
from baselines.recbole.training import RecBoleTrainer, model_state, restore_model, stored_numbers
from unimp_bench.contracts import FitData, Parameters, Ranker, Training
from unimp_bench.corpus import Items
from unimp_bench.errors import UsageError
from unimp_bench.kinds.early_stopping import read_training, write_training
from unimp_bench.records import Examples, FloatArray, IntArray, Protocol

BLOCK = 1024
"""Examples per batch when scoring."""

PAIRS = 65_536
"""Pairs of example and item per batch, for models that score pair by pair."""

_TRAINING = "training"


@dataclass(frozen=True)
class BuiltModel:
    """A RecBole model with its configuration and data."""

    config: Config
    interactions: Interactions
    dataset: Any
    model: Any
    seed: int

    @property
    def is_trained(self) -> bool:
        """Whether gradient steps train it; the others (EASE, ItemKNN, Pop) have a weight that nothing reads."""
        return bool(self.config["MODEL_TYPE"] != ModelType.TRADITIONAL)

    def score(self, examples: Examples) -> torch.Tensor:
        """Scores of all ids, including padding, (examples, I + 1).

        Raises:
            UsageError: a model with user embeddings scores a user outside the training part; an item is not in the
                training catalogue; a sequential model scores an example without a history.
        """
        interaction = self._interaction(examples).to(self.config["device"])
        try:
            try:
                scores: torch.Tensor = self.model.full_sort_predict(interaction)
            except NotImplementedError:
                scores = self._pair_by_pair(interaction)
        except KeyError as error:
            if error.args != (self.config["USER_ID_FIELD"],):
                raise
            raise self._unknown_user() from None
        scores = scores.reshape(len(interaction), -1)
        assert scores.shape[1] > len(self.interactions.items)
        return scores

    def ids(self, items: IntArray, source: str) -> IntArray:
        """RecBole's ids of corpus items, int64, same shape.

        Raises:
            UsageError: an item of this source was not in the training catalogue.
        """
        rows, known = rows_of(self.interactions.items, items)
        if not known.all():
            item, model = int(items[~known][0]), self.config["model"]
            raise UsageError(f"recbole:{model} cannot score new items: item {item} of a {source} was not trained with")
        return rows + 1

    def _interaction(self, examples: Examples) -> Any:
        """The examples as RecBole's input."""
        fields = {}
        users, known = rows_of(self.interactions.users, examples.users)
        if known.all():  # without the field, a model that requires it cannot score these users
            fields[self.config["USER_ID_FIELD"]] = torch.from_numpy(users + 1)
        if self.config["MODEL_TYPE"] == ModelType.SEQUENTIAL:
            fields |= self._sequences(examples)
        elif not known.all():
            raise self._unknown_user()
        return Interaction(fields)

    def _sequences(self, examples: Examples) -> dict[str, torch.Tensor]:
        """The last items of each history, (n, max_length) ids, oldest first, right-padded; their number, (n,)."""
        config = self.config
        longest = config["MAX_ITEM_LIST_LENGTH"]
        right = examples.last_items(longest)
        known = right >= 0
        lengths = known.sum(axis=1)
        if not lengths.all():
            raise UsageError(f"recbole:{config['model']} reads histories, and an example has none")
        right[known] = self.ids(right[known], "history")
        right[~known] = 0
        turned = (np.arange(longest) - lengths[:, None]) % longest
        left = torch.from_numpy(np.take_along_axis(right, turned, axis=1))
        name = config["ITEM_ID_FIELD"] + config["LIST_SUFFIX"]
        fields = {name: left, config["ITEM_LIST_LENGTH_FIELD"]: torch.from_numpy(lengths)}
        # DIEN requires sampled negatives even for scoring, where it ignores them.
        fields[config["NEG_PREFIX"] + name] = left
        if config["INVERSE_ITEM_SEQ"]:  # SHAN
            fields[config["INVERSE_ITEM_SEQ"]] = torch.from_numpy(right)
        return fields

    def _pair_by_pair(self, interaction: Any) -> torch.Tensor:
        """Scores from models that score one (user, item) pair at a time."""
        ids = len(self.interactions.items) + 1
        every_item = torch.arange(ids, device=self.config["device"])
        step = max(1, PAIRS // ids)
        parts = []
        for start in range(0, len(interaction), step):
            rows = interaction[start : start + step]
            pairs = rows.repeat_interleave(ids)
            pairs.update(Interaction({self.config["ITEM_ID_FIELD"]: every_item.repeat(len(rows))}))
            parts.append(self.model.predict(pairs).reshape(len(rows), ids))
        return torch.cat(parts)

    def _unknown_user(self) -> UsageError:
        model = self.config["model"]
        return UsageError(f"recbole:{model} knows only the users of its training part; it cannot score new users")


class RecBole(Ranker[RecBoleConfig]):
    """Any sequential or general model of RecBole, named by ``RecBoleConfig.model``.

    Trained on the training part of this benchmark, with the epoch chosen by its validation. A sequential model reads
    the history of the example; a general model represents a user by its training interactions only. RecBole's ``Pop``
    counts the batches that contain an item, including as sampled negative; here it counts interactions, as documented.
    """

    Config = RecBoleConfig

    def __init__(self, config: RecBoleConfig) -> None:
        super().__init__(config)
        check_model(config.model)
        self._built: BuiltModel | None = None
        self._outcome: Outcome | None = None
        self._remarks: tuple[str, ...] = ()
        self._trained: Training | None = None

    @property
    def built(self) -> BuiltModel:
        """The model with its current weights."""
        assert self._built is not None, "fit or load comes first"
        return self._built

    def fit(self, data: FitData) -> None:
        interactions = Interactions.of(data.examples[TASK].train, data.catalogue)
        built = self._built = self._build(interactions, data.items, data.seed, data.work)
        config, model = built.config, built.model
        with quietly():
            loader = training_loader(config, built.dataset)
            trainer = get_trainer(config["MODEL_TYPE"], config["model"])(config, model)
        if config["train_neg_sample_args"]["dynamic"]:
            loader.get_model(model)
        self._outcome = train(
            RecBoleTrainer(trainer, loader, self.config.patience, f"recbole:{self.config.model}"),
            data.work / _TRAINING,
            validate=lambda: data.validate(self, TASK),
            metric=data.metric(TASK),
        )
        self.select(next(iter(self._outcome.stopping.best)), data)

    def select(self, protocol: Protocol, data: FitData) -> None:
        assert self._outcome is not None, "fit comes first"
        restore_model(self.built.model, best_weights(data.work / _TRAINING, protocol))
        if self.built.is_trained:
            remark = self._outcome.remark(protocol)
            self._remarks, self._trained = (remark,) if remark else (), self._outcome.training(protocol)

    def score(self, examples: Examples, catalogue: IntArray) -> FloatArray:
        columns = self.built.ids(catalogue, "catalogue")
        self.built.model.eval()
        with torch.no_grad():
            blocks = [self.built.score(block)[:, columns].cpu().numpy() for block in examples.blocks(BLOCK)]
        return np.concatenate(blocks) if blocks else np.zeros((0, len(catalogue)), dtype=np.float32)

    def save(self, folder: Path) -> None:
        self.built.interactions.write(folder)
        model_state(self.built.model, seed=self.built.seed, course=self._remarks).write(folder / WEIGHTS)
        write_training(self._trained, folder)

    def load(self, folder: Path, items: Items, cache: Path) -> None:
        weights = Snapshot.read(folder / WEIGHTS)
        self._built = self._build(Interactions.read(folder), items, weights.notes["seed"], folder)
        restore_model(self.built.model, weights)
        self._remarks, self._trained = tuple(weights.notes["course"]), read_training(folder)

    def remarks(self) -> tuple[str, ...]:
        return self._remarks

    def parameters(self) -> Parameters:
        """Of a model without gradient steps, the numbers that it stores."""
        built = self.built
        return count_parameters(built.model) if built.is_trained else Parameters(total=stored_numbers(built.model))

    def training(self) -> Training | None:
        return self._trained

    def _build(self, interactions: Interactions, items: Items, seed: int, folder: Path) -> BuiltModel:
        config = recbole_config(self.config, seed, folder)
        features: tuple[Feature, ...] = ()
        if config["selected_features"]:
            options: dict[str, Any] = self.config.options
            names = feature_names(items, options.get("selected_features"))
            features = tuple(item_feature(items, interactions.items, name) for name in names)
            config["selected_features"] = list(names)
        init_seed(seed, reproducibility=True)
        with quietly():
            dataset = training_dataset(config, interactions, features)
            try:
                model = config.model_class(config, dataset).to(config["device"])
            except (ValueError, NotImplementedError, AssertionError) as error:
                raise UsageError(f"recbole:{self.config.model}: {error}") from error
        return BuiltModel(config, interactions, dataset, model, seed)
