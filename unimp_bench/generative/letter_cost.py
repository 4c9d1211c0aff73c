"""RQ-VAE with other objectives: LETTER (Wang et al., CIKM 2024) and CoST (Zhu et al., RecSys 2024).

With x, x', r, e, c of ``unimp_bench.generative.rqvae``, z' = z + sg(sum_l e_l - z), and L_rq its sum over levels:

    LETTER:  L = mse(x', x) + L_rq + alpha L_cf + beta mean_l L_div,l
             L_cf    = -1/n sum_i ln( exp(z'_i . v_i) / sum_j exp(z'_i . v_j) )
             L_div,l = -1/n sum_i ln( exp(e_c . e_p) / sum_{q != c} exp(e_c . e_q) ),  c the code of i, p its partner
    CoST:    L = alpha L_cl + L_rq
             L_cl    = -1/n sum_i ln( exp(cos(x_i, x'_i) / tau) / sum_j exp(cos(x_i, x'_j) / tau) )

v are vectors of the items from behaviour; j runs over the batch, q over the codes of level l. Once an epoch the codes
of each level are grouped by their vectors, and the partner p of an item is drawn from the other codes in the group of
its code: used codes move towards their group and away from the rest.

Departures from LETTER: v are singular vectors of the training interactions, not those of SASRec; groups have one size;
residual codes sum over levels and have a last code against collisions in the place of Sinkhorn assignments, so that
alpha = beta = 0 is ``rqvae``; three levels, 200 epochs. From CoST: a codebook per level.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional

from unimp_bench.errors import UsageError
from unimp_bench.generative.quantizers import QuantizerSettings, Vectors, as_vectors, k_means
from unimp_bench.generative.rqvae import LATENT, RQVAE, Autoencoder, Objective, Pass, quantization_loss
from unimp_bench.records import IntArray

ALIGNMENT = 0.1
DIVERSITY = 1e-4
GROUPS = 10
CONTRAST = 0.1
TEMPERATURE = 0.1
COST_LATENT = 96


def alignment_loss(made: Pass, behaviour: Tensor) -> Tensor:
    """L_cf, a scalar; items without behaviour, of zero vectors (n, latent), are no anchors."""
    anchors = behaviour.any(dim=1).nonzero()[:, 0]
    if not len(anchors):
        return made.latent.sum() * 0
    return functional.cross_entropy(made.latent[anchors] @ behaviour.T, anchors)


def diversity_loss(found: Tensor, codes: Tensor, partners: Tensor, book: Tensor) -> Tensor:
    """L_div of a level, a scalar.

    Args:
        found: (n, latent) vectors of the items' codes.
        codes, partners: (n,); where both are the same, the code has no partner and does not count.
        book: (K, latent) codebook.
    """
    logits = (found @ book.T).scatter(1, codes[:, None], -torch.inf)
    paired = codes != partners
    if not paired.any():
        return found.sum() * 0
    return functional.cross_entropy(logits[paired], partners[paired])


def contrastive_loss(made: Pass) -> Tensor:
    """L_cl, a scalar."""
    anchors, rebuilt = (functional.normalize(each, dim=1) for each in (made.vectors, made.rebuilt))
    return functional.cross_entropy(anchors @ rebuilt.T / TEMPERATURE, torch.arange(len(anchors)))


def groups_of(book: Vectors, seed: int) -> IntArray:
    """The group of each code (K, latent), (K,): those of k-means, in the assignment of least cost to places for K/G."""
    groups = max(1, min(GROUPS, len(book) // 2))
    centres = k_means(book, groups, seed)
    places = np.repeat(np.arange(len(centres)), -(-len(book) // len(centres)))
    distance = np.square(book[:, None] - centres[None], dtype=np.float64).sum(axis=2)
    codes, taken = linear_sum_assignment(distance[:, places])
    found: IntArray = places[taken][np.argsort(codes)]
    return found


class LetterObjective(Objective):
    """L of LETTER.

    Args:
        behaviour: (items, ``LATENT``), those that are trained on.
        seed: of groups and partners.
    """

    def __init__(self, behaviour: Vectors, seed: int) -> None:
        self._behaviour = torch.from_numpy(behaviour)
        self._rng, self._seed = np.random.default_rng([seed, 1]), seed
        self._groups: list[IntArray] = []

    def begin_epoch(self, network: Autoencoder) -> None:
        self._groups = [groups_of(as_vectors(book.detach().numpy()), self._seed) for book in network.codebooks]

    def loss(self, network: Autoencoder, made: Pass, rows: Tensor) -> Tensor:
        levels = zip(made.found, made.codes.T, network.codebooks, self._groups, strict=True)
        apart = [
            diversity_loss(found, codes, self._partners(codes, groups), book) for found, codes, book, groups in levels
        ]
        aligned = alignment_loss(made, self._behaviour[rows])
        return super().loss(network, made, rows) + ALIGNMENT * aligned + DIVERSITY * torch.stack(apart).mean()

    def _partners(self, codes: Tensor, groups: IntArray) -> Tensor:
        """A random other code of the group of each code (n,), (n,); the code itself where there is none."""
        order = np.argsort(groups, kind="stable")
        sizes = np.bincount(groups)
        begins, place = np.cumsum(sizes) - sizes, np.empty(len(groups), dtype=np.int64)
        place[order] = np.arange(len(groups))
        own = codes.numpy()
        begin, size = begins[groups[own]], sizes[groups[own]]
        step = 1 + (self._rng.random(len(own)) * (size - 1)).astype(np.int64)
        chosen = order[begin + (place[own] - begin + np.where(size > 1, step, 0)) % size]
        return torch.from_numpy(chosen)


class CoSTObjective(Objective):
    """L of CoST."""

    def loss(self, network: Autoencoder, made: Pass, rows: Tensor) -> Tensor:
        return CONTRAST * contrastive_loss(made) + quantization_loss(made)


class Letter(RQVAE):
    """RQ-VAE whose codes also follow behaviour, and are used evenly."""

    @classmethod
    def objective(cls, settings: QuantizerSettings, behaviour: Vectors | None) -> Objective:
        if behaviour is None or not behaviour.any():
            raise UsageError("letter aligns codes with behaviour, and there are no interactions of these items")
        padded = np.zeros((len(behaviour), LATENT), dtype=np.float32)
        padded[:, : behaviour.shape[1]] = behaviour[:, :LATENT]
        return LetterObjective(padded, settings.seed)


class CoST(RQVAE):
    """RQ-VAE that tells the reconstructions of items apart instead of matching their vectors.

    The objective leaves the length of a reconstruction open: all get that of the mean item.
    """

    latent = COST_LATENT

    @classmethod
    def objective(cls, settings: QuantizerSettings, behaviour: Vectors | None) -> Objective:
        return CoSTObjective()

    @torch.no_grad()
    def decode(self, codes: IntArray) -> Vectors:
        rebuilt = super().decode(codes) - self.mean
        lengths = np.linalg.norm(rebuilt, axis=1, keepdims=True) / np.sqrt(rebuilt.shape[1])
        return as_vectors(rebuilt / np.maximum(lengths, 1e-12) * self.scale + self.mean)
