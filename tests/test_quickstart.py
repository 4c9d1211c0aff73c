"""``make quickstart`` leaves the repository unchanged and shows its table on a terminal."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.reports.pretended import place
from unimp_bench.cli.main import main
from unimp_bench.corpus import Corpus
from unimp_bench.files import Workspace
from unimp_bench.runs.results import Result
from unimp_bench.runs.runner import RunRequest, run

ROOT = Path(__file__).resolve().parents[1]


def recipe() -> list[list[str]]:
    """The ``unimp-bench`` commands of ``make quickstart`` after the installation."""
    made = subprocess.run(
        ["make", "--dry-run", "quickstart", "VENV=/nowhere"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    lines = [line.split("/bin/unimp-bench ")[1] for line in made.stdout.splitlines() if "/bin/unimp-bench " in line]
    return [shlex.split(line) for line in lines]


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.fixture
def repository(tmp_path: Path, sample: Corpus, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with a result published by another machine for a row of the quickstart."""
    shutil.copy(ROOT / ".gitignore", tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "sample").symlink_to(sample.folder)
    elsewhere = Workspace(tmp_path / "cache" / "elsewhere")
    result, _ = run(RunRequest(task="search", model="bm25", corpus=sample.folder, protocol="masked"), elsewhere)
    published = result.model_copy(update={"provenance": result.provenance.model_copy(update={"machine": "another"})})
    place(tmp_path / "leaderboards", published)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "published")
    monkeypatch.setenv("UNIMP_BENCH_HOME", str(tmp_path))
    return tmp_path


def test_the_quickstart_leaves_the_repository_clean(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Unchanged commands, except for a shortened training of UniMP."""
    commands = [command for command in recipe() if command[0] != "data"]
    assert [command[0] for command in commands] == ["run", "run", "leaderboard"]
    for command in commands:
        short = ["--set", "epochs=1", "--set", "width=32"] if "unimp" in command else []
        with pytest.raises(SystemExit) as caught:
            main([*command, *short])
        out = capsys.readouterr().out
        assert caught.value.code == 0
    assert git(repository, "status", "--porcelain") == ""
    wrote, *table = out.splitlines()
    assert wrote.startswith("wrote ") and max(map(len, table)) <= 120
    assert "sample, split loo, protocol masked" in out and "BM25" in out and "UniMP-tiny" in out
    page = (repository / "runs" / "leaderboards" / "search" / "sample.md").read_text(encoding="utf-8")
    assert re.search(r"\| BM25 \|", page) and re.search(r"\| UniMP-tiny, 0\.\dM, from scratch \(width=32\) \|", page)
    with pytest.raises(SystemExit) as caught:
        main(["publish", "--all", "--dirty"])
    assert caught.value.code == 2 and "--replace" in capsys.readouterr().err
    assert git(repository, "status", "--porcelain") == ""
    assert len(list(repository.glob("leaderboards/results/*/*/*.json"))) == 1
    Result.read(next(repository.glob("leaderboards/results/*/*/*.json")))
