"""The model that the harness sees, for every network: fit, save, load, score."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, TypeVar

import numpy as np
import torch

from baselines.learning.interactions import FILE, TASK, Interactions
from baselines.learning.network import Network
from baselines.learning.settings import TrainingSettings
from baselines.learning.snapshot import Snapshot
from baselines.learning.training import Outcome, train
from unimp_bench.contracts import FitData, Parameters, Ranker
from unimp_bench.corpus import Items
from unimp_bench.records import Examples, FloatArray, IntArray
from unimp_bench.torch_setup import seed_everything

WEIGHTS = "model.safetensors"

SettingsT = TypeVar("SettingsT", bound=TrainingSettings)


class LearnedRanker(Ranker[SettingsT]):
    """Trains the network that ``build`` makes, chooses its epoch by validation, and scores with it.

    A system with stages of its own writes ``learn``.

    Attributes:
        name: of the system, for progress bars and errors.
    """

    name: ClassVar[str]

    def __init__(self, config: SettingsT) -> None:
        super().__init__(config)
        self._network: Network | None = None
        self._interactions: Interactions | None = None
        self._ready = False
        self._course: tuple[str, ...] = ()

    @abstractmethod
    def build(self, interactions: Interactions, items: Items, cache: Path) -> Network:
        """The network at its first weights; torch's generator is seeded.

        Args:
            interactions: the training part.
            items: the whole catalogue of the corpus, for attributes and pictures.
            cache: folder of what depends on the corpus alone.
        """

    def learn(self, network: Network, data: FitData, validate: Callable[[], float]) -> Outcome:
        """Train the network; ``validate`` is the quality of its present weights."""
        folder = data.work / "training"
        return train(network, self.config, seed=data.seed, validate=validate, folder=folder, label=self.name)

    def fit(self, data: FitData) -> None:
        interactions = Interactions.of(data.examples[TASK].train, data.catalogue)
        seed_everything(data.seed)
        network = self._become(interactions, data.items, data.cache)

        def validate() -> float:
            self._ready = False
            return data.validate(self, TASK)

        outcome = self.learn(network, data, validate)
        self._ready = False
        if outcome.limited:
            self._course = (f"cut at {outcome.epochs} epochs, the best one {outcome.best_epoch}: more may be better",)

    def score(self, examples: Examples, catalogue: IntArray) -> FloatArray:
        network = self._prepared()
        with torch.no_grad():
            scores = network.score(examples).cpu().numpy()
        assert self._interactions is not None
        if np.array_equal(catalogue, self._interactions.items):
            return scores
        return scores[:, self._interactions.item_rows(catalogue)]

    def save(self, folder: Path) -> None:
        network = self._fitted()
        assert self._interactions is not None
        self._interactions.write(folder / FILE)
        Snapshot(network.state_dict(), {"course": self._course}).write(folder / WEIGHTS)

    def load(self, folder: Path, items: Items, cache: Path) -> None:
        weights = Snapshot.read(folder / WEIGHTS)
        network = self._become(Interactions.read(folder / FILE), items, cache)
        network.load_state_dict(weights.tensors)
        self._course = tuple(weights.notes["course"])

    def parameters(self) -> Parameters:
        weights = list(self._fitted().parameters())
        trained = sum(weight.numel() for weight in weights if weight.requires_grad)
        return Parameters(trained, sum(weight.numel() for weight in weights))

    def remarks(self) -> tuple[str, ...]:
        return (*self._fitted().remarks, *self._course)

    def _become(self, interactions: Interactions, items: Items, cache: Path) -> Network:
        network = self.build(interactions, items, cache)
        network.to("cuda" if torch.cuda.is_available() else "cpu")
        self._network, self._interactions, self._ready = network, interactions, False
        return network

    def _prepared(self) -> Network:
        """The network, ready to score."""
        network = self._fitted()
        if not self._ready:
            network.eval()
            with torch.no_grad():
                network.prepare()
            self._ready = True
        return network

    def _fitted(self) -> Network:
        assert self._network is not None, "fit or load comes first"
        return self._network
