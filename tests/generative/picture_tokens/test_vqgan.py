"""VQGAN checkpoints in their own format: loaded exactly, or refused in one line."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.generative.picture_tokens.vqgan import Network, State, random_state, shapes
from unimp_bench.errors import DataError
from unimp_bench.generative.picture_tokens.tokenizer import PRESETS, build_network
from unimp_bench.generative.picture_tokens.vqgan import load_vqgan

SIZES: dict[str, Any] = {"channels": (8, 8, 16), "blocks": 2, "latent": 12, "codes": 24}
CONFIG = replace(PRESETS["paper"], side=16, groups=4, **SIZES)


@pytest.fixture(scope="module")
def state() -> State:
    return random_state(**SIZES)


def checkpoint(state: State, path: Path, **more: object) -> Path:
    """A file as PyTorch Lightning writes it, with weights of the loss networks."""
    loss = {
        "loss.discriminator.main.0.weight": torch.zeros(2),
        "loss.perceptual_loss.lin0.model.1.weight": torch.ones(1),
    }
    lightning = {
        "epoch": 1,
        "global_step": 2,
        "pytorch-lightning_version": "1.0.8",
        "optimizer_states": [{"state": {}}],
    }
    torch.save({**lightning, "state_dict": {**state, **loss}, **more}, path)
    return path


def test_a_checkpoint_computes_the_equations_of_the_paper(state: State, tmp_path: Path) -> None:
    tokenizer = load_vqgan(checkpoint(state, tmp_path / "last.ckpt"), CONFIG)
    twin = Network(state, groups=4)
    pictures = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)
    signal = torch.from_numpy(pictures).permute(0, 3, 1, 2) / 127.5 - 1
    latents, codes = twin.encode(signal)
    with torch.no_grad():
        assert torch.allclose(tokenizer.model.encode(signal).latents, latents, atol=1e-4)
    assert len(np.unique(codes)) > 5
    tokens = tokenizer.encode(pictures)
    assert tokens.shape == (5, 16) and tokens.tolist() == codes.flatten(1).tolist()
    drawn = ((twin.decode(codes).clamp(-1, 1) + 1) * 127.5).permute(0, 2, 3, 1).numpy()
    assert np.abs(tokenizer.decode(tokens) - drawn).max() < 0.51
    assert drawn.std() > 10


def test_all_forms_of_a_checkpoint_give_the_same_tokenizer(state: State, tmp_path: Path) -> None:
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    file = checkpoint(state, tmp_path / "run" / "checkpoints" / "last.ckpt")
    save_file(state, tmp_path / "converted.safetensors")
    torch.save(state, tmp_path / "bare.pt")
    places = [
        file,
        tmp_path / "run",
        tmp_path / "run" / "checkpoints",
        tmp_path / "converted.safetensors",
        tmp_path / "bare.pt",
    ]
    assert len({load_vqgan(place, CONFIG).fingerprint for place in places}) == 1


def test_the_paper_preset_has_the_size_of_vqgan_f16() -> None:
    config = PRESETS["paper"]
    written_down = shapes(config.channels, config.blocks, config.latent, config.codes)
    with torch.device("meta"):
        model = build_network(config)
    assert sum(parameter.numel() for parameter in model.parameters()) == 72_141_699
    assert sum(math.prod(shape) for shape in written_down.values()) == 72_141_699
    assert (config.length, config.codes) == (64, 1024)


class Foreign:
    """Something that no checkpoint needs."""


def refusals(state: State, folder: Path) -> dict[str, tuple[Path, str]]:
    name = "decoder.up.0.block.0.conv1.weight"
    lacking = {key: tensor for key, tensor in state.items() if key != name}
    whole = checkpoint(state, folder / "whole.ckpt")
    (folder / "cut.ckpt").write_bytes(whole.read_bytes()[:5000])
    (folder / "noise.ckpt").write_bytes(b"\x00\x01 no checkpoint")
    (folder / "noise.safetensors").write_bytes(b"no weights")
    (folder / "empty").mkdir()
    torch.save([1, 2], folder / "list.pt")
    torch.save({"state_dict": {"a": "text"}}, folder / "text.pt")
    return {
        "foreign": (
            checkpoint(state, folder / "foreign.ckpt", callbacks=Foreign()),
            "save its state_dict as .safetensors",
        ),
        "lacking": (checkpoint(lacking, folder / "lacking.ckpt"), f"missing {name}"),
        "more": (
            checkpoint({**state, "quantize.embed.weight": state[name]}, folder / "more.ckpt"),
            "unknown quantize",
        ),
        "shape": (checkpoint({**state, name: state[name][:1]}, folder / "shape.ckpt"), "VQGAN of another size"),
        "nan": (checkpoint({**state, name: state[name] * torch.nan}, folder / "nan.ckpt"), "not finite"),
        "cut": (folder / "cut.ckpt", "holds no weights"),
        "noise": (folder / "noise.ckpt", "damaged"),
        "safetensors": (folder / "noise.safetensors", "holds no weights"),
        "absent": (folder / "absent.ckpt", "no such file"),
        "empty": (folder / "empty", "0 checkpoints"),
        "several": (folder, "checkpoints in this folder, not one"),
        "list": (folder / "list.pt", "state_dict of tensors missing"),
        "text": (folder / "text.pt", "state_dict of tensors missing"),
    }


def test_anything_else_is_refused_in_one_line(state: State, tmp_path: Path) -> None:
    for name, (path, reason) in refusals(state, tmp_path).items():
        with pytest.raises(DataError, match=reason) as caught:
            load_vqgan(path, CONFIG)
        assert "\n" not in str(caught.value), name
