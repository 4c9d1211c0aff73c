"""Low-rank updates of a frozen transformer (LoRA, Hu et al., ICLR 2022), by peft.

W x + (alpha / rank) B A x        B = 0 at the start, for the attention projections W
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from unimp_bench.errors import UsageError
from unimp_bench.torch_setup import make_torchvision_importable

if TYPE_CHECKING:
    from torch import Tensor

LORA = ".lora_"
"""Part of the names of all parameters of low-rank updates."""

_ADAPTED = ".base_layer."
_DOWN, _UP = ".lora_A.default.", ".lora_B.default."

_SCALE = 2  # alpha over rank


def inject(model: Any, rank: int) -> None:
    """Add updates to the attention projections of a model of transformers, in place; before loading weights.

    Raises:
        UsageError: the attention projections of a model of this kind are unknown to peft.
    """
    make_torchvision_importable()
    from peft import LoraConfig, inject_adapter_in_model
    from peft.utils.constants import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as TARGETS

    kind = model.config.model_type
    if kind not in TARGETS:
        known = ", ".join(sorted(TARGETS))
        raise UsageError(f"trained=lora: unknown attention projections of a {kind!r} backbone; known are {known}")
    targets: Any = TARGETS[kind]
    inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=_SCALE * rank, target_modules=targets), model)


def base_name(name: str) -> str | None:
    """The name of a parameter in the model without updates; None for those of an update."""
    return None if LORA in name else name.replace(_ADAPTED, ".")


def merged(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The parameters of a model, by its names, with each low-rank update added to what it updates."""
    weights = {name.replace(_ADAPTED, "."): tensor for name, tensor in tensors.items() if LORA not in name}
    for name, down in tensors.items():
        if _DOWN in name:
            up, updated = tensors[name.replace(_DOWN, _UP)], name.replace(_DOWN, ".")
            weights[updated] = weights[updated] + _SCALE * up @ down
    return weights
