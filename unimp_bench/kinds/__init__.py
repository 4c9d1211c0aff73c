"""The kinds of tasks: predictions, their scores, selection on validation, and tables.

A kind is defined in one file: the type of its examples, the contract of its models, its metrics and table columns, the
validation score that selects models, the predictions file and its reader. A new kind is one such file and one card, in
this package or in the entry point group ``unimp_bench.kinds`` of another one.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unimp_bench.cards import catalogue, derived, load
from unimp_bench.contracts import KindCard, Task
from unimp_bench.errors import find
from unimp_bench.guard import blamed
from unimp_bench.kinds.base import Column, Kind, MetricCard, Setting
from unimp_bench.records import Examples, Part, Split

if TYPE_CHECKING:
    from unimp_bench.corpus import Corpus

__all__ = [
    "CATALOGUE",
    "Column",
    "Kind",
    "MetricCard",
    "Setting",
    "draw_examples",
    "kind_cards",
    "kind_of",
    "metric_cards",
]

CATALOGUE = (
    KindCard(
        name="ranking",
        factory="unimp_bench.kinds.ranking:RankingKind",
        about="the rank of one item among the catalogue",
    ),
    KindCard(
        name="rating",
        factory="unimp_bench.kinds.rating:RatingKind",
        about="a rating of a shown item",
    ),
    KindCard(
        name="text",
        factory="unimp_bench.kinds.text:TextKind",
        about="a sentence about a shown item",
    ),
    KindCard(
        name="selection",
        factory="unimp_bench.kinds.selection:SelectionKind",
        about="some of the shown items",
    ),
    KindCard(
        name="picture",
        factory="unimp_bench.kinds.picture:PictureKind",
        about="a picture as codes of a tokenizer",
    ),
)


@cache
def kind_cards() -> dict[str, KindCard]:
    """All kinds of tasks by name."""
    return catalogue("unimp_bench.kinds", "unimp_bench.kinds")


@cache
def kind_of(name: str) -> Kind:
    """The kind of that name.

    Raises:
        UsageError: unknown kind.
        DependencyError: it is of another package and cannot be used.
    """
    factory = find(kind_cards(), name, "kind of task").factory
    kind: Any = derived(load(factory), Kind, factory)
    made: Kind = kind()
    return made


def metric_cards() -> tuple[MetricCard, ...]:
    """The metrics of all kinds, in the order of the kinds."""
    return tuple(card for name in kind_cards() for card in kind_of(name).metrics)


def draw_examples(task: Task, corpus: Corpus, split: Split, part: Part, cache: Path) -> Examples:
    """The examples of one part of a split, with the task's instruction and the fields that its kind adds.

    Args:
        cache: folder of files that depend on the corpus alone, such as a trained picture tokenizer.

    Raises:
        UsageError: the corpus lacks what the task or the split needs.
    """
    with blamed(task, f"task {task.name!r}", "examples"):
        examples = replace(task.examples(corpus, split, part), instruction=task.instruction)
    completed: Examples = kind_of(task.kind).complete(examples, task, corpus, cache)
    return completed
