"""The pre-training of UniSRec: histories and next items find each other by text alone (Hou et al., 2022, section 2.2).

    s = Transformer(v_1 .. v_n) at n,   s' the same of a copy of the history that lacks some items,   v the next item's
    L_SI = mean over samples i of  -log( exp(cos(s_i, v_i) / tau) / sum_j exp(cos(s_i, v_j) / tau) )
    L_SS = mean over samples i of  -log( exp(cos(s_i, s'_i) / tau) / sum_j exp(cos(s_i, s'_j) / tau) )
    L = L_SI + copy_weight L_SS

``j`` goes over the batch, of all domains, without other samples of the same next item: these are no negatives. (In
the authors' program they stay in the sum, with a logit of zero.) A copy drops items only; the authors' other kind
of copy, a tenth of them, drops words of the texts. They go over all histories in an epoch, here it draws as many as
there are users, uniformly and without replacement.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from baselines.learning.encoder import last_states
from baselines.learning.network import Network
from baselines.learning.sequences import Windows, batches, padded
from baselines.sequential.unisrec_finetuning import UniSRecNetwork
from unimp_bench.records import Examples, IntArray


class Pairs(NamedTuple):
    """Histories and next items.

    Attributes:
        items: (B, N) item rows, padding behind; ``lengths`` (B,).
        copies: (B, N) the same without some; ``copy_lengths`` (B,).
        targets: (B,) next items.
    """

    items: Tensor
    lengths: Tensor
    copies: Tensor
    copy_lengths: Tensor
    targets: Tensor


class Pretraining(Network):
    """The recommender, of which its adaptor and its transformer learn."""

    def __init__(self, network: UniSRecNetwork) -> None:
        super().__init__()
        self.network, self.config = network, network.config

    def batches(self, rng: np.random.Generator) -> Iterator[Pairs]:
        interactions = self.network.interactions
        begins = interactions.offsets[interactions.owners]
        with_past = np.flatnonzero(np.arange(len(interactions)) > begins)
        nexts = rng.choice(with_past, min(len(interactions.users), len(with_past)), replace=False)
        starts = np.maximum(begins[nexts], nexts - self.config.max_length)
        for rows in batches(
            Windows(interactions.owners[nexts], starts, nexts), self.config.pretraining_batch_size, rng
        ):
            yield self.pairs(starts[rows], nexts[rows], rng)

    def pairs(self, starts: IntArray, nexts: IntArray, rng: np.random.Generator) -> Pairs:
        """Of the histories ``sequence[start:next]``."""
        sequence, padding = self.network.interactions.sequence, self.network.padding
        items = padded(sequence, starts, nexts, padding)
        dropped = rng.random(items.shape) < self.config.item_drop
        dropped[:, 0] = False
        dropped |= items == padding
        kept_first = np.argsort(dropped, axis=1, kind="stable")
        copies = np.take_along_axis(np.where(dropped, padding, items), kept_first, axis=1)
        arrays = (items, nexts - starts, copies, (~dropped).sum(axis=1), sequence[nexts])
        return Pairs(*map(self.tensor, arrays))

    def loss(self, batch: Pairs) -> Tensor:
        network = self.network
        told = torch.cat([batch.items.flatten(), batch.copies.flatten(), batch.targets])
        different, places = torch.unique(told.masked_fill(told == network.padding, 0), return_inverse=True)
        size = batch.items.numel()
        vectors = functional.embedding(places, network.adaptor(network.text[different]))
        items, copies = (part.view(*batch.items.shape, -1) for part in (vectors[:size], vectors[size : 2 * size]))
        states = functional.normalize(last_states(network.history(items), batch.lengths), dim=1)
        others = functional.normalize(last_states(network.history(copies), batch.copy_lengths), dim=1)
        nexts = functional.normalize(vectors[2 * size :], dim=1)
        tau = self.config.temperature
        between = in_batch_loss(states, nexts, batch.targets, tau)
        return between + self.config.copy_weight * in_batch_loss(states, others, batch.targets, tau)

    def score(self, examples: Examples) -> Tensor:
        return self.network.score(examples)


def in_batch_loss(states: Tensor, partners: Tensor, targets: Tensor, temperature: float) -> Tensor:
    """Mean of ``-log softmax(states @ partners.T / temperature)`` at each row's own partner, a scalar.

    Args:
        states, partners: (B, width), of length 1.
        targets: (B,) next items; another row with the same one is no competitor.
        temperature: tau.
    """
    rows = torch.arange(len(targets), device=targets.device)
    twins = (targets[:, None] == targets) & (rows[:, None] != rows)
    logits = (states @ partners.T / temperature).masked_fill(twins, -torch.inf)
    return functional.cross_entropy(logits, rows)
