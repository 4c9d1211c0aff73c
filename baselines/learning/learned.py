"""The model that the harness sees, for every network: fit, save, load. What it answers, the kinds below it say."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Generic, Self, TypeVar
from typing import Protocol as Interface

import torch

from baselines.learning.interactions import TASK
from baselines.learning.network import Trainable
from baselines.learning.settings import TrainingSettings
from baselines.learning.snapshot import Snapshot
from baselines.learning.training import Outcome, restore_best, train
from unimp_bench.contracts import FitData, Model, Parameters
from unimp_bench.corpus import Items
from unimp_bench.kinds.early_stopping import Scores
from unimp_bench.machine import device
from unimp_bench.records import Protocol
from unimp_bench.torch_setup import seed_everything

WEIGHTS = "model.safetensors"

_TRAINING = "training"


class Facts(Interface):
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
        self._outcome: Outcome | None = None
        self._selected: Protocol | None = None
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

    def learn(self, network: NetworkT, data: FitData, validate: Callable[[], Scores]) -> Outcome:
        """Train the network; ``validate`` is the quality of its present weights."""
        return train(
            network,
            self.config,
            seed=data.seed,
            validate=validate,
            folder=data.work / _TRAINING,
            label=self.name,
            metric=self.metric(data),
        )

    def validated_by(self, data: FitData) -> str:
        """The task of the fit by which the epoch is chosen."""
        return TASK

    def metric(self, data: FitData) -> str:
        """What ``quality`` measures, in words."""
        return data.metric(self.validated_by(data))

    def settle(self, protocol: Protocol, data: FitData, best: float) -> None:
        """Choose on validation what is chosen once the weights are; ``best`` is their score under the protocol."""

    def quality(self, data: FitData) -> Scores:
        """How good the present weights are on the validation part under each protocol, higher is better."""
        return data.validate(self, self.validated_by(data))

    def fit(self, data: FitData) -> None:
        facts = self.gather(data)
        seed_everything(data.seed)
        network = self._become(facts, data.items, data.cache)

        def validate() -> Scores:
            self._ready = False
            return self.quality(data)

        self._selected, self._outcome = None, self.learn(network, data, validate)
        self.select(next(iter(self._outcome.stopping.best)), data)

    def select(self, protocol: Protocol, data: FitData) -> None:
        assert self._outcome is not None, "fit comes first"
        if protocol == self._selected:
            return
        restore_best(self.network, data.work / _TRAINING, protocol)
        self._ready = False
        best = self._outcome.stopping.best[protocol].score
        assert best is not None
        self.settle(protocol, data, best)
        self._ready = False
        remark = self._outcome.remark(protocol)
        self._course, self._selected = (remark,) if remark else (), protocol

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
        network.to(device())
        self._network, self._facts, self._ready = network, facts, False
        return network
