"""Facts about tasks and models, for the command line and the documentation."""

from __future__ import annotations

import inspect
import sys
from typing import Any

from unimp_bench.contracts import Model, ModelCard, Task, TaskCard
from unimp_bench.records import SPLITS, Split

ELSEWHERE = "See the module."
"""The docstring of a class that is documented in its module."""


def task_facts(card: TaskCard, task: Task) -> dict[str, str]:
    """Facts about a task, without its options."""
    return {
        "task": card.name,
        "prediction": card.about,
        "kind": card.kind,
        "paper": card.table,
        "version": str(task.version),
        "splits": ", ".join(task.splits),
        "instruction": task.instruction,
    }


def model_facts(card: ModelCard, model: Model[Any]) -> dict[str, str]:
    """Facts about a model, without its settings."""
    return {
        "model": card.name,
        "description": card.about,
        "source": card.source,
        "serves": ", ".join(card.tasks),
        "reads": ", ".join(card.reads) or "nothing",
        "splits": ", ".join(served_splits(card)),
        "new users": "yes" if card.new_users else "no",
        "new items": "yes" if card.new_items else "no",
        "only on": ", ".join(card.corpora) or "any corpus",
        "presets": ", ".join(model.presets) or "default",
    }


def class_words(described: type[Any]) -> str:
    """The docstring of a class, or of its module if it refers there."""
    own = inspect.getdoc(described) or ""
    return inspect.getdoc(sys.modules[described.__module__]) or "" if own == ELSEWHERE else own


def served_splits(card: ModelCard) -> list[Split]:
    """The splits that a model serves without being fitted on the new domain."""
    lacking: dict[Split, bool] = {"new-user": not card.new_users, "new-domain": not card.new_items}
    return [split for split in SPLITS if not lacking.get(split)]
