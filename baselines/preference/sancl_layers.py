"""Layers of SANCL: text encoder, selective weights, the two attentions, and the contrastive losses."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, normalize, pad

from baselines.preference.sancl_examples import NO_STEM, PADDING

CONVOLUTIONS = (1, 3, 5)


class TextEncoder(nn.Module):
    """The mean of convolutions of three widths over word vectors.

    By linearity the mean is one convolution of the largest width with the mean of the padded weights.
    """

    def __init__(self, word_width: int, width: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv1d(word_width, width, reach, padding=reach // 2) for reach in CONVOLUTIONS
        )

    def forward(self, vectors: Tensor) -> Tensor:
        """Map word vectors (N, L, word_width), zero at padding, to (N, L, width)."""
        kernels, biases = [], []
        for convolution in self.convolutions:
            assert isinstance(convolution, nn.Conv1d) and convolution.bias is not None
            margin = max(CONVOLUTIONS) // 2 - convolution.kernel_size[0] // 2
            kernels.append(pad(convolution.weight, (margin, margin)))
            biases.append(convolution.bias)
        kernel, bias = torch.stack(kernels).mean(dim=0), torch.stack(biases).mean(dim=0)
        return conv1d(vectors.transpose(1, 2), kernel, bias, padding=max(CONVOLUTIONS) // 2).transpose(1, 2)


def key_words(stems: Tensor, sentences: Tensor, keys: Tensor) -> Tensor:
    """(N, L) bool, words of reviews in a key sentence, which contains a stem of the product.

    Args:
        stems, sentences: (N, L) of the words of the reviews.
        keys: (N, K) stems of the product of each.
    """
    hits = (stems[:, :, None] == keys[:, None, :]) & (stems != NO_STEM)[:, :, None]
    of_sentences = torch.zeros_like(sentences).scatter_add(1, sentences, hits.any(dim=2).long())
    return of_sentences.gather(1, sentences) > 0


class SelectiveWeights(nn.Module):
    """1 for words of key sentences, ``sigmoid(w . r + c)`` for others, with ``r`` the mean state of the review.

    The latter is initially 1/2, the constant in the convolutional variant of SANCL.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.share = nn.Linear(width, 1)
        nn.init.zeros_(self.share.weight)
        nn.init.zeros_(self.share.bias)

    def forward(self, states: Tensor, key: Tensor, real: Tensor) -> Tensor:
        """Weights (N, L) for states (N, L, width); 0 for padding."""
        share = torch.sigmoid(self.share(mean(states, real.float())))
        return torch.where(key, torch.ones_like(share), share) * real


class SelfAttention(nn.Module):
    """``R + (A * m m') R`` with ``A = softmax(W1 R (W2 R)')``, unscaled and not renormalised after the mask."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.asks = nn.Linear(width, width, bias=False)
        self.answers = nn.Linear(width, width, bias=False)

    def forward(self, states: Tensor, weights: Tensor, real: Tensor) -> Tensor:
        """Update states (N, L, width) of reviews with weights (N, L)."""
        scores = self.asks(states) @ self.answers(states).transpose(1, 2)
        attention = attend(scores, real[:, None, :]) * weights[:, :, None] * weights[:, None, :]
        return states + attention @ states


class ProductAttention(nn.Module):
    """``R + softmax(R ReLU(P W + b)') P``: each state of a review attends to the product."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.map = nn.Linear(width, width)

    def forward(self, states: Tensor, product: Tensor, real: Tensor, owners: Tensor) -> Tensor:
        """The updated states, (N, L, width).

        Args:
            states: (N, L, width) of reviews.
            product, real: (B, P, width) states of the products, and (B, P) false at padding.
            owners: (N,) product of each review.
        """
        keys = torch.relu(self.map(product))[owners].transpose(1, 2)
        return states + attend(states @ keys, real[owners][:, None, :]) @ product[owners]


@dataclass(frozen=True)
class Labels:
    """Labels of B products and the N earlier interactions of their users.

    Attributes:
        items, users: (B,) numbers.
        history, owners: (N,) item of each interaction, and the row of the product of the same user.
        liked, disliked: (N,) bool, by the rating; both false without a rating.
        has_text: (B,) bool, whether the product has a text; every interaction has one.
        product_pictured, pictured: (B,) and (N,) bool, whether there is a picture.
    """

    items: Tensor
    users: Tensor
    history: Tensor
    owners: Tensor
    liked: Tensor
    disliked: Tensor
    has_text: Tensor
    product_pictured: Tensor
    pictured: Tensor


class Contrast(nn.Module):
    """The natural contrastive losses, on vectors in the common spaces.

    Liked interactions, with a rating in the upper quarter of the scale (4 and 5 stars of five), are the positives.
    Negatives are other rated interactions of the user, and interactions of other users in the batch.

        cm  texts with pictures: anchors are the texts of products and of liked interactions, the positive is the
            picture of the same object, negatives are the pictures of all other items in the batch
        rp  products with liked interactions: positives are the liked interactions of the user's history, negatives all
            others of that history and of other users; the mean of text with text and picture with picture

    Each is ``info_nce`` on cosines, with a separate map of the anchor. Missing pictures and texts are masked. SANCL's
    code adds masked entries as ``exp(0)``, has no temperature, and contrasts pictures with pictures.
    """

    def __init__(self, space: int, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature
        self.of_text, self.of_product = two_layers(space, space), two_layers(space, space)

    def cm(self, texts: tuple[Tensor, Tensor], pictures: tuple[Tensor, Tensor], labels: Labels) -> Tensor:
        """The loss cm from texts and pictures of products (B, space) and interactions (N, space); a scalar."""
        anchors, candidates = map(torch.cat, (texts, pictures))
        items = torch.cat([labels.items, labels.history])
        pictured = torch.cat([labels.product_pictured, labels.pictured])
        natural = torch.cat([labels.has_text, labels.liked])
        positive = torch.diag(natural & pictured)
        negative = pictured & (items[:, None] != items)
        return info_nce(cosines(self.of_text(anchors), candidates), positive, negative, self.temperature)

    def rp(self, texts: tuple[Tensor, Tensor], pictures: tuple[Tensor, Tensor], labels: Labels) -> Tensor:
        """The loss rp; arguments as in ``cm``."""
        own = torch.arange(len(labels.items), device=labels.items.device)[:, None] == labels.owners
        others = labels.users[:, None] != labels.users[labels.owners]
        positive, negative = own & labels.liked, (own & labels.disliked) | others
        losses = []
        for (product, history), anchored, candidates in (
            (texts, labels.has_text, torch.ones_like(labels.liked)),
            (pictures, labels.product_pictured, labels.pictured),
        ):
            usable = anchored[:, None] & candidates
            similar = cosines(self.of_product(product), history)
            losses.append(info_nce(similar, positive & usable, negative & usable, self.temperature))
        return torch.stack(losses).mean()


def two_layers(inputs: int, outputs: int) -> nn.Sequential:
    """Linear, tanh, linear."""
    return nn.Sequential(nn.Linear(inputs, outputs), nn.Tanh(), nn.Linear(outputs, outputs))


def attend(scores: Tensor, real: Tensor) -> Tensor:
    """Softmax over the last dimension where ``real``; 0 elsewhere, also in rows without a real entry."""
    return scores.masked_fill(~real, torch.finfo(scores.dtype).min).softmax(dim=-1) * real


def mean(states: Tensor, weights: Tensor) -> Tensor:
    """Mean of states (..., N, width) with weights (..., N): (..., width); 0 if all weights are 0."""
    return ratio((states * weights[..., None]).sum(dim=-2), weights.sum(dim=-1, keepdim=True))


def ratio(sums: Tensor, totals: Tensor) -> Tensor:
    """``sums / totals``; 0 where the total is 0."""
    return sums / torch.where(totals > 0, totals, torch.ones_like(totals))


def info_nce(cosines: Tensor, positive: Tensor, negative: Tensor, temperature: float) -> Tensor:
    """Mean over rows of ``-ln (sum over positives of exp(c / t) / sum over positives and negatives of exp(c / t))``.

    Rows without a positive or without a negative are left out; 0 if no row is left.

    Args:
        cosines: (N, M).
        positive, negative: (N, M) bool; entries that are neither are masked.
    """
    usable = positive.any(dim=1) & negative.any(dim=1)
    logits, positive, negative = cosines[usable] / temperature, positive[usable], negative[usable]
    if not len(logits):
        return cosines.new_zeros(())
    own = logits.masked_fill(~positive, -torch.inf).logsumexp(dim=1)
    every = logits.masked_fill(~(positive | negative), -torch.inf).logsumexp(dim=1)
    return (every - own).mean()


def cosines(first: Tensor, second: Tensor) -> Tensor:
    """(N, M) cosines of rows (N, width) and (M, width)."""
    return normalize(first, dim=1) @ normalize(second, dim=1).T


def is_word(words: Tensor) -> Tensor:
    """True where a word is not padding."""
    return words != PADDING
