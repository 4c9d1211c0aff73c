"""A damaged fit or result is a one-line error that names ``--fresh``, which repairs it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.damage import DAMAGES, damage, full_disk
from unimp_bench.cli.main import main
from unimp_bench.corpus import Corpus
from unimp_bench.errors import DataError
from unimp_bench.files import Workspace
from unimp_bench.runs import fitting
from unimp_bench.runs.runner import RunRequest, planned, run
from unimp_bench.runs.tuning import Question, Space, search

FAST = {"epochs": "1", "width": "8"}


def _request(corpus: Corpus, model: str = "mf") -> RunRequest:
    settings = {"mf": FAST, "popularity": {}, "ease": {}}[model]
    return RunRequest(task="recommendation", model=model, corpus=corpus.folder, settings=settings)


def _folder(request: RunRequest, workspace: Workspace) -> Path:
    return workspace.fits / planned(request, workspace).spec.fit.key


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("model", ["mf", "popularity", "ease"])
def test_damaged_files_of_a_fit_are_reported(model: str, how: str, planted: Corpus, workspace: Workspace) -> None:
    request = _request(planted, model)
    whole, _ = run(request, workspace)
    fit = _folder(request, workspace)
    # A model that is selected on validation has a folder for each protocol.
    paths = [fit / "fit.json", *(path for path in fit.glob("model*/*") if path.parent.name != "model-paper")]
    assert len(paths) > 1
    for path in paths:
        kept = path.read_bytes()
        damage(path, how)
        with pytest.raises(DataError, match="--fresh"):
            run(replace(request, protocol="masked"), workspace)
        path.write_bytes(kept)
    damage(paths[-1], how)
    run(replace(request, protocol="masked", fresh=True), workspace)
    again, cached = run(replace(request, fresh=True), workspace)
    assert not cached and again.ranks == whole.ranks


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("name", ["seconds", "training/latest.safetensors"])
def test_damaged_files_of_an_interrupted_fit_are_reported(
    name: str, how: str, planted: Corpus, workspace: Workspace, interrupted: None
) -> None:
    request = _request(planted)
    with pytest.raises(KeyboardInterrupt):
        run(request, workspace)
    path = _folder(request, workspace) / "work" / name
    damage(path, how)
    if name != "seconds" or not how.startswith("cut"):  # a number without its last digits is a number
        with pytest.raises(DataError, match="--fresh"):
            run(request, workspace)
    assert run(replace(request, fresh=True), workspace)[0].examples > 0


def test_the_time_of_a_killed_fit_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the clock has stored while a fit runs, from which the next part goes on."""
    monkeypatch.setattr(fitting, "_KEPT_EVERY", 0.01)
    stored, kept = tmp_path / "work" / "seconds", tmp_path / "killed"
    with fitting._stopwatch(stored):
        for _ in range(1000):
            if stored.is_file() and float(stored.read_text()) > 0.05:
                break
            time.sleep(0.01)
        kept.write_bytes(stored.read_bytes())
    with fitting._stopwatch(kept) as elapsed:
        assert elapsed() > 0.05


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Interrupt the first fit after training, before anything is saved."""
    from baselines.learning.model import LearnedRanker

    select, calls = LearnedRanker.select, iter([KeyboardInterrupt()])

    def once(self: object, *given: object) -> None:
        for error in calls:
            raise error
        select(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(LearnedRanker, "select", once)
    yield


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_result_is_reported(how: str, planted: Corpus, workspace: Workspace) -> None:
    request = _request(planted, "popularity")
    first, _ = run(request, workspace)
    damage(workspace.runs / first.spec.key / "result.json", how)
    if how != "cut in its body":  # that is the last line's end
        with pytest.raises(DataError, match="--fresh"):
            run(request, workspace)
    again, cached = run(replace(request, fresh=True), workspace)
    assert not cached and again.ranks == first.ranks


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_score_of_a_search_is_recomputed(how: str, planted: Corpus, workspace: Workspace) -> None:
    question = Question("recommendation", "mf", planted.folder, 0, {})
    space = Space({"width": (8,)}, {"epochs": 1})
    (first,) = search(question, space, 1, workspace, lambda *_: None)
    (path,) = workspace.fits.glob("*/validation-*.json")
    damage(path, how)
    (again,) = search(question, space, 1, workspace, lambda *_: None)
    assert again.score == first.score


@pytest.mark.parametrize("most", [100, 3_000])
def test_a_full_disk_during_training_is_reported(
    most: int, planted: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["run", "--task", "recommendation", "--model", "mf", "--corpus", str(planted.folder), "--set", "epochs=1"]
    with full_disk(most), pytest.raises(SystemExit) as caught:
        main(words)
    said = capsys.readouterr().err
    assert caught.value.code == 3 and said.startswith("error: runs/") and said.count("\n") == 1
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 0
