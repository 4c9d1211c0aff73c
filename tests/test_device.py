"""The device of networks: its choice, and that all code uses it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_model

from tests.corpus.features.test_pictures import TINY_CLIP
from tests.metrics.small_resources import write_bert
from tests.test_conformance import SMALL
from unimp_bench import machine as module
from unimp_bench import registry
from unimp_bench.cli.main import main
from unimp_bench.contracts import Model
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.features.encoder import encode_pictures, load_encoder
from unimp_bench.corpus.features.text import text_encoder
from unimp_bench.corpus.splits import catalogue
from unimp_bench.errors import UsageError
from unimp_bench.files import Workspace
from unimp_bench.generative.picture_tokens.tokenizer import PRESETS, PictureTokenizer, build_network
from unimp_bench.generative.picture_tokens.training import train_tokenizer
from unimp_bench.kinds import draw_examples
from unimp_bench.machine import VARIABLE, choose_device, device, join
from unimp_bench.metrics.pictures import ClipEncoder
from unimp_bench.metrics.resources import Encoder
from unimp_bench.metrics.text import bertscore_values
from unimp_bench.runs import provenance
from unimp_bench.runs.fitting import corpus_cache, fit_or_load
from unimp_bench.runs.runner import RunRequest, specify
from unimp_bench.torch_setup import make_torchvision_importable

ROOT = Path(module.__file__).parent.parent
MODELS = ("unimp", "sasrec", "recbole:BPR")


class DeviceRequestedError(BaseException):
    """Raised when code asks for the device."""


@pytest.fixture(autouse=True)
def no_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "")


@pytest.fixture
def cards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two GPUs."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


def test_the_default_device_is_a_gpu_if_available(cards: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert device() == torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device() == torch.device("cpu")


@pytest.mark.parametrize("name", ["cpu", "cuda", "cuda:1"])
def test_a_chosen_device_overrides_the_default(cards: None, name: str) -> None:
    choose_device(name)
    assert device() == torch.device(name)


@pytest.mark.parametrize("name", ["cuda:2", "gpu", "meta", "cuda:x", "cpu:0"])
def test_an_unknown_device_is_a_one_line_error(cards: None, name: str) -> None:
    with pytest.raises(UsageError, match=f"unknown device '{name}'; available: cpu, cuda, cuda:0, cuda:1"):
        choose_device(name)
    assert device() == torch.device("cuda")


def test_several_processes_cannot_share_a_gpu(cards: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="cannot share cuda:1"):
        choose_device("cuda:1")


@pytest.mark.parametrize(
    "command",
    [
        "run --task search --model mf",
        "tune --task search --model mf",
        "suite",
        "reproduce 0123",
        "score --task search --predictions a.jsonl --name mine",
        "draw --query lamp --out pages",
    ],
)
def test_commands_accept_a_device(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an option, or from the environment variable, which the processes of a suite inherit."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for arguments, variable in ([*command.split(), "--device", "cuda"], ""), (command.split(), "cuda"):
        monkeypatch.setenv(VARIABLE, variable)
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 2
        assert capsys.readouterr().err == "error: unknown device 'cuda'; available: cpu\n"


def test_no_other_module_checks_for_a_gpu() -> None:
    looks = re.compile(r"cuda\.is_available|[\"']cuda[\"'] if|\.cuda\(\)")
    files = [
        path for name in ("unimp_bench", "baselines", "tasks", "benchmarks") for path in (ROOT / name).rglob("*.py")
    ]
    assert [str(path.relative_to(ROOT)) for path in files if looks.search(path.read_text())] == [
        "unimp_bench/machine.py"
    ]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace(tmp_path_factory.mktemp("devices"))


def fitted(name: str, corpus: Corpus, workspace: Workspace) -> Model[Any]:
    """The fitted model, loaded if it was fitted before."""
    settings = SMALL[name]
    task, model = registry.make_task("recommendation"), registry.make_model(name, settings=settings)
    request = RunRequest(task=task.name, model=name, corpus=corpus.folder, settings=settings)
    fit_or_load(model, specify(request, task, model, corpus).fit, corpus, workspace, "paper", fresh=False)
    return model


@pytest.mark.filterwarnings("ignore:.*copying from a non-meta parameter")  # loading into the stand-in for a GPU
@pytest.mark.parametrize("name", MODELS)
def test_a_fit_and_a_loaded_model_are_on_the_device(
    name: str, planted: Corpus, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The meta device, available everywhere, stands in for a GPU."""
    corpus_cache(planted, workspace)
    examples = draw_examples(
        registry.make_task("recommendation"), planted, "loo", "test", corpus_cache(planted, workspace)
    )
    with monkeypatch.context() as patch, pytest.raises(DeviceRequestedError):
        patch.setattr(module, "_checked", asked)
        fitted(name, planted, Workspace(workspace.root / "other"))
    fitted(name, planted, workspace)
    monkeypatch.setattr(module, "_checked", lambda _: torch.device("meta"))
    found: Any = fitted(name, planted, workspace)
    networks = [found._model if name == "unimp" else found._built.model if ":" in name else found.network]
    assert {parameter.device.type for network in networks for parameter in network.parameters()} == {"meta"}
    with pytest.raises((NotImplementedError, RuntimeError), match="meta"):
        found.score(examples.hidden().select(slice(0, 3)), catalogue(planted, "loo"))


def asked(_: str) -> torch.device:
    raise DeviceRequestedError


def test_features_metrics_and_records_are_computed_on_the_device(
    planted: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_torchvision_importable()
    import open_clip

    bert = write_bert(tmp_path / "bert")
    clip = tmp_path / "clip"
    clip.mkdir()
    save_model(open_clip.CLIP(**TINY_CLIP), str(clip / "open_clip_model.safetensors"))
    (clip / "open_clip_config.json").write_text(json.dumps({"model_cfg": TINY_CLIP, "preprocess_cfg": {}}))
    config = PRESETS["tiny"]
    pictures = np.zeros((2, config.side, config.side, 3), dtype=np.uint8)
    actions: list[Callable[[], object]] = [
        lambda: next(encode_pictures(planted.items, *load_encoder("tiny", ""))),
        lambda: text_encoder(str(bert), ["a"]),
        lambda: bertscore_values(["a"], ["a"], Encoder("bert", bert, 1)),
        lambda: ClipEncoder(f"local-dir:{clip}"),
        lambda: train_tokenizer(config, pictures),
        lambda: PictureTokenizer(config, build_network(config)),
        lambda: provenance.provenance("a command"),
        join,
    ]
    monkeypatch.setattr(module, "_checked", asked)
    monkeypatch.setenv("WORLD_SIZE", "2")
    for action in actions:
        with pytest.raises(DeviceRequestedError):
            action()
