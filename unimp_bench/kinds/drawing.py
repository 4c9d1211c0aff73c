"""Draws a task's examples with all that a model needs to see of them: the harness's one door to the tasks."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from unimp_bench.contracts import Task
from unimp_bench.corpus import Corpus, Items
from unimp_bench.guard import blamed
from unimp_bench.records import Examples, Part, PictureCodes, Split

if TYPE_CHECKING:
    from unimp_bench.generative.picture_tokens.tokenizer import PictureTokenizer


def draw_examples(task: Task, corpus: Corpus, split: Split, part: Part, cache: Path) -> Examples:
    """The examples of a part, with the task's instruction and, for tasks that generate pictures, the picture codes.

    Args:
        cache: folder of what depends on the corpus alone; a tokenizer that has to be trained is kept there.

    Raises:
        UsageError: the corpus has not what the task or split needs.
    """
    with blamed(task, f"task {task.name!r}", "examples"):
        examples = replace(task.examples(corpus, split, part), instruction=task.instruction)
    if task.kind == "picture":
        examples = replace(examples, pictures=picture_codes(task, corpus, cache))
    return examples


def picture_codes(task: Task, corpus: Corpus, cache: Path) -> PictureCodes:
    """The catalogue's pictures as codes of the tokenizer that the task's options name."""
    from unimp_bench.generative.picture_tokens import catalogue_tokens

    tokenizer = task_tokenizer(corpus.items, task.config.tokenizer, task.config.weights, cache)
    tokens = catalogue_tokens(tokenizer, corpus.items, cache)
    return PictureCodes(tokenizer.codes, tokens.rows, tokens.codes)


@lru_cache(maxsize=1)
def task_tokenizer(items: Items, preset: str, weights: str, cache: Path) -> PictureTokenizer:
    """``open_tokenizer``, once for all parts of a task and its metrics."""
    from unimp_bench.generative.picture_tokens import open_tokenizer

    return open_tokenizer(items, preset, cache, weights)
