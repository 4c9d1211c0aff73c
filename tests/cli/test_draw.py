"""``unimp-bench draw`` from the command line to the files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.reports.gallery.artist import Near
from unimp_bench import registry
from unimp_bench.cli.main import main
from unimp_bench.contracts import ModelCard
from unimp_bench.corpus import Corpus
from unimp_bench.generative.picture_tokens import tokenizer

QUERY = "Tools > blue square"
load = registry.load


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A separate workspace, a model with known answers, and a tokenizer that trains quickly."""
    monkeypatch.setenv("UNIMP_BENCH_HOME", str(tmp_path))
    card = ModelCard(
        name="near",
        factory="near",
        tasks=("search", "image_generation"),
        reads=("order",),
        about="near items",
        source="test",
        new_users=True,
        new_items=False,
    )
    cards: dict[str, Any] = {**registry.model_cards(), "near": card}
    monkeypatch.setattr(registry, "model_cards", lambda: cards)
    monkeypatch.setattr(registry, "load", lambda factory: Near if factory == "near" else load(factory))
    monkeypatch.setitem(tokenizer.PRESETS, "tiny", replace(tokenizer.PRESETS["tiny"], steps=3))


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(["draw", *arguments])
    output = capsys.readouterr()
    return int(str(caught.value.code)), output.out, output.err


def test_a_gallery_from_a_query(capsys: pytest.CaptureFixture[str], planted: Corpus, tmp_path: Path) -> None:
    out = tmp_path / "gallery"
    arguments = ["--query", QUERY, "--corpus", str(planted.folder), "--model", "near", "--out", str(out)]
    code, said, err = call(capsys, *arguments)
    assert all(line.startswith("picture tokenizer: ") for line in err.splitlines()), err
    assert code == 0 and f"wrote {out}: gallery.html, gallery.md" in said
    record = json.loads((out / "gallery.json").read_text())
    assert {path.name for path in out.iterdir()} == {"gallery.json", *record["files"]}
    assert len(record["users"]) == 2 and all(f"{user}: generated from " in said for user in record["users"])
    assert "blue square" in record["command"] and str(tmp_path) not in (out / "gallery.md").read_text()
    for kind, side in (("history-5", 32), ("retrieved-2", 32), ("generated", 36), ("bought", 32), ("ceiling", 36)):
        for user in (1, 2):
            assert Image.open(out / f"user-{user}-{kind}.png").size == (side, side)
    html, markdown = (out / "gallery.html").read_text(), (out / "gallery.md").read_text()
    for name in record["files"][2:]:
        assert f'src="{name}"' in html and f'src="{name}"' in markdown
    fits = sorted((tmp_path / "runs" / "fits").iterdir())
    assert [fit.name for fit in fits] == [record["fit"]]
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    named = [part for user in record["users"] for part in ("--user", user)]
    assert call(capsys, *arguments, *named)[0] == 0, "our own gallery is replaced"
    after = {path.name: path.read_bytes() for path in out.iterdir()}
    assert {name for name in before if before[name] != after[name]} == {"gallery.html", "gallery.md"}
    assert "least similar" in before["gallery.md"].decode() and "least similar" not in after["gallery.md"].decode()
    assert sorted((tmp_path / "runs" / "fits").iterdir()) == fits, "the fit was found"


def test_free_text_has_no_target_and_sampling_has_a_seed(
    capsys: pytest.CaptureFixture[str], planted: Corpus, tmp_path: Path
) -> None:
    arguments = ["--query", "anything blue", "--corpus", str(planted.folder), "--model", "near", "--user", "u1"]
    codes = []
    for seed in ("5", "6"):
        out = tmp_path / f"gallery-{seed}"
        code, said, _ = call(capsys, *arguments, "--out", str(out), "--temperature", "1", "--draw-seed", seed)
        assert code == 0 and "note: no test example has the query 'anything blue', so there is no" in said
        assert not list(out.glob("*bought*")) and not list(out.glob("*ceiling*"))
        assert "sampled at temperature" in (out / "gallery.html").read_text()
        codes.append(json.loads((out / "gallery.json").read_text())["codes"][0])
    assert [code[0] for code in codes] == [5, 6]


MISTAKES = [
    (["--user", "u1o"], 2, "did you mean 'u1"),
    (["--query", "tools > blue square"], 2, "did you mean 'Tools > blue square'"),
    (["--query", "zzz"], 2, "unknown query of a test user 'zzz'"),
    (["--model", "neer"], 2, "did you mean 'near'"),
    (["--model", "bm25"], 2, "bm25 does not serve image_generation"),
    (["--fit-on", "search"], 2, "add --fit-on image_generation"),
    (["--fit-on", "serch"], 2, "did you mean 'search'"),
    (["--set", "rong=x"], 2, "did you mean 'wrong'"),
    (["--option", "tokenizer=tniy"], 2, "tokenizer"),
    (["--top-k", "3"], 2, "need --temperature"),
    (["--temperature", "0"], 2, "temperature"),
    (["--corpus", "smaple"], 2, "unknown corpus"),
]


@pytest.mark.parametrize(("change", "code", "message"), MISTAKES, ids=[" ".join(change) for change, *_ in MISTAKES])
def test_an_error_is_one_line_and_writes_nothing(
    capsys: pytest.CaptureFixture[str], planted: Corpus, tmp_path: Path, change: list[str], code: int, message: str
) -> None:
    arguments = [
        "--query",
        QUERY,
        "--corpus",
        str(planted.folder),
        "--model",
        "near",
        "--out",
        str(tmp_path / "gallery"),
    ]
    got, out, err = call(capsys, *arguments, *change)
    assert (got, out) == (code, ""), err
    assert err.startswith("error: ") and err.count("\n") == 1 and message in err
    assert not (tmp_path / "gallery").exists() and not (tmp_path / "runs").exists()


def test_a_folder_with_other_content_is_refused_before_the_fit(
    capsys: pytest.CaptureFixture[str], planted: Corpus, tmp_path: Path
) -> None:
    (tmp_path / "gallery").mkdir()
    (tmp_path / "gallery" / "thesis.tex").write_text("mine")
    arguments = [
        "--query",
        QUERY,
        "--corpus",
        str(planted.folder),
        "--model",
        "near",
        "--out",
        str(tmp_path / "gallery"),
    ]
    code, _, err = call(capsys, *arguments)
    assert code == 3 and "thesis.tex" in err and err.count("\n") == 1
    assert (tmp_path / "gallery" / "thesis.tex").read_text() == "mine" and not (tmp_path / "runs").exists()
