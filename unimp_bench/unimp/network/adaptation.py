"""What is added to a backbone so that it need not move itself: low-rank updates and trained tokens, both of peft.

LoRA: Hu et al. (ICLR 2022). Prompt tuning: Lester et al. (EMNLP 2021).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from unimp_bench.errors import UsageError
from unimp_bench.torch_setup import make_torchvision_importable
from unimp_bench.unimp.config import UniMPConfig
from unimp_bench.unimp.network.model import UniMPModel
from unimp_bench.unimp.network.soft_prompt import SoftPrompt

LORA = ".lora_"
"""What the names of all parameters of low-rank updates have in common."""

_ADAPTED = ".base_layer."
_DOWN, _UP = ".lora_A.default.", ".lora_B.default."
_PROMPT = "decoder.prompt."

_SCALE = 2  # alpha over rank


def adapt(model: UniMPModel, config: UniMPConfig) -> None:
    """Add what ``config.trained`` names to the decoder; before weights are loaded into it, which name all of it.

    Low-rank updates begin at zero, so the model gives what it gave. Trained tokens begin as tokens of the vocabulary.

    Raises:
        UsageError: peft does not know where a backbone of this kind has its attention projections.
    """
    if config.trained == "lora":
        _inject(model.decoder.model, config.lora_rank)
    elif config.trained == "prompt":
        drawn = torch.randint(model.decoder.vocabulary_size, (config.prompt_tokens,))
        model.decoder.prompt = SoftPrompt(model.decoder.input_rows(drawn).detach())


def _inject(decoder: Any, rank: int) -> None:
    """``W x + (alpha / rank) B A x``, B = 0, for the attention projections W."""
    make_torchvision_importable()
    from peft import LoraConfig, inject_adapter_in_model
    from peft.utils.constants import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as TARGETS

    kind = decoder.config.model_type
    if kind not in TARGETS:
        known = ", ".join(sorted(TARGETS))
        raise UsageError(f"trained=lora: no attention projections are known of a {kind!r} backbone, only of {known}")
    targets: Any = TARGETS[kind]
    inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=_SCALE * rank, target_modules=targets), decoder)


def base_name(name: str) -> str | None:
    """What a parameter is called in a model without adaptation; None for those that adaptation added."""
    if LORA in name or name.startswith(_PROMPT):
        return None
    return name.replace(_ADAPTED, ".")


def merged(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The parameters of a model, by its names, with each low-rank update added to what it updates."""
    weights = {name.replace(_ADAPTED, "."): tensor for name, tensor in tensors.items() if LORA not in name}
    for name, down in tensors.items():
        if _DOWN in name:
            up, updated = tensors[name.replace(_DOWN, _UP)], name.replace(_DOWN, ".")
            weights[updated] = weights[updated] + _SCALE * up @ down
    return weights
