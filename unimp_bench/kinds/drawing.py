"""Draws a task's examples with all that a model needs to see of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from unimp_bench.contracts import Task
from unimp_bench.corpus import Corpus
from unimp_bench.guard import blamed
from unimp_bench.kinds import kind_of
from unimp_bench.kinds.picture import picture_codes, task_tokenizer
from unimp_bench.records import Examples, Part, Split

__all__ = ["draw_examples", "picture_codes", "task_tokenizer"]


def draw_examples(task: Task, corpus: Corpus, split: Split, part: Part, cache: Path) -> Examples:
    """The examples of a part, with the task's instruction and what its kind adds, such as codes of pictures.

    Args:
        cache: folder of what depends on the corpus alone; a tokenizer that has to be trained is kept there.

    Raises:
        UsageError: the corpus has not what the task or split needs.
    """
    with blamed(task, f"task {task.name!r}", "examples"):
        examples = replace(task.examples(corpus, split, part), instruction=task.instruction)
    completed: Examples = kind_of(task.kind).complete(examples, task, corpus, cache)
    return completed
