"""The adapter from networks to the harness: fit, save, load. Predictions are added by the kind of task."""

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
from unimp_bench.contracts import FitData, Model, Parameters, Ranker, Training
from unimp_bench.corpus import Items
from unimp_bench.kinds.early_stopping import Scores, read_training, write_training
from unimp_bench.machine import device
from unimp_bench.records import Examples, FloatArray, IntArray, Protocol
from unimp_bench.torch_setup import seed_everything

WEIGHTS = "model.safetensors"

TRAINING = "training"
"""Folder in the work folder of a fit with the best weights."""


class Artifacts(Interface):
    """What a fit derives from the data without training weights: rows of users and items, vocabularies."""

    def write(self, folder: Path) -> None:
        """Write to separate files in the folder of a saved model."""

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the files written by ``write``.

        Raises:
            DataError: a file is missing or damaged.
        """


SettingsT = TypeVar("SettingsT", bound=TrainingSettings)
ArtifactsT = TypeVar("ArtifactsT", bound=Artifacts)
NetworkT = TypeVar("NetworkT", bound=Trainable)


class LearnedModel(Model[SettingsT], Generic[SettingsT, ArtifactsT, NetworkT]):
    """Trains the network returned by ``build`` and selects the epoch on validation.

    A system with further training stages, or with training data beyond ``artifacts``, overrides ``learn``.

    Attributes:
        Artifacts: the type of ``artifacts``.
        name: of the system, in progress bars and errors.
    """

    Artifacts: ClassVar[type[Artifacts]]
    name: ClassVar[str]

    def __init__(self, config: SettingsT) -> None:
        super().__init__(config)
        self._network: NetworkT | None = None
        self._artifacts: ArtifactsT | None = None
        self._ready = False
        self._outcome: Outcome | None = None
        self._selected: Protocol | None = None
        self._course: tuple[str, ...] = ()
        self._trained: Training | None = None

    @abstractmethod
    def gather(self, data: FitData) -> ArtifactsT:
        """The artifacts of a fit."""

    @abstractmethod
    def build(self, artifacts: ArtifactsT, items: Items, cache: Path) -> NetworkT:
        """The network with its initial weights; called after torch is seeded.

        Args:
            artifacts: returned by ``gather``, or read from a saved model.
            items: all items of the corpus, for attributes and pictures.
            cache: folder for files that depend on the corpus alone.
        """

    def learn(self, network: NetworkT, data: FitData, validate: Callable[[], Scores]) -> Outcome:
        """Train the network; ``validate`` returns the quality of its current weights."""
        trainer = NetworkTrainer(network, self.config, data.seed, self.name)
        return train(trainer, data.work / TRAINING, validate=validate, metric=self.metric(data))

    def validated_by(self, data: FitData) -> str:
        """The task on whose validation part the epoch is selected."""
        return TASK

    def metric(self, data: FitData) -> str:
        """Name of the metric that ``quality`` returns, for progress bars."""
        return data.metric(self.validated_by(data))

    def settle(self, protocol: Protocol, data: FitData, best: float) -> None:
        """Choose further parameters on validation once the weights are selected, whose score is ``best``."""

    def quality(self, data: FitData) -> Scores:
        """Validation score of the current weights under each protocol, higher is better."""
        return data.validate(self, self.validated_by(data))

    def fit(self, data: FitData) -> None:
        artifacts = self.gather(data)
        seed_everything(data.seed)
        network = self.set_up(artifacts, data.items, data.cache)

        def validate() -> Scores:
            self._ready = False
            return self.quality(data)

        self._selected, self._outcome = None, self.learn(network, data, validate)
        self.select(next(iter(self._outcome.stopping.best)), data)

    def select(self, protocol: Protocol, data: FitData) -> None:
        assert self._outcome is not None, "fit comes first"
        if protocol == self._selected:
            return
        self.network.load_state_dict(best_weights(data.work / TRAINING, protocol).tensors)
        self._ready = False
        best = self._outcome.stopping.best[protocol].score
        assert best is not None
        self.settle(protocol, data, best)
        self._ready = False
        remark = self._outcome.remark(protocol)
        self._course, self._selected = (remark,) if remark else (), protocol
        self._trained = self._outcome.training(protocol)

    def save(self, folder: Path) -> None:
        self.artifacts.write(folder)
        Snapshot(self.network.state_dict(), {"course": self._course}).write(folder / WEIGHTS)
        write_training(self._trained, folder)

    def load(self, folder: Path, items: Items, cache: Path) -> None:
        weights = Snapshot.read(folder / WEIGHTS)
        artifacts: ArtifactsT = self.Artifacts.read(folder)  # type: ignore[assignment]
        self.set_up(artifacts, items, cache).load_state_dict(weights.tensors)
        self._course, self._trained = tuple(weights.notes["course"]), read_training(folder)

    def parameters(self) -> Parameters:
        return count_parameters(self.network)

    def training(self) -> Training | None:
        return self._trained

    def remarks(self) -> tuple[str, ...]:
        return (*self.network.remarks, *self._course)

    @property
    def network(self) -> NetworkT:
        """The network with its current weights."""
        assert self._network is not None, "fit or load comes first"
        return self._network

    @property
    def artifacts(self) -> ArtifactsT:
        """The artifacts of the fit."""
        assert self._artifacts is not None, "fit or load comes first"
        return self._artifacts

    def prepared(self) -> NetworkT:
        """The network in eval mode, ready to predict."""
        network = self.network
        if not self._ready:
            network.eval()
            with torch.no_grad():
                network.prepare()
            self._ready = True
        return network

    def set_up(self, artifacts: ArtifactsT, items: Items, cache: Path) -> NetworkT:
        """Reset to an untrained model with these artifacts; returns its network, on the device."""
        network = self.build(artifacts, items, cache)
        network.to(device())
        self._network, self._artifacts, self._ready = network, artifacts, False
        return network


class LearnedRanker(LearnedModel[SettingsT, Interactions, Network], Ranker[SettingsT]):
    """Scores the whole catalogue of the fit with a network.

    Attributes:
        network_class: called with interactions and configuration; a system whose network needs more overrides
            ``build``.
    """

    Artifacts: ClassVar[type[Interactions]] = Interactions
    network_class: ClassVar[type[Any]]

    def gather(self, data: FitData) -> Interactions:
        return Interactions.of(data.examples[self.validated_by(data)].train, data.catalogue)

    def build(self, artifacts: Interactions, items: Items, cache: Path) -> Network:
        network: Network = self.network_class(artifacts, self.config)
        return network

    def score(self, examples: Examples, catalogue: IntArray) -> FloatArray:
        network = self.prepared()
        with torch.no_grad():
            scores = network.score(examples).cpu().numpy()
        return self.artifacts.columns(scores, catalogue)


def count_parameters(module: torch.nn.Module) -> Parameters:
    """The number of trainable and of all parameters."""
    weights = list(module.parameters())
    return Parameters(
        trained=sum(weight.numel() for weight in weights if weight.requires_grad),
        total=sum(weight.numel() for weight in weights),
    )
