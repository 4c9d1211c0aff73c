"""Cells run in processes of their own: one failure stops no other, nothing is done twice, two never share a fit."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from unimp_bench.cli.main import main
from unimp_bench.corpus import Corpus
from unimp_bench.files import locked
from unimp_bench.paths import Workspace
from unimp_bench.suites import SUITES, Suite, SuiteRow
from unimp_bench.suites.execute import LOG_NAME, execute, is_done
from unimp_bench.suites.plan import Budget, Cell, cells

NOWHERE = Workspace(Path("nowhere"))
CHEAP = Suite(
    name="cheap",
    title="Cheap",
    table="none",
    about="",
    tasks=("recommendation", "search"),
    rows=tuple(SuiteRow(model, model=model, seeded=False) for model in ("popularity", "transition-graph")),
)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("UNIMP_BENCH_HOME", str(tmp_path))
    return Workspace(tmp_path)


def cheap_cells(corpus: Corpus, tasks: Sequence[str] = ("recommendation",)) -> list[Cell]:
    return cells(CHEAP, corpus.folder, tasks, 1, Budget(), NOWHERE)


def test_a_cell_that_fails_stops_no_other(planted: Corpus, workspace: Workspace) -> None:
    first, second = cheap_cells(planted)
    with locked(workspace.runs / first.key):
        ends = [event for event in execute([first, second], workspace, jobs=1) if event.ended]
    assert [event.cell for event in ends] == [first, second]
    assert "another process works on" in ends[0].failed and "error:" not in ends[0].failed
    assert ends[1].failed == "" and ends[1].seconds > 0
    assert (is_done(first, workspace), is_done(second, workspace)) == (False, True)
    assert "HR@5" in (workspace.runs / second.key / LOG_NAME).read_text()


def test_two_jobs_run_at_once_unless_they_share_a_fit(planted: Corpus, workspace: Workspace) -> None:
    popular, graph = cheap_cells(planted)
    sharing = Cell(popular.row, popular.request, "shared", popular.fits)
    events = execute([popular, sharing, graph], workspace, jobs=2)
    order = [(event.cell.key == graph.key, event.ended) for event in events if event.cell is not sharing]
    assert order[:2] == [(False, False), (True, False)], "the third starts beside the first, before any has ended"
    one_by_one = list(execute([popular, sharing], workspace, jobs=2))
    assert [event.ended for event in one_by_one] == [False, True, False, True]


def test_what_runs_is_stopped_when_the_suite_is(planted: Corpus, workspace: Workspace) -> None:
    (cell, *_) = cells(SUITES["ablation"], planted.folder, ("recommendation",), 1, Budget(), NOWHERE)
    events = execute([cell], workspace, jobs=1)
    assert not next(events).ended
    deadline = time.monotonic() + 60
    while not (workspace.fits / cell.fits[-1] / "work").is_dir():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    events.close()
    with locked(workspace.runs / cell.key), locked(workspace.fits / cell.fits[-1]):
        assert not is_done(cell, workspace)


def test_the_command_runs_publishes_and_goes_on(
    planted: Corpus, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main(["suite", "new_user", "--corpus", str(planted.folder), *arguments])
        output = capsys.readouterr()
        return int(str(caught.value.code)), output.out, output.err

    graph = next(
        cell
        for cell in cells(SUITES["new_user"], planted.folder, ("recommendation",), 1, Budget(), NOWHERE)
        if cell.row.label == "Transition graph"
    )
    rows = ("--row", "Popularity", "--row", "Transition graph")
    with locked(workspace.runs / graph.key):
        code, out, err = call(*rows)
    assert code == 1 and "1 of 2 runs failed" in err and err.count("\n") == 1
    assert "failed     Transition graph, recommendation, seed 0: another process" in out
    assert "done       Popularity, recommendation, seed 0: HR@5" in out
    code, out, err = call(*rows)
    assert code == 0, err
    assert "2 runs, 1 done before, 1 to do" in out and "was there  Popularity" in out
    published = sorted(path.stem for path in (workspace.leaderboards / "results").rglob("*.json"))
    assert graph.key in published and len(published) == 2
    assert "transition-graph" in (workspace.leaderboards / "recommendation.md").read_text()
    assert (workspace.leaderboards / "new_user.md").is_file()


def test_no_publish_leaves_the_leaderboards_alone(planted: Corpus, workspace: Workspace) -> None:
    with pytest.raises(SystemExit):
        main(["suite", "new_user", "--corpus", str(planted.folder), "--row", "Popularity", "--no-publish"])
    assert list(workspace.runs.glob("*/result.json")) and not workspace.leaderboards.exists()
