"""Cells on Ray: the same processes with the same results and reasons."""

from __future__ import annotations

import _thread
import builtins
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from unimp_bench.cli.main import main
from unimp_bench.corpus import Corpus
from unimp_bench.errors import UsageError
from unimp_bench.files import Workspace
from unimp_bench.runs.execution.executor import End, State, execute, is_done
from unimp_bench.runs.execution.ray_cluster import RayCluster, attempt
from unimp_bench.runs.plan import Cell


def test_cells_run_on_a_local_cluster_and_failures_are_isolated(
    cells_of: Callable[..., list[Cell]], workspace: Workspace
) -> None:
    pytest.importorskip("ray")
    first, second, third = cells_of(["popularity", "transition-graph", "itemknn"])
    (workspace.runs / first.key / "spec.json").mkdir(parents=True)
    ends: dict[str, Any] = {}
    with RayCluster(places=2) as cluster:
        assert cluster.places == 2
        for event in execute([first, second], workspace, cluster):
            ends[event.cell.key] = event
        interrupted = execute([third], workspace, cluster)
        assert next(interrupted).state is State.RUNNING
        lock = workspace.runs / third.key / ".lock"
        deadline = time.monotonic() + 300  # a machine with other work starts Ray slowly
        while not lock.exists() and not is_done(third, workspace):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        interrupted.close()  # type: ignore[attr-defined]
    assert ends[first.key].state is State.FAILED and "Is a directory" in ends[first.key].reason
    assert ends[second.key].state is State.DONE and is_done(second, workspace)
    assert is_done(third, workspace) or "interrupted" in (workspace.runs / third.key / "log.txt").read_text()


def test_a_node_uses_the_working_directory_of_the_suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "log.txt").touch()
    end = attempt(("list", "corpora"), str(tmp_path / "log.txt"), {"UNIMP_BENCH_HOME": "here"}, str(tmp_path))
    assert end == End(0) and "sample" in (tmp_path / "log.txt").read_text()
    assert attempt(("lst",), str(tmp_path / "log.txt"), {}, str(tmp_path)) == End(2)


def test_a_node_without_the_workspace_reports_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    trouble = attempt(("list", "corpora"), str(tmp_path / "none.txt"), {}, str(tmp_path)).trouble
    assert "does not see" in trouble and "none.txt" in trouble and "share its file system" in trouble
    (tmp_path / "log.txt").touch()
    assert "/nowhere" in attempt(("list", "corpora"), str(tmp_path / "log.txt"), {}, "/nowhere").trouble


def test_an_interrupted_node_stops_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "log.txt").touch()
    monkeypatch.setattr("unimp_bench.runs.execution.executor.PROGRAM", ("-c", "import time; time.sleep(600)"))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background would ignore it
    try:
        threading.Timer(1.0, _thread.interrupt_main).start()
        started = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            attempt((), str(tmp_path / "log.txt"), {}, str(tmp_path))
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - started < 60


def test_missing_ray_is_a_one_line_error(
    planted: Corpus, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "ray":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.delitem(sys.modules, "ray", raising=False)
    with pytest.raises(SystemExit) as caught:
        main(["suite", "new_user", "--corpus", str(planted.folder), "--row", "Popularity", "--executor", "ray"])
    assert caught.value.code == 4 and not workspace.runs.exists()
    assert capsys.readouterr().err == "error: --executor ray needs Ray: pip install 'unimp-bench[ray]'\n"


def test_an_unreachable_address_is_an_immediate_error() -> None:
    pytest.importorskip("ray")
    started = time.monotonic()
    with pytest.raises(UsageError, match=r"no Ray cluster responds at 127\.0\.0\.1:9: .*refused"):
        RayCluster("127.0.0.1:9")
    assert time.monotonic() - started < 30
