"""RecBole's models as rankers (Zhao et al., CIKM 2021; RecBole 1.2.1)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baselines.learning.training import Outcome, Snapshot
from baselines.recbole.compat import Config, get_trainer, init_seed, quietly
from baselines.recbole.config import RecBoleConfig
from baselines.recbole.dataset import TrainingPart, training_dataset, training_loader
from baselines.recbole.features import Feature, feature_names, item_feature
from baselines.recbole.scoring import score
from baselines.recbole.settings import check_model, recbole_config
from baselines.recbole.state import model_state, restore_model
from baselines.recbole.training import restore_best, train
from unimp_bench.contracts import FitData, Parameters, Ranker
from unimp_bench.corpus import Items
from unimp_bench.errors import UsageError
from unimp_bench.records import Examples, FloatArray, IntArray, Protocol

TASK = "recommendation"
WEIGHTS, INTERACTIONS = "model.safetensors", "interactions.safetensors"


@dataclass(frozen=True)
class _Built:
    """A RecBole model with what it was built on."""

    config: Config
    part: TrainingPart
    dataset: Any
    model: Any
    seed: int


class RecBole(Ranker[RecBoleConfig]):
    """Any sequential or general model of RecBole, named by ``RecBoleConfig.model``.

    Trained on our training part, its epoch chosen by our validation; scores any history. RecBole's ``Pop`` counts the
    batches that an item is in, sampled negatives included; here it counts interactions, as its documentation says.
    """

    Config = RecBoleConfig

    def __init__(self, config: RecBoleConfig) -> None:
        super().__init__(config)
        check_model(config.model)
        self._built: _Built | None = None
        self._outcome: Outcome | None = None
        self._course: tuple[str, ...] = ()

    def fit(self, data: FitData) -> None:
        part = TrainingPart.of(data.examples[TASK].train, data.catalogue)
        built = self._built = self._build(part, data.items, data.seed, data.work)
        config, model = built.config, built.model
        with quietly():
            loader = training_loader(config, built.dataset)
            trainer = get_trainer(config["MODEL_TYPE"], config["model"])(config, model)
        if config["train_neg_sample_args"]["dynamic"]:
            loader.get_model(model)
        self._outcome = train(
            trainer,
            loader,
            patience=self.config.patience,
            validate=lambda: data.validate(self, TASK),
            folder=data.work,
            label=f"recbole:{self.config.model}",
            metric=data.metric(TASK),
        )
        self.select(next(iter(self._outcome.stopping.best)), data)

    def select(self, protocol: Protocol, data: FitData) -> None:
        assert self._outcome is not None, "fit comes first"
        restore_best(self._fitted().model, data.work, protocol)
        remark = self._outcome.remark(protocol)
        self._course = (remark,) if remark else ()

    def score(self, examples: Examples, catalogue: IntArray) -> FloatArray:
        built = self._fitted()
        return score(built.model, built.config, built.part, examples, catalogue)

    def save(self, folder: Path) -> None:
        built = self._fitted()
        built.part.write(folder / INTERACTIONS)
        model_state(built.model, seed=built.seed, course=self._course).write(folder / WEIGHTS)

    def load(self, folder: Path, items: Items, cache: Path) -> None:
        weights = Snapshot.read(folder / WEIGHTS)
        part = TrainingPart.read(folder / INTERACTIONS)
        self._built = self._build(part, items, weights.notes["seed"], folder)
        restore_model(self._built.model, weights)
        self._course = tuple(weights.notes["course"])

    def remarks(self) -> tuple[str, ...]:
        return self._course

    def parameters(self) -> Parameters:
        weights = list(self._fitted().model.parameters())
        trained = sum(weight.numel() for weight in weights if weight.requires_grad)
        return Parameters(trained, sum(weight.numel() for weight in weights))

    def _build(self, part: TrainingPart, items: Items, seed: int, folder: Path) -> _Built:
        config = recbole_config(self.config, seed, folder)
        features: tuple[Feature, ...] = ()
        if config["selected_features"]:
            options: dict[str, Any] = self.config.options
            names = feature_names(items, options.get("selected_features"))
            features = tuple(item_feature(items, part.catalogue, name) for name in names)
            config["selected_features"] = list(names)
        init_seed(seed, reproducibility=True)
        with quietly():
            dataset = training_dataset(config, part, features)
            try:
                model = config.model_class(config, dataset).to(config["device"])
            except (ValueError, NotImplementedError, AssertionError) as error:
                raise UsageError(f"recbole:{self.config.model}: {error}") from error
        return _Built(config, part, dataset, model, seed)

    def _fitted(self) -> _Built:
        assert self._built is not None, "fit or load comes first"
        return self._built
