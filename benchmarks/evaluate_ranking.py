"""Full-catalogue evaluation.

`rank_examples` with the metrics, RecBole's evaluator, and a loop over users. All start from the same user vectors,
item matrix, targets and histories of ten items, compute all scores by a matrix product, mask seen items, and compute
HR, NDCG and MRR at 1, 3, 5 and 10, which must agree.

* **Ours** includes the search for seen columns and the check for finite scores; once with lists of the ten best
  items, as in a run, and once with the metrics alone.
* **RecBole** runs the steps of `Trainer.evaluate` after the data loader: `full_sort_predict` of a dot-product model,
  masking, `Collector`, `Evaluator`. Masks and positives are precomputed. The default `eval_batch_size` is 4,096.
* **The loop** computes one matrix-vector product and one `argpartition` per user.
* **The product alone**, in blocks of 256 users: NumPy and PyTorch differ in speed on some processors, which explains
  a part of the differences.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch

import baselines.recbole.compat  # noqa: F401  (restores names that newer NumPy removed)
from benchmarks.harness import Measure, benchmark, seconds_in_turns, times
from unimp_bench.contracts import FitData, Ranker
from unimp_bench.corpus import Items
from unimp_bench.kinds.ranks import rank_examples
from unimp_bench.metrics.ranking import CUTOFFS, MEASURES, rank_metric_means
from unimp_bench.records import Examples, FloatArray, Histories, IntArray

HISTORY = 10
COMPARED = tuple(cutoff for cutoff in CUTOFFS if cutoff <= 10)
"""Cutoffs that all sides compute."""
RECBOLE_DEFAULT = 4096
RECBOLE_BATCHES = (32, 64, 128, 256, RECBOLE_DEFAULT)
RECBOLE_NAMES = {"HR": "hit", "NDCG": "ndcg", "MRR": "mrr"}
BLOCK = 256

Means = dict[str, float]


@dataclass(frozen=True)
class Problem:
    """The vectors, targets and histories of all sides."""

    users: FloatArray
    items: FloatArray
    targets: IntArray
    seen: IntArray

    @classmethod
    def draw(cls, users: int, items: int, width: int) -> Problem:
        rng = np.random.default_rng(0)
        item_vectors = rng.standard_normal((items, width), dtype=np.float32)
        targets = rng.integers(items, size=users)
        # Users near their targets, so that the metrics are not all zero.
        user_vectors = item_vectors[targets] * 0.4 + rng.standard_normal((users, width), dtype=np.float32)
        drawn = np.stack([rng.choice(items - 1, HISTORY, replace=False) for _ in range(users)])
        return cls(user_vectors, item_vectors, targets, drawn + (drawn >= targets[:, None]))


@dataclass(frozen=True)
class NoConfig:
    """A dot product has no settings."""


class DotProduct(Ranker[NoConfig]):
    """The given vectors as a model."""

    Config = NoConfig

    def __init__(self, problem: Problem) -> None:
        super().__init__(NoConfig())
        self.problem = problem

    def fit(self, data: FitData) -> None:
        raise NotImplementedError

    def save(self, folder: Path) -> None:
        raise NotImplementedError

    def load(self, folder: Path, items: Items, cache: Path) -> None:
        raise NotImplementedError

    def score(self, examples: Examples, catalogue: IntArray) -> FloatArray:
        scores: FloatArray = self.problem.users[examples.users] @ self.problem.items.T
        return scores


def ours(problem: Problem, top: int) -> Callable[[], Means]:
    """The evaluation of this project, as a function."""
    users, model = len(problem.users), DotProduct(problem)
    offsets = np.arange(users + 1) * HISTORY
    rows = users * HISTORY
    histories = Histories(offsets, problem.seen.ravel().astype(np.int32), np.full(rows, np.nan), np.arange(rows))
    examples = Examples(
        "recommendation", "loo", "test", histories, np.arange(users), offsets[1:], problem.targets.astype(np.int32)
    )
    catalogue = np.arange(len(problem.items))

    def evaluate() -> Means:
        ranking = rank_examples(model, examples, catalogue, "masked", top=top, label="dot product")
        means = rank_metric_means(ranking.ranks)
        return {f"{name}@{k}": means[f"{name}@{k}"] for name in MEASURES for k in COMPARED}

    return evaluate


@dataclass
class RecBole:
    """RecBole's evaluation at one batch size. Its item 0 is padding, so all items move up by one."""

    problem: Problem
    batch: int
    collector: Any = field(init=False)
    evaluator: Any = field(init=False)

    def __post_init__(self) -> None:
        from recbole.evaluator import Collector, Evaluator

        setattr(np, "float", float)  # noqa: B010  (its MRR was written for numpy 1)
        config = {
            "metrics": ["Hit", "NDCG", "MRR"],
            "topk": list(COMPARED),
            "metric_decimal_place": 12,
            "eval_args": {"mode": {"valid": "full", "test": "full"}},
            "device": torch.device("cpu"),
        }
        self.collector, self.evaluator = Collector(config), Evaluator(config)
        problem = self.problem
        self.users = torch.from_numpy(problem.users)
        self.items = torch.from_numpy(np.concatenate([np.zeros_like(problem.items[:1]), problem.items]))
        self.batches = []
        for start in range(0, len(problem.users), self.batch):
            seen = torch.from_numpy(problem.seen[start : start + self.batch] + 1)
            size = len(seen)
            owners = torch.arange(size).repeat_interleave(HISTORY)
            targets = torch.from_numpy(problem.targets[start : start + self.batch] + 1)
            self.batches.append((start, (owners, seen.ravel()), torch.arange(size), targets))

    @torch.no_grad()
    def __call__(self) -> Means:
        for start, seen, rows, targets in self.batches:
            scores = torch.matmul(self.users[start : start + self.batch], self.items.T).view(-1, len(self.items))
            scores[:, 0] = -np.inf
            scores[seen] = -np.inf
            self.collector.eval_batch_collect(scores, None, rows, targets)
        found = self.evaluator.evaluate(self.collector.get_data_struct())
        return {f"{name}@{k}": float(found[f"{RECBOLE_NAMES[name]}@{k}"]) for name in MEASURES for k in COMPARED}


def loop(problem: Problem) -> Means:
    """A plain loop over users."""
    found = {f"{name}@{k}": 0.0 for name in MEASURES for k in COMPARED}
    for user, target, seen in zip(problem.users, problem.targets, problem.seen, strict=True):
        scores = problem.items @ user
        scores[seen] = -np.inf
        best = np.argpartition(-scores, COMPARED[-1])[: COMPARED[-1]]
        best = best[np.argsort(-scores[best])]
        for place in np.flatnonzero(best == target):
            for k in COMPARED:
                if place < k:
                    found[f"HR@{k}"] += 1
                    found[f"NDCG@{k}"] += 1 / np.log2(place + 2)
                    found[f"MRR@{k}"] += 1 / (place + 1)
    return {name: total / len(problem.users) for name, total in found.items()}


def product(users: Any, items: Any) -> None:
    """The matrix product alone, of arrays or tensors."""
    for row in range(0, len(users), BLOCK):
        users[row : row + BLOCK] @ items.T


def agree(found: dict[str, Means]) -> None:
    """Check that all sides have equal metrics."""
    first, *others = found
    for side in others:
        for metric, value in found[first].items():
            if not np.isclose(found[side][metric], value, rtol=0, atol=1e-6):
                raise click.ClickException(f"{metric} differs: {first} {value}, {side} {found[side][metric]}")


@benchmark("numpy", "torch", "recbole")
@click.option("--users", default=1000)
@click.option("--items", default=50_000)
@click.option("--width", default=64)
@click.option("--rounds", default=7)
def command(users: int, items: int, width: int, rounds: int) -> Iterator[Measure]:
    """See the docstring of the module."""
    problem = Problem.draw(users, items, width)
    evaluations: dict[str, Callable[[], Means]] = {
        "ours, with lists of ten": ours(problem, top=10),
        "ours, metrics alone": ours(problem, top=0),
        **{f"RecBole, batches of {size:,}": RecBole(problem, size) for size in RECBOLE_BATCHES},
        "a loop over users": partial(loop, problem),
    }
    agree({side: work() for side, work in evaluations.items()})  # and it warms up
    users_tensor, items_tensor = torch.from_numpy(problem.users), torch.from_numpy(problem.items)
    products: dict[str, Callable[[], object]] = {
        "the product alone, NumPy": partial(product, problem.users, problem.items),
        "the product alone, PyTorch": partial(product, users_tensor, items_tensor),
    }
    yield from times("", "an evaluation", seconds_in_turns(evaluations | products, rounds))
