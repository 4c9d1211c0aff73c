"""UniSRec: items are what is written about them (Hou et al., KDD 2022).

Pre-training is ``baselines.sequential.unisrec_pretraining``, on the training part of the corpus itself, and
fine-tuning ``baselines.sequential.unisrec_finetuning``, with item embeddings (``UniSRec``) or without, so that items
that were in no training can be answers (``InductiveUniSRec``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from baselines.learning.interactions import Interactions
from baselines.learning.network import Network
from baselines.learning.training import Outcome
from baselines.selection.threshold import SelectingRanker
from baselines.sequential.pretraining import pretrain
from baselines.sequential.unisrec_finetuning import UniSRecConfig, UniSRecNetwork
from baselines.sequential.unisrec_pretraining import Pretraining
from unimp_bench.contracts import FitData
from unimp_bench.corpus import Items
from unimp_bench.corpus.features.text import NO_TEXT, item_texts, text_vectors
from unimp_bench.errors import UsageError
from unimp_bench.kinds.early_stopping import Scores
from unimp_bench.records import Examples, FloatArray, IntArray

OFFICIAL = UniSRecConfig(
    width=300,
    text="bert-base-uncased",
    batch_size=300,  # windows with about as many positions as the authors' 2048 prefixes
    epochs=300,
    pretraining_epochs=300,
    pretraining_batch_size=8192,
)


class UniSRec(SelectingRanker[UniSRecConfig]):
    """Transductive: text and item embeddings."""

    Config = UniSRecConfig
    name = "unisrec"
    presets: ClassVar[Mapping[str, Any]] = {"small": UniSRecConfig(), "official": OFFICIAL}
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "frozen": (True, False),
        "dropout": (0.2, 0.5),
        "width": (64, 128),
        "pretraining_epochs": (0, 50, 150),
    }
    with_ids: ClassVar[bool] = True

    def build(self, interactions: Interactions, items: Items, cache: Path) -> UniSRecNetwork:
        vectors = text_vectors(items, self.config.text, cache)
        if vectors is None:
            silent = "the texts of all items have equal vectors" if any(item_texts(items)) else NO_TEXT
            raise UsageError(f"{silent}, and texts are what {self.name} reads; run sasrec instead")
        return UniSRecNetwork(interactions, vectors.values[interactions.items], self.with_ids, self.config)

    def learn(self, network: Network, data: FitData, validate: Callable[[], Scores]) -> Outcome:
        assert isinstance(network, UniSRecNetwork)
        if not self.config.pretraining_epochs:
            return super().learn(network, data, validate)
        pretrain(Pretraining(network).to(network.device), self.config, data, self.name)
        still = (network.history.places, network.history.encoder)
        for module in still:
            module.requires_grad_(not self.config.frozen)
        outcome = super().learn(network, data, validate)
        for module in still:
            module.requires_grad_()  # they were trained, if not last
        return outcome


class InductiveUniSRec(UniSRec):
    """Inductive: text alone. Its items are those of the whole corpus, so rows are corpus numbers."""

    name = "unisrec-inductive"
    with_ids = False

    def fit(self, data: FitData) -> None:
        super().fit(replace(data, catalogue=np.arange(len(data.items))))

    def score(self, examples: Examples, catalogue: IntArray) -> FloatArray:
        network = self.prepared()
        assert isinstance(network, UniSRecNetwork)
        with torch.no_grad():
            return network.score_among(examples, np.asarray(catalogue, dtype=np.int64)).cpu().numpy()
