"""The adaptor of UniSRec: text vectors through a mixture of whitening experts (Hou et al., KDD 2022, Eq. 2 to 4)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.learning.encoder import INIT_STD

_LEAST_NOISE = 1e-2


class Adaptor(nn.Module):
    """``v = sum_k softmax(x G + e softplus(x N))_k (x - b_k) W_k``, the noise ``e`` normal, in training alone.

    All gates are equal at first. One dropout of ``x`` serves all experts; in the authors' program each has its own.
    ``softplus`` has 0.01 added, as there.
    """

    def __init__(self, inputs: int, width: int, experts: int, dropout: float) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(experts, inputs))
        self.weight = nn.Parameter(torch.randn(experts, inputs, width) * INIT_STD)
        self.gate = nn.Parameter(torch.zeros(inputs, experts))
        self.noise = nn.Parameter(torch.zeros(inputs, experts))
        self.dropout = nn.Dropout(dropout)

    def forward(self, text: Tensor) -> Tensor:
        """(n, width) of (n, inputs)."""
        experts, inputs, width = self.weight.shape
        whitened = self.dropout(text) @ self.weight.transpose(0, 1).reshape(inputs, experts * width)
        shift = torch.einsum("ki,kiw->kw", self.bias, self.weight)
        mixed: Tensor = torch.einsum("nk,nkw->nw", self.gates(text), whitened.unflatten(1, (experts, width)) - shift)
        return mixed

    def gates(self, text: Tensor) -> Tensor:
        """Weights of the experts, (n, experts)."""
        logits = text @ self.gate
        if self.training:
            logits = logits + torch.randn_like(logits) * (functional.softplus(text @ self.noise) + _LEAST_NOISE)
        return logits.softmax(dim=1)
