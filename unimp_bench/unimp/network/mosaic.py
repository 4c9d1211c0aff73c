"""MPT-1B as it was published: before MPT had its name and its place in transformers, with normed queries and keys.

``mosaicml/mpt-1b-redpajama-200b`` and its copies, OpenFlamingo-3B's among them, bring a model class of their own, whose
code is not run here. It is an MPT with other names and a layer norm over the whole of queries and keys, so its weights
are read into transformers' MPT; ``AlibiAttention`` knows the norms.
"""

from __future__ import annotations

import json
import re
from typing import Any

import torch
from torch import nn

from unimp_bench.errors import DataError, UsageError
from unimp_bench.torch_setup import make_torchvision_importable
from unimp_bench.unimp.network.sources import find_file, read, read_state

MODEL_TYPE = "mosaic_gpt"

_FIXED = {"alibi": True, "alibi_bias_max": 8, "no_bias": True, "prefix_lm": False, "logit_scale": None}
"""What MPT-1B is; another value would be another network."""

_NAMES = (
    (re.compile(r"\.ln_(\d)\."), r".norm_\1."),
    (re.compile(r"\.ln_f\."), ".norm_f."),
    (re.compile(r"\.mlp\.mlp_(up|down)\."), r".ffn.\1_proj."),
)


def mosaic_settings(name: str) -> dict[str, Any] | None:
    """The config.json of a backbone where it is one of these, else None.

    Raises:
        UsageError: it cannot be read.
    """
    settings: Any = read(lambda: json.loads(find_file(name, "config.json").read_bytes()), "backbone", name)
    return settings if isinstance(settings, dict) and settings.get("model_type") == MODEL_TYPE else None


def read_mosaic(name: str, settings: dict[str, Any]) -> Any:
    """The weights as transformers' MPT, float32.

    Raises:
        UsageError: they cannot be read, or the settings describe another network.
        DataError: the weights are not those that the settings describe.
    """
    other = [key for key, value in _FIXED.items() if settings.get(key, value) != value]
    if other:
        raise UsageError(f"backbone {name!r} is no MPT-1B: {other[0]} is {settings[other[0]]!r}")
    with torch.device("meta"):
        model = read(lambda: outline(settings), "backbone", name)
    files = ("model.safetensors", "pytorch_model.bin")
    state = read(lambda: read_state(find_file(name, *files)), "backbone", name)
    renamed = {_renamed(key): tensor.float() for key, tensor in state.items()}
    own = {key: tuple(each.shape) for key, each in model.named_parameters()}
    for key in sorted(own.keys() | renamed.keys()):
        if key not in renamed or key not in own or tuple(renamed[key].shape) != own[key]:
            raise DataError(f"the weights of backbone {name!r} do not fit its config.json, first at {key}")
    model.load_state_dict(renamed, assign=True, strict=False)  # the output layer is the input embeddings
    model.tie_weights()
    return model.eval()


def outline(settings: dict[str, Any]) -> Any:
    """An MPT of the settings, with the norms that transformers' lacks."""
    make_torchvision_importable()
    from transformers import AutoModelForCausalLM, MptConfig

    same = {key: settings[key] for key in ("d_model", "n_heads", "n_layers", "max_seq_len", "vocab_size")}
    attention = {"clip_qkv": settings.get("attn_clip_qkv"), "softmax_scale": settings.get("softmax_scale")}
    model = AutoModelForCausalLM.from_config(
        MptConfig(expansion_ratio=settings["mlp_ratio"], attn_config=attention, **same)
    )
    if settings.get("attn_qk_ln"):
        for block in model.transformer.blocks:
            block.attn.q_ln = nn.LayerNorm(settings["d_model"], bias=False)
            block.attn.k_ln = nn.LayerNorm(settings["d_model"], bias=False)
    return model


def _renamed(key: str) -> str:
    for pattern, ours in _NAMES:
        key = pattern.sub(ours, key)
    return key
