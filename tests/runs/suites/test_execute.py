"""Cells run in separate processes: failures are isolated, nothing is done twice, fits are never shared."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from data_prep.build import build_corpus
from tests.reports.pretended import place
from unimp_bench.cli.main import main
from unimp_bench.corpus import Corpus
from unimp_bench.files import Workspace, locked
from unimp_bench.runs.execution.executor import Processes, State, execute, is_done, log_of
from unimp_bench.runs.plan import Budget, Cell, cells
from unimp_bench.runs.results import Result
from unimp_bench.runs.suites import SUITES

NOWHERE = Workspace(Path("nowhere"))
CHEAP = ("popularity", "transition-graph")
Cells = Callable[..., list[Cell]]


def obstruct(cell: Cell, workspace: Workspace) -> Path:
    """Make a cell fail by a folder in place of a file that it writes."""
    obstacle = workspace.runs / cell.key / "spec.json"
    obstacle.mkdir(parents=True)
    return obstacle


def test_a_failed_cell_does_not_stop_others(cells_of: Cells, workspace: Workspace) -> None:
    first, second = cells_of(CHEAP)
    obstruct(first, workspace)
    started, failed, _, done = execute([first, second], workspace, Processes())
    assert (started.cell, started.state) == (first, State.RUNNING)
    assert (failed.cell, failed.state) == (first, State.FAILED)
    assert "Is a directory" in failed.reason and "error:" not in failed.reason
    assert (done.cell, done.state, done.reason) == (second, State.DONE, "") and done.seconds > 0
    assert (is_done(first, workspace), is_done(second, workspace)) == (False, True)
    assert "HR@5" in log_of(second, workspace).read_text()


def test_jobs_run_in_parallel_unless_they_share_a_fit(cells_of: Cells, workspace: Workspace) -> None:
    popular, graph = cells_of(CHEAP)
    sharing = Cell(popular.row, replace(popular.request, protocol="masked"), "shared", popular.fits)
    events = list(execute([popular, sharing, graph], workspace, Processes(2)))
    states = [(event.cell.key, event.state) for event in events]
    assert states[:2] == [(popular.key, State.RUNNING), (graph.key, State.RUNNING)]
    assert states.index(("shared", State.RUNNING)) > states.index((popular.key, State.DONE))


def test_running_cells_are_stopped_with_the_suite(planted: Corpus, workspace: Workspace) -> None:
    (cell, *_) = cells(SUITES["ablation"], planted.folder, ("recommendation",), 1, Budget(), NOWHERE)
    events = execute([cell], workspace, Processes())
    assert next(events).state is State.RUNNING
    deadline = time.monotonic() + 60
    while not (workspace.fits / cell.fits[-1] / "work").is_dir():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    events.close()  # type: ignore[attr-defined]
    with locked(workspace.runs / cell.key), locked(workspace.fits / cell.fits[-1]):
        assert not is_done(cell, workspace)


def test_only_a_cell_with_a_locked_fit_waits(cells_of: Cells, workspace: Workspace) -> None:
    first, second = cells_of(CHEAP)
    with locked(workspace.fits / first.fits[-1]):
        events = execute([first, second], workspace, Processes())
        seen = [next(events) for _ in range(3)]
    assert [(event.cell, event.state) for event in seen] == [
        (first, State.HELD),
        (second, State.RUNNING),
        (second, State.DONE),
    ]
    assert seen[0].reason == f"{workspace.fits / first.fits[-1]} is locked by another process"
    assert [event.state for event in events] == [State.RUNNING, State.DONE]


def test_a_run_finished_by_another_process_is_not_repeated(cells_of: Cells, workspace: Workspace) -> None:
    (cell,) = cells_of(CHEAP[:1])
    with locked(workspace.runs / cell.key):
        events = execute([cell], workspace, Processes())
        assert next(events).state is State.HELD
        (workspace.runs / cell.key / "result.json").write_text("{}")
    assert [event.state for event in events] == [State.DONE]
    assert not log_of(cell, workspace).exists()


def test_a_cell_that_finds_a_lock_after_its_start_is_retried(
    cells_of: Cells, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unimp_bench.runs.execution.executor._PAUSE_SECONDS", 0.1)
    monkeypatch.setattr("unimp_bench.runs.execution.executor.is_locked", lambda folder: False)
    (cell,) = cells_of(CHEAP[:1])
    release = threading.Event()

    def hold() -> None:
        with locked(workspace.runs / cell.key):
            release.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    states = []
    try:
        for event in execute([cell], workspace, Processes()):
            states.append(event.state)
            if event.state is State.HELD:
                assert "locked by another process" in event.reason
                release.set()
    finally:
        release.set()
        holder.join()
    assert states[:2] == [State.RUNNING, State.HELD] and states[-2:] == [State.RUNNING, State.DONE]


def test_the_command_runs_shows_and_resumes(
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
    code, out, _ = call(*rows, "--dry-run")
    assert code == 0 and "2 runs, 2 left" in out and not workspace.runs.exists()
    assert "no estimate, as there is no earlier result: Transition graph, recommendation, seed 0; Popularity" in out
    obstacle = obstruct(graph, workspace)
    code, out, err = call(*rows)
    assert code == 1 and "1 of 2 runs failed" in err and err.count("\n") == 1
    failure = r"Transition graph, recommendation, seed 0: .*Is a directory  \("
    assert re.search(f"  failed     {failure}[0-9]+ s, 1 left", out)
    assert "done       Popularity, recommendation, seed 0: NDCG@10" in out
    assert re.search(f"1 failed:\n  {failure}{log_of(graph, workspace)}", out)
    obstacle.rmdir()
    code, out, err = call(*rows)
    assert code == 0, err
    assert "2 runs, 1 left, 1 was there" in out and "was there  Popularity" in out and "1 failed" not in out
    pages = workspace.runs / "leaderboards"
    details = (pages / "recommendation" / f"{planted.name}_details.md").read_text()
    assert "transition-graph" in details and (pages / "coverage.md").is_file()


def test_published_runs_can_be_left_out(
    planted: Corpus, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    popularity = ("suite", "new_user", "--corpus", str(planted.folder), "--row", "Popularity")
    with pytest.raises(SystemExit):
        main([*popularity])
    (path,) = workspace.runs.glob("*/result.json")
    place(workspace.leaderboards, Result.read(path))
    path.unlink()
    capsys.readouterr()
    left_out = "0 runs, nothing to do, 1 left out as published"
    for options, said in ((("--dry-run",), "1 runs, 1 left\n"), (("--unpublished",), left_out)):
        with pytest.raises(SystemExit) as caught:
            main([*popularity, *options])
        out = capsys.readouterr().out
        assert caught.value.code == 0 and said in out
        assert (", of an earlier fit, from recommendation" in out) == ("--dry-run" in options)


def test_only_publishing_touches_the_leaderboards(
    planted: Corpus, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["suite", "new_user", "--corpus", str(planted.folder), "--row", "Popularity"])
    assert list(workspace.runs.glob("*/result.json")) and not workspace.leaderboards.exists()
    home = workspace.runs / "leaderboards"
    assert "| Popularity |" in (home / "recommendation" / f"{planted.name}.md").read_text()
    assert f"wrote {home / 'README.md'} and all other pages" in capsys.readouterr().out


def test_missing_data_are_reported_once_before_any_run(
    planted: Corpus, workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A corpus without ratings and reviews, for rows that require either."""
    raw, bare = tmp_path / "raw", tmp_path / "bare"
    raw.mkdir()
    clicks = [f"u{user}\ti{(user + step) % 9}\t{step}" for user in range(20) for step in range(6)]
    (raw / "x.inter").write_text("\n".join(["user_id:token\titem_id:token\ttimestamp:float", *clicks]) + "\n")
    build_corpus("atomic", bare, raw)

    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main(["suite", *arguments, "--corpus", str(bare)])
        output = capsys.readouterr()
        return int(str(caught.value.code)), output.out, output.err

    for suite, reason in (("preference", "has no ratings"), ("explanation", "has no reviews")):
        code, out, err = call(suite, "--dry-run")
        assert (code, err) == (0, "") and " left" not in out, suite
        assert out.count(reason) == 1 and re.search(rf"^  cannot run [0-9]+ runs of .*{reason}", out, re.MULTILINE)
        code, out, err = call(suite)
        assert code == 2 and out.count(reason) == 1 and "can run on" in err
    code, out, err = call("recommendation", "--row", "P5, of all its tasks", "--row", "Popularity", "--dry-run")
    assert code == 0 and "3 cannot run" in out and "1 left" in out
    assert not workspace.runs.exists()


def test_impossible_runs_fail_only_if_all_are_impossible(
    planted: Corpus, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main(["suite", "recommendation", "--corpus", str(planted.folder), "--task", "search", *arguments])
        output = capsys.readouterr()
        return int(str(caught.value.code)), output.out, output.err

    reason = r"MF, search, seed 0: mf does not serve search; it serves \w+"
    code, out, err = call("--row", "MF", "--row", "Popularity", "--seeds", "1", "--no-publish")
    assert (code, err) == (0, "")
    assert re.search(rf"^  cannot run {reason}", out, re.MULTILINE) and len(re.findall(reason, out)) == 1
    assert "done       Popularity, search" in out
    code, out, err = call("--row", "MF", "--seeds", "1")
    assert code == 2 and err.startswith("error: no requested row of recommendation can run")
    assert err.count("\n") == 1 and len(re.findall(reason, out)) == 1


def test_an_untuned_preset_is_refused_before_any_run(
    planted: Corpus, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["suite", "new_user", "--corpus", str(planted.folder), "--preset", "tuned"])
    assert caught.value.code == 2 and not workspace.runs.exists()
    assert "no tuned configuration of unimp for recommendation" in capsys.readouterr().err


def test_a_corpus_outside_the_table_is_refused(
    planted: Corpus, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["suite", "other_datasets", "--corpus", str(planted.folder)])
    assert caught.value.code == 2 and not workspace.runs.exists()
    assert "suite other_datasets runs on hm or netflix or movielens" in capsys.readouterr().err
