"""RQ-VAE: residual quantization in the latent space of an autoencoder (Lee et al., CVPR 2022), as TIGER makes its ids.

    z = Encoder(x),  r_0 = z;    c_l = nearest code of r_{l-1} in codebook l,  e_l that code,  r_l = r_{l-1} - sg(e_l)
    x' = Decoder(z + sg(sum_l e_l - z))
    L = mse(x', x) + sum_l [ mse(e_l, sg(r_{l-1})) + beta mse(r_{l-1}, sg(e_l)) ]

``sg`` stops the gradient; means run over items and dimensions. Residuals subtract the detached code, so that the
commitment terms of all levels train the encoder (in LC-Rec's code only those of the first do). Codebooks start as
k-means of the residuals, and after each epoch a code that no item used becomes the residual of a random one. LETTER and
CoST change the objective L, see ``unimp_bench.generative.letter_cost``.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from unimp_bench.generative.quantizers import Quantizer, QuantizerSettings, Vectors, as_vectors, k_means
from unimp_bench.progress import progress
from unimp_bench.records import IntArray
from unimp_bench.torch_setup import own_chance

HIDDEN = (512, 256, 128)
LATENT = 32
BETA = 0.25
EPOCHS = 200
BATCH = 1024
LEARNING_RATE = 1e-3


class Pass(NamedTuple):
    """What an autoencoder makes of vectors.

    Attributes:
        vectors: (n, width).
        latent: sum of their codes' vectors, with the gradient of the encoder's output, (n, latent).
        rebuilt: (n, width).
        codes: (n, levels).
        residuals, found: per level what is coded, and the vectors of its codes, (n, latent) each.
    """

    vectors: Tensor
    latent: Tensor
    rebuilt: Tensor
    codes: Tensor
    residuals: list[Tensor]
    found: list[Tensor]


class Autoencoder(nn.Module):
    """Encoder, decoder with ReLU between their layers, and a codebook per level.

    Args:
        width: of the vectors.
        levels: number of codebooks.
        codes: size of each.
        latent: width of their vectors.
    """

    def __init__(self, width: int, levels: int, codes: int, latent: int = LATENT) -> None:
        super().__init__()
        sizes = [width, *HIDDEN, latent]
        self.encoder, self.decoder = _layers(sizes), _layers(sizes[::-1])
        self.codebooks = nn.ParameterList(nn.Parameter(torch.zeros(codes, latent)) for _ in range(levels))

    def quantise(self, latent: Tensor) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """Codes (n, levels) of latent vectors (n, latent), and per level the residuals and their codes' vectors."""
        residual, codes, residuals, vectors = latent, [], [], []
        for book in self.codebooks:
            code = torch.cdist(residual.detach(), book.detach()).argmin(dim=1)
            codes.append(code)
            residuals.append(residual)
            vectors.append(functional.embedding(code, book))
            residual = residual - vectors[-1].detach()
        return torch.stack(codes, dim=1), residuals, vectors

    def forward(self, vectors: Tensor) -> Pass:
        """Vectors (n, width) coded and rebuilt."""
        latent = self.encoder(vectors)
        codes, residuals, found = self.quantise(latent)
        through = latent + (torch.stack(found).sum(dim=0) - latent).detach()
        return Pass(vectors, through, self.decoder(through), codes, residuals, found)


def quantization_loss(made: Pass) -> Tensor:
    """The sum over levels in L, a scalar."""
    terms = [
        functional.mse_loss(code, rest.detach()) + BETA * functional.mse_loss(rest, code.detach())
        for rest, code in zip(made.residuals, made.found, strict=True)
    ]
    return torch.stack(terms).sum()


class Objective:
    """L, for batches of the items that an autoencoder is trained on."""

    def begin_epoch(self, network: Autoencoder) -> None:
        """Called before each epoch."""

    def loss(self, network: Autoencoder, made: Pass, rows: Tensor) -> Tensor:
        """A scalar, of what was made of the items ``rows`` (n,)."""
        return functional.mse_loss(made.rebuilt, made.vectors) + quantization_loss(made)


@dataclass(frozen=True, eq=False)
class RQVAE(Quantizer):
    """A trained autoencoder, and the scale of its input.

    Attributes:
        latent: width of the latent space.
        mean: (width,) of the vectors that it was fitted on.
        scale: their root mean squared deviation.
        network: in eval mode.
    """

    latent: ClassVar[int] = LATENT

    mean: Vectors
    scale: float
    network: Autoencoder

    @classmethod
    def objective(cls, settings: QuantizerSettings, behaviour: Vectors | None) -> Objective:
        """The objective of a fit; see ``fit``."""
        return Objective()

    @classmethod
    def fit(cls, vectors: Vectors, settings: QuantizerSettings, behaviour: Vectors | None = None) -> RQVAE:
        mean = vectors.mean(axis=0)
        scale = max(float(np.sqrt(np.square(vectors - mean, dtype=np.float64).mean())), 1e-12)
        points = torch.from_numpy(as_vectors((vectors - mean) / scale))
        rng = np.random.default_rng(settings.seed)
        with own_chance(settings.seed):
            network = Autoencoder(points.shape[1], settings.levels, min(settings.codes, len(points)), cls.latent)
        _start(network, points, settings.seed)
        objective = cls.objective(settings, behaviour)
        optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=1e-4)
        for _ in progress(range(EPOCHS), f"{cls.__name__.lower()}: training", unit="epoch"):
            objective.begin_epoch(network)
            used = [torch.zeros(len(book), dtype=torch.bool) for book in network.codebooks]
            for rows in torch.split(torch.from_numpy(rng.permutation(len(points))), BATCH):
                made = network(points[rows])
                optimizer.zero_grad()
                objective.loss(network, made, rows).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                for level, mask in enumerate(used):
                    mask[made.codes[:, level]] = True
            _revive(network, points, used, rng)
        return cls(mean, scale, network.eval())

    @torch.no_grad()
    def encode(self, vectors: Vectors) -> IntArray:
        points = torch.from_numpy(as_vectors((vectors - self.mean) / self.scale))
        found = [self.network.quantise(self.network.encoder(part))[0] for part in torch.split(points, BATCH)]
        return torch.cat(found).numpy()

    @torch.no_grad()
    def decode(self, codes: IntArray) -> Vectors:
        books = zip(codes.T, self.network.codebooks, strict=True)
        total = torch.stack([book[torch.from_numpy(np.ascontiguousarray(column))] for column, book in books]).sum(dim=0)
        return as_vectors(self.network.decoder(total).numpy() * self.scale + self.mean)


def _layers(sizes: list[int]) -> nn.Sequential:
    """Linear layers from each size to the next, with ReLU between them."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


@torch.no_grad()
def _start(network: Autoencoder, points: Tensor, seed: int) -> None:
    """Codebooks by k-means of the residuals of all points, level by level; unneeded codes stay zero."""
    residual = network.encoder(points)
    for level, book in enumerate(network.codebooks):
        centroids = torch.from_numpy(k_means(as_vectors(residual.numpy()), len(book), seed + level))
        book[: len(centroids)] = centroids
        residual = residual - centroids[torch.cdist(residual, centroids).argmin(dim=1)]


@torch.no_grad()
def _revive(network: Autoencoder, points: Tensor, used: list[Tensor], rng: np.random.Generator) -> None:
    """Put codes that no point used at the residuals of random points."""
    chosen = torch.from_numpy(rng.integers(len(points), size=max(len(mask) for mask in used)))
    _, residuals, _ = network.quantise(network.encoder(points[chosen]))
    for book, mask, rows in zip(network.codebooks, used, residuals, strict=True):
        unused = (~mask).nonzero()[:, 0]
        book[unused] = rows[: len(unused)]
