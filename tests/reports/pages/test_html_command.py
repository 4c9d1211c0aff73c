"""``unimp-bench leaderboard --html``."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from unimp_bench.cli.main import main

pytestmark = pytest.mark.usefixtures("small")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, boards: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(boards, tmp_path / "leaderboards")
    monkeypatch.setenv("UNIMP_BENCH_HOME", str(tmp_path))
    return tmp_path


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["leaderboard", *arguments])
    return int(str(caught.value.code))


def test_the_page_is_written_with_the_tables(home: Path, html: str) -> None:
    assert call("--html") == 0
    assert (home / "leaderboards" / "index.html").read_text(encoding="utf-8") == html
    assert not list((home / "leaderboards").glob("*.md")), "the tables are written without --html"


def test_the_page_is_written_to_the_requested_path(home: Path, html: str) -> None:
    assert call("--html", str(home / "out" / "page.html")) == 0
    assert (home / "out" / "page.html").read_text(encoding="utf-8") == html


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("search", "--html"), "omit TOPIC"),
        (("--runs", "--html"), "omit TOPIC"),
        (("--corpus", "toy", "--html"), "omit TOPIC"),
        (("--html", "search"), "ends with .html"),
    ],
)
def test_invalid_paths_raise(arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(*arguments) == 2
    assert said in capsys.readouterr().err
