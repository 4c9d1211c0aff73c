"""SANCL's network: two sides, two modalities, two spaces, one rating.

The product is the shown item, its words and its picture. The "review" is the last interactions of the user, each with
words of its own and the picture of its item. With ``P`` and ``R`` the encoded states of a modality on the two sides:

    words     R_j <- R_j + (softmax(W1 R_j (W2 R_j)') * m_j m_j') R_j   within what was said of one item, j
              R <- R + softmax(R ReLU(P W + b)') P                       of all that was said
              review = sum(m R) / sum(m),  product = mean of P
    pictures  R <- R + softmax(R ReLU(P W + b)') P,  review = mean of R,  product = mean of P

    s = MLP(the product's and the review's text and picture in spaces cm and rp: eight vectors)
    r = lowest + (highest - lowest) sigmoid(s)
    L = mean (r - rating)^2 + alpha (cm + rp),   cm and rp as ``baselines.preference.sancl_contrast`` has them
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from baselines.learning.encoder import Encoder
from baselines.learning.network import Trainable, shuffled
from baselines.learning.settings import TrainingSettings
from baselines.preference.sancl_contrast import Contrast, Known
from baselines.preference.sancl_layers import (
    ProductAttention,
    SelectiveWeights,
    SelfAttention,
    TextEncoder,
    is_word,
    key_words,
    mean,
    ratio,
    two_layers,
)
from baselines.preference.sancl_reading import NOBODY, Reader, Sides
from baselines.preference.sancl_words import PADDING, Written
from unimp_bench.records import Examples
from unimp_bench.settings import Count, Rate, Share, Weight

PICTURE_DROPOUT, ENCODER_DROPOUT = 0.5, 0.3
HIDDEN = (128, 64)
LIKED = 0.75
_SURE = 0.01


@dataclass(frozen=True)
class SANCLConfig(TrainingSettings):
    """Settings.

    Attributes:
        batch_size: ratings a step.
        alpha: weight of the contrast; 0 leaves it out.
        temperature: that its cosines are divided by.
        history: last interactions that are read.
        vocabulary: most words with a vector of their own.
        review_words, title_words, product_words: words that are read at most of what was said of an item, of its title
            within that, and of a product.
        word_width, width, space: of word vectors, of states, and of each of the two common spaces.
        layers, heads: of the transformer encoder of the pictures.
        dropout: of word vectors.
        encoder, pretrained: of the pictures: ``tiny``, or an open_clip model and the tag of its weights.
    """

    epochs: Count = 12
    patience: Count = 4
    learning_rate: Rate = 5e-4
    batch_size: Count = 64
    alpha: Weight = 0.1
    temperature: Rate = 0.2
    history: Count = 5
    vocabulary: Count = 20_000
    review_words: Count = 48
    title_words: Count = 10
    product_words: Count = 40
    word_width: Count = 64
    width: Count = 64
    space: Count = 32
    layers: Count = 1
    heads: Count = 4
    dropout: Share = 0.2
    encoder: str = "tiny"
    pretrained: str = ""

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is no multiple of heads {self.heads}")


@dataclass(frozen=True)
class Lessons:
    """What a network learns from: rated examples, and the reader of their texts, who has read them."""

    examples: Examples
    reader: Reader
    said: Written


@dataclass(frozen=True)
class Pooled:
    """The vectors of one modality, (B, width) of each side, and of each interaction on its own, (N, width)."""

    product: Tensor
    review: Tensor
    said: Tensor


class Space(nn.Module):
    """A common space: maps of texts and of pictures into it."""

    def __init__(self, width: int, space: int) -> None:
        super().__init__()
        self.text, self.picture = two_layers(width, space), two_layers(width, space)

    def sides(self, texts: Pooled, pictures: Pooled) -> list[Tensor]:
        """Four vectors, (B, space): text and picture of the product, then of the review."""
        return [
            self.text(texts.product),
            self.picture(pictures.product),
            self.text(texts.review),
            self.picture(pictures.review),
        ]

    def objects(self, texts: Pooled, pictures: Pooled) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Texts, then pictures, of the products, (B, space), and of the interactions, (N, space)."""
        return (
            (self.text(texts.product), self.text(texts.said)),
            (self.picture(pictures.product), self.picture(pictures.said)),
        )


class SANCLNetwork(Trainable):
    """See the module.

    Attributes:
        stems: (words,) of the vocabulary.
        pictures, pictured: (items + 1, F) frozen vectors and whether an item has one; nobody's are the last row.
        lessons: what it learns from, given before a training.
    """

    stems: Tensor
    pictures: Tensor
    pictured: Tensor
    lessons: Lessons

    def __init__(
        self, stems: Tensor, pictures: Tensor, pictured: Tensor, remarks: tuple[str, ...], config: SANCLConfig
    ) -> None:
        super().__init__()
        self.config, self.remarks = config, remarks
        for name, table in (("stems", stems), ("pictures", pictures), ("pictured", pictured)):
            self.register_buffer(name, table, persistent=False)
        width, space = config.width, config.space
        self.words = nn.Embedding(len(stems), config.word_width, padding_idx=PADDING)
        self.dropout = nn.Dropout(config.dropout)
        self.product_encoder = TextEncoder(config.word_width, width)
        self.review_encoder = TextEncoder(config.word_width, width)
        self.selective = SelectiveWeights(width)
        self.self_attention = SelfAttention(width)
        self.text_attention, self.picture_attention = ProductAttention(width), ProductAttention(width)
        self.look = nn.Sequential(nn.Linear(pictures.shape[1], width), nn.Dropout(PICTURE_DROPOUT))
        self.picture_encoder = Encoder(
            width, 4 * width, config.layers, config.heads, ENCODER_DROPOUT, ENCODER_DROPOUT, causal=False
        )
        self.picture_norm = nn.LayerNorm(width)
        self.cm, self.rp = Space(width, space), Space(width, space)
        self.contrast = Contrast(space, config.temperature)
        first, second = HIDDEN
        self.head = nn.Sequential(nn.Linear(8 * space, first), nn.ReLU(), nn.Linear(first, second), nn.ReLU())
        self.score = nn.Linear(second, 1)

    def start_at(self, share: float) -> None:
        """Let the first answers lie about a share of the scale, that of the mean rating."""
        share = min(max(share, _SURE), 1 - _SURE)
        nn.init.constant_(self.score.bias, float(np.log(share / (1 - share))))

    def batches(self, rng: np.random.Generator) -> Iterator[tuple[Sides, Tensor]]:
        lessons = self.lessons
        for numbers in shuffled(len(lessons.examples), self.config.batch_size, rng):
            examples = lessons.examples.select(numbers)
            assert examples.ratings is not None
            yield lessons.reader.sides(examples, lessons.said), self.tensor(examples.ratings)

    def loss(self, batch: tuple[Sides, Tensor]) -> Tensor:
        sides, truth = batch
        scale = self.lessons.examples.scale
        assert scale is not None
        texts, pictures = self.pooled(sides)
        loss = mse_loss(self.ratings(texts, pictures, scale), truth)
        if self.config.alpha:
            loss = loss + self.config.alpha * self.contrasts(texts, pictures, self.known(sides, scale))
        return loss

    def ratings(self, texts: Pooled, pictures: Pooled, scale: tuple[float, float, float]) -> Tensor:
        """(B,) on the scale."""
        lowest, highest, _ = scale
        vectors = [*self.cm.sides(texts, pictures), *self.rp.sides(texts, pictures)]
        share = torch.sigmoid(self.score(self.head(torch.cat(vectors, dim=1)))).squeeze(1)
        return lowest + (highest - lowest) * share

    def contrasts(self, texts: Pooled, pictures: Pooled, known: Known) -> Tensor:
        """``cm + rp``, a scalar."""
        cm = self.contrast.cm(*self.cm.objects(texts, pictures), known)
        return cm + self.contrast.rp(*self.rp.objects(texts, pictures), known)

    def pooled(self, sides: Sides) -> tuple[Pooled, Pooled]:
        """Texts and pictures of both sides."""
        return self._texts(sides), self._pictures(sides)

    def known(self, sides: Sides, scale: tuple[float, float, float]) -> Known:
        """What there is to contrast."""
        lowest, highest, _ = scale
        items, ratings = self.tensor(sides.items), self.tensor(sides.ratings)
        history = self.tensor(sides.history[sides.history != NOBODY])
        least = lowest + LIKED * (highest - lowest)
        return Known(
            items=items,
            users=self.tensor(sides.users),
            history=history,
            owners=self.tensor(sides.owners),
            liked=ratings >= least,
            disliked=ratings < least,
            written=is_word(self.tensor(sides.product)).any(dim=1),
            product_pictured=self.pictured[items],
            pictured=self.pictured[history],
        )

    def _texts(self, sides: Sides) -> Pooled:
        owners, words, product = self.tensor(sides.owners), self.tensor(sides.words), self.tensor(sides.product)
        product_real = is_word(product)
        product_states = self.product_encoder(self.dropout(self.words(product)))
        pooled_product = mean(product_states, product_real.float())
        real = is_word(words)
        key = key_words(self.stems[words], self.tensor(sides.sentences), self.tensor(sides.keys)[owners])
        # The rating is a word, the first; and so that it weighs the same in short and long reviews, a trait of all.
        said = (self.words(words) + self.words(words[:, :1])) * real[:, :, None]
        states = self.review_encoder(self.dropout(said))
        weights = self.selective(states, key, real)
        states = self.self_attention(states, weights, real)
        states = self.text_attention(states, product_states, product_real, owners)
        sums, totals = (states * weights[:, :, None]).sum(dim=1), weights.sum(dim=1, keepdim=True)
        review = torch.zeros_like(pooled_product).index_add(0, owners, sums)
        total = torch.zeros_like(pooled_product[:, :1]).index_add(0, owners, totals)
        return Pooled(pooled_product, ratio(review, total), ratio(sums, totals))

    def _pictures(self, sides: Sides) -> Pooled:
        product, product_real = self._seen(self.tensor(sides.items)[:, None])
        states, real = self._seen(self.tensor(sides.history))
        states = self.picture_attention(states, product, product_real, torch.arange(len(states), device=self.device))
        there = self.tensor(sides.history != NOBODY)
        return Pooled(mean(product, product_real.float()), mean(states, real.float()), states[there])

    def _seen(self, items: Tensor) -> tuple[Tensor, Tensor]:
        """States of the pictures of some items (B, N), (B, N, width), and which items have one."""
        real = self.pictured[items]
        attended = real | ~real.any(dim=1, keepdim=True)  # a side without any picture attends to nothing that counts
        return self.picture_norm(self.picture_encoder(self.look(self.pictures[items]), attended)), real
