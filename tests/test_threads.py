"""Processes that share a machine: their waiting threads soon sleep, and what the user has set stays."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from unimp_bench.machine import share_cores
from unimp_bench.runs.execution.executor import Processes

SLEEPS = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "1000"}


@pytest.mark.parametrize(
    ("given", "processes", "expected"),
    [
        ({}, 1, SLEEPS),
        ({}, 2, {**SLEEPS, "OMP_NUM_THREADS": "4"}),
        ({}, 16, {**SLEEPS, "OMP_NUM_THREADS": "1"}),
        ({"OMP_NUM_THREADS": "3"}, 2, {**SLEEPS, "OMP_NUM_THREADS": "3"}),
        ({"OMP_WAIT_POLICY": "active"}, 1, {"OMP_WAIT_POLICY": "active"}),
        ({"GOMP_SPINCOUNT": "0"}, 1, {"GOMP_SPINCOUNT": "0"}),
    ],
)
def test_what_is_set(
    given: dict[str, str], processes: int, expected: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    environment = dict(given)
    share_cores(environment, processes)
    assert environment == expected


def test_the_command_line_sets_it_before_torch_is_imported() -> None:
    """GCC's OpenMP prints the settings that it has taken over when torch loads it."""
    script = (
        "import sys\nfrom unimp_bench.cli.main import main\n"
        "assert 'torch' not in sys.modules\n"
        "try: main(['list', 'tasks'])\nexcept SystemExit: pass\n"
        "import torch\n"
    )
    unset = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    run = subprocess.run(
        [sys.executable, "-c", script],
        env={**unset, "OMP_DISPLAY_ENV": "verbose"},
        capture_output=True,
        text=True,
        check=True,
    )
    if "GOMP_SPINCOUNT" not in run.stderr:
        pytest.skip("this torch has another OpenMP, which prints no GOMP_SPINCOUNT")
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in run.stderr and "GOMP_SPINCOUNT = '1000'" in run.stderr


def test_jobs_of_a_suite_share_the_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    for name in (*SLEEPS, "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    started: list[dict[str, str]] = []

    class Started:
        def __init__(self, command: list[str], env: dict[str, str], **_: object) -> None:
            started.append(env)

    monkeypatch.setattr(subprocess, "Popen", Started)
    Processes(4).start(["list"], tmp_path / "log.txt")
    assert {name: started[0][name] for name in (*SLEEPS, "OMP_NUM_THREADS")} == {**SLEEPS, "OMP_NUM_THREADS": "2"}
