"""Embedding tables of a pre-trained decoder: the rows that it brought, and new ones for our tokens behind them.

Two parameters instead of one resized table, so that what stays and what moves is a matter of ``requires_grad`` and of
nothing else: no mask over gradients, and no old row that weight decay or Adam's moments could reach.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Table(nn.Module):
    """Rows of tokens.

    Attributes:
        old: (brought, width), the decoder's own rows; frozen.
        new: (new, width), drawn at first from a normal distribution with the mean and deviation of the old ones.
    """

    def __init__(self, old: nn.Parameter, new: nn.Parameter) -> None:
        super().__init__()
        self.old = old
        self.new = new

    @classmethod
    def of(cls, rows: Tensor, count: int) -> Table:
        """A table of a decoder's ``rows``, (brought, width), and ``count`` new ones.

        The mean of all rows would do for new ones in an output layer. As input it is nearly zero, and the first norm
        of a decoder without biases multiplies what is nearly zero, and its gradient, a thousandfold.
        """
        rows = rows.detach().clone()
        spread, mean = torch.std_mean(rows, dim=0, correction=0)
        new = mean + spread * rows.new_empty(count, rows.shape[1]).normal_()
        return cls(nn.Parameter(rows, requires_grad=False), nn.Parameter(new))

    def rows(self, tokens: Tensor) -> Tensor:
        """Of tokens of any shape, (..., width)."""
        brought = len(self.old)
        own = functional.embedding((tokens - brought).clamp(min=0), self.new)
        theirs = functional.embedding(tokens.clamp(max=brought - 1), self.old)
        return torch.where((tokens >= brought)[..., None], own, theirs)

    @torch.no_grad()
    def set_rows(self, tokens: Tensor, rows: Tensor) -> None:
        """Overwrite new rows, (n, width); the old ones are not ours to change."""
        if bool((tokens < len(self.old)).any()):
            raise ValueError("a row that the pre-trained decoder brought is never overwritten")
        self.new[tokens - len(self.old)] = rows.to(self.new.dtype)


class InputTable(Table):
    """In the place of a decoder's input embeddings."""

    def forward(self, tokens: Tensor) -> Tensor:
        return self.rows(tokens)


class OutputTable(Table):
    """In the place of a decoder's output layer."""

    def forward(self, states: Tensor) -> Tensor:
        """Logits, (..., brought + new)."""
        return torch.cat([functional.linear(states, self.old), functional.linear(states, self.new)], dim=-1)


def extend(model: nn.Module, brought: int, count: int) -> None:
    """Give a causal language model of transformers ``count`` new rows behind its first ``brought`` ones.

    Rows of its tables beyond ``brought`` are padding that no token of its tokenizer has; they are dropped. A decoder
    whose output layer is its input embeddings keeps that, for old rows and new.
    """
    read, written = model.get_input_embeddings().weight, model.get_output_embeddings().weight  # type: ignore[operator]
    inputs = InputTable.of(read[:brought], count)
    tied = written is read
    outputs = OutputTable(inputs.old, inputs.new) if tied else OutputTable.of(written[:brought], count)
    model.set_input_embeddings(inputs)  # type: ignore[operator]
    model.set_output_embeddings(outputs)  # type: ignore[operator]
