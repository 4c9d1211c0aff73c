"""The index: one line per task and corpus, and the places of systems on a page of their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from unimp_bench.reports.brief import Board, boards_of
from unimp_bench.reports.index import HEADS, index_markdown, systems_markdown
from unimp_bench.reports.store import Contents
from unimp_bench.reports.table import Row
from unimp_bench.reports.write import boards as pages_in

pytestmark = pytest.mark.usefixtures("small")


def rows(text: str) -> list[list[str]]:
    """The cells of the first table of a page, without its head."""
    return [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")][2:]


def shown(folder: Path) -> list[Board]:
    return [board for page in pages_in(Contents.published(folder))[0] for board in boards_of(page)]


def test_each_task_and_corpus_has_one_line(boards: Path) -> None:
    listed = shown(boards)
    text = index_markdown(listed, [], "", [], published=False)
    lines = [line for line in text.splitlines() if line.startswith("|")][2:]
    assert len(lines) == len(listed) and all(line.count(" | ") == len(HEADS) - 1 for line in lines)
    for number, (line, board) in enumerate(zip(lines, listed, strict=True)):
        assert f"[{board.corpus}]({board.stem}.md)" in line
        begins = not number or listed[number - 1].page.name != board.page.name
        assert (f"({board.page.name}.md)" in line) == begins
        best = board.main.best_row
        if best is not None and best.details is not None:
            assert f"{best.details.metrics[board.main.main].value:.4f}\N{NO-BREAK SPACE}±" in line


@pytest.mark.parametrize("tied", [0, 1, 2])
def test_rows_that_are_not_different_are_named_or_counted(boards: Path, tied: int) -> None:
    (board,) = (each for each in shown(boards) if each.stem == "search/toy")

    def marked(row: Row) -> Row:
        return replace(row, mark="best" if row.place == 1 else "tied" if (row.place or 9) <= 1 + tied else "")

    made = tuple(marked(row) for row in board.main.rows)
    first, *others = confirmed = tuple(row.label for row in made if row.mark)
    board = replace(board, tables=(replace(board.main, rows=made, confirmed=confirmed),))
    words = ("", f" (= {'; '.join(others)})", " (= 2 others)")[tied]
    assert len(others) == tied and f"| {first}{words} |" in index_markdown([board], [], "", [], published=False)


def test_systems_have_their_places_on_a_page_of_their_own(boards: Path) -> None:
    places = {cells[0]: cells[1:] for cells in rows(systems_markdown(shown(boards)))}
    assert "Ot1" in " ".join(places["BM25"])
    assert "To1" in " ".join(places["best"])
    assert "systems.md" in index_markdown(shown(boards), [], "", [], published=False)
