"""InfoNCE (van den Oord et al., 2018) between two views of the nodes of a batch, in the forms that two systems use."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def across_views(
    first: Tensor, second: Tensor, nodes: Tensor, temperature: float, challenge: Tensor | None = None
) -> Tensor:
    """How well each node's first view finds its second one among those of the batch, a scalar.

    Args:
        first, second: (B, width) the two views.
        nodes: (B,) whose views these are; the views of one node are no negatives of each other.
        temperature: that cosines are divided by.
        challenge: (B, width) one negative more for each node; None for no more.
    """
    first, second = functional.normalize(first) / temperature, functional.normalize(second)
    again = (nodes[:, None] == nodes).fill_diagonal_(False)
    totals = (first @ second.T).masked_fill_(again, -torch.inf).logsumexp(dim=1)
    if challenge is not None:
        totals = torch.logaddexp(totals, (first * functional.normalize(challenge)).sum(dim=1))
    return (totals - (first * second).sum(dim=1)).mean()


def within_and_across(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """How well each row of ``first`` finds its own row of ``second`` among those of both, a scalar; (B, width) each."""
    first, second = functional.normalize(first) / temperature, functional.normalize(second)
    across = first @ second.T
    within = (first @ first.T * temperature).fill_diagonal_(-torch.inf)
    return (torch.cat([across, within], dim=1).logsumexp(dim=1) - across.diagonal()).mean()
