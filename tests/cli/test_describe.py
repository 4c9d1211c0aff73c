"""The commands that show and export examples."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from unimp_bench.cli.main import main
from unimp_bench.corpus import Corpus


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    output = capsys.readouterr()
    return int(str(caught.value.code)), output.out, output.err


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNIMP_BENCH_HOME", str(tmp_path))


def test_the_commands(capsys: pytest.CaptureFixture[str], planted: Corpus, tmp_path: Path) -> None:
    corpus = ["--corpus", str(planted.folder)]
    html = tmp_path / "pages" / "search.html"
    code, out, err = call(capsys, "describe", "task", "search", *corpus, "--example", "3", "--html", str(html))
    assert (code, err) == (0, "") and re.search(r"^query  +\S", out, re.MULTILINE) and f"wrote {html}" in out
    ids = re.findall('aria-labelledby="(.*?)"', html.read_text())
    assert len(ids) == 12 and ids == re.findall('<h2 id="(.*?)"', html.read_text())
    call(capsys, "describe", "task", "search", *corpus, "--split", "new-user", "--count", "2", "--html", str(html))
    assert html.read_text().count("<article") == 2 and "search/new-user/test" in html.read_text()
    code, _, err = call(capsys, "describe", "task", "search", *corpus, "--html", str(tmp_path))
    assert code == 2 and err.startswith("error: ") and err.count("\n") == 1


def test_export_and_its_errors(capsys: pytest.CaptureFixture[str], planted: Corpus, tmp_path: Path) -> None:
    corpus = ["--corpus", str(planted.folder)]
    code, out, err = call(capsys, "export", "--task", "search", *corpus, "--split", "new-user")
    assert (code, err) == (0, "") and (tmp_path / "exports" / "planted" / "search" / "README.md").is_file()
    assert re.search(r"new_user_test +\d+", out)
    for arguments, expected, message in (
        (["--task", "serch"], 2, "did you mean 'search'"),
        (["--task", "search", "--option", "x=1"], 2, "x"),
        (["--task", "search", "--option", "x"], 2, "KEY=VALUE"),
        (["--task", "all", "--option", "most=3"], 2, "one task"),
        (["--task", "search", "--view", "NX"], 2, "NX"),
        (["--task", "search", "--split", "lo"], 2, "loo"),
        (["--task", "search", "--out", str(planted.folder / "manifest.json")], 3, "manifest.json"),
        ([], 2, "--task"),
    ):
        code, out, err = call(capsys, "export", *corpus, *arguments)
        assert (code, out) == (expected, ""), err
        assert err.startswith("error: ") and err.count("\n") == 1 and message in err
