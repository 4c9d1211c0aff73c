"""In a week every slow test has its day, and every other test has each day."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PLUGIN = "from tests.slow_days import *"
MODULE = "import pytest\n\n\n@pytest.mark.slow\n@pytest.mark.parametrize('n', range(10))\ndef test_slow(n): ...\n\n\n"


def run(folder: Path, day: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-v", "--slow-of", day, str(folder)]
    return subprocess.run(command, cwd=folder, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "conftest.py").write_text(PLUGIN)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = slow\n")
    (tmp_path / "test_some.py").write_text(MODULE + "def test_quick(): ...\n")
    return tmp_path


def test_a_week_has_each_slow_test_once(folder: Path) -> None:
    ran: Counter[str] = Counter()
    for number in range(7):
        day = date(2026, 11, 28) + timedelta(number)
        done = run(folder, str(day))
        assert done.returncode == 0, done.stdout
        assert f"slow tests of {day}, part " in done.stdout and done.stdout.rstrip().splitlines()[-1].startswith("====")
        ran.update(line.split()[0].rpartition("::")[2] for line in done.stdout.splitlines() if " PASSED" in line)
    assert ran == {**{f"test_slow[{n}]": 1 for n in range(10)}, "test_quick": 7}


def test_an_invalid_day_is_refused(folder: Path) -> None:
    done = run(folder, "tuesday")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR and "not 'tuesday'" in done.stderr


def test_ci_runs_the_slow_tests_of_the_day_in_the_run_whose_summary_it_ends_with() -> None:
    assert (ROOT / ".ci" / "run").read_text().rstrip().splitlines()[-1].split()[1:5] == [
        "install",
        "lint",
        "docs",
        "test-today",
    ]
    made = subprocess.run(
        ["make", "--dry-run", "test-today", "VENV=/nowhere"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    command = made.stdout.splitlines()[-1].split()
    assert "/nowhere/bin/pytest" in command and command[-2:] == ["--slow-of", "today"]
