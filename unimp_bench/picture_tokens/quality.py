"""What a tokenizer keeps of its pictures, and how much of its codebook it uses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unimp_bench.picture_tokens.files import UInt8Array
from unimp_bench.picture_tokens.tokenizer import PictureTokenizer
from unimp_bench.records import IntArray


@dataclass(frozen=True)
class TokenizerQuality:
    """Figures over a set of pictures.

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
    """``exp`` of the entropy of code use: how many codes would be as spread out, were all used alike."""
    shares = np.bincount(tokens.ravel(), minlength=codes) / tokens.size
    shares = shares[shares > 0]
    return float(np.exp(-(shares * np.log(shares)).sum()))
