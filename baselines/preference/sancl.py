"""SANCL as a rating model: selective attention and natural contrastive learning over words and pictures (Han et al.,
COLING 2022).

This is an interpretation. SANCL ranks the reviews of a product by helpfulness, without users, histories or ratings. The
UniMP paper lists it as a baseline of preference prediction without describing how it predicts ratings. Here the product
is the item to be rated; the review is replaced by the texts of the user's last interactions, since the review of the
target would reveal its rating; and the score is mapped to a rating by a sigmoid on the corpus's scale, trained with the
squared error instead of a ranking loss. With ``P`` and ``R`` the encoded states of a modality of product and "review":

    words     R_j <- R_j + (softmax(W1 R_j (W2 R_j)') * m_j m_j') R_j   within the text of one interaction, j
              R <- R + softmax(R ReLU(P W + b)') P                       of all texts
              review = sum(m R) / sum(m),  product = mean of P
    pictures  R <- R + softmax(R ReLU(P W + b)') P,  review = mean of R,  product = mean of P

    s = MLP(the product's and the review's text and picture in spaces cm and rp: eight vectors)
    r = lowest + (highest - lowest) sigmoid(s)
    L = mean (r - rating)^2 + alpha (cm + rp),   cm and rp of ``sancl_layers.Contrast``

Encoders, selective mask, attentions, the two spaces, the head and the contrastive losses are SANCL's, with these
changes:

* A key sentence contains a word of the item's title or category, compared by stem; SANCL uses the syntactic root of the
  product name and coreference (both from a parser).
* Words attend to one another within a review; the words of all reviews of a user are pooled.
* Word vectors are trained, not GloVe's; a picture is one frozen vector of the encoder shared by all models of this
  benchmark, not regions of an object detector.
* The contrastive losses mask correctly, have a temperature, and contrast texts with pictures, where the published code
  contrasts pictures with pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from baselines.learning.encoder import Encoder
from baselines.learning.model import LearnedModel
from baselines.learning.network import Trainable, TrainingSettings, shuffled
from baselines.learning.training import Outcome
from baselines.preference.averages import TASK
from baselines.preference.sancl_examples import NO_ITEM, PADDING, Inputs, Reader, SANCLVocabulary
from baselines.preference.sancl_layers import (
    Contrast,
    Labels,
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
from unimp_bench.contracts import FitData, Rater
from unimp_bench.corpus import Items
from unimp_bench.corpus.features.pictures import picture_vectors
from unimp_bench.errors import UsageError
from unimp_bench.kinds.early_stopping import Scores
from unimp_bench.kinds.rating import RatingExamples
from unimp_bench.ragged import Ragged
from unimp_bench.records import FloatArray
from unimp_bench.settings import Count, Rate, Share, Weight

PICTURE_DROPOUT, ENCODER_DROPOUT = 0.5, 0.3
HIDDEN = (128, 64)
LIKED = 0.75
_MIN_SHARE = 0.01
_BLOCK = 128
"""Examples per batch when rating."""


@dataclass(frozen=True)
class SANCLConfig(TrainingSettings):
    """Settings.

    Attributes:
        batch_size: ratings per step.
        alpha: weight of the contrastive losses; 0 disables them.
        temperature: divisor of the cosines in the contrastive losses.
        history: maximum number of interactions of a history, the last ones.
        vocabulary: maximum number of words.
        review_words, title_words, product_words: maximum number of words of an interaction's text, of the title within
            it, and of a product.
        word_width, width, space: of word vectors, of states, and of each of the two common spaces.
        layers, heads: of the transformer encoder of pictures.
        dropout: of word vectors.
        encoder, pretrained: of pictures: ``tiny``, or an open_clip model and the tag of its weights.
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
            raise ValueError(f"width {self.width} must be a multiple of heads {self.heads}")


OFFICIAL = SANCLConfig(
    epochs=10,
    patience=8,
    learning_rate=1e-4,
    batch_size=32,
    review_words=128,
    product_words=128,
    word_width=300,
    width=128,
    space=64,
    layers=3,
    encoder="ViT-L-14",
    pretrained="openai",
)


@dataclass(frozen=True)
class TrainingExamples:
    """Rated examples, and the reader that holds their texts."""

    examples: RatingExamples
    reader: Reader
    texts: Ragged


@dataclass(frozen=True)
class Pooled:
    """Vectors of one modality, of products and "reviews" (B, width), and of each interaction (N, width)."""

    product: Tensor
    review: Tensor
    interactions: Tensor


class Space(nn.Module):
    """Maps of texts and of pictures into a common space."""

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
        """Texts of products (B, space) and of interactions (N, space), then their pictures."""
        return (
            (self.text(texts.product), self.text(texts.interactions)),
            (self.picture(pictures.product), self.picture(pictures.interactions)),
        )


class SANCLNetwork(Trainable):
    """See the module.

    Attributes:
        stems: (words,) of the vocabulary.
        pictures, pictured: (items + 1, F) frozen vectors, and whether an item has one; the last row is padding.
        examples: set before training.
    """

    stems: Tensor
    pictures: Tensor
    pictured: Tensor
    examples: TrainingExamples

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
        """Initialise predictions near ``share`` of the scale, the position of the mean rating."""
        share = min(max(share, _MIN_SHARE), 1 - _MIN_SHARE)
        nn.init.constant_(self.score.bias, float(np.log(share / (1 - share))))

    def batches(self, rng: np.random.Generator) -> Iterator[tuple[Inputs, Tensor]]:
        training = self.examples
        for numbers in shuffled(len(training.examples), self.config.batch_size, rng):
            examples = training.examples.select(numbers)
            yield training.reader.inputs(examples, training.texts), self.tensor(examples.ratings)

    def size(self, batch: tuple[Inputs, Tensor]) -> int:
        return len(batch[1])

    def loss(self, batch: tuple[Inputs, Tensor]) -> Tensor:
        inputs, target = batch
        scale = self.examples.examples.scale
        texts, pictures = self.pooled(inputs)
        loss = mse_loss(self.ratings(texts, pictures, scale), target)
        if self.config.alpha:
            loss = loss + self.config.alpha * self.contrasts(texts, pictures, self.labels(inputs, scale))
        return loss

    def ratings(self, texts: Pooled, pictures: Pooled, scale: tuple[float, float, float]) -> Tensor:
        """Predicted ratings on the scale, (B,)."""
        lowest, highest, _ = scale
        vectors = [*self.cm.sides(texts, pictures), *self.rp.sides(texts, pictures)]
        share = torch.sigmoid(self.score(self.head(torch.cat(vectors, dim=1)))).squeeze(1)
        return lowest + (highest - lowest) * share

    def contrasts(self, texts: Pooled, pictures: Pooled, labels: Labels) -> Tensor:
        """``cm + rp``, a scalar."""
        cm = self.contrast.cm(*self.cm.objects(texts, pictures), labels)
        return cm + self.contrast.rp(*self.rp.objects(texts, pictures), labels)

    def pooled(self, inputs: Inputs) -> tuple[Pooled, Pooled]:
        """Pooled vectors of texts, and of pictures."""
        return self._texts(inputs), self._pictures(inputs)

    def labels(self, inputs: Inputs, scale: tuple[float, float, float]) -> Labels:
        """The labels of the contrastive losses."""
        lowest, highest, _ = scale
        items, ratings = self.tensor(inputs.items), self.tensor(inputs.ratings)
        history = self.tensor(inputs.history[inputs.history != NO_ITEM])
        threshold = lowest + LIKED * (highest - lowest)
        return Labels(
            items=items,
            users=self.tensor(inputs.users),
            history=history,
            owners=self.tensor(inputs.owners),
            liked=ratings >= threshold,
            disliked=ratings < threshold,
            has_text=is_word(self.tensor(inputs.product)).any(dim=1),
            product_pictured=self.pictured[items],
            pictured=self.pictured[history],
        )

    def _texts(self, inputs: Inputs) -> Pooled:
        owners, words, product = (self.tensor(part) for part in (inputs.owners, inputs.words, inputs.product))
        product_real = is_word(product)
        product_states = self.product_encoder(self.dropout(self.words(product)))
        pooled_product = mean(product_states, product_real.float())
        real = is_word(words)
        key = key_words(self.stems[words], self.tensor(inputs.sentences), self.tensor(inputs.keys)[owners])
        # The first word is the rating; adding it to all words gives it equal weight in short and long reviews.
        embedded = (self.words(words) + self.words(words[:, :1])) * real[:, :, None]
        states = self.review_encoder(self.dropout(embedded))
        weights = self.selective(states, key, real)
        states = self.self_attention(states, weights, real)
        states = self.text_attention(states, product_states, product_real, owners)
        sums, totals = (states * weights[:, :, None]).sum(dim=1), weights.sum(dim=1, keepdim=True)
        review = torch.zeros_like(pooled_product).index_add(0, owners, sums)
        total = torch.zeros_like(pooled_product[:, :1]).index_add(0, owners, totals)
        return Pooled(pooled_product, ratio(review, total), ratio(sums, totals))

    def _pictures(self, inputs: Inputs) -> Pooled:
        product, product_real = self._encoded_pictures(self.tensor(inputs.items)[:, None])
        states, real = self._encoded_pictures(self.tensor(inputs.history))
        states = self.picture_attention(states, product, product_real, torch.arange(len(states), device=self.device))
        present = self.tensor(inputs.history != NO_ITEM)
        return Pooled(mean(product, product_real.float()), mean(states, real.float()), states[present])

    def _encoded_pictures(self, items: Tensor) -> tuple[Tensor, Tensor]:
        """States of the pictures of items (B, N), (B, N, width), and whether each item has one, (B, N)."""
        real = self.pictured[items]
        attended = real | ~real.any(dim=1, keepdim=True)  # else rows without pictures have an empty softmax
        return self.picture_norm(self.picture_encoder(self.look(self.pictures[items]), attended)), real


class SANCL(LearnedModel[SANCLConfig, SANCLVocabulary, SANCLNetwork], Rater[SANCLConfig]):
    """See the module."""

    Config = SANCLConfig
    Artifacts = SANCLVocabulary
    name = "sancl"
    presets: ClassVar[Mapping[str, Any]] = {"small": SANCLConfig(), "official": OFFICIAL}
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "alpha": (0.0, 0.1, 0.5),
        "learning_rate": (1e-4, 5e-4, 1e-3),
        "dropout": (0.0, 0.2, 0.5),
    }

    def validated_by(self, data: FitData) -> str:
        return TASK

    def gather(self, data: FitData) -> SANCLVocabulary:
        train = data.examples[TASK].train
        if not len(train):
            raise UsageError("the training part has no rating with an earlier interaction; choose another corpus")
        return SANCLVocabulary.of(train.histories, data.items, self.config.vocabulary)

    def build(self, artifacts: SANCLVocabulary, items: Items, cache: Path) -> SANCLNetwork:
        config = self.config
        self._reader = Reader(
            artifacts,
            items,
            history=config.history,
            product=config.product_words,
            title=config.title_words,
            review=config.review_words,
        )
        found = picture_vectors(items, config.encoder, config.pretrained, cache)
        pictures = np.zeros((len(items), 1), np.float32) if found is None else found.values
        pictured = np.zeros(len(items), np.bool_) if found is None else found.known
        return SANCLNetwork(
            torch.from_numpy(artifacts.stems),
            torch.from_numpy(np.concatenate([pictures, np.zeros_like(pictures[:1])])),
            torch.from_numpy(np.append(pictured, False)),
            self._lacks(artifacts, found is not None),
            config,
        )

    def learn(self, network: SANCLNetwork, data: FitData, validate: Callable[[], Scores]) -> Outcome:
        train = data.examples[TASK].train
        lowest, highest, _ = train.scale
        network.start_at(float((train.ratings.mean() - lowest) / (highest - lowest)))
        network.examples = TrainingExamples(train, self._reader, self._reader.texts(train.histories))
        return super().learn(network, data, validate)

    def rate(self, examples: RatingExamples) -> FloatArray:
        network, interactions = self.prepared(), self._reader.texts(examples.histories)
        ratings = []
        with torch.no_grad():
            for block in examples.blocks(_BLOCK):
                texts, pictures = network.pooled(self._reader.inputs(block, interactions))
                ratings.append(network.ratings(texts, pictures, examples.scale).cpu().numpy())
        return np.concatenate([np.zeros(0, np.float32), *ratings])

    def _lacks(self, artifacts: SANCLVocabulary, pictured: bool) -> tuple[str, ...]:
        """Remarks on inputs of SANCL that the corpus does not have."""
        lacks = []
        if not artifacts.reviews:
            lacks.append("no reviews in this corpus: histories are ratings and the items' own texts")
        if not len(self._reader.products.values):
            lacks.append("no text in this corpus: histories are ratings")
        if not pictured:
            lacks.append("no pictures in this corpus: words and ratings alone")
        return tuple(lacks)
