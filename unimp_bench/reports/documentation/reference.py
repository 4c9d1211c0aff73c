"""Writes the reference: a page for each task, model, metric, suite and kind of corpora, and for each contract."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from unimp_bench import registry
from unimp_bench.files import write_atomically
from unimp_bench.metrics.cards import CATALOGUE as METRICS
from unimp_bench.reports.documentation.corpora import corpus_page
from unimp_bench.reports.documentation.examples import examples
from unimp_bench.reports.documentation.leaderboards import places
from unimp_bench.reports.documentation.markdown import contents, table, words
from unimp_bench.reports.documentation.metrics import metric_page, slug
from unimp_bench.reports.documentation.models import model_page
from unimp_bench.reports.documentation.suites import suite_page
from unimp_bench.reports.documentation.tasks import task_page
from unimp_bench.runs.suites import CATALOGUE as SUITES

CONTRACTS = {
    "contracts": "what a task and a model must be",
    "records": "what travels between rooms: histories, examples",
    "spec": "what is run, and the key that names it",
    "results": "what a run leaves",
    "errors": "what goes wrong, and the exit code that says so",
}
"""The modules of ``unimp_bench`` that code outside of it builds on."""


@dataclass(frozen=True)
class Page:
    """One page of a room of the reference.

    Attributes:
        name: of its file, without the ending.
        about: its line in the room's index.
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
    """Write the whole reference; files that would not change stay as they are, and what no longer is goes.

    Args:
        folder: of the reference, whose place in the project is ``docs/reference``.
        root: of the project.
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
    """Path below the reference's folder, and content, of every page."""
    shown, published = examples(), places(root / "leaderboards")
    rooms: dict[str, Iterable[Page]] = {
        "tasks": (
            Page(card.name, card.about, task_page(card, shown.get(card.name, "")))
            for card in registry.task_cards().values()
        ),
        "models": (
            Page(card.name, card.about, model_page(card, published.get(card.name, []), root))
            for card in registry.model_cards().values()
        ),
        "metrics": (Page(slug(card.name), card.about, metric_page(card, root)) for card in METRICS),
        "corpora": (Page(card.name, card.about, corpus_page(card, root)) for card in registry.corpus_cards().values()),
        "suites": (Page(suite.name, suite.about, suite_page(suite)) for suite in SUITES),
        "contracts": (Page(name, about, _contract_page(name)) for name, about in CONTRACTS.items()),
    }
    for room, pages in rooms.items():
        listed = list(pages)
        yield f"{room}/index.md", _index(room, listed)
        for page in listed:
            yield f"{room}/{page.name}.md", page.text


def _index(room: str, pages: list[Page]) -> str:
    rows = [(f"[{page.title}]({page.name}.md)", words(page.about)) for page in pages]
    names = [page.name for page in pages]
    return "\n".join([f"# {room.capitalize()}", "", *table(("", ""), rows), "", *contents(names), ""])


def _contract_page(name: str) -> str:
    directive = [f".. automodule:: unimp_bench.{name}", "   :members:", "   :member-order: bysource"]
    return "\n".join([f"# unimp\\_bench.{name}", "", "```{eval-rst}", *directive, "```", ""])
