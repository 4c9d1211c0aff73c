"""Several processes train one model, together or after one another: what comes out is the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from accelerate.commands.config.config_args import load_config_from_file
from safetensors.torch import load_file

from unimp_bench.corpus import Corpus
from unimp_bench.errors import UsageError
from unimp_bench.runs.results import RESULT_NAME, Result
from unimp_bench.testing.planted import write_planted_corpus
from unimp_bench.unimp.config import UniMPConfig
from unimp_bench.unimp.training import accelerator_for, share

ROOT = Path(__file__).resolve().parents[2]
WORKER = Path(__file__).with_name("learning_worker.py")
CONFIGS = ROOT / "unimp_bench" / "unimp" / "accelerate"
TOGETHER = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
# Each of two processes has two batches of a step; of the last step of an epoch, one has fewer than the other.
SETTINGS = {"epochs": 2, "dropout": 0.1, "accumulation": 4, "batch_tokens": 1000, "checkpoint_steps": 3}
SETTINGS |= {"learning_rate": 3e-4}
# The softmax does not see the biases of keys: their gradient is nothing but rounding, of which Adam makes whole steps.
UNSEEN = "query_key_value.bias"


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **more}


class Trainings:
    """Starts trainings of the same settings on the planted corpus."""

    def __init__(self, corpus: Corpus, cache: Path, folder: Path) -> None:
        self.corpus, self.cache, self.folder = corpus, cache, folder

    def start(self, name: str, *before: str, kind: str = "", **env: str) -> subprocess.Popen[bytes]:
        arguments = [self.corpus.folder, self.folder / name, self.cache, self.out(name), json.dumps(SETTINGS)]
        command = [sys.executable, *before, str(WORKER), *map(str, arguments), *([kind] if kind else [])]
        return subprocess.Popen(command, env=environment(**env), stderr=subprocess.PIPE)

    def finish(self, name: str, *before: str, kind: str = "", **env: str) -> dict[str, torch.Tensor]:
        process = self.start(name, *before, kind=kind, **env)
        _, errors = process.communicate(timeout=200)
        assert process.returncode == 0, errors.decode()
        return load_file(self.out(name))

    def out(self, name: str) -> Path:
        return self.folder / f"{name}.safetensors"

    def steps(self, name: str) -> list[dict[str, float]]:
        """What its log says of loss and gradients."""
        lines = (self.folder / name / "log" / "training.jsonl").read_text().splitlines()
        kept = ("step", "loss", "task_loss", "context_loss", "gradient_norm")
        return [{key: line[key] for key in kept} for line in map(json.loads, lines) if "loss" in line]


@pytest.fixture(scope="module")
def trainings(planted: Corpus, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Trainings:
    return Trainings(planted, cache, tmp_path_factory.mktemp("trainings"))


@pytest.fixture(scope="module")
def alone(trainings: Trainings) -> dict[str, torch.Tensor]:
    """The weights that one process ends with."""
    return trainings.finish("alone")


def assert_alike(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> None:
    assert one.keys() == two.keys()
    for name in (name for name in one if not name.endswith(UNSEEN)):
        torch.testing.assert_close(two[name], one[name], atol=1e-5, rtol=0)


def test_each_batch_of_a_step_counts_in_one_process() -> None:
    batches = [np.array([number]) for number in range(5)]
    for processes in (1, 2, 4):
        shares = [share(batches, process, processes) for process in range(processes)]
        assert len({len(each) for each in shares}) == 1, "each computes as many"
        counted = [(each.place, int(each.chosen[0])) for own in shares for each in own if each.counts]
        assert sorted(counted) == [(number, number) for number in range(5)]


def test_processes_that_cannot_share_a_step_evenly_are_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unimp_bench.unimp.training.join", lambda: 2)
    with pytest.raises(UsageError, match="set accumulation, now 3, to a multiple of 2"):
        accelerator_for(UniMPConfig(accumulation=3))


def test_two_processes_learn_what_one_does(trainings: Trainings, alone: dict[str, torch.Tensor]) -> None:
    assert_alike(alone, trainings.finish("together", *TOGETHER))
    for one, two in zip(trainings.steps("alone"), trainings.steps("together"), strict=True):
        assert one == pytest.approx(two, rel=1e-4)  # Adam forgives a wrong scale; the norm tells of it
    names = {path.name for path in (trainings.folder / "together").rglob("*")}
    assert names == {"log", "training.jsonl", "training.safetensors", "best-paper.safetensors"}, "each is written once"


@pytest.mark.slow
def test_sharded_weights_learn_what_whole_ones_do(trainings: Trainings, alone: dict[str, torch.Tensor]) -> None:
    """FSDP, by the settings of its configuration file, on two CPU processes; with a stop and a start between."""
    config = yaml.safe_load((CONFIGS / "fsdp.yaml").read_text())["fsdp_config"]
    env = {name.upper(): str(value) for name, value in config.items()} | {"ACCELERATE_USE_FSDP": "true"}
    assert_alike(alone, trainings.finish("sharded", *TOGETHER, kind="sharded", **env))
    process = trainings.start("halted", *TOGETHER, kind="sharded", **env)
    killed_after_checkpoint(process, trainings.folder / "halted")
    assert_alike(alone, trainings.finish("halted", *TOGETHER, kind="sharded", **env))


@pytest.mark.slow
def test_a_process_that_is_killed_loses_nothing(trainings: Trainings, alone: dict[str, torch.Tensor]) -> None:
    process = trainings.start("killed")
    killed_after_checkpoint(process, trainings.folder / "killed")
    again = trainings.finish("killed")
    assert all(torch.equal(tensor, again[name]) for name, tensor in alone.items())
    assert not [path.name for path in (trainings.folder / "killed").rglob(".*")], "nothing half-written"


def killed_after_checkpoint(process: subprocess.Popen[bytes], work: Path) -> None:
    """Kill a training, and all processes that it started, once it has a checkpoint and before it ends."""
    deadline = time.monotonic() + 100
    while not (work / "training.safetensors").is_file():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, check=False).stdout
    for pid in (process.pid, *map(int, children.split())):
        os.kill(pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("model", ["unimp", "popularity"])
def test_the_command_runs_in_several_processes(tmp_path: Path, model: str) -> None:
    """One result, one report, and the same again when asked again."""
    write_planted_corpus(tmp_path / "data" / "planted")
    settings = {"width": 16, "latents": 2, "epochs": 1, "accumulation": 2} if model == "unimp" else {}
    options = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    question = ["run", "--task", "recommendation", "--model", model, "--corpus", "planted", *options]
    command = [sys.executable, *TOGETHER, "-m", "unimp_bench.cli.main", *question]
    env = environment(UNIMP_BENCH_HOME=str(tmp_path))
    told: list[Any] = [
        subprocess.run(command, env=env, capture_output=True, text=True, timeout=200, check=True).stdout
        for _ in range(2)
    ]
    assert [text.count("recommendation") for text in told] == [1, 1]
    assert "written" in told[0] and "exists already" in told[1]
    (result,) = (tmp_path / "runs").glob(f"*/{RESULT_NAME}")
    assert Result.read(result).examples == 144


@pytest.mark.parametrize("name", ["one_gpu", "many_gpus", "fsdp"])
def test_accelerate_reads_the_configuration_files(name: str) -> None:
    config = load_config_from_file(str(CONFIGS / f"{name}.yaml"))
    assert config.distributed_type == {"one_gpu": "NO", "many_gpus": "MULTI_GPU", "fsdp": "FSDP"}[name]
    assert config.mixed_precision == "no", "precision is a setting of the model"
