"""The command ``audit table``: the example in its documentation, exit codes and errors."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from unimp_bench.cli.main import main

PAGE = Path(__file__).resolve().parents[4] / "docs" / "table_audit.md"


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(["audit", "table", *arguments])
    output = capsys.readouterr()
    return int(str(caught.value.code)), output.out, output.err


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_documented_example(capsys: pytest.CaptureFixture[str]) -> None:
    text = PAGE.read_text(encoding="utf-8")
    (table,) = re.findall(r"```csv\n(.*?)```", text, flags=re.DOTALL)
    (session,) = re.findall(r"```console\n(.*?)```", text, flags=re.DOTALL)
    command, expected = session.split("\n", 1)
    Path("printed.csv").write_text(table, encoding="utf-8")
    code, out, err = call(capsys, *command.removeprefix("$ unimp-bench audit table ").split())
    assert (code, out + err) == (1, expected)


def test_consistent_rows_exit_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.csv").write_text("s,HR@1,MRR@1\nA,0.10,0.10\n")
    Path("b.csv").write_text("s,HR@1,MRR@1\nA,10.1,10\n")
    assert call(capsys, "a.csv") == (0, "a.csv: all 1 rows are consistent\n  A  consistent\n", "")
    assert call(capsys, "b.csv", "--percent")[0] == 0
    assert call(capsys, "b.csv")[0] == 3


def test_hr_must_be_a_multiple_of_one_over_the_examples(capsys: pytest.CaptureFixture[str]) -> None:
    """With 3 examples HR is 0, 0.333, 0.667 or 1."""
    Path("a.csv").write_text("s,HR@1,MRR@2\nA,0.333,0.5\nB,0.67,0.8\nC,0.334,0.5\n")
    assert call(capsys, "a.csv")[0] == 0
    code, out, _ = call(capsys, "a.csv", "--examples", "3")
    assert code == 1 and "C  HR@1 0.334 is not a multiple" in out and out.count("consistent\n") == 2
    assert call(capsys, "a.csv", "--examples", "1000")[0] == 0


def test_all_files_are_read_despite_errors(capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.csv").write_text("s,HR@1\nA,much\n")
    Path("good.csv").write_text("s,HR@1,MRR@1\nA,0.2,0.4\n")
    Path("other.csv").write_text("s,RMSE\nA,1.2\n")
    code, out, err = call(capsys, "none.csv", "good.csv", "other.csv", "bad.csv")
    assert code == 3
    assert "good.csv: 1 of 1 rows cannot come from one ranking" in out and "other.csv: nothing to test" in out
    assert [line.split(":")[:2] for line in err.splitlines()] == [["error", " none.csv"], ["error", " bad.csv"]]


def test_a_file_without_rank_metrics_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    Path("good.csv").write_text("s,HR@1,MRR@1\nA,0.1,0.1\n")
    Path("other.csv").write_text("s,RMSE\nA,1.2\n")
    Path("blank.csv").write_text("s,HR@1\nA,-\n")
    for files in (("other.csv",), ("blank.csv",), ("good.csv", "other.csv"), ("other.csv", "good.csv")):
        code, _, err = call(capsys, *files)
        assert code == 3 and "nothing to test" in err and err.count("\n") == 1
    Path("noat.csv").write_text("system,HR5,NDCG5\nA,.0337,.0231\n")
    assert call(capsys, "noat.csv") == (0, "noat.csv: all 1 rows are consistent\n  A  consistent\n", "")


def test_a_missing_file_argument_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys)
    assert code == 2 and "FILE" in err
