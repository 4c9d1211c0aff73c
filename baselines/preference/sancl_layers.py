"""The parts of SANCL: text encoder, selective weights, the two attentions, and the natural contrast."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, normalize, pad

from baselines.preference.sancl_examples import NO_STEM, PADDING

CONVOLUTIONS = (1, 3, 5)


class TextEncoder(nn.Module):
    """The mean of convolutions of three widths over word vectors.

    They are linear, so their mean is one convolution of the greatest width with the mean of their weights.
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
    """(N, L) bool, which words of reviews are in a key sentence: one that contains a stem of the product.

    Args:
        stems, sentences: (N, L) of the words of the reviews.
        keys: (N, K) stems of the product of each.
    """
    hits = (stems[:, :, None] == keys[:, None, :]) & (stems != NO_STEM)[:, :, None]
    of_sentences = torch.zeros_like(sentences).scatter_add(1, sentences, hits.any(dim=2).long())
    return of_sentences.gather(1, sentences) > 0


class SelectiveWeights(nn.Module):
    """1 for the words of key sentences; for the others ``sigmoid(w . r + c)``, with ``r`` the review's mean state.

    The latter starts at 1/2, the constant of SANCL's own convolutional variant.
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
    """``R + softmax(R ReLU(P W + b)') P``: each state of a review attends to the product."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.map = nn.Linear(width, width)

    def forward(self, states: Tensor, product: Tensor, real: Tensor, owners: Tensor) -> Tensor:
        """(N, L, width).

        Args:
            states: (N, L, width) of reviews.
            product, real: (B, P, width) states of the products, and (B, P) false at padding.
            owners: (N,) product of each review.
        """
        keys = torch.relu(self.map(product))[owners].transpose(1, 2)
        return states + attend(states @ keys, real[owners][:, None, :]) @ product[owners]


@dataclass(frozen=True)
class Labels:
    """Of B products and the N earlier interactions of their users.

    Attributes:
        items, users: (B,) numbers.
        history, owners: (N,) item of each interaction, and the product whose user it belongs to.
        liked, disliked: (N,) bool, by the rating; both false without one.
        has_text: (B,) bool, of the product; every interaction has one.
        product_pictured, pictured: (B,) and (N,) bool.
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
    """The natural contrast: two losses to minimise, from vectors in the common spaces.

    A user's likes are the natural positives: interactions with a rating in the upper quarter of the scale (4 and 5
    stars of five). Negatives are the rest of what the user rated, and what belongs to others in the batch.

        cm  the text of an object finds its picture: anchors are the texts of products and of liked interactions, the
            positive is the object's own picture, negatives are the pictures of all other items in the batch
        rp  a product finds what its user liked: positives are those interactions of its user's history, negatives the
            others of that history and all of other users'; text with text, picture with picture, the mean of the two

    each the ``info_nce`` of cosines, the anchor through a map of its own. An absent picture or text is masked. SANCL's
    code adds what it masks as ``exp(0)``, has no temperature, and sets pictures against pictures.
    """

    def __init__(self, space: int, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature
        self.of_text, self.of_product = two_layers(space, space), two_layers(space, space)

    def cm(self, texts: tuple[Tensor, Tensor], pictures: tuple[Tensor, Tensor], labels: Labels) -> Tensor:
        """Of products (B, space) and interactions (N, space), in texts and in pictures; a scalar."""
        anchors, candidates = map(torch.cat, (texts, pictures))
        items = torch.cat([labels.items, labels.history])
        pictured = torch.cat([labels.product_pictured, labels.pictured])
        natural = torch.cat([labels.has_text, labels.liked])
        positive = torch.diag(natural & pictured)
        negative = pictured & (items[:, None] != items)
        return info_nce(cosines(self.of_text(anchors), candidates), positive, negative, self.temperature)

    def rp(self, texts: tuple[Tensor, Tensor], pictures: tuple[Tensor, Tensor], labels: Labels) -> Tensor:
        """As ``cm``."""
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
    """Softmax over the last dimension of what is ``real``; 0 elsewhere, and everywhere where nothing is real."""
    return scores.masked_fill(~real, torch.finfo(scores.dtype).min).softmax(dim=-1) * real


def mean(states: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean of states (..., N, width) with weights (..., N), (..., width); 0 without weights."""
    return ratio((states * weights[..., None]).sum(dim=-2), weights.sum(dim=-1, keepdim=True))


def ratio(sums: Tensor, totals: Tensor) -> Tensor:
    """``sums / totals``; 0 where there is no total."""
    return sums / torch.where(totals > 0, totals, torch.ones_like(totals))


def info_nce(cosines: Tensor, positive: Tensor, negative: Tensor, temperature: float) -> Tensor:
    """The mean over rows of ``-ln (sum over positives of exp(c / t) / sum over positives and negatives of it)``.

    Rows without a positive or without a negative are left out; 0 without rows.

    Args:
        cosines: (N, M).
        positive, negative: (N, M) bool; what is neither is masked.
    """
    usable = positive.any(dim=1) & negative.any(dim=1)
    logits, positive, negative = cosines[usable] / temperature, positive[usable], negative[usable]
    if not len(logits):
        return cosines.new_zeros(())
    own = logits.masked_fill(~positive, -torch.inf).logsumexp(dim=1)
    every = logits.masked_fill(~(positive | negative), -torch.inf).logsumexp(dim=1)
    return (every - own).mean()


def cosines(first: Tensor, second: Tensor) -> Tensor:
    """(N, M) of rows (N, width) and (M, width)."""
    return normalize(first, dim=1) @ normalize(second, dim=1).T


def is_word(words: Tensor) -> Tensor:
    """Which numbers are no padding."""
    return words != PADDING
