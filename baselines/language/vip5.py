"""VIP5: P5 with the pictures of the items it mentions, through adapters in a frozen T5.

Geng, Tan, Liu, Fu, Zhang: VIP5: Towards Multimodal Foundation Models for Recommendation, Findings of EMNLP 2023.

    x_t = e_t + whole_{w(t)} + category_{c(t)}

    e_t    the embedding of token t, or, at a placeholder, a visual token of the preceding item (``VisualTokens``; n = 2
           placeholders after each mention)
    w(t)   the index of the whitespace-separated word of token t; a placeholder is a separate word
    c(t)   1 at a placeholder, else 0

T5 is frozen except for its layer norms; adapters after its sub-layers (``adapt_t5``), the map from pictures to tokens
and the two embedding tables are trained. Prompts, ids, answers and decoding are those of P5.

VIP5+. The UniMP paper reports results of a "VIP5+" without defining it. We interpret it as VIP5 with

- the picture features of UniMP: one frozen vector of its encoder (CLIP ViT-L/14 in the presets for a GPU);
- prompts for recommendation, search, preference, explanation and selection (the release has none for the rating of an
  item, for search and for choosing several items);
- the attributes title, category, brand and price after each mention of an item, cut to ``attribute_words`` words each
  in histories and options, and to ``title_words`` for shown items.

Departures in addition to those of P5 (``baselines.language.p5``): in the release the whole-word and category embeddings
are frozen random numbers; here they are trained. A T5 with random initial weights is trained completely (``trained =
all``). On a corpus without pictures, vectors of the items' texts replace them, with a remark in the result; an item
without a picture has learned tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from baselines.language.artifacts import LanguageArtifacts, LanguageSettings
from baselines.language.ids import item_descriptions
from baselines.language.network import LanguageNetwork, Prompts
from baselines.language.p5 import LanguageModel
from baselines.language.prompts import PromptRenderer
from baselines.learning.adapters import Adapter, insert_adapters
from baselines.multimodal.features import VisualSettings, item_looks
from unimp_bench.corpus import Items
from unimp_bench.settings import Count, Number, Share
from unimp_bench.torch_setup import make_torchvision_importable

REDUCTION = 8

_EPSILON = 1e-6


@dataclass(frozen=True)
class VIP5Config(LanguageSettings, VisualSettings):
    """Settings; prompts and decoding: see ``LanguageSettings``, pictures: see ``VisualSettings``.

    Attributes:
        trained: ``adapters``: adapters, layer norms and all parameters outside T5. ``all``: also T5.
        reduction: state width divided by the bottleneck width of an adapter.
        visual_tokens: placeholders after each mention of an item.
        attribute_words: maximum number of words of each attribute after a mention.
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
            raise ValueError("a T5 without a backbone has random weights: name a backbone, or set trained = all")


def adapt_t5(t5: Any, reduction: int = REDUCTION) -> None:
    """Insert an adapter into every sub-layer of a T5: ``x + dropout(adapter(sublayer(norm(x))))`` (VIP5, 3.3).

    All tasks share one set of adapters.
    """
    width = t5.config.d_model
    insert_adapters(_sub_layers(t5), width, max(1, width // reduction))


def train_adapters_alone(t5: nn.Module) -> None:
    """Freeze a T5 except for its adapters and layer norms."""
    from transformers.models.t5.modeling_t5 import T5LayerNorm

    t5.requires_grad_(False)
    for module in t5.modules():
        if isinstance(module, Adapter | T5LayerNorm):
            module.requires_grad_()


def _sub_layers(t5: nn.Module) -> Iterator[Any]:
    make_torchvision_importable()
    from transformers.models.t5 import modeling_t5

    kinds = (modeling_t5.T5LayerSelfAttention, modeling_t5.T5LayerCrossAttention, modeling_t5.T5LayerFF)
    for module in list(t5.modules()):
        if isinstance(module, kinds):
            yield module


class VisualTokens(nn.Module):
    """Pictures as tokens (VIP5, 3.1).

        v(i) = norm(W2 tanh(W1 f_i + b1) + b2)      W1: (n d / 2, F), W2: (n d, n d / 2)

    where ``f_i`` is the frozen vector of the item's picture, ``norm`` is RMS norm over all ``n d`` entries with a
    learned gain, and ``v(i)`` is split into n tokens of width d, which replace the embeddings of the n placeholders
    after each mention of the item. Items without a picture share n learned tokens.

    Args:
        width, count: d and n.
        scale: initial root mean square of a token.

    Attributes:
        features: (I, F) frozen; zeros for an item without a picture.
        narrow, widen, norm: ``W1`` and ``b1``, ``W2`` and ``b2``, and the gain.
        missing: (n, d) the tokens of items without a picture.
    """

    features: Tensor
    known: Tensor

    def __init__(self, features: Tensor, width: int, count: int, scale: float = 1.0) -> None:
        super().__init__()
        self.narrow = nn.Linear(features.shape[1], count * width // 2)
        self.widen = nn.Linear(self.narrow.out_features, count * width)
        self.norm = nn.RMSNorm(count * width, eps=_EPSILON)
        nn.init.constant_(self.norm.weight, scale)
        self.missing = nn.Parameter(torch.randn(count, width) * scale)
        self.register_buffer("features", features, persistent=False)
        self.register_buffer("known", features.any(dim=1), persistent=False)

    def of(self, items: Tensor) -> Tensor:
        """Visual tokens of item rows, (items, n, d)."""
        projected = self.norm(self.widen(torch.tanh(self.narrow(self.features[items]))))
        tokens = projected.view(-1, *self.missing.shape)
        return torch.where(self.known[items, None, None], tokens, self.missing)

    def forward(self, embeddings: Tensor, items: Tensor) -> Tensor:
        """Replace the embeddings of the placeholders, (batch, length, d).

        Args:
            embeddings: (batch, length, d).
            items: (batch, length) item row at each placeholder, negative elsewhere.
        """
        placeholders = items >= 0
        which = (placeholders.cumsum(dim=1) - 1)[placeholders] % len(self.missing)
        distinct, mentions = torch.unique(items[placeholders], return_inverse=True)
        tokens = self.of(distinct)[mentions, which].to(embeddings.dtype)
        return embeddings.masked_scatter(placeholders[:, :, None], tokens)


class VIP5Network(LanguageNetwork):
    """T5 with adapters, whole-word and category embeddings, and visual tokens at the placeholders.

    Attributes:
        visual: the visual tokens of the catalogue.
        categories: (2, d) category embeddings of text and of pictures.
    """

    clip_norm = 5.0

    def __init__(self, t5: Any, features: Tensor, settings: VIP5Config) -> None:
        super().__init__(t5, settings)
        adapt_t5(t5, settings.reduction)
        if settings.trained == "adapters":
            train_adapters_alone(t5)
        width = t5.config.d_model
        scale = 1.0 if settings.backbone else width**-0.5  # as the initial word embeddings
        self.visual = VisualTokens(features, width, settings.visual_tokens, scale)
        self.categories = nn.Embedding(2, width)
        nn.init.normal_(self.categories.weight, std=scale)

    def embed(self, prompts: Prompts) -> Tensor:
        tokens = self.visual(self.t5.shared(prompts.tokens), prompts.items)
        embedded: Tensor = tokens + self.whole(prompts) + self.categories((prompts.items >= 0).long())
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

    def renderer(self, artifacts: LanguageArtifacts, items: Items) -> PromptRenderer:
        mentioned, shown = (
            item_descriptions(items, artifacts.ids.catalogue, words)
            for words in (self.config.attribute_words, self.config.title_words)
        )
        return PromptRenderer(artifacts.tokenizer, artifacts.ids, mentioned, shown, self.config.visual_tokens)

    def compose(self, artifacts: LanguageArtifacts, items: Items, cache: Path) -> VIP5Network:
        features, remarks = item_looks(self.config, artifacts.ids.catalogue, items, cache)
        standard = features * features.shape[1] ** 0.5  # channels of variance 1
        network = VIP5Network(artifacts.t5(), standard, self.config)
        network.remarks = remarks
        return network
