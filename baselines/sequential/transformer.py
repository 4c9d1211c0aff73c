"""What the transformers of this room share: sizes, and the embedding of places in front of the encoder."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from baselines.learning.encoder import NORM_EPSILON, Encoder
from baselines.learning.network import TrainingSettings
from unimp_bench.settings import Count, Share


@dataclass(frozen=True)
class TransformerSettings(TrainingSettings):
    """Sizes of a transformer over a history.

    Attributes:
        max_length: most items of a history that are read, the last ones.
        width: of item vectors and states, a multiple of ``heads``.
        inner: width inside the feed-forward layers.
        layers, heads: of the transformer.
        dropout: of the embedded history, and of the outputs of attention and feed-forward.
        attention_dropout: of the attention weights.
    """

    max_length: Count = 50
    width: Count = 64
    inner: Count = 256
    layers: Count = 2
    heads: Count = 2
    dropout: Share = 0.5
    attention_dropout: Share = 0.5

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} must be a multiple of the {self.heads} heads")


class HistoryEncoder(nn.Module):
    """``Encoder(dropout(LN(vectors + places)))``; places count from the first item that is read."""

    def __init__(self, settings: TransformerSettings, causal: bool) -> None:
        super().__init__()
        self.places = nn.Embedding(settings.max_length, settings.width)
        self.norm = nn.LayerNorm(settings.width, eps=NORM_EPSILON)
        self.dropout = nn.Dropout(settings.dropout)
        self.encoder = Encoder(
            settings.width,
            settings.inner,
            settings.layers,
            settings.heads,
            settings.dropout,
            settings.attention_dropout,
            causal,
        )

    def forward(self, vectors: Tensor, real: Tensor | None = None) -> Tensor:
        """States of all positions, (B, N, width).

        Args:
            vectors: (B, N, width) of items and tokens, N at most ``max_length``.
            real: (B, N) bool, false at padding; for an encoder that is not causal.
        """
        states: Tensor = self.encoder(self.dropout(self.norm(vectors + self.places.weight[: vectors.shape[1]])), real)
        return states
