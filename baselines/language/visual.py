"""Pictures as tokens of a language model (VIP5: Geng et al., Findings of EMNLP 2023, 3.1).

    v(i) = norm(W2 tanh(W1 f_i + b1) + b2)      W1: (n d / 2, F), W2: (n d, n d / 2)

with ``f_i`` the frozen vector of the item's picture, ``norm`` root-mean-square over all ``n d`` numbers with a learned
gain, and ``v(i)`` cut into n tokens of width d. They stand in for the embeddings of the n placeholders behind each
mention of the item. An item without a picture has n tokens of its own kind, learned, the same for all such items.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_EPSILON = 1e-6


class VisualTokens(nn.Module):
    """The visual tokens of items, by their row.

    Args:
        width, count: d and n.
        scale: root mean square of a token's numbers at first.

    Attributes:
        features: (I, F) frozen; a row of zeros is an item without a picture.
        narrow, widen, norm: ``W1`` and ``b1``, ``W2`` and ``b2``, and the gain.
        missing: (n, d) the tokens of an item without a picture.
    """

    features: Tensor
    known: Tensor

    def __init__(self, features: Tensor, width: int, count: int, scale: float = 1.0) -> None:
        super().__init__()
        self.narrow = nn.Linear(features.shape[1], count * width // 2)
        self.widen = nn.Linear(self.narrow.out_features, count * width)
        self.norm = nn.RMSNorm(count * width, eps=_EPSILON)
        nn.init.constant_(self.norm.weight, scale)
        self.missing = nn.Parameter(torch.randn(count, width) * scale)
        self.register_buffer("features", features, persistent=False)
        self.register_buffer("known", features.any(dim=1), persistent=False)

    def of(self, items: Tensor) -> Tensor:
        """(items,) rows to (items, n, d)."""
        projected = self.norm(self.widen(torch.tanh(self.narrow(self.features[items]))))
        seen = projected.view(-1, *self.missing.shape)
        return torch.where(self.known[items, None, None], seen, self.missing)

    def forward(self, embeddings: Tensor, marks: Tensor) -> Tensor:
        """The embeddings of texts with those of the placeholders replaced, (batch, length, d).

        Args:
            embeddings: (batch, length, d).
            marks: (batch, length) the item's row at each of its n placeholders, negative elsewhere.
        """
        placed = marks >= 0
        which = (placed.cumsum(dim=1) - 1)[placed] % len(self.missing)
        items, mentions = torch.unique(marks[placed], return_inverse=True)
        return embeddings.masked_scatter(placed[:, :, None], self.of(items)[mentions, which].to(embeddings.dtype))
