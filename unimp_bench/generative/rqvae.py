"""RQ-VAE: residual quantization in the latent space of an autoencoder (Lee et al., CVPR 2022), as TIGER makes its ids.

    z = Encoder(x),  r_0 = z;    c_l = nearest code of r_{l-1} in codebook l,  e_l that code,  r_l = r_{l-1} - sg(e_l)
    x' = Decoder(z + sg(sum_l e_l - z))
    L = mse(x', x) + sum_l [ mse(e_l, sg(r_{l-1})) + beta mse(r_{l-1}, sg(e_l)) ]

``sg`` stops the gradient; means run over items and dimensions. Residuals subtract the detached code, so that the
commitment terms of all levels train the encoder (in LC-Rec's code only those of the first do). Codebooks start as
k-means of the residuals, and after each epoch a code that no item used becomes the residual of a random one.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

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


class Autoencoder(nn.Module):
    """Encoder, decoder with ReLU between their layers, and a codebook per level.

    Args:
        width: of the vectors.
        levels: number of codebooks.
        codes: size of each.
    """

    def __init__(self, width: int, levels: int, codes: int) -> None:
        super().__init__()
        sizes = [width, *HIDDEN, LATENT]
        self.encoder, self.decoder = _layers(sizes), _layers(sizes[::-1])
        self.codebooks = nn.ParameterList(nn.Parameter(torch.zeros(codes, LATENT)) for _ in range(levels))

    def quantise(self, latent: Tensor) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """Codes (n, levels) of latent vectors (n, ``LATENT``), and per level the residuals and their codes' vectors."""
        residual, codes, residuals, vectors = latent, [], [], []
        for book in self.codebooks:
            code = torch.cdist(residual.detach(), book.detach()).argmin(dim=1)
            codes.append(code)
            residuals.append(residual)
            vectors.append(functional.embedding(code, book))
            residual = residual - vectors[-1].detach()
        return torch.stack(codes, dim=1), residuals, vectors

    def losses(self, vectors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Reconstruction and quantization loss of vectors (n, width), scalars, and their codes, (n, levels)."""
        latent = self.encoder(vectors)
        codes, residuals, found = self.quantise(latent)
        total = torch.stack(found).sum(dim=0)
        rebuilt = self.decoder(latent + (total - latent).detach())
        pairs = zip(residuals, found, strict=True)
        terms = [
            functional.mse_loss(code, rest.detach()) + BETA * functional.mse_loss(rest, code.detach())
            for rest, code in pairs
        ]
        return functional.mse_loss(rebuilt, vectors), torch.stack(terms).sum(), codes


@dataclass(frozen=True, eq=False)
class RQVAE(Quantizer):
    """A trained autoencoder, and the scale of its input.

    Attributes:
        mean: (width,) of the vectors that it was fitted on.
        scale: their root mean squared deviation.
        network: in eval mode.
    """

    mean: Vectors
    scale: float
    network: Autoencoder

    @classmethod
    def fit(cls, vectors: Vectors, settings: QuantizerSettings) -> RQVAE:
        mean = vectors.mean(axis=0)
        scale = max(float(np.sqrt(np.square(vectors - mean, dtype=np.float64).mean())), 1e-12)
        points = torch.from_numpy(as_vectors((vectors - mean) / scale))
        rng = np.random.default_rng(settings.seed)
        with own_chance(settings.seed):
            network = Autoencoder(points.shape[1], settings.levels, min(settings.codes, len(points)))
        _start(network, points, settings.seed)
        optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=1e-4)
        for _ in progress(range(EPOCHS), "rqvae: training", unit="epoch"):
            used = [torch.zeros(len(book), dtype=torch.bool) for book in network.codebooks]
            for rows in torch.split(torch.from_numpy(rng.permutation(len(points))), BATCH):
                rebuilt, quantized, codes = network.losses(points[rows])
                optimizer.zero_grad()
                (rebuilt + quantized).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                for level, mask in enumerate(used):
                    mask[codes[:, level]] = True
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
