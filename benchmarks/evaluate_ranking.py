"""Times full-catalogue evaluation: ours, RecBole's evaluator, and a loop over users. Run it from the root:

    python benchmarks/evaluate_ranking.py [--users 1000] [--items 50000] [--width 64] [--rounds 7]

All three start from the same user vectors, item matrix, targets and histories of ten items, compute all scores by
the matrix product, leave the seen items out, and end with HR, NDCG and MRR at 1, 3, 5 and 10; these must agree.

* ours: ``rank_examples`` with the metrics, once without and once with the lists of the ten best items; it finds the
  seen columns in the histories and checks that the scores are finite within its time.
* RecBole: what ``Trainer.evaluate`` does after its data loader: ``full_sort_predict`` of a dot-product model,
  masking, ``Collector``, ``Evaluator``. Masks and positives are ready-made. Its default ``eval_batch_size`` of 4096
  puts all users of a sequential model in one batch; smaller batches, which a user would have to ask for, are timed too.
* loop: one matrix-vector product and one ``argpartition`` a user.

Rounds alternate between the sides, on two threads each; the fastest round of each side counts. The matrix product
alone, which NumPy and PyTorch do at different speeds, is printed beside them.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

THREADS = 2
os.environ |= {"OMP_NUM_THREADS": str(THREADS), "OPENBLAS_NUM_THREADS": str(THREADS)}

import numpy as np  # noqa: E402
import torch  # noqa: E402

from unimp_bench.contracts import FitData, Ranker  # noqa: E402
from unimp_bench.corpus import Items  # noqa: E402
from unimp_bench.metrics.ranking import CUTOFFS, MEASURES, rank_metric_means  # noqa: E402
from unimp_bench.ranking import rank_examples  # noqa: E402
from unimp_bench.records import Examples, FloatArray, Histories, IntArray  # noqa: E402

HISTORY = 10
RECBOLE_DEFAULT = 4096
RECBOLE_BATCHES = (32, 64, 128, 256, RECBOLE_DEFAULT)
RECBOLE_NAMES = {"HR": "hit", "NDCG": "ndcg", "MRR": "mrr"}


@dataclass(frozen=True)
class Problem:
    """Vectors, targets and histories that all sides are given."""

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
        return self.problem.users[examples.users] @ self.problem.items.T


def ours(problem: Problem, top: int) -> Callable[[], dict[str, float]]:
    """Our evaluation, ready to be timed."""
    users, model = len(problem.users), DotProduct(problem)
    offsets = np.arange(users + 1) * HISTORY
    rows = users * HISTORY
    histories = Histories(offsets, problem.seen.ravel().astype(np.int32), np.full(rows, np.nan), np.arange(rows))
    examples = Examples(
        "recommendation", "loo", "test", histories, np.arange(users), offsets[1:], problem.targets.astype(np.int32)
    )
    catalogue = np.arange(len(problem.items))

    def evaluate() -> dict[str, float]:
        ranking = rank_examples(model, examples, catalogue, "masked", top=top, label="dot product")
        return rank_metric_means(ranking.ranks)

    return evaluate


@dataclass
class RecBole:
    """RecBole's evaluation at one batch size. Its item 0 is padding, so all items move up by one."""

    problem: Problem
    batch: int
    collector: Any = field(init=False)
    evaluator: Any = field(init=False)

    def __post_init__(self) -> None:
        for alias, kind in (
            ("float", float),
            ("float_", np.float64),
            ("complex_", np.complex128),
            ("unicode_", np.str_),
        ):
            setattr(np, alias, kind)  # RecBole 1.2.1 was written for numpy 1
        from recbole.evaluator import Collector, Evaluator

        config = {
            "metrics": ["Hit", "NDCG", "MRR"],
            "topk": list(CUTOFFS),
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
    def __call__(self) -> dict[str, float]:
        for start, seen, rows, targets in self.batches:
            scores = torch.matmul(self.users[start : start + self.batch], self.items.T).view(-1, len(self.items))
            scores[:, 0] = -np.inf
            scores[seen] = -np.inf
            self.collector.eval_batch_collect(scores, None, rows, targets)
        found = self.evaluator.evaluate(self.collector.get_data_struct())
        return {f"{name}@{k}": float(found[f"{RECBOLE_NAMES[name]}@{k}"]) for name in MEASURES for k in CUTOFFS}


def loop(problem: Problem) -> dict[str, float]:
    """One user at a time, as a script would do it."""
    found = {f"{name}@{k}": 0.0 for name in MEASURES for k in CUTOFFS}
    for user, target, seen in zip(problem.users, problem.targets, problem.seen, strict=True):
        scores = problem.items @ user
        scores[seen] = -np.inf
        best = np.argpartition(-scores, CUTOFFS[-1])[: CUTOFFS[-1]]
        best = best[np.argsort(-scores[best])]
        for place in np.flatnonzero(best == target):
            for k in CUTOFFS:
                if place < k:
                    found[f"HR@{k}"] += 1
                    found[f"NDCG@{k}"] += 1 / np.log2(place + 2)
                    found[f"MRR@{k}"] += 1 / (place + 1)
    return {name: total / len(problem.users) for name, total in found.items()}


def products(problem: Problem, rounds: int) -> dict[str, float]:
    """Seconds of the matrix product alone, in blocks of 256 users."""
    users, items = torch.from_numpy(problem.users), torch.from_numpy(problem.items)
    libraries: dict[str, tuple[Any, Any]] = {
        "product alone, NumPy": (problem.users, problem.items.T),
        "product alone, PyTorch": (users, items.T),
    }
    seconds = dict.fromkeys(libraries, float("inf"))
    for _ in range(rounds):
        for name, (left, right) in libraries.items():
            start = time.perf_counter()
            for row in range(0, len(left), 256):
                left[row : row + 256] @ right
            seconds[name] = min(seconds[name], time.perf_counter() - start)
    return seconds


def main() -> None:
    """Time all sides and print the ratios."""
    parser = argparse.ArgumentParser(description="Times full-catalogue evaluation against RecBole and a loop.")
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--items", type=int, default=50_000)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    torch.set_num_threads(THREADS)
    problem = Problem.draw(arguments.users, arguments.items, arguments.width)
    sides: dict[str, Callable[[], dict[str, float]]] = {
        "ours": ours(problem, top=0),
        "ours, with lists": ours(problem, top=10),
        "loop": lambda: loop(problem),
    }
    sides |= {f"RecBole, batches of {size}": RecBole(problem, size) for size in RECBOLE_BATCHES}
    times: dict[str, list[float]] = {name: [] for name in sides}
    metrics = {}
    for _ in range(arguments.rounds):
        for name, side in sides.items():
            start = time.perf_counter()
            metrics[name] = side()
            times[name].append(time.perf_counter() - start)
    for name, found in metrics.items():
        for metric, value in metrics["ours"].items():
            if not np.isclose(found[metric], value, rtol=0, atol=1e-6):
                raise SystemExit(f"{metric} differs: ours {value}, {name} {found[metric]}")
    print(f"{arguments.users} users, {arguments.items} items, width {arguments.width}, {THREADS} threads")
    print("  ".join(f"{name} {value:.4f}" for name, value in metrics["ours"].items() if name.endswith("@5")))
    best = {name: min(seconds) for name, seconds in times.items()}
    for name, seconds in (best | products(problem, arguments.rounds)).items():
        print(f"{name:28} {seconds * 1000:8.1f} ms")
    default = best[f"RecBole, batches of {RECBOLE_DEFAULT}"]
    fastest = min(seconds for name, seconds in best.items() if name.startswith("RecBole"))
    for name in ("ours", "ours, with lists"):
        print(
            f"{name}: {default / best[name]:.1f} times as fast as RecBole by default, {fastest / best[name]:.1f} times "
            f"as RecBole at its fastest batch, {best['loop'] / best[name]:.1f} times as the loop"
        )


if __name__ == "__main__":
    main()
