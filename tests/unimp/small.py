"""What the tests of UniMP share: tiny settings, and the parts of a small model on the planted corpus."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tasks.recommendation import Recommendation
from tasks.search import Search
from unimp_bench.contracts import FitData, TaskExamples
from unimp_bench.corpus import Corpus
from unimp_bench.metrics.ranking import RankMetric
from unimp_bench.ranking import rank_examples
from unimp_bench.records import Examples
from unimp_bench.splits import catalogue
from unimp_bench.unimp.config import UniMPConfig
from unimp_bench.unimp.model import UniMPModel
from unimp_bench.unimp.ranker import UniMP
from unimp_bench.unimp.sentences import Pieces
from unimp_bench.unimp.tokens import Vocabulary
from unimp_bench.unimp.vision import PictureFeatures

SMALL = UniMPConfig(width=16, layers=2, heads=2, latents=2, gate=1.0, dropout=0.0, batch_tokens=1024)
TASKS = {"recommendation": Recommendation(), "search": Search()}


@dataclass(frozen=True)
class Parts:
    """Everything below the ranker, untrained."""

    corpus: Corpus
    vocabulary: Vocabulary
    pieces: Pieces
    features: PictureFeatures
    model: UniMPModel

    def examples(self, task: str, part: Any = "train") -> Examples:
        return TASKS[task].examples(self.corpus, "loo", part)


def validator(corpus: Corpus) -> Callable[[Any, str], float]:
    """Validation NDCG@5, as the harness computes it."""
    items = catalogue(corpus, "loo")

    def validate(model: Any, task: str) -> float:
        examples = TASKS[task].examples(corpus, "loo", "validation")
        ranks = rank_examples(model, examples, items, "paper", top=0, label="unimp").ranks
        return float(RankMetric("NDCG", 5).values(ranks).mean())

    return validate


def fit_data(corpus: Corpus, work: Path, cache: Path, *tasks: str, validate: Any = None, seed: int = 0) -> FitData:
    work.mkdir(parents=True, exist_ok=True)
    examples = {
        name: TaskExamples(
            TASKS[name].examples(corpus, "loo", "train"), TASKS[name].examples(corpus, "loo", "validation")
        )
        for name in tasks
    }
    return FitData(corpus.items, catalogue(corpus, "loo"), examples, seed, work, cache, validate or validator(corpus))


def scores(model: UniMP, corpus: Corpus, task: str = "recommendation") -> np.ndarray:
    return model.score(TASKS[task].examples(corpus, "loo", "test").hidden(), catalogue(corpus, "loo"))
