"""One example of each task, of a corpus that is generated in a moment."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from unimp_bench import registry
from unimp_bench.corpus import Corpus
from unimp_bench.interchange.page import as_text, sheets
from unimp_bench.testing.planted import write_planted_corpus


def examples() -> dict[str, str]:
    """By task, its first test example as text; tasks that generate pictures have none."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "planted"
        write_planted_corpus(folder)
        corpus = Corpus.open(folder)
        shown = {}
        for name in registry.task_cards():
            task = registry.make_task(name)
            if task.kind == "picture":
                continue  # its answer is of a tokenizer that would have to be trained first
            drawn = replace(task.examples(corpus, "loo", "test"), instruction=task.instruction)
            shown[name] = as_text(next(sheets(corpus, drawn.select(slice(1)))))
        return shown
