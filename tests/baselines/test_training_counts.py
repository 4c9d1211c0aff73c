"""What a fit says of its training: counts computed by hand from the planted corpus, and what ended it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unimp_bench.contracts import Training
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.splits import target_examples
from unimp_bench.files import Workspace
from unimp_bench.records import Histories
from unimp_bench.runs.fitting import FIT_NAME, FitCost, fit_or_load
from unimp_bench.runs.runner import Planned, RunRequest, planned

BATCH = 100


def fit(corpus: Corpus, home: Path, task: str, model: str, **settings: Any) -> Planned:
    """With the fitted model, loaded where it was fitted before."""
    plan = planned(RunRequest(task, model, corpus.folder, settings=settings), Workspace(home))
    fit_or_load(plan.model, plan.spec.fit, plan.corpus, Workspace(home), "paper", fresh=False)
    return plan


def fitted(corpus: Corpus, home: Path, task: str, model: str, **settings: Any) -> Training | None:
    """Of a fit, as its saved model says it."""
    fit(corpus, home, task, model, **settings)
    plan = fit(corpus, home, task, model, **settings)
    training: Training | None = plan.model.training()
    cost = FitCost.read(Workspace(home).fits / plan.spec.fit.key / FIT_NAME)
    assert training is None or (cost.steps, cost.examples) == (training.steps, training.examples)
    return training


@pytest.fixture(scope="module")
def histories(planted: Corpus) -> Histories:
    return target_examples(planted, "loo", "train", "recommendation").histories


def steps(examples: int) -> int:
    return math.ceil(examples / BATCH)


def test_interactions_of_matrix_factorisation(planted: Corpus, histories: Histories, tmp_path: Path) -> None:
    n = len(histories.items)
    took = fitted(planted, tmp_path, "recommendation", "mf", epochs=3, batch_size=BATCH)
    assert took == Training(3 * steps(n), 3 * n, 3, "budget")


def test_an_adversary_takes_steps_of_its_own(planted: Corpus, histories: Histories, tmp_path: Path) -> None:
    n = len(histories.items)
    took = fitted(planted, tmp_path, "recommendation", "mmssl", epochs=1, batch_size=BATCH)
    assert took == Training(2 * steps(n), n, 1, "budget")


def test_patience_ends_a_training(planted: Corpus, tmp_path: Path) -> None:
    took = fitted(planted, tmp_path, "recommendation", "mf", epochs=300, patience=1, validate_every=1)
    assert took is not None and took.stopped == "converged" and took.epochs < 300


def test_both_stages_of_pretrained_models(planted: Corpus, histories: Histories, tmp_path: Path) -> None:
    """A window is a whole sequence here; the first stage has a prefix, or a history, a user."""
    users = int((histories.lengths() >= 2).sum())
    assert users == int((histories.lengths() > 0).sum())
    settings: dict[str, Any] = {"epochs": 1, "pretraining_epochs": 2, "pretraining_batch_size": BATCH}
    alone = fitted(planted, tmp_path, "recommendation", "s3rec", epochs=1, pretraining_epochs=0)
    assert alone is not None and alone.examples == users
    for model in ("s3rec", "unisrec"):
        took = fitted(planted, tmp_path, "recommendation", model, **settings)
        assert took is not None
        assert (took.examples, took.epochs) == (3 * users, 1)
    first = fitted(planted, tmp_path, "recommendation", "s3rec", **settings)
    assert first is not None and first.steps - alone.steps == 2 * steps(users)


def test_targets_of_search_models(planted: Corpus, tmp_path: Path) -> None:
    n = len(target_examples(planted, "loo", "train", "search").histories.items)
    took = fitted(planted, tmp_path, "search", "zam", epochs=1, batch_size=BATCH)
    assert took == Training(steps(n), n, 1, "budget")


def test_rows_of_recbole(planted: Corpus, histories: Histories, tmp_path: Path) -> None:
    pytest.importorskip("recbole")
    n, prefixes = len(histories.items), int(np.maximum(histories.lengths() - 1, 0).sum())
    bpr = fitted(planted, tmp_path, "recommendation", "recbole:BPR", epochs=2, batch_size=BATCH)
    assert bpr == Training(2 * steps(n), 2 * n, 2, "budget")
    sasrec = fitted(planted, tmp_path, "recommendation", "recbole:SASRec", epochs=1, batch_size=BATCH)
    assert sasrec == Training(steps(prefixes), prefixes, 1, "budget")


def test_a_rule_of_recbole_has_no_training(planted: Corpus, tmp_path: Path) -> None:
    pytest.importorskip("recbole")
    model = fit(planted, tmp_path, "recommendation", "recbole:ItemKNN").model
    assert model.training() is None and model.remarks() == ()
    assert model.parameters().trained == 0 < model.parameters().total


def test_every_rating_is_a_step_of_cornac(planted: Corpus, tmp_path: Path) -> None:
    ratings = target_examples(planted, "loo", "train", "preference").histories.ratings
    n = 4 * 5 * int(np.isfinite(ratings).sum())
    assert fitted(planted, tmp_path, "preference", "rating-mf", epochs=5) == Training(n, n, 5, "budget")
