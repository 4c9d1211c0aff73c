"""Bottleneck adapters in the sub-layers of a frozen transformer (Houlsby et al., ICML 2019)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn
from torch.nn import functional


class Adapter(nn.Module):
    """A bottleneck with a residual connection, (..., width) to (..., width).

        adapter(h) = h + U gelu(D h + b) + c        D: (inner, width), U: (width, inner)

    Its input is the output of a sub-layer (attention or feed-forward), before dropout and the residual addition. ``U``
    and ``c`` start at zero, so that training starts from the pre-trained transformer.

    Attributes:
        down, up: projections to the bottleneck and back, with biases.
    """

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.down = nn.Linear(width, inner)
        self.up = nn.Linear(inner, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, states: Tensor) -> Tensor:
        adapted: Tensor = states + self.up(functional.gelu(self.down(states)))
        return adapted


def insert_adapters(sub_layers: Iterable[Any], width: int, inner: int) -> None:
    """Insert an adapter into sub-layers of a transformer of transformers, in place, after its weights are loaded.

    The ``dropout`` of a sub-layer is the first module behind its output, so inserting the adapter before it avoids
    copying code of transformers.
    """
    for layer in sub_layers:
        layer.dropout = nn.Sequential(Adapter(width, inner), layer.dropout)
