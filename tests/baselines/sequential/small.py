"""Sequences small enough to write every equation as loops, and the examples that ask what comes next."""

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
    """The training part of users with these sequences; item 8 is rare, and all are their own rows."""
    return Interactions(np.arange(len(sequences)), np.arange(items), Ragged.of_rows(sequences, np.int64))


def asked(*histories: tuple[int, ...]) -> Examples:
    """What comes after these histories, of users 0, 1, ...?"""
    offsets = np.cumsum([0, *map(len, histories)])
    items = np.concatenate(histories).astype(np.int32)
    rows = Histories(offsets, items, np.ones(len(items), np.float32), np.arange(len(items)))
    return Examples(TASK, "loo", "test", rows, np.arange(len(histories), dtype=np.int32), offsets[1:], None)


def large(network: Network, seed: int = 0) -> Any:
    """The network in double precision and eval mode, with weights so large that every part matters."""
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
    """A tensor as NumPy has it."""
    values: FloatArray = tensor.detach().numpy()
    return values


def sigmoid(value: FloatArray) -> FloatArray:
    """Element by element."""
    shares: FloatArray = 1 / (1 + np.exp(-value))
    return shares


def softplus(value: float) -> float:
    """``log(1 + exp(value))``."""
    return math.log1p(math.exp(value))


def hits(model: Ranker[Any], corpus: Corpus) -> float:
    """HR@5 on the test part, items of the history kept."""
    examples = target_examples(corpus, "loo", "test", TASK)
    ranks = rank_examples(model, examples, catalogue(corpus, "loo"), "paper", top=0, label="test").ranks
    return float((ranks <= 5).mean())


def fit_data(corpus: Corpus, work: Path) -> FitData:
    """As the harness gives it, but for the choice of the epoch: the first validated one is kept."""
    parts = TaskExamples(*(target_examples(corpus, "loo", part, TASK) for part in ("train", "validation")))
    return FitData(corpus.items, catalogue(corpus, "loo"), {TASK: parts}, 1, work, work, lambda *_: {"paper": 0.0})
