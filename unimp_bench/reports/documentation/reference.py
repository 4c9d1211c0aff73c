"""Writes the reference: one page per task, model, metric, suite, kind of corpus and public module."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from unimp_bench import registry
from unimp_bench.corpus import Corpus
from unimp_bench.files import write_atomically
from unimp_bench.interchange.page import as_text, sheets
from unimp_bench.kinds import kind_of, metric_cards
from unimp_bench.reports.documentation.docstrings import contents, table, words
from unimp_bench.reports.documentation.pages import (
    corpus_page,
    metric_page,
    model_page,
    places,
    slug,
    suite_page,
    task_page,
)
from unimp_bench.runs.suites import CATALOGUE as SUITES
from unimp_bench.testing.planted import write_planted_corpus

CONTRACTS = {
    "contracts": "interfaces of tasks and models",
    "records": "data exchanged between tasks and models: histories, examples",
    "runs.spec": "specification of a run, and its key",
    "runs.results": "results of a run",
    "errors": "error classes and their exit codes",
}
"""The public modules of ``unimp_bench``."""


@dataclass(frozen=True)
class Page:
    """One page of a section of the reference.

    Attributes:
        name: file name without suffix.
        about: its line in the section's index.
        text: Markdown.
    """

    name: str
    about: str
    text: str

    @property
    def title(self) -> str:
        """The heading, as Markdown."""
        return self.text.partition("\n")[0].removeprefix("# ")


def write_reference(folder: Path, root: Path) -> None:
    """Write the reference: unchanged files are not touched, obsolete ones are removed.

    Args:
        folder: of the reference, ``docs/reference`` in the project.
        root: folder of the project.
    """
    made = dict(_files(root))
    for name, text in made.items():
        path = folder / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            write_atomically(path, text)
    for path in folder.rglob("*.md"):
        if path.relative_to(folder).as_posix() not in made:
            path.unlink()


def _files(root: Path) -> Iterator[tuple[str, str]]:
    """Path below the reference's folder and content of every page."""
    shown, published = task_examples(), places(root / "leaderboards")
    sections: dict[str, Iterable[Page]] = {
        "tasks": (
            Page(card.name, card.about, task_page(card, shown.get(card.name, "")))
            for card in registry.task_cards().values()
        ),
        "models": (
            Page(card.name, card.about, model_page(card, published.get(card.name, []), root))
            for card in registry.model_cards().values()
        ),
        "metrics": (Page(slug(card.name), card.about, metric_page(card, root)) for card in metric_cards()),
        "corpora": (Page(card.name, card.about, corpus_page(card, root)) for card in registry.corpus_cards().values()),
        "suites": (Page(suite.name, suite.about, suite_page(suite, root)) for suite in SUITES),
        "contracts": (Page(name, about, _contract_page(name)) for name, about in CONTRACTS.items()),
    }
    for section, pages in sections.items():
        listed = list(pages)
        yield f"{section}/index.md", _index(section, listed)
        for page in listed:
            yield f"{section}/{page.name}.md", page.text


def _index(section: str, pages: list[Page]) -> str:
    rows = [(f"[{page.title}]({page.name}.md)", words(page.about)) for page in pages]
    names = [page.name for page in pages]
    return "\n".join([f"# {section.capitalize()}", "", *table(("", ""), rows), "", *contents(names), ""])


def _contract_page(name: str) -> str:
    directive = [f".. automodule:: unimp_bench.{name}", "   :members:", "   :member-order: bysource"]
    return "\n".join([f"# unimp\\_bench.{name}", "", "```{eval-rst}", *directive, "```", ""])


def task_examples() -> dict[str, str]:
    """The first test example of each task as text; tasks whose targets need a trained tokenizer are absent."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "planted"
        write_planted_corpus(folder)
        corpus = Corpus.open(folder)
        shown = {}
        for name in registry.task_cards():
            task = registry.make_task(name)
            if kind_of(task.kind).trains:
                continue  # its targets need a trained tokenizer
            drawn = replace(task.examples(corpus, "loo", "test"), instruction=task.instruction)
            shown[name] = as_text(next(sheets(corpus, drawn.select(slice(1)))))
        return shown
