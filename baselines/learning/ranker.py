"""Networks that recommend: a training part of users and items, and scores of the fit's whole catalogue."""

from __future__ import annotations

from typing import ClassVar, TypeVar

import numpy as np
import torch

from baselines.learning.interactions import Interactions
from baselines.learning.learned import LearnedModel
from baselines.learning.network import Network
from baselines.learning.settings import TrainingSettings
from unimp_bench.contracts import FitData, Ranker
from unimp_bench.records import Examples, FloatArray, IntArray

SettingsT = TypeVar("SettingsT", bound=TrainingSettings)


class LearnedRanker(LearnedModel[SettingsT, Interactions, Network], Ranker[SettingsT]):
    """Scores with the network that ``build`` makes."""

    Facts: ClassVar[type[Interactions]] = Interactions

    def gather(self, data: FitData) -> Interactions:
        return Interactions.of(data.examples[self.validated_by(data)].train, data.catalogue)

    def score(self, examples: Examples, catalogue: IntArray) -> FloatArray:
        network = self.prepared()
        with torch.no_grad():
            scores = network.score(examples).cpu().numpy()
        if np.array_equal(catalogue, self.facts.items):
            return scores
        return scores[:, self.facts.item_rows(catalogue)]
