"""Sequences small enough to compute every equation by loops, and examples of next-item prediction."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from baselines.learning.interactions import Interactions
from baselines.learning.network import Network
from unimp_bench.contracts import FitData, Ranker, TaskExamples
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.splits import catalogue, target_examples
from unimp_bench.kinds.ranks import rank_examples
from unimp_bench.ragged import Ragged
from unimp_bench.records import Examples, FloatArray, Histories

TASK = "recommendation"
ITEMS = 9
SEQUENCES = ((0, 1, 2, 3), (4, 5), (1, 3, 5, 7, 0, 2), (6,), (2, 4, 6, 8, 1))


def interactions(sequences: tuple[tuple[int, ...], ...] = SEQUENCES, items: int = ITEMS) -> Interactions:
    """The training part with the given sequences; item 8 is rare, and numbers equal rows."""
    return Interactions(np.arange(len(sequences)), np.arange(items), Ragged.of_rows(sequences, np.int64))


def examples_after(*histories: tuple[int, ...]) -> Examples:
    """Examples that request the next item after the given histories of users 0, 1, ..."""
    offsets = np.cumsum([0, *map(len, histories)])
    items = np.concatenate(histories).astype(np.int32)
    rows = Histories(offsets, items, np.ones(len(items), np.float32), np.arange(len(items)))
    return Examples(TASK, "loo", "test", rows, np.arange(len(histories), dtype=np.int32), offsets[1:], None)


def large(network: Network, seed: int = 0) -> Any:
    """The network in float64 and eval mode, with weights large enough that every part affects the output."""
    torch.manual_seed(seed)
    network.double().eval()
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    return network


def zeroed(network: Network) -> Any:
    """The network with all weights 0."""
    for weight in network.parameters():
        torch.nn.init.zeros_(weight)
    return network.eval()


def array(tensor: Tensor) -> FloatArray:
    """A tensor as NumPy array."""
    values: FloatArray = tensor.detach().numpy()
    return values


def sigmoid(value: FloatArray) -> FloatArray:
    """Elementwise sigmoid."""
    shares: FloatArray = 1 / (1 + np.exp(-value))
    return shares


def softplus(value: float) -> float:
    """``log(1 + exp(value))``."""
    return math.log1p(math.exp(value))


def hits(model: Ranker[Any], corpus: Corpus) -> float:
    """HR@5 on the test part, without masking seen items."""
    examples = target_examples(corpus, "loo", "test", TASK)
    ranks = rank_examples(model, examples, catalogue(corpus, "loo"), "paper", top=0, label="test").ranks
    return float((ranks <= 5).mean())


def fit_data(corpus: Corpus, work: Path) -> FitData:
    """As from the harness, with a constant validation score, so that the first validated epoch is kept."""
    parts = TaskExamples(*(target_examples(corpus, "loo", part, TASK) for part in ("train", "validation")))
    return FitData(corpus.items, catalogue(corpus, "loo"), {TASK: parts}, 1, work, work, lambda *_: {"paper": 0.0})
