"""Progress of runs: the same format for all trainings, on standard error only."""

from __future__ import annotations

import importlib.util
import io
import re
import sys
from pathlib import Path

import pytest

from unimp_bench.cli.main import main
from unimp_bench.corpus import Corpus

SMALL = "width=16,layers=1,heads=1,latents=2,batch_tokens=4096,epochs=2,pretraining=autoregressive,pretraining_epochs=3"
PROTOCOLS = r"NDCG@10 paper 0\.\d{4} \(best 0\.\d{4}\), masked 0\.\d{4} \(best 0\.\d{4}\)"
MEASURED = {"recommendation": PROTOCOLS, "preference": r"1 - RMSE / range 0\.\d{4} \(best 0\.\d{4}\)"}


def run(corpus: Corpus, task: str, model: str, settings: str) -> None:
    arguments = ["run", "--task", task, "--model", model, "--corpus", str(corpus.folder)]
    with pytest.raises(SystemExit) as caught:
        main([*arguments, *(part for pair in settings.split(",") for part in ("--set", pair))])
    assert caught.value.code == 0


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNIMP_BENCH_HOME", str(tmp_path))


@pytest.mark.parametrize(
    ("task", "model", "settings", "trainings", "validated"),
    [
        ("recommendation", "sasrec", "epochs=5,validate_every=2", {"sasrec": 5}, (2, 4, 5)),
        (
            "recommendation",
            "s3rec",
            "epochs=2,pretraining_epochs=7,validate_every=1",
            {"s3rec, pre-training": 7, "s3rec": 2},
            (1, 2),
        ),
        ("recommendation", "unimp", SMALL, {"unimp, autoregressive pre-training": 3, "unimp": 2}, (1, 2)),
        ("recommendation", "recbole:BPR", "epochs=2", {"recbole:BPR": 2}, (1, 2)),
        ("preference", "sancl", "epochs=1,width=8,word_width=8,space=8", {"sancl": 1}, (1,)),
    ],
)
def test_a_log_has_one_line_per_epoch(
    task: str,
    model: str,
    settings: str,
    trainings: dict[str, int],
    validated: tuple[int, ...],
    planted: Corpus,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if model.startswith("recbole") and importlib.util.find_spec("recbole") is None:
        pytest.skip("RecBole is not installed")
    run(planted, task, model, settings)
    out, err = capsys.readouterr()
    assert out.startswith(f"{model} on {task}, corpus planted") and "epoch" not in out.replace("epochs", "")
    lines = [line for line in err.splitlines() if ": epoch " in line]
    for label, epochs in trainings.items():
        own = [line for line in lines if line.startswith(f"{label}: ")]
        found = [re.match(r"epoch (\d+) of (\d+), ", line.removeprefix(f"{label}: ")) for line in own]
        assert [each and (int(each[1]), int(each[2])) for each in found] == [(n + 1, epochs) for n in range(epochs)]
        assert all(re.search(r", loss \d", line) for line in own)
        assert all(" left, " in line for line in own[:-1]) and " left, " not in own[-1]
    last = [bool(re.search(MEASURED[task] + "$", line)) for line in own]
    assert last == [epoch in validated for epoch in range(1, len(own) + 1)]
    assert "\r" not in err and not [line for line in err.splitlines() if "Warning" in line]


def test_a_terminal_shows_a_fit_on_one_line(
    planted: Corpus, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("COLUMNS", "150")
    run(planted, "recommendation", "sasrec", "epochs=3,validate_every=1")
    shown = screen.getvalue()
    assert "\n" not in shown and shown.endswith("\r")
    states = [state.strip() for state in shown.split("\r")]
    for epoch in (1, 2, 3):
        assert any(state.startswith(f"sasrec: epoch {epoch} of 3, ") for state in states)
    assert re.search(f"sasrec: epoch 3 of 3, loss [0-9.]+, {PROTOCOLS}", shown)
    assert capsys.readouterr().out.startswith("sasrec on recommendation")
