"""The critic of MMSSL: whether rows of user-item relations come from interactions or from a modality."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

SLOPE = 0.2
LEAST_WIDTH = 8
DROPOUTS = (0.31, 0.5)


class Critic(nn.Module):
    """Rows of relations, (n, S), to one number each, (n,); higher for what looks real.

    Two blocks of Linear, LeakyReLU, LayerNorm and Dropout, ``S -> S / 4 -> S / 8``, and a linear end (a constant there
    would cancel). The authors' has BatchNorm, which ties the rows together whose gradients the penalty takes one by one
    (Gulrajani et al., 2017, section 4), and a bounded end, 100 sigmoid, which is none of a Wasserstein distance.
    """

    def __init__(self, items: int) -> None:
        super().__init__()
        widths = (items, max(LEAST_WIDTH, items // 4), max(LEAST_WIDTH, items // 8))
        layers: list[nn.Module] = []
        for inner, outer, dropout in zip(widths[:-1], widths[1:], DROPOUTS, strict=True):
            layers += [nn.Linear(inner, outer), nn.LeakyReLU(SLOPE), nn.LayerNorm(outer), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], 1, bias=False))

    def forward(self, rows: Tensor) -> Tensor:
        judged: Tensor = self.layers(rows)
        return judged.squeeze(1)


def critic_loss(critic: nn.Module, real: Tensor, fake: Tensor, weight: float) -> Tensor:
    """``mean D(fake) - mean D(real) + weight * mean (|grad D(between)| - 1)^2`` (Gulrajani et al., 2017, Eq. 3).

    Args:
        real, fake: (n, S) rows, without gradient; ``between`` lies at a random place on the line between two.
        weight: of the penalty.
    """
    place = torch.rand(len(real), 1, device=real.device)
    between = (place * real + (1 - place) * fake).requires_grad_(True)
    (slopes,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    penalty = (slopes.norm(dim=1) - 1).square().mean()
    loss: Tensor = critic(fake).mean() - critic(real).mean() + weight * penalty
    return loss


def fake_rows(users: Tensor, items: Tensor, known: Tensor) -> Tensor:
    """Relations that a modality foretells beyond the known ones, unit rows (n, S).

    Args:
        users: (n, width) modality-aware vectors.
        items: (S, width).
        known: (n, S) 1 where there is an interaction, else 0.
    """
    return functional.normalize((users @ items.T) * (1 - known))


def real_rows(known: Tensor, scores: Tensor, temperature: float, noise: float, share: float) -> Tensor:
    """Interactions softened by Gumbel noise, and the recommender's own scores, unit rows (n, S), without gradient.

    Args:
        known: as for ``fake_rows``.
        scores: (n, S) of the recommender.
        temperature: of the softmax over ``known + noise * gumbel``.
        noise: weight of the Gumbel noise.
        share: weight of the scores, unit rows.
    """
    with torch.no_grad():
        gumbel = -torch.empty_like(known).exponential_().log()
        softened = functional.softmax((known + noise * gumbel) / temperature, dim=1)
        return functional.normalize(softened + share * functional.normalize(scores))
