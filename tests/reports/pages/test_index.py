"""The index: one line per task and corpus, and the places of systems on a page of their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from unimp_bench.reports.pages.brief import Board, boards_of, standing
from unimp_bench.reports.pages.index import HEADS, index_markdown, systems_markdown
from unimp_bench.reports.pages.write import boards as pages_in
from unimp_bench.reports.store import Contents
from unimp_bench.reports.tables.table import Row

pytestmark = pytest.mark.usefixtures("small")


def rows(text: str) -> list[list[str]]:
    """The cells of the first table of a page, without its head."""
    lines = [line for line in text.split("\n") if line.startswith("|")][2:]  # a label has a U+2028
    return [line.removeprefix("| ").removesuffix(" |").split(" | ") for line in lines]


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
        first = board.main.first_row
        if first is not None and first.details is not None:
            assert f"{first.details.metrics[board.main.main].value:.4f}\N{NO-BREAK SPACE}±" in line


def planted(folder: Path, tied: int, **fields: Any) -> list[str]:
    """The cells of the line of a table with planted marks and ``fields``, by the columns of the index."""
    (board,) = (each for each in shown(folder) if each.stem == "search/toy")

    def marked(row: Row) -> Row:
        return replace(row, mark="best" if row.place == 1 else "tied" if (row.place or 9) <= 1 + tied else "")

    made = tuple(marked(row) for row in board.main.rows)
    confirmed = fields.pop("confirmed", tuple(row.label for row in made if row.mark))
    board = replace(board, tables=(replace(board.main, rows=made, confirmed=confirmed, **fields),))
    (line,) = rows(index_markdown([board], [], "", [], published=False))
    return line


@pytest.mark.parametrize("tied", [0, 1, 2, 3])
def test_rows_that_are_not_different_are_named_or_counted(boards: Path, tied: int) -> None:
    (board,) = (each for each in shown(boards) if each.stem == "search/toy")
    labels = [row.label for row in board.main.rows if row.place is not None]
    cells = dict(zip(HEADS, planted(boards, tied), strict=True))
    assert cells["First ±"].startswith(labels[0] + " ")
    words = ("", labels[1], f"{labels[1]} and {labels[2]}", f"{labels[1]} and 2 others")[tied]
    assert cells["Not different (=)"] == words.replace("|", "\\|")
    assert cells["Next"].startswith(labels[1 + tied] + " ")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"confirmed": ("middle (k=2)", "worse"), "by_time": ("middle (k=2)", "worse")},
            "not best, but middle (k=2) and worse",
        ),
        ({"confirmed": ("best", "worse"), "by_time": ("best", "worse")}, "confirmed for best and worse"),
        ({"by_time": ("another", "worse", "best")}, "confirmed"),
        ({"confirmed": (), "by_time": ("another",)}, "none of these, but another"),
        ({"clock": True}, "no result"),
        ({"clock": True, "by_time": ()}, "names none"),
        ({"clock": False}, "no times"),
        ({"split": "public"}, "public split"),
    ],
)
def test_the_row_with_the_best_value_is_named_whatever_the_temporal_split_says(
    boards: Path, fields: dict[str, Any], words: str
) -> None:
    cells = dict(zip(HEADS, planted(boards, 2, **fields), strict=True))
    assert cells["First ±"].startswith("best 0.") and cells["Not different (=)"] == "middle (k=2) and worse"
    assert cells["By time"] == words


def test_a_first_row_of_few_seeds_is_shown_and_not_called_best(boards: Path) -> None:
    (board,) = (each for each in shown(boards) if each.stem == "search/toy")
    unmarked = tuple(replace(row, mark="ceiling" if row.mark == "ceiling" else "") for row in board.main.rows)
    table = replace(board.main, rows=unmarked, verdict="none: too few seeds of the first row")
    first, equal, by_time = standing(table)
    assert first.startswith("best 0.") and equal == table.verdict and not by_time


def test_systems_have_their_places_on_a_page_of_their_own(boards: Path) -> None:
    places = {cells[0]: cells[1:] for cells in rows(systems_markdown(shown(boards)))}
    assert "Ot1" in " ".join(places["BM25"])
    assert "To1" in " ".join(places["best"])
    assert "systems.md" in index_markdown(shown(boards), [], "", [], published=False)
