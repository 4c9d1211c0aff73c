"""VIP5: P5 that sees the items it talks about, through adapters in a frozen T5.

Geng, Tan, Liu, Fu, Zhang: VIP5: Towards Multimodal Foundation Models for Recommendation, Findings of EMNLP 2023.

    x_t = e_t + whole_{w(t)} + category_{c(t)}

    e_t    the embedding of token t, or, at a placeholder, a visual token of the item it follows
           (``baselines.language.visual``: n = 2 placeholders behind each mention)
    w(t)   the whitespace-separated word of token t; a placeholder is a word of its own
    c(t)   1 at a placeholder, else 0

T5 is frozen but for its layer norms; adapters behind its sub-layers (``baselines.language.adapters``), the map from
pictures to tokens and the two tables are trained. Prompts, ids, answers and decoding are those of P5
(``baselines.language.model``).

What VIP5+ is. The UniMP paper prints results of a "VIP5+" that it never defines. Here it is VIP5 with

- the picture features of UniMP: one frozen vector of its encoder (CLIP ViT-L/14 in the presets for a GPU);
- prompts for all of recommendation, search, preference, explanation and selection (the release has none for the rating
  of an item, for search and for a choice of several);
- behind each mention of an item its attributes in words: title, category, brand and price, the first
  ``attribute_words`` words of each in histories and among options, ``title_words`` where a prompt shows the item.

Departures, beside those of P5 (``baselines.language.p5``). In the release the tables of whole words and categories are
frozen at random numbers; here they are trained. A T5 that starts at random weights is trained whole (``trained =
all``), for random weights are not worth keeping. Where a corpus has no pictures, vectors of the items' texts stand for
them, and the result says so; an item without a picture has learned tokens of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from baselines.language.adapters import REDUCTION, insert_adapters, train_adapters_alone
from baselines.language.attributes import item_attributes
from baselines.language.book import Book
from baselines.language.facts import LanguageFacts
from baselines.language.model import LanguageModel
from baselines.language.network import LanguageNetwork, Source
from baselines.language.settings import LanguageSettings
from baselines.language.visual import VisualTokens
from baselines.multimodal.features import VisualSettings, item_looks
from unimp_bench.corpus import Items
from unimp_bench.settings import Count, Number, Share


@dataclass(frozen=True)
class VIP5Config(LanguageSettings, VisualSettings):
    """Settings; those of prompts and decoding are in ``LanguageSettings``, of the pictures in ``VisualSettings``.

    Attributes:
        trained: ``adapters``: they, the layer norms, and what is new beside T5. ``all``: T5 too.
        reduction: a state is so many times as wide as the bottleneck of an adapter.
        visual_tokens: placeholders behind each mention of an item.
        attribute_words: of each attribute that are read behind a mention; 0 for none.
    """

    warm_up: Share = 0.1
    history: Count = 10
    options: Count = 5
    trained: Literal["adapters", "all"] = "all"
    reduction: Count = REDUCTION
    visual_tokens: Count = 2
    attribute_words: Number = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.trained == "adapters" and not self.backbone:
            raise ValueError("a T5 that is made here starts at random weights: name a backbone, or set trained = all")


class VIP5Network(LanguageNetwork):
    """T5 with adapters, whole-word and category embeddings, and pictures in the place of placeholders.

    Attributes:
        visual: the visual tokens of the catalogue.
        categories: (2, d) of text and of pictures.
    """

    clip_norm = 5.0

    def __init__(self, t5: Any, features: Tensor, settings: VIP5Config) -> None:
        super().__init__(t5, settings)
        insert_adapters(t5, settings.reduction)
        if settings.trained == "adapters":
            train_adapters_alone(t5)
        width = t5.config.d_model
        scale = 1.0 if settings.backbone else width**-0.5  # as large as the embeddings of words at first
        self.visual = VisualTokens(features, width, settings.visual_tokens, scale)
        self.categories = nn.Embedding(2, width)
        nn.init.normal_(self.categories.weight, std=scale)

    def embed(self, source: Source) -> Tensor:
        tokens = self.visual(self.t5.shared(source.tokens), source.marks)
        embedded: Tensor = tokens + self.whole(source) + self.categories((source.marks >= 0).long())
        return embedded


class VIP5(LanguageModel[VIP5Config]):
    """See the module."""

    Config = VIP5Config
    name = "vip5"
    presets: ClassVar[Mapping[str, Any]] = {
        "tiny": VIP5Config(),
        "official": VIP5Config(
            backbone="t5-small",
            trained="adapters",
            encoder="ViT-L-14",
            pretrained="openai",
            whole_words=1024,
            learning_rate=1e-3,
            batch_size=36,
            epochs=20,
            validate_every=2,
            history=20,
            draws=5,
            options=20,
            text_tokens=64,
            attribute_words=8,
        ),
    }
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "learning_rate": (1e-3, 3e-3),
        "visual_tokens": (1, 2, 4),
        "attribute_words": (0, 2, 8),
        "dropout": (0.0, 0.1, 0.2),
    }

    def book(self, facts: LanguageFacts, items: Items) -> Book:
        mentioned, shown = (
            item_attributes(items, facts.ids.catalogue, most)
            for most in (self.config.attribute_words, self.config.title_words)
        )
        return Book(facts, mentioned, shown, self.config.visual_tokens)

    def compose(self, facts: LanguageFacts, items: Items, cache: Path) -> VIP5Network:
        features, remarks = item_looks(self.config, facts.ids.catalogue, items, cache)
        standard = features * features.shape[1] ** 0.5  # channels of variance 1
        network = VIP5Network(facts.t5(), standard, self.config)
        network.remarks = remarks
        return network
