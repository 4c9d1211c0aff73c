"""``unimp-bench check-results`` finds what is wrong with contributed results, each in one line."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_cli import call
from unimp_bench.corpus import Corpus
from unimp_bench.files import Workspace
from unimp_bench.reports.pages.write import write_all
from unimp_bench.reports.store import place_of
from unimp_bench.runs.results import Result
from unimp_bench.runs.runner import RunRequest, run


@pytest.fixture
def home(tmp_path: Path, planted: Corpus, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace with a published result; that of itemknn is added by ``added``."""
    monkeypatch.setenv("UNIMP_BENCH_HOME", str(tmp_path))
    workspace = Workspace(tmp_path)
    workspace.data.mkdir()
    (workspace.data / planted.name).symlink_to(planted.folder)
    _publish(workspace, "popularity")
    return workspace


@pytest.fixture
def added(home: Workspace) -> Path:
    """The file of an added result."""
    path = _publish(home, "itemknn")
    write_all(home.leaderboards)
    return path


def _publish(home: Workspace, model: str, task: str = "recommendation") -> Path:
    """Run a model and publish the result as one of committed code."""
    (corpus,) = home.data.iterdir()
    result, _ = run(RunRequest(task, model, corpus, protocol="masked" if task == "recommendation" else "paper"), home)
    origin = result.provenance.model_copy(update={"clean": True, "commit": "0" * 40})
    path = place_of(home.leaderboards, result)
    result.model_copy(update={"provenance": origin}).write(path)
    return path


def change(path: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    """Edit the JSON of a result."""
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def test_a_result_of_a_run_passes_and_is_scored_again(
    home: Workspace, added: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, output, error = call(capsys, "check-results", str(added))
    assert (code, output) == (0, "1 result without problems\n"), error
    rating = _publish(home, "bias", "preference")
    code, output, error = call(capsys, "check-results", str(rating), "--no-pages")
    assert (code, output) == (0, "1 result without problems\n"), error


EDITS: list[tuple[str, Callable[[dict[str, Any]], None], str]] = [
    ("schema", lambda result: result.update(extra=1), "is not a result of a supported format"),
    ("key", lambda result: result["spec"]["fit"].update(seed=7), "its specification belongs at recommendation/"),
    ("task", lambda result: result["spec"].update(task="../up"), "which is not a plain name"),
    ("metric", lambda result: result["metrics"]["NDCG@10"].update(value=0.9, high=0.95), "by its values per example"),
    ("interval", lambda result: result["metrics"]["HR@10"].update(low=0.0), "the interval of HR@10 is [0.0000"),
    ("outside", lambda result: result["metrics"]["Coverage@10"].update(value=2.0), "is not within its interval"),
    ("name", lambda result: result["metrics"].update(NDGC=result["metrics"]["HR@10"]), "has no metric NDGC"),
    ("model", lambda result: result["model"].update(name="itemkn"), "did you mean 'itemknn'"),
    ("row", lambda result: result["model"].update(name="ease"), "the row is of ease, the specification of itemknn"),
    ("external", lambda result: result.update(cost=None), "only predictions of an external system"),
    ("command", lambda result: result["provenance"].update(command="rm -rf ."), "its command is not that of its row"),
    ("commit", lambda result: result["provenance"].update(clean=False), "changes that are not committed"),
    ("letters", lambda result: result["model"].update(about="a\x1b[2J"), "unprintable"),
    ("data", lambda result: result["corpus"]["parts"].update(interactions="0" * 64), "its corpus is not the published"),
    ("examples", lambda result: result["corpus"].update(interactions=3), "examples on 3 interactions"),
]


@pytest.mark.parametrize(("edit", "message"), [case[1:] for case in EDITS], ids=[case[0] for case in EDITS])
def test_an_edited_result_is_a_problem(
    added: Path, edit: Callable[[dict[str, Any]], None], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change(added, edit)
    code, output, error = call(capsys, "check-results", str(added))
    lines = [line for line in output.splitlines() if not line.startswith("note: ")]
    assert code == 1 and len(lines) >= 1 and any(message in line for line in lines), output
    assert all(line.startswith(str(added)) for line in lines)
    assert error.splitlines()[-1].startswith("error: ") and "in 1 result" in error


def test_ranks_that_differ_from_the_predictions_are_a_problem(
    home: Workspace, added: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An edit that agrees within the record is found by the predictions alone."""
    other = Result.read(next(path for path in added.parent.glob("*.json") if path != added))

    def take_over(content: dict[str, Any]) -> None:
        content.update({name: json.loads(other.model_dump_json())[name] for name in ("metrics", "ranks")})

    change(added, take_over)
    code, output, _ = call(capsys, "check-results", str(added), "--no-pages")
    assert code == 1 and "by its predictions" in output and "ranks differ" in output
    kept = home.root / "kept"
    kept.mkdir()
    key = added.stem
    (home.runs / key / "predictions.parquet").rename(kept / f"{key}.parquet")
    code, output, _ = call(capsys, "check-results", str(added), "--no-pages")
    assert code == 0 and f"not scored again: no predictions of {key}" in output
    code, output, _ = call(capsys, "check-results", str(added), "--no-pages", "--predictions", str(kept))
    assert code == 1 and "ranks differ" in output


def test_missing_or_damaged_predictions_are_a_problem_where_a_folder_is_named(
    home: Workspace, added: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = home.root / "kept"
    folder.mkdir()
    arguments = ("check-results", str(added), "--no-pages", "--predictions", str(folder))
    code, output, _ = call(capsys, *arguments)
    assert code == 1 and "no predictions of" in output
    (folder / f"{added.stem}.jsonl").write_text('{"id": "x"}\n')
    code, output, _ = call(capsys, *arguments)
    assert code == 1 and "its predictions cannot be scored" in output
    shutil.rmtree(home.root / "data")
    code, output, _ = call(capsys, *arguments)
    assert code == 1 and "not scored again: unknown corpus" in output


def test_files_that_do_not_belong_are_problems(
    home: Workspace, added: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = home.leaderboards / "results"
    (results / "run.sh").write_text("true")
    (added.parent / "link.json").symlink_to(added)
    (added.parent / "0123456789abcdef.json").write_bytes(b" " * (5 << 20))
    code, output, _ = call(capsys, "check-results")
    lines = [line for line in output.splitlines() if not line.startswith("note: ")]
    assert code == 1 and len(lines) == 3
    for name, message in (("run.sh", "is not at"), ("link.json", "is not a regular"), ("cdef.json", "5,242,880 bytes")):
        assert any(name in line and message in line for line in lines)
    code, output, _ = call(capsys, "check-results", str(tmp_path / "elsewhere"))
    assert code == 2 and not output


def test_a_small_file_cannot_unpack_to_a_large_one(added: Path, capsys: pytest.CaptureFixture[str]) -> None:
    packed = base64.b64encode(zlib.compress(bytes(100 << 20), 9)).decode()
    change(added, lambda result: result.update(ranks=packed))
    code, output, _ = call(capsys, "check-results", str(added))
    assert code == 1 and "lacks the values of its" in output


def test_a_second_result_of_one_row_is_a_problem(added: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A new field of the configuration changes the key, not the row."""
    result = Result.read(added)
    fit = result.spec.fit.model_copy(update={"config": {**result.spec.fit.config, "later": 1}})
    other = result.model_copy(update={"spec": result.spec.model_copy(update={"fit": fit})})
    path = added.with_name(f"{other.spec.key}.json")
    other.write(path)
    code, output, _ = call(capsys, "check-results", str(path), "--no-pages")
    assert code == 1 and f"{added.name} is a result of the same row" in output


def test_pages_follow_from_the_results(home: Workspace, added: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = next(home.leaderboards.glob("recommendation*.md"))
    page.write_text(page.read_text() + "more")
    code, output, _ = call(capsys, "check-results", str(added))
    assert code == 1 and output.count("\n") == 1 and output.startswith(f"{page}: does not follow from the results")


def test_results_since_a_commit(home: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        subprocess.run(["git", *identity, *arguments], cwd=home.root, check=True, capture_output=True)

    (home.root / ".gitignore").write_text("/runs/\n/data\n/cache/\n")
    published = _publish(home, "bias", "preference")
    git("init", "-q", "-b", "main")
    git("add", "-A")
    git("commit", "-qm", "published")
    git("checkout", "-qb", "mine")
    committed, loose = _publish(home, "itemknn"), _publish(home, "ease")
    git("add", str(committed))
    git("commit", "-qm", "mine")
    change(loose, lambda result: result.update(extra=1))
    published.unlink()
    code, output, error = call(capsys, "check-results", "--since", "main", "--no-pages")
    lines = output.splitlines()
    assert code == 1 and "1 problem in 2 results" in error
    assert f"note: {published}: is removed" in lines
    assert any(line.startswith(f"{loose}: is not a result") for line in lines)
    for reference in ("nowhere", "--output=x"):
        code, output, error = call(capsys, "check-results", "--since", reference)
        assert code == 2 and f"git has no commit {reference!r}" in error and not output
    code, _, error = call(capsys, "check-results", "--since", "main", str(loose))
    assert code == 2 and "not both" in error
