"""The parts of SANCL: text encoder, selective weights, the two attentions, and the contrast."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, pad

from baselines.preference.sancl_words import NO_STEM, PADDING

CONVOLUTIONS = (1, 3, 5)


class TextEncoder(nn.Module):
    """Convolutions of three widths over word vectors, averaged.

    All are linear, so their average is one convolution of the greatest width, with the average of their weights.
    """

    def __init__(self, word_width: int, width: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv1d(word_width, width, reach, padding=reach // 2) for reach in CONVOLUTIONS
        )

    def forward(self, vectors: Tensor) -> Tensor:
        """(N, L, word_width), zero where there is no word, to (N, L, width)."""
        kernels, biases = [], []
        for convolution in self.convolutions:
            assert isinstance(convolution, nn.Conv1d) and convolution.bias is not None
            margin = max(CONVOLUTIONS) // 2 - convolution.kernel_size[0] // 2
            kernels.append(pad(convolution.weight, (margin, margin)))
            biases.append(convolution.bias)
        kernel, bias = torch.stack(kernels).mean(dim=0), torch.stack(biases).mean(dim=0)
        return conv1d(vectors.transpose(1, 2), kernel, bias, padding=max(CONVOLUTIONS) // 2).transpose(1, 2)


def key_words(stems: Tensor, sentences: Tensor, keys: Tensor) -> Tensor:
    """Which words of reviews stand in a key sentence, one with a stem of the product's own, bool.

    Args:
        stems, sentences: (N, L) of the words of the reviews.
        keys: (N, K) stems of the product that each is set against.
    """
    hits = (stems[:, :, None] == keys[:, None, :]) & (stems != NO_STEM)[:, :, None]
    of_sentences = torch.zeros_like(sentences).scatter_add(1, sentences, hits.any(dim=2).long())
    return of_sentences.gather(1, sentences) > 0


class SelectiveWeights(nn.Module):
    """1 for the words of key sentences; for the others a share that the review itself gives, ``sigmoid(w . r + c)``.

    ``r`` is the mean state of the review's words. The share starts at 1/2, the constant of SANCL's own convolutional
    variant.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.share = nn.Linear(width, 1)
        nn.init.zeros_(self.share.weight)
        nn.init.zeros_(self.share.bias)

    def forward(self, states: Tensor, key: Tensor, real: Tensor) -> Tensor:
        """(N, L) weights of states (N, L, width); 0 for padding."""
        share = torch.sigmoid(self.share(mean(states, real.float())))
        return torch.where(key, torch.ones_like(share), share) * real


class SelfAttention(nn.Module):
    """``R + (A * m m') R`` with ``A = softmax(W1 R (W2 R)')``: no scaling, and rows do not sum to 1 after the mask."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.asks = nn.Linear(width, width, bias=False)
        self.answers = nn.Linear(width, width, bias=False)

    def forward(self, states: Tensor, weights: Tensor, real: Tensor) -> Tensor:
        """States (N, L, width) of each review, with their weights (N, L)."""
        scores = self.asks(states) @ self.answers(states).transpose(1, 2)
        attention = attend(scores, real[:, None, :]) * weights[:, :, None] * weights[:, None, :]
        return states + attention @ states


class ProductAttention(nn.Module):
    """``R + softmax(R ReLU(P W + b)') P``: each state of a review sees what of the product fits it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.map = nn.Linear(width, width)

    def forward(self, states: Tensor, product: Tensor, real: Tensor, owners: Tensor) -> Tensor:
        """(N, L, width).

        Args:
            states: (N, L, width) of reviews.
            product, real: (B, P, width) of the products, and (B, P) what of them is no padding.
            owners: (N,) the product that each review is set against.
        """
        asked = torch.relu(self.map(product))[owners].transpose(1, 2)
        return states + attend(states @ asked, real[owners][:, None, :]) @ product[owners]


def two_layers(inputs: int, outputs: int) -> nn.Sequential:
    """Linear, tanh, linear."""
    return nn.Sequential(nn.Linear(inputs, outputs), nn.Tanh(), nn.Linear(outputs, outputs))


def attend(scores: Tensor, real: Tensor) -> Tensor:
    """Softmax over the last dimension among what is ``real``; 0 elsewhere, and throughout where nothing is."""
    least = torch.finfo(scores.dtype).min
    return scores.masked_fill(~real, least).softmax(dim=-1) * real


def mean(states: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean of states (..., N, width) with weights (..., N), (..., width); 0 without weights."""
    return ratio((states * weights[..., None]).sum(dim=-2), weights.sum(dim=-1, keepdim=True))


def ratio(sums: Tensor, totals: Tensor) -> Tensor:
    """``sums / totals``; 0 where there is no total."""
    return sums / torch.where(totals > 0, totals, torch.ones_like(totals))


def info_nce(cosines: Tensor, positive: Tensor, negative: Tensor, temperature: float) -> Tensor:
    """The mean over rows of ``-ln (sum over positives of exp(c / t) / sum over positives and negatives of it)``.

    Rows without a positive or without a negative have nothing to tell apart and are left out; 0 without rows.

    Args:
        cosines: (N, M).
        positive, negative: (N, M) bool; what is neither is masked.
    """
    telling = positive.any(dim=1) & negative.any(dim=1)
    logits, positive, negative = cosines[telling] / temperature, positive[telling], negative[telling]
    if not len(logits):
        return cosines.new_zeros(())
    own = logits.masked_fill(~positive, -torch.inf).logsumexp(dim=1)
    every = logits.masked_fill(~(positive | negative), -torch.inf).logsumexp(dim=1)
    return (every - own).mean()


def is_word(words: Tensor) -> Tensor:
    """Which numbers are no padding."""
    return words != PADDING
