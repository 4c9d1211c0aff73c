"""Progress of a suite: states of cells, remaining time, progress of trainings."""

from __future__ import annotations

import io
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import pytest
from rich.console import Console

from tests.reports.pretended import make_result
from unimp_bench.files import Workspace
from unimp_bench.runs.execution.board import Board, chosen_for, live, plain, progress_of, shown_live, summary, table
from unimp_bench.runs.execution.executor import Event, State
from unimp_bench.runs.plan import Cell
from unimp_bench.runs.suite import SuiteRow

Cells = Callable[..., list[Cell]]


def finish(cell: Cell, workspace: Workspace) -> None:
    """Give a cell a result whose fit and prediction took 4 and 2 seconds."""
    result = make_result("popularity", np.array([1, 9]))
    assert result.cost is not None
    result = result.model_copy(update={"cost": result.cost.model_copy(update={"fit_seconds": 4, "predict_seconds": 2})})
    result.write(workspace.runs / cell.key / "result.json")


def drawn(board: Board, workspace: Workspace, height: int, width: int = 100) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height)
    console.print(table(board, workspace, height))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_states_follow_the_events(cells_of: Cells, workspace: Workspace) -> None:
    there, fails, left, done = cells_of(["popularity", "transition-graph", "itemknn", "ease"])
    refused = Cell(SuiteRow("Refused"), there.request, refused="no reviews")
    finish(there, workspace)
    board = Board([there, fails, left, done, refused], workspace)
    assert board.counts() == "3 left, 1 was there, 1 cannot run"
    assert board.left() == [fails, left, done]
    (before,) = board.of(State.WAS_THERE)
    assert (before.note, before.seconds) == ("NDCG@10 0.6505", 6)
    board.note(Event(fails, State.RUNNING))
    assert board.of(State.RUNNING)[0].started is not None
    failed = board.note(Event(fails, State.FAILED, "NaN scores", 3.0))
    assert (failed.note, failed.seconds, failed.started, failed.place) == ("NaN scores", 3.0, None, 1)
    finish(done, workspace)
    assert board.note(Event(done, State.DONE, seconds=9.0)).note == "NDCG@10 0.6505"
    assert board.counts() == "1 left, 1 was there, 1 done, 1 failed, 1 cannot run"


def test_remaining_time_is_estimated_per_row_or_by_the_mean(cells_of: Cells, workspace: Workspace) -> None:
    cells = cells_of(["mf", "hgn"], seeds=2)
    board = Board(cells, workspace)
    assert board.remaining_seconds() is None
    finish(cells[0], workspace)
    board.note(Event(cells[0], State.DONE, seconds=10.0))
    assert board.remaining_seconds() == 30, "nothing is known of the other row, so it counts as the mean"
    finish(cells[1], workspace)
    board.note(Event(cells[1], State.DONE, seconds=50.0))
    assert [cell.row.label for cell in board.left()] == ["mf", "hgn"]
    assert board.remaining_seconds() == 10 + 50
    board.places = 2
    assert board.remaining_seconds() == 30
    assert summary(board) == "2 left, 2 done; about 30 s left"
    board.note(Event(cells[2], State.RUNNING)).started = time.monotonic() - 4
    assert board.remaining_seconds() == pytest.approx(28, abs=0.5)


def test_two_hundred_cells_fit_a_screen_by_relevance(cells_of: Cells, workspace: Workspace) -> None:
    cells = cells_of(["mf"], seeds=200)
    board = Board(cells, workspace)
    for number, cell in enumerate(cells[:150]):
        finish(cell, workspace)
        failed = number == 20
        board.note(Event(cell, State.FAILED if failed else State.DONE, "NaN [scores]" if failed else "", 1.0))
    board.note(Event(cells[180], State.RUNNING))
    shown = [standing.cell.request.seed for standing in chosen_for(board, 10)]
    assert shown == [20, *range(142, 150), 180]
    lines = drawn(board, workspace, 16)
    assert len(lines) <= 15
    assert "NaN [scores]" in "\n".join(lines) and "and 190 more" in lines[-2]
    assert lines[-1].startswith("49 left, 1 running, 149 done, 1 failed; about 50 s left")


def test_a_running_cell_shows_its_epoch_or_last_line(cells_of: Cells, workspace: Workspace) -> None:
    (cell,) = cells_of(["itemknn"])
    assert progress_of(cell, workspace) == "fitting"
    fit = workspace.fits / cell.fits[0]
    log = fit / "work" / "log" / "training.jsonl"
    log.parent.mkdir(parents=True)
    log.write_text('{"epoch": 4, "loss": 2.5, "validation": null}\n')
    assert progress_of(cell, workspace) == "epoch 4, loss 2.5000"
    log.write_text('{"epoch": 4, "loss": 2.5}\n{"epoch": 5, "loss": 2.25, "validation": {"paper": 0.125}}\n')
    assert progress_of(cell, workspace) == "epoch 5, validation 0.1250"
    staged = Cell(cell.row, cell.request, cell.key, ("earlier", *cell.fits))
    (workspace.fits / "earlier").mkdir()
    assert progress_of(staged, workspace) == "fit 1 of 2, fitting"
    (workspace.fits / "earlier" / "fit.json").touch()
    assert progress_of(staged, workspace) == "fit 2 of 2, epoch 5, validation 0.1250"
    log.write_text('{"epoch": 6, "lo')
    assert progress_of(cell, workspace) == "fitting"
    (fit / "fit.json").touch()
    assert progress_of(cell, workspace) == "predicting"


def test_the_last_state_of_the_live_table_remains(
    cells_of: Cells, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cell,) = cells_of(["itemknn"])
    board = Board([cell], workspace)
    for colour in (True, False):
        monkeypatch.delenv("NO_COLOR", raising=False)
        if not colour:
            monkeypatch.setenv("NO_COLOR", "1")
        monkeypatch.setenv("TERM", "xterm-256color")
        screen = Console(file=io.StringIO(), force_terminal=True, width=80, height=20)
        with live(board, workspace, screen) as follow:
            follow(board.note(Event(cell, State.RUNNING)))
            follow(board.note(Event(cell, State.FAILED, "NaN scores", 3.0)))
        assert isinstance(screen.file, io.StringIO)
        last = screen.file.getvalue()
        assert "NaN scores" in last and "1 failed" in last
        assert ("\x1b[1;31m" in last) == colour


def test_without_a_terminal_each_event_is_a_line(
    cells_of: Cells, workspace: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert not shown_live()
    (cell,) = cells_of(["itemknn"])
    board = Board([cell, Cell(SuiteRow("Refused"), cell.request, refused="no reviews")], workspace)
    with plain(board, workspace) as follow:
        follow(board.note(Event(cell, State.HELD, "another process works")))
        follow(board.note(Event(cell, State.RUNNING)))
        follow(board.note(Event(cell, State.FAILED, "NaN scores", 3.2)))
    assert capsys.readouterr().out.splitlines() == [
        "  cannot run Refused, recommendation, seed 0: no reviews",
        "  waiting    itemknn, recommendation, seed 0: another process works",
        f"  running    itemknn, recommendation, seed 0: {workspace.runs / cell.key / 'log.txt'}",
        "  failed     itemknn, recommendation, seed 0: NaN scores  (3 s, 0 left)",
    ]


def test_help_loads_neither_rich_nor_ray_nor_torch() -> None:
    script = (
        "import sys\nfrom unimp_bench.cli.main import main\n"
        "try: main(['suite', '--help'])\nexcept SystemExit: pass\n"
        "print(sorted({'rich', 'ray', 'torch'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert answer.stdout.splitlines()[-1] == "[]"
