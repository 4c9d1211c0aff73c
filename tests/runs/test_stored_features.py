"""Runs that read stored features: what they read, how they are identified, and what their results say."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.corpus.features.test_sentence import write_bert
from unimp_bench.cli.common import features_named
from unimp_bench.cli.main import main
from unimp_bench.cli.toml_file import as_toml
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.features.computing import compute, text_job
from unimp_bench.corpus.features.stored import write_set
from unimp_bench.errors import UsageError
from unimp_bench.files import Workspace
from unimp_bench.reports.rows.labels import label_of
from unimp_bench.runs.plan import Budget, cells
from unimp_bench.runs.reproduction import request_of
from unimp_bench.runs.results import Result
from unimp_bench.runs.runner import RunRequest, arguments_of, planned, run
from unimp_bench.runs.suites import SUITES

QUICK = {"epochs": "1", "pretraining_epochs": "0", "width": "16"}


@pytest.fixture(scope="module")
def workspace(planted: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """With the features ``words`` (an encoder of transformers) and ``kinds`` (imported: one channel a kind of item)."""
    root = tmp_path_factory.mktemp("workspace")
    shutil.copytree(planted.folder, root / "data" / "planted")
    corpus = Corpus.open(root / "data" / "planted")
    compute(corpus, "words", text_job(corpus.items, str(write_bert(root / "bert"))))
    kinds = np.eye(4)[np.arange(len(corpus.items)) % 4]
    known = np.ones(len(corpus.items), dtype=np.bool_)
    for name, modality in (("kinds", "text"), ("looks", "pictures")):
        write_set(corpus.folder, corpus.items.names, name, modality, kinds, known, "made")
    return Workspace(root)


@pytest.fixture
def ask(workspace: Workspace) -> Callable[..., RunRequest]:
    def request(model: str, task: str = "recommendation", **features: str) -> RunRequest:
        quick = QUICK if model == "unisrec" else {"epochs": "1"} if model in ("vbpr", "mmgcl") else {}
        folder = workspace.data / "planted"
        return RunRequest(task, model, folder, protocol="masked", settings=quick, features=features)

    return request


def test_a_run_reads_and_names_its_features(workspace: Workspace, ask: Callable[..., RunRequest]) -> None:
    plain, _ = run(ask("unisrec"), workspace)
    given, _ = run(ask("unisrec", text="kinds"), workspace)
    assert plain.spec.fit.given == {} and set(given.spec.fit.given) == {"text"}
    assert plain.spec.fit.key != given.spec.fit.key and plain.metrics != given.metrics
    assert "features.text=kinds" in label_of(given) and "features" not in label_of(plain)
    assert "text features: kinds (made; 4, 72 of 72 items)" in given.remarks
    assert "--features text=kinds" in given.provenance.command
    again = request_of(given, workspace.data / "planted", workspace)
    assert planned(again, workspace).spec.fit.key == given.spec.fit.key


def test_a_modality_may_be_left_out(workspace: Workspace, ask: Callable[..., RunRequest]) -> None:
    """VBPR reads texts where pictures are left out, and says so; one that is not read is named."""
    result, _ = run(ask("vbpr", pictures="none", text="words"), workspace)
    assert "pictures left out: text features alone" in result.remarks
    assert any(remark.startswith("text features: words (bert, mean; 32") for remark in result.remarks)
    unread, _ = run(ask("vbpr", text="words"), workspace)
    assert any(remark.endswith("this model did not read them here") for remark in unread.remarks)
    both, _ = run(ask("mmgcl", pictures="looks", text="kinds"), workspace)
    assert sum("features: " in remark for remark in both.remarks) == 2


def test_dense_encodes_queries_by_the_encoder_of_the_set(workspace: Workspace, ask: Callable[..., RunRequest]) -> None:
    stored, _ = run(ask("dense", "search", text="words"), workspace)
    own = ask("dense", "search")
    direct, _ = run(RunRequest(**{**vars(own), "settings": {"encoder": f"{workspace.root / 'bert'}#mean"}}), workspace)
    assert stored.metrics["NDCG@5"].value == pytest.approx(direct.metrics["NDCG@5"].value, abs=1e-3)
    with pytest.raises(UsageError, match="features 'kinds' have no encoder of queries"):
        run(ask("dense", "search", text="kinds"), workspace)


def test_features_that_a_model_does_not_read_are_refused(workspace: Workspace, ask: Callable[..., RunRequest]) -> None:
    with pytest.raises(UsageError, match="sasrec reads no features of 'text': it reads no features at all"):
        planned(ask("sasrec", text="words"), workspace)
    with pytest.raises(UsageError, match="unisrec reads no features of 'pictures': it reads text"):
        planned(ask("unisrec", pictures="looks"), workspace)


def test_rows_of_a_suite_read_what_they_can(workspace: Workspace) -> None:
    features = {"text": "words", "pictures": "looks"}
    suite = SUITES["recommendation"]
    found = cells(suite, workspace.data / "planted", suite.tasks, 1, Budget(), workspace, features)
    read = {cell.row.model: dict(cell.request.features) for cell in found}
    assert read["sasrec"] == {} and read["unisrec"] == {"text": "words"} and read["vbpr"] == features


def test_keys_of_published_results_are_those_of_before() -> None:
    paths = sorted((Path(__file__).parents[2] / "leaderboards").glob("results/**/*.json"))
    assert len(paths) > 100
    for path in paths[:: len(paths) // 40]:
        assert Result.read(path).spec.key == path.stem


def test_features_of_a_run_as_a_file(workspace: Workspace, ask: Callable[..., RunRequest], tmp_path: Path) -> None:
    """Both ways of the command line are one table of a TOML file."""
    from unimp_bench.cli import run as command

    arguments = arguments_of(ask("mmgcl", pictures="looks", text="kinds"), "planted")[1:]
    toml = as_toml(command.command, arguments)
    assert tomllib.loads(toml)["features"] == {"pictures": "looks", "text": "kinds"}
    assert features_named(["pictures=looks", "text=kinds"]) == features_named(["text=kinds,pictures=looks"])
    with pytest.raises(UsageError, match="--features gives text twice"):
        features_named(["text=a", "text=b"])


def test_the_command_line(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("UNIMP_BENCH_HOME", str(workspace.root))

    def call(*words: str) -> tuple[object, str]:
        with pytest.raises(SystemExit) as caught:
            main(["features", *words])
        out, err = capsys.readouterr()
        return caught.value.code, out + err

    assert call("planted", "--text", "lsa")[0] == 0
    code, told = call("planted", "--text", "lsa")
    assert code == 0 and "text features lsa of planted exist already: lsa;" in told
    code, told = call("list", "--corpus", "planted")
    assert {"text=lsa", "text=kinds", "pictures=looks", "text=words"} <= {line.split()[0] for line in told.splitlines()}
    assert call("export", "kinds", str(tmp_path / "k.npy"), "--corpus", "planted")[0] == 0
    code, told = call("import", str(tmp_path / "k.npy"), "--corpus", "planted", "--modality", "audio", "--name", "k")
    assert code == 0 and "audio features k of planted imported by name" in told
    for words, error in (
        (("planted",), "name one encoder"),
        (("planted", "--text", "lsa", "--regions", "2"), "are of pictures"),
        (("planted", "--text", "lsa", "--pooling", "mean"), "there are other features|lsa has no pooling"),
        (("nowhere", "--text", "lsa"), "unknown corpus"),
        (("import", str(tmp_path / "k.items.txt"), "--corpus", "planted", "--modality", "text"), "none of .npy"),
    ):
        code, told = call(*words)
        assert code in (2, 3) and told.startswith("error: ") and told.count("\n") == 1, told
        assert any(part in told for part in error.split("|")), told


def test_the_suite_of_encoders(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rows name their features; those that a corpus does not have cannot run, and none can be given for all."""
    suite, folder = SUITES["encoders"], workspace.data / "planted"
    found = {cell.row.label: cell for cell in cells(suite, folder, ["recommendation"], 1, Budget(), workspace)}
    assert "corpus planted has no features 'minilm'" in found["UniSRec, MiniLM"].refused.replace("; did", " did") or (
        "unknown features of planted 'minilm'" in found["UniSRec, MiniLM"].refused
    )
    assert not found["UniSRec"].refused and "Dense retrieval" not in found
    assert found["VBPR, MiniLM, no pictures"].request.features == {"text": "minilm", "pictures": "none"}
    shutil.copytree(folder / "features" / "kinds", folder / "features" / "minilm")
    record = (folder / "features" / "minilm" / "features.json").read_text().replace('"kinds"', '"minilm"')
    (folder / "features" / "minilm" / "features.json").write_text(record)
    again = {cell.row.label: cell for cell in cells(suite, folder, ["recommendation"], 1, Budget(), workspace)}
    shutil.rmtree(folder / "features" / "minilm")
    assert again["UniSRec, MiniLM"].key and again["VBPR, EfficientNet-Lite0, no text"].refused
    with pytest.raises(UsageError, match="suite encoders compares features"):
        cells(suite, folder, ["recommendation"], 1, Budget(), workspace, {"text": "kinds"})
