"""Trained tokens in front of every sentence (prompt tuning, Lester et al., 2021)."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor, nn

from unimp_bench.torch_setup import make_torchvision_importable
from unimp_bench.unimp.network.fusion import Media


class Reader(Protocol):
    """``Backbone.forward`` without what stands in front of the sentences."""

    def __call__(
        self, embedded: Tensor, attends: Tensor, positions: Tensor, media: Media | None, cache: Any
    ) -> Tensor: ...


class SoftPrompt(nn.Module):
    """Trained vectors in front of every sentence, which all of its tokens attend to.

    Nothing stands before them, so what a causal decoder makes of them is the same for all sentences: they are read
    once a batch, and the sentences go on from their keys and values.

    Args:
        rows: (size, width) where the vectors begin.
    """

    def __init__(self, rows: Tensor) -> None:
        super().__init__()
        make_torchvision_importable()
        from peft import PromptEmbedding, PromptTuningConfig

        self.size, width = rows.shape
        config = PromptTuningConfig(num_virtual_tokens=self.size, token_dim=width, num_transformer_submodules=1)
        self.vectors = PromptEmbedding(config, None)  # type: ignore[no-untyped-call]
        with torch.no_grad():
            self.vectors.embedding.weight.copy_(rows)

    def forward(
        self, read: Reader, embedded: Tensor, attends: Tensor, positions: Tensor, media: Media | None, cache: Any
    ) -> Tensor:
        """What ``read`` makes of the sentences behind the prompt; other arguments as in ``Backbone.forward``."""
        from transformers import DynamicCache

        cache = DynamicCache() if cache is None else cache
        if not cache.get_seq_length():
            place = torch.arange(self.size, device=embedded.device)
            ahead = (place[:, None] >= place)[None, None]
            read(self.vectors(place)[None], ahead, place[None], Media.none(media), cache)
            cache.batch_repeat_interleave(len(embedded))
        seen = torch.cat([attends.new_ones(*attends.shape[:3], self.size), attends], dim=-1)
        return read(embedded, seen, positions + self.size, media, cache)
