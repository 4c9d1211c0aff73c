"""Adapters in a frozen T5 (Houlsby et al., ICML 2019; placed as in VIP5: Geng et al., Findings of EMNLP 2023, 3.3).

    adapter(h) = h + U gelu(D h + b) + c        D: (d/8, d), U: (d, d/8)

It takes what a sub-layer (self-attention, cross-attention, feed-forward) computed, before dropout and before the
block adds it to its input: ``x + dropout(adapter(sublayer(norm(x))))``. ``U`` and ``c`` start at zero, so that the
first step sees the pre-trained T5 as it is. One set of adapters serves all tasks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from unimp_bench.torch_setup import make_torchvision_importable

REDUCTION = 8


class Adapter(nn.Module):
    """A bottleneck beside the identity, (..., width) to (..., width).

    Attributes:
        down, up: to the bottleneck and back, with biases.
    """

    def __init__(self, width: int, reduction: int = REDUCTION) -> None:
        super().__init__()
        self.down = nn.Linear(width, max(1, width // reduction))
        self.up = nn.Linear(self.down.out_features, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, states: Tensor) -> Tensor:
        adapted: Tensor = states + self.up(functional.gelu(self.down(states)))
        return adapted


def insert_adapters(t5: nn.Module, reduction: int = REDUCTION) -> None:
    """Give every sub-layer of a T5 of transformers its adapter, in place; its weights must be there already.

    The dropout of a sub-layer is the one module between what it computes and the residual add, so the adapter goes
    before it there, and no forward of transformers is written again.
    """
    for layer in _sub_layers(t5):
        width = layer.layer_norm.weight.shape[0]
        layer.dropout = nn.Sequential(Adapter(width, reduction), layer.dropout)


def train_adapters_alone(t5: nn.Module) -> None:
    """Freeze all of a T5 but its adapters and layer norms."""
    from transformers.models.t5.modeling_t5 import T5LayerNorm

    t5.requires_grad_(False)
    for module in t5.modules():
        if isinstance(module, Adapter | T5LayerNorm):
            module.requires_grad_()


def _sub_layers(t5: nn.Module) -> Iterator[Any]:
    make_torchvision_importable()
    from transformers.models.t5 import modeling_t5

    kinds = (modeling_t5.T5LayerSelfAttention, modeling_t5.T5LayerCrossAttention, modeling_t5.T5LayerFF)
    for module in list(t5.modules()):
        if isinstance(module, kinds):
            yield module
