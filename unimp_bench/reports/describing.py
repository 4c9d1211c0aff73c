"""What there is to say of a task and a model, for the terminal and for the documentation alike."""

from __future__ import annotations

import inspect
import sys
from typing import Any

from unimp_bench.contracts import Model, ModelCard, Task, TaskCard
from unimp_bench.records import SPLITS, Split

ELSEWHERE = "See the module."
"""What a class says whose module says all."""


def task_facts(card: TaskCard, task: Task) -> dict[str, str]:
    """What a task is, without its options."""
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
    """What a model is, without its settings."""
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
    """What a class says of itself, or its module where it only points there."""
    said = inspect.getdoc(described) or ""
    return inspect.getdoc(sys.modules[described.__module__]) or "" if said == ELSEWHERE else said


def served_splits(card: ModelCard) -> list[Split]:
    """The splits that a model answers without being fitted on a new domain."""
    lacking: dict[Split, bool] = {"new-user": not card.new_users, "new-domain": not card.new_items}
    return [split for split in SPLITS if not lacking.get(split)]
