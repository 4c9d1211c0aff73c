"""The recommender whose first items a language model orders: any system of this package that suits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import baselines
from unimp_bench.cards import load
from unimp_bench.contracts import FitData, Model, ModelCard, Ranker
from unimp_bench.errors import UsageError, find

USUAL = {"recommendation": "itemknn", "search": "bm25"}
"""Where none is named: untrained ones."""

_READS = {"popularity", "interactions", "order", "text", "query", "ratings"}


def base_card(name: str, task: str) -> ModelCard:
    """The card of a base for a task.

    Raises:
        UsageError: there is none, it does not serve the task, or reads more than a language model declares.
    """
    suitable = {card.name: card for card in baselines.CATALOGUE if _suits(card, task)}
    every = {card.name: card for card in baselines.CATALOGUE}
    if name in every and name not in suitable:
        raise UsageError(
            f"llm cannot order the items of {name!r} for {task}; it orders those of {', '.join(sorted(suitable))}"
        )
    card: ModelCard = find(suitable, name, "base of llm")
    return card


def _suits(card: ModelCard, task: str) -> bool:
    reads = set(card.reads) <= _READS and not card.features
    return task in card.tasks and card.new_users and card.variant is None and reads and card.name != "llm"


def make_base(name: str, task: str) -> Ranker[Any]:
    """An unfitted base with its default settings."""
    model_class: type[Model[Any]] = load(base_card(name, task).factory)
    model = model_class(next(iter(model_class.presets.values()), None) or model_class.Config())
    assert isinstance(model, Ranker)
    return model


def fit_base(base: Ranker[Any], task: str, data: FitData) -> FitData:
    """Fit a base on a task's examples alone, in its own work folder; returns what it was fitted on."""
    work: Path = data.work / f"base-{task}"
    work.mkdir(exist_ok=True)
    own = replace(data, examples={task: data.examples[task]}, work=work, start=None)
    base.fit(own)
    return own
