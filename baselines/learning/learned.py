"""The model that the harness sees, for every network: fit, save, load. What it answers, the kinds below it say."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Generic, Protocol, Self, TypeVar

import torch

from baselines.learning.interactions import TASK
from baselines.learning.network import Trainable
from baselines.learning.settings import TrainingSettings
from baselines.learning.snapshot import Snapshot
from baselines.learning.training import Outcome, train
from unimp_bench.contracts import FitData, Model, Parameters
from unimp_bench.corpus import Items
from unimp_bench.torch_setup import seed_everything

WEIGHTS = "model.safetensors"


class Facts(Protocol):
    """What is counted in the training part and not learned: who and what has a row, which words there are."""

    def write(self, folder: Path) -> None:
        """Keep them in the folder of a saved model, in files of their own."""

    @classmethod
    def read(cls, folder: Path) -> Self:
        """What ``write`` wrote.

        Raises:
            DataError: a file is missing or damaged.
        """


SettingsT = TypeVar("SettingsT", bound=TrainingSettings)
FactsT = TypeVar("FactsT", bound=Facts)
NetworkT = TypeVar("NetworkT", bound=Trainable)


class LearnedModel(Model[SettingsT], Generic[SettingsT, FactsT, NetworkT]):
    """Trains the network that ``build`` makes and chooses its epoch by validation.

    A system with stages of its own, or whose network needs more to learn from than ``facts``, writes ``learn``.

    Attributes:
        Facts: the type of ``facts``.
        name: of the system, for progress bars and errors.
    """

    Facts: ClassVar[type[Facts]]
    name: ClassVar[str]

    def __init__(self, config: SettingsT) -> None:
        super().__init__(config)
        self._network: NetworkT | None = None
        self._facts: FactsT | None = None
        self._ready = False
        self._course: tuple[str, ...] = ()

    @abstractmethod
    def gather(self, data: FitData) -> FactsT:
        """The facts of a fit."""

    @abstractmethod
    def build(self, facts: FactsT, items: Items, cache: Path) -> NetworkT:
        """The network at its first weights; torch's generator is seeded.

        Args:
            facts: what ``gather`` gave, perhaps in another process.
            items: the whole catalogue of the corpus, for attributes and pictures.
            cache: folder of what depends on the corpus alone.
        """

    def learn(self, network: NetworkT, data: FitData, validate: Callable[[], float]) -> Outcome:
        """Train the network; ``validate`` is the quality of its present weights."""
        folder = data.work / "training"
        return train(network, self.config, seed=data.seed, validate=validate, folder=folder, label=self.name)

    def validated_by(self, data: FitData) -> str:
        """The task of the fit by which the epoch is chosen."""
        return TASK

    def quality(self, data: FitData) -> float:
        """How good the present weights are on the validation part, higher is better."""
        return data.validate(self, self.validated_by(data))

    def fit(self, data: FitData) -> None:
        facts = self.gather(data)
        seed_everything(data.seed)
        network = self._become(facts, data.items, data.cache)

        def validate() -> float:
            self._ready = False
            return self.quality(data)

        outcome = self.learn(network, data, validate)
        self._ready = False
        if outcome.limited:
            self._course = (f"cut at {outcome.epochs} epochs, the best one {outcome.best_epoch}: more may be better",)

    def save(self, folder: Path) -> None:
        self.facts.write(folder)
        Snapshot(self.network.state_dict(), {"course": self._course}).write(folder / WEIGHTS)

    def load(self, folder: Path, items: Items, cache: Path) -> None:
        weights = Snapshot.read(folder / WEIGHTS)
        facts: FactsT = self.Facts.read(folder)  # type: ignore[assignment]
        network = self._become(facts, items, cache)
        network.load_state_dict(weights.tensors)
        self._course = tuple(weights.notes["course"])

    def parameters(self) -> Parameters:
        weights = list(self.network.parameters())
        trained = sum(weight.numel() for weight in weights if weight.requires_grad)
        return Parameters(trained, sum(weight.numel() for weight in weights))

    def remarks(self) -> tuple[str, ...]:
        return (*self.network.remarks, *self._course)

    @property
    def network(self) -> NetworkT:
        """With its present weights."""
        assert self._network is not None, "fit or load comes first"
        return self._network

    @property
    def facts(self) -> FactsT:
        """Of the fit."""
        assert self._facts is not None, "fit or load comes first"
        return self._facts

    def prepared(self) -> NetworkT:
        """The network in eval mode, ready to answer."""
        network = self.network
        if not self._ready:
            network.eval()
            with torch.no_grad():
                network.prepare()
            self._ready = True
        return network

    def _become(self, facts: FactsT, items: Items, cache: Path) -> NetworkT:
        network = self.build(facts, items, cache)
        network.to("cuda" if torch.cuda.is_available() else "cpu")
        self._network, self._facts, self._ready = network, facts, False
        return network
