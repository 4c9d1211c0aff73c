"""Checkpoints of OpenFlamingo 2 (Awadalla et al., 2023): initial weights of resampler and gated cross-attention.

They hold what OpenFlamingo trained: the resampler, the cross-attention in front of every n-th decoder layer, and the
input embeddings, rows for ``<|endofchunk|>`` and ``<image>`` in this order behind those of the backbone's tokenizer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from unimp_bench.errors import DataError, UsageError
from unimp_bench.unimp.backbones import FusedLayer
from unimp_bench.unimp.model import UniMPModel
from unimp_bench.unimp.published import find_file, read, read_state
from unimp_bench.unimp.tokens import Vocabulary

_RESAMPLER = {
    "norm_patches": "0.norm_media",
    "norm_latents": "0.norm_latents",
    "attention": "0",
    "feed_forward": "1",
}
_CROSS_ATTENTION = {
    "norm": "attn.norm",
    "attention": "attn",
    "attention_gate": "attn_gate",
    "feed_forward": "ff",
    "feed_forward_gate": "ff_gate",
}
_NEW_ROWS = 2

# A cross-attention layer has one name in the list of all, and another in front of its decoder layer.
_GATED = re.compile(r"lang_encoder\.(?:gated_cross_attn_layers\.(\d+)|.+\.(\d+)\.gated_cross_attn_layer)\.(.+)")
_BACKBONE = re.compile(
    r"vision_encoder\..+|lang_encoder\.(?:old_decoder_blocks\..+|.+\.decoder_layer\..+|(?:embed_out|lm_head)\.weight)"
)


@torch.no_grad()
def load_openflamingo(model: UniMPModel, name: str, vocabulary: Vocabulary) -> None:
    """Overwrite resampler, cross-attention and the input rows of ``[IMG]`` and ``[EOC]`` by those of a checkpoint.

    Args:
        name: a file, or a repository of Hugging Face with a ``checkpoint.pt``.

    Raises:
        UsageError: it cannot be read, or the model has no such parts.
        DataError: tensors are missing, of another shape, or unknown.
    """
    fused = [(number, layer) for number, layer in enumerate(model.decoder.layers) if isinstance(layer, FusedLayer)]
    if model.resampler is None or not fused:
        raise UsageError("flamingo initialises resampler and cross-attention, which this corpus or fusion does not use")
    targets = dict(_renamed(model.resampler, "perceiver.", _RESAMPLER))
    for number, layer in fused:
        targets |= _renamed(layer.fusion, f"{number}.", _CROSS_ATTENTION)
    held = read(lambda: read_state(_file(name)), "OpenFlamingo checkpoint", name)

    table = _table_name(model)
    found: dict[str, Tensor] = {}
    for key, tensor in held.items():
        gated = _GATED.fullmatch(key)
        ours = f"{gated[1] or gated[2]}.{gated[3]}" if gated else key
        if ours in targets:
            found[ours] = tensor
        elif key != table and not _is_the_backbones(key, model):
            raise DataError(
                f"{name}: unexpected tensor {key}; set fusion_every and resampler_layers to those of the checkpoint"
            )
    for ours, parameter in targets.items():
        if ours not in found:
            raise DataError(
                f"{name}: missing tensor {ours}; set fusion_every and resampler_layers to those of the checkpoint"
            )
        if found[ours].shape != parameter.shape:
            shapes = f"{tuple(found[ours].shape)}, not {tuple(parameter.shape)}"
            raise DataError(f"{name}: {ours} is {shapes}; set backbone, encoder and latents to those of the checkpoint")
        parameter.copy_(found[ours])
    if table in held:
        _set_marker_rows(model, held[table], vocabulary, name)


def _file(name: str) -> Path:
    return Path(name) if Path(name).is_file() else find_file(name, "checkpoint.pt")


def _renamed(module: nn.Module, prefix: str, names: dict[str, str]) -> Iterator[tuple[str, nn.Parameter]]:
    """The parameters of a module of ours under OpenFlamingo's names."""
    for name, parameter in module.named_parameters():
        yield prefix + ".".join(names.get(part, part) for part in name.split(".")), parameter


def _table_name(model: UniMPModel) -> str:
    """What the checkpoint calls the decoder's input embeddings."""
    decoder = model.decoder.model
    inputs = decoder.get_input_embeddings()
    return next(f"lang_encoder.{name}.weight" for name, module in decoder.named_modules() if module is inputs)


def _is_the_backbones(key: str, model: UniMPModel) -> bool:
    """Whether a tensor is one that backbone and picture encoder bring themselves: layers, last norm, output layer."""
    last = {f"lang_encoder.{name}" for name in model.decoder.model.state_dict()}
    return _BACKBONE.fullmatch(key) is not None or key in last


def _set_marker_rows(model: UniMPModel, table: Tensor, vocabulary: Vocabulary, name: str) -> None:
    first_new, width = model.decoder.pretrained_tokens, model.decoder.width
    rows = first_new + _NEW_ROWS
    if len(table) < rows or table.shape[1] != width:
        raise DataError(
            f"{name}: input embeddings of {len(table)} x {table.shape[1]}, not at least {rows} x {width}; "
            "this checkpoint is for another backbone"
        )
    tokens = torch.tensor([vocabulary.eoc, vocabulary.img], device=model.device)
    model.decoder.set_input_rows(tokens, table[first_new:rows].to(model.device))
