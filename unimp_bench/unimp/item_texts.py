"""Item tokens that know the texts of their items: part of their rows is a projection of a text vector.

With ``x_j`` the vector of item j's text by a frozen encoder, channels of variance 1, and a trained matrix ``W`` each
for reading and for predicting, the same one where the tables are tied:

    row(j) = E_j + W x_j

This is the item of a transductive UniSRec (Hou et al., KDD 2022) as a token of the decoder; it is not in the paper,
which reads texts as words. An item that is rare has little of its own in ``E_j`` and is known by what it shares with
others; the sentence stays one token per item.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from unimp_bench.records import FloatArray

SHARE = 0.5
"""Initial size of the text's part beside that of a row from scratch."""


class ItemTexts(nn.Module):
    """What the rows of item tokens get of their texts.

    Args:
        vectors: (items, F) standardised, of about length one (``corpus.features.vectors.ItemVectors``).
        first: the first token of an item; items are the last tokens.
        width: of the decoder.
        tied: whether one projection serves both tables.
    """

    vectors: Tensor

    def __init__(self, vectors: FloatArray, first: int, width: int, tied: bool) -> None:
        super().__init__()
        features = vectors.shape[1]
        self.first = first
        self.register_buffer("vectors", torch.from_numpy(vectors * np.float32(features**0.5)), persistent=False)
        self.read = nn.Linear(features, width, bias=False)
        nn.init.normal_(self.read.weight, std=SHARE * (features * width) ** -0.5)
        self.predicted = self.read
        if not tied:
            self.predicted = nn.Linear(features, width, bias=False)
            self.predicted.load_state_dict(self.read.state_dict())

    def inputs(self, tokens: Tensor) -> Tensor:
        """The texts' part of input rows, (..., width), 0 for words."""
        return self._rows(tokens, self.read)

    def outputs(self, tokens: Tensor) -> Tensor:
        """The texts' part of output rows, (..., width), 0 for words."""
        return self._rows(tokens, self.predicted)

    def logits(self, states: Tensor) -> Tensor:
        """The texts' part of the logits of all tokens, (n, vocabulary), 0 for words."""
        of_items = states @ self.predicted.weight @ self.vectors.T
        return functional.pad(of_items, (self.first, 0))

    def output_table(self) -> Tensor:
        """The texts' part of all output rows, (vocabulary, width)."""
        return functional.pad(self.predicted(self.vectors), (0, 0, self.first, 0))

    def _rows(self, tokens: Tensor, project: nn.Linear) -> Tensor:
        items = tokens >= self.first
        rows: Tensor = project(self.vectors[tokens[items] - self.first])
        return rows.new_zeros(*tokens.shape, rows.shape[-1]).masked_scatter(items[..., None], rows)
