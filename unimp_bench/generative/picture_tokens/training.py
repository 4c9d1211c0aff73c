"""Training a picture tokenizer with straight-through quantisation, and measuring what it preserves.

The loss is ``|x - x^|`` plus VQ-VAE's two terms as VQGAN's paper states them (van den Oord et al., NeurIPS 2017;
Esser et al., CVPR 2021): ``|sg(z) - e|^2 + beta |z - sg(e)|^2``. VQGAN adds LPIPS, which needs pre-trained weights,
and a patch discriminator; both are left out, so pictures are softer than VQGAN's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unimp_bench.errors import ModelError
from unimp_bench.generative.picture_tokens.pictures import UInt8Array
from unimp_bench.generative.picture_tokens.tokenizer import (
    PictureTokenizer,
    TokenizerConfig,
    build_network,
    codes_to_latents,
    nearest_codes,
    to_signal,
)
from unimp_bench.machine import device
from unimp_bench.progress import training
from unimp_bench.records import IntArray
from unimp_bench.torch_setup import own_chance

_SHOWN = 20
"""Progress reports per training."""
_REVIVE_EVERY = 25
_REVIVE_UNTIL = 0.7
"""A code unused for this many steps moves onto an encoder output, except in the last share of the training."""


def train_tokenizer(config: TokenizerConfig, pictures: UInt8Array) -> PictureTokenizer:
    """Train on (n, side, side, 3) uint8 pictures; the same pictures give the same tokenizer on a CPU.

    Raises:
        ModelError: the loss is not finite.
    """
    place = device()
    with own_chance(config.seed):
        model = build_network(config).to(place).train()
    batches = torch.Generator().manual_seed(config.seed)
    source = torch.from_numpy(pictures).to(place)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step / config.steps))
    codebook: Tensor = model.quantize.embedding.weight
    used = torch.zeros(config.codes, dtype=torch.bool, device=place)
    with training("picture tokenizer", config.steps, unit="step") as shown:
        for step in range(config.steps):
            rows = torch.randint(len(pictures), (config.batch,), generator=batches)
            loss, latents, codes = vq_loss(model, to_signal(source[rows.to(place)], config.patch), config.commitment)
            if not torch.isfinite(loss):
                raise ModelError(f"picture tokenizer: loss {loss.item()} at step {step}; lower its learning rate")
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            used[codes.flatten()] = True
            if step % _REVIVE_EVERY == 0 and step < _REVIVE_UNTIL * config.steps:
                revive(codebook, ~used, latents, batches)
                used.zero_()
            if (step + 1) % max(config.steps // _SHOWN, 1) == 0:
                shown.reached(step + 1, loss.item())
    return PictureTokenizer(config, model)


def _rate(done: float) -> float:
    """Learning rate as a share of its peak: up over the first twentieth, then down a cosine."""
    return min(1.0, done * 20 + 0.01) * 0.5 * (1 + math.cos(math.pi * done))


def vq_loss(model: Any, signal: Tensor, commitment: float) -> tuple[Tensor, Tensor, Tensor]:
    """(loss, encoder outputs (n, d, h, w), codes (n, h, w)) of one batch."""
    codebook = model.quantize.embedding.weight
    latents = model.encode(signal).latents
    with torch.no_grad():
        codes = nearest_codes(latents, codebook)
    vectors = codes_to_latents(codes, codebook)
    through = latents + (vectors - latents).detach()
    drawn = model.decode(through, force_not_quantize=True).sample
    codebook_term = (vectors - latents.detach()).square().mean()
    commitment_term = (latents - vectors.detach()).square().mean()
    loss = (drawn - signal).abs().mean() + codebook_term + commitment * commitment_term
    return loss, latents.detach(), codes


@torch.no_grad()
def revive(codebook: Tensor, dead: Tensor, latents: Tensor, generator: torch.Generator) -> None:
    """Move every dead code onto an encoder output of this batch, drawn at random."""
    outputs = latents.permute(0, 2, 3, 1).reshape(-1, latents.shape[1])
    rows = torch.randint(len(outputs), (int(dead.sum()),), generator=generator)
    codebook[dead] = outputs[rows.to(outputs.device)]


@dataclass(frozen=True)
class TokenizerQuality:
    """Of the reconstructions of some pictures.

    Attributes:
        l1: mean absolute error of the reconstructions in grey levels, 0 to 255.
        psnr: mean over the pictures of the peak signal-to-noise ratio, in dB.
        perplexity: of code use.
    """

    l1: float
    psnr: float
    perplexity: float


def tokenizer_quality(tokenizer: PictureTokenizer, pictures: UInt8Array) -> TokenizerQuality:
    """Encode and decode (n, side, side, 3) uint8 pictures and compare."""
    tokens = tokenizer.encode(pictures)
    error = tokenizer.decode(tokens).astype(np.float32) - pictures
    mean_square = np.maximum(np.square(error).mean(axis=(1, 2, 3)), 1e-10)
    psnr = 10 * np.log10(255**2 / mean_square)
    return TokenizerQuality(float(np.abs(error).mean()), float(psnr.mean()), perplexity(tokens, tokenizer.codes))


def perplexity(tokens: IntArray, codes: int) -> float:
    """``exp`` of the entropy of code use: the effective number of codes."""
    shares = np.bincount(tokens.ravel(), minlength=codes) / tokens.size
    shares = shares[shares > 0]
    return float(np.exp(-(shares * np.log(shares)).sum()))
