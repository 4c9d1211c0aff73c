"""A suite that was killed, with or without its child processes, ends with the same tables as an uninterrupted one."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.reports.pretended import place
from unimp_bench.corpus import Corpus
from unimp_bench.files import Workspace
from unimp_bench.reports.pages.write import write_all
from unimp_bench.runs.provenance import Provenance
from unimp_bench.runs.results import RESULT_NAME, Cost, Result

CHEAP = ("--row", "Transition graph", "--row", "Popularity")
LEARNED = ("--row", "UniMP", "--row", "SASRec", "--row", "Popularity", "--set", "epochs=2")
PATIENCE = 300

# What a result may owe to the hour and the machine; all else is the same or the suite did not resume.
COST = Cost(
    fit_seconds=1,
    predict_seconds=1,
    examples_per_second=1,
    peak_memory_mib=1,
    parameters_trained=1,
    parameters_total=1,
)
PROVENANCE = Provenance(command="", commit="", clean=True, versions={}, machine="", time="2026-01-01T00:00:00Z")


@contextlib.contextmanager
def suite(home: Path, corpus: Corpus, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """``unimp-bench suite new_user`` in a separate process group, and the file of its output."""
    home.mkdir(exist_ok=True)
    said = home / "said.txt"
    command = [sys.executable, "-m", "unimp_bench.cli.main", "suite", "new_user", "--corpus", str(corpus.folder)]
    with said.open("wb") as stream:
        process = subprocess.Popen(
            [*command, "--seeds", "1", *options],
            stdout=stream,
            stderr=subprocess.STDOUT,
            env={**os.environ, "UNIMP_BENCH_HOME": str(home), "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )
    try:
        yield process, said
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def finish(home: Path, corpus: Corpus, *options: str) -> str:
    """Wait for the end of a suite; return its output."""
    with suite(home, corpus, *options) as (process, said):
        assert process.wait(PATIENCE) == 0, said.read_text()
        return said.read_text()


def until(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None and time.monotonic() < deadline, "the suite ended before it could be killed"
        time.sleep(0.02)


def tables(home: Path) -> dict[str, str]:
    """The pages of all results, with equal times."""
    level = home / "level"
    for path in Workspace(home).runs.glob(f"*/{RESULT_NAME}"):
        place(level, Result.read(path).model_copy(update={"cost": COST, "provenance": PROVENANCE}))
    return {path.relative_to(level).as_posix(): path.read_text() for path in write_all(level)}


def predictions(home: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in Workspace(home).runs.glob("*/predictions.parquet")}


def test_tables_are_the_same_after_killing_all_processes(planted: Corpus, tmp_path: Path) -> None:
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    finish(undisturbed, planted, *CHEAP)
    with suite(killed, planted, *CHEAP) as (process, said):
        until(lambda: "running    Popularity" in said.read_text(), process)
    assert not (killed / "runs" / "leaderboards").exists()
    assert "1 left, 1 was there" in finish(killed, planted, *CHEAP)
    assert "Popularity" in tables(killed)[f"recommendation/{planted.name}.md"]
    assert tables(killed) == tables(undisturbed) and predictions(killed) == predictions(undisturbed)


def test_a_suite_waits_for_the_orphan_of_a_killed_one(planted: Corpus, tmp_path: Path) -> None:
    with suite(tmp_path, planted, *CHEAP) as (process, _):
        until(lambda: any(Workspace(tmp_path).runs.glob("*/.lock")), process)
        process.kill()
        process.wait()
        # Alone in its group now, and a process that stands still holds its lock as a long fit does.
        os.killpg(process.pid, signal.SIGSTOP)
        with suite(tmp_path, planted, *CHEAP) as (second, said):
            until(lambda: "done       Popularity" in said.read_text(), second)
            assert "waiting    Transition graph" in said.read_text() and "locked by another process" in said.read_text()
            os.killpg(process.pid, signal.SIGCONT)
            assert second.wait(PATIENCE) == 0, said.read_text()
            assert "done       Transition graph" in said.read_text() and "running    Transition" not in said.read_text()


@pytest.mark.slow
def test_trainings_killed_twice_equal_uninterrupted_ones(planted: Corpus, tmp_path: Path) -> None:
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    finish(undisturbed, planted, *LEARNED)
    for lines in (3, 6):

        def trained(lines: int = lines) -> bool:
            logs = (killed / "runs" / "fits").glob("*/work/log/*.jsonl")
            return any(path.read_text().count("\n") >= lines for path in logs)

        with suite(killed, planted, *LEARNED, "--jobs", "2") as (process, _):
            until(trained, process)
    finish(killed, planted, *LEARNED)
    assert "SASRec" in tables(killed)[f"recommendation/{planted.name}_details.md"]
    assert tables(killed) == tables(undisturbed) and predictions(killed) == predictions(undisturbed)
