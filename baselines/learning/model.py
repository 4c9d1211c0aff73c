"""The model that the harness sees, for every network: fit, save, load. What it predicts, its kind adds."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar
from typing import Protocol as Interface

import torch

from baselines.learning.interactions import TASK, Interactions
from baselines.learning.network import Network, Trainable, TrainingSettings
from baselines.learning.training import NetworkTrainer, Outcome, Snapshot, best_weights, train
from unimp_bench.contracts import FitData, Model, Parameters, Ranker
from unimp_bench.corpus import Items
from unimp_bench.kinds.early_stopping import Scores
from unimp_bench.machine import device
from unimp_bench.records import Examples, FloatArray, IntArray, Protocol
from unimp_bench.torch_setup import seed_everything

WEIGHTS = "model.safetensors"

_TRAINING = "training"


class Facts(Interface):
    """What a fit counts and does not learn: rows of users and items, vocabularies."""

    def write(self, folder: Path) -> None:
        """Write it to files of its own in the folder of a saved model."""

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read what ``write`` wrote.

        Raises:
            DataError: a file is missing or damaged.
        """


SettingsT = TypeVar("SettingsT", bound=TrainingSettings)
FactsT = TypeVar("FactsT", bound=Facts)
NetworkT = TypeVar("NetworkT", bound=Trainable)


class LearnedModel(Model[SettingsT], Generic[SettingsT, FactsT, NetworkT]):
    """Trains the network that ``build`` makes and chooses its epoch by validation.

    A system with stages of its own, or whose network needs more to learn from than ``facts``, overrides ``learn``.

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
        """Train the network; ``validate`` is the quality of its current weights."""
        trainer = NetworkTrainer(network, self.config, data.seed, self.name)
        return train(trainer, data.work / _TRAINING, validate=validate, metric=self.metric(data))

    def validated_by(self, data: FitData) -> str:
        """The task of the fit by which the epoch is chosen."""
        return TASK

    def metric(self, data: FitData) -> str:
        """What ``quality`` measures, in words."""
        return data.metric(self.validated_by(data))

    def settle(self, protocol: Protocol, data: FitData, best: float) -> None:
        """Choose on validation what is chosen after the weights; ``best`` is their score under the protocol."""

    def quality(self, data: FitData) -> Scores:
        """Quality of the current weights on the validation part under each protocol, higher is better."""
        return data.validate(self, self.validated_by(data))

    def fit(self, data: FitData) -> None:
        facts = self.gather(data)
        seed_everything(data.seed)
        network = self.set_up(facts, data.items, data.cache)

        def validate() -> Scores:
            self._ready = False
            return self.quality(data)

        self._selected, self._outcome = None, self.learn(network, data, validate)
        self.select(next(iter(self._outcome.stopping.best)), data)

    def select(self, protocol: Protocol, data: FitData) -> None:
        assert self._outcome is not None, "fit comes first"
        if protocol == self._selected:
            return
        self.network.load_state_dict(best_weights(data.work / _TRAINING, protocol).tensors)
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
        self.set_up(facts, items, cache).load_state_dict(weights.tensors)
        self._course = tuple(weights.notes["course"])

    def parameters(self) -> Parameters:
        return count_parameters(self.network)

    def remarks(self) -> tuple[str, ...]:
        return (*self.network.remarks, *self._course)

    @property
    def network(self) -> NetworkT:
        """With its current weights."""
        assert self._network is not None, "fit or load comes first"
        return self._network

    @property
    def facts(self) -> FactsT:
        """Of the fit."""
        assert self._facts is not None, "fit or load comes first"
        return self._facts

    def prepared(self) -> NetworkT:
        """The network in eval mode, ready to predict."""
        network = self.network
        if not self._ready:
            network.eval()
            with torch.no_grad():
                network.prepare()
            self._ready = True
        return network

    def set_up(self, facts: FactsT, items: Items, cache: Path) -> NetworkT:
        """Become an untrained model of these facts; returns its network, on the device."""
        network = self.build(facts, items, cache)
        network.to(device())
        self._network, self._facts, self._ready = network, facts, False
        return network


class LearnedRanker(LearnedModel[SettingsT, Interactions, Network], Ranker[SettingsT]):
    """Scores the whole catalogue of the fit with a network.

    Attributes:
        network_class: of the network, made of interactions and configuration; a network that reads more overrides
            ``build``.
    """

    Facts: ClassVar[type[Interactions]] = Interactions
    network_class: ClassVar[type[Any]]

    def gather(self, data: FitData) -> Interactions:
        return Interactions.of(data.examples[self.validated_by(data)].train, data.catalogue)

    def build(self, facts: Interactions, items: Items, cache: Path) -> Network:
        network: Network = self.network_class(facts, self.config)
        return network

    def score(self, examples: Examples, catalogue: IntArray) -> FloatArray:
        network = self.prepared()
        with torch.no_grad():
            scores = network.score(examples).cpu().numpy()
        return self.facts.columns(scores, catalogue)


def count_parameters(module: torch.nn.Module) -> Parameters:
    """Numbers of trained and of all parameters."""
    weights = list(module.parameters())
    return Parameters(
        trained=sum(weight.numel() for weight in weights if weight.requires_grad),
        total=sum(weight.numel() for weight in weights),
    )
