"""The decoder: any causal language model of transformers, as the layers and the two tables that UniMP works with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from unimp_bench.unimp.config import UniMPConfig
from unimp_bench.unimp.network.alibi import AlibiAttention, alibi_bias
from unimp_bench.unimp.network.fusion import FusedLayer, Media, VisibleMedia
from unimp_bench.unimp.network.pretrained import check_reading, read_decoder
from unimp_bench.unimp.network.scratch import from_scratch
from unimp_bench.unimp.network.soft_prompt import SoftPrompt
from unimp_bench.unimp.network.tables import Table, extend


class Backbone(nn.Module):
    """A causal decoder over embedded tokens, under any mask and at any positions: sentences may share a trunk.

    Args:
        config: names it, and says the sizes of one from scratch.
        vocabulary_size: tokens, items included; those that a pre-trained backbone brings come first.

    Attributes:
        model: the causal language model of transformers.
        layers: its decoder layers, which may be wrapped.
        width: of its hidden states.
        vocabulary_size: tokens, items included.
        brought: tokens that a pre-trained backbone brought.
        prompt: trained vectors in front of every sentence, which ``attends``, ``positions`` and what a cache holds
            below do not count; None for none.

    Raises:
        UsageError: a pre-trained backbone cannot be read, or not as UniMP's sentences need it.
        DataError: its weights are damaged or incomplete.
    """

    def __init__(self, config: UniMPConfig, vocabulary_size: int) -> None:
        super().__init__()
        self.brought = 0
        if config.from_scratch:
            self.model = from_scratch(config, vocabulary_size)
        else:
            self.model, self.brought = read_decoder(config.backbone)
            extend(self.model, self.brought, vocabulary_size - self.brought)
        self.width = int(self.model.config.hidden_size)
        self.vocabulary_size = vocabulary_size
        self.prompt: SoftPrompt | None = None
        if self.model.config.model_type == "mpt":
            for layer in self.layers:
                layer.attn = AlibiAttention(layer.attn)
        elif not config.from_scratch and self.model.device.type != "meta":
            check_reading(self.model, self._read, config.backbone)

    @property
    def layers(self) -> nn.ModuleList:
        count = self.model.config.num_hidden_layers
        lists = (m for m in self.model.base_model.modules() if isinstance(m, nn.ModuleList))
        return next(each for each in lists if len(each) == count)

    def forward(
        self,
        embedded: Tensor,
        attends: Tensor,
        positions: Tensor,
        media: Media | VisibleMedia | None = None,
        cache: Any = None,
    ) -> Tensor:
        """Last hidden states, (B, N, width).

        Args:
            embedded: (B, N, width).
            attends: (B, 1, N, S) bool, S the tokens in the cache and these.
            positions: (B, N) int64.
            media: handed to the layers that are fused with pictures.
            cache: a transformers ``Cache``; grows.
        """
        if self.prompt is None:
            return self._read(embedded, attends, positions, media, cache)
        states: Tensor = self.prompt(self._read, embedded, attends, positions, media, cache)
        return states

    def _read(
        self, embedded: Tensor, attends: Tensor, positions: Tensor, media: Media | VisibleMedia | None, cache: Any
    ) -> Tensor:
        with self._told(attends, media):
            states: Tensor = self.model.base_model(
                inputs_embeds=embedded,
                attention_mask=self._mask(attends, embedded.dtype),
                position_ids=positions,
                past_key_values=cache,
                use_cache=cache is not None,
            ).last_hidden_state
        return states

    @contextmanager
    def _told(self, attends: Tensor, media: Media | VisibleMedia | None) -> Iterator[None]:
        """Tell our own modules among the layers what not every family's forward would hand through to them."""
        fused = [module for module in self.layers if isinstance(module, FusedLayer)]
        biased = [module for module in self.layers.modules() if isinstance(module, AlibiAttention)]
        bias = alibi_bias(attends, self.model.config.n_heads) if biased else None
        try:
            for layer in fused:
                layer.media = media
            for attention in biased:
                attention.bias = bias
            yield
        finally:
            for layer in fused:
                layer.media = None
            for attention in biased:
                attention.bias = None

    def _mask(self, attends: Tensor, dtype: torch.dtype) -> Tensor:
        """In the form that the decoder's attention takes: SDPA a bool, the plain formula what it adds to logits."""
        if self.model.config._attn_implementation == "sdpa":
            return attends
        return torch.zeros_like(attends, dtype=dtype).masked_fill(~attends, torch.finfo(dtype).min)

    def input_rows(self, tokens: Tensor) -> Tensor:
        """Input embeddings of tokens of any shape, (..., width)."""
        rows: Tensor = self.model.get_input_embeddings()(tokens)
        return rows

    def output_rows(self, tokens: Tensor) -> Tensor:
        """Rows of the output layer of tokens of any shape, (..., width)."""
        layer = self.model.get_output_embeddings()
        rows: Tensor = layer.rows(tokens) if isinstance(layer, Table) else layer.weight[tokens]
        return rows

    def logits(self, states: Tensor) -> Tensor:
        """Over the whole vocabulary, (..., vocabulary)."""
        logits: Tensor = self.model.get_output_embeddings()(states)
        return logits

    def tables(self) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
        """Parameters of the input embeddings and of the output layer; the same ones where they are tied."""
        model = self.model
        return list(model.get_input_embeddings().parameters()), list(model.get_output_embeddings().parameters())

    def new_rows(self) -> list[nn.Parameter]:
        """Those of them that hold rows which no pre-training knew: all, from scratch."""
        layers = self.model.get_input_embeddings(), self.model.get_output_embeddings()
        tables = [layer for layer in layers if isinstance(layer, Table)]
        if tables:
            return list(dict.fromkeys(table.new for table in tables))
        inputs, outputs = self.tables()
        return inputs + outputs

    @torch.no_grad()
    def set_input_rows(self, tokens: Tensor, rows: Tensor) -> None:
        """Overwrite input embeddings, (n, width); of a pre-trained backbone new ones alone."""
        _set_rows(self.model.get_input_embeddings(), tokens, rows)

    @torch.no_grad()
    def set_output_rows(self, tokens: Tensor, rows: Tensor) -> None:
        """Overwrite rows of the output layer, (n, width); of a pre-trained backbone new ones alone."""
        _set_rows(self.model.get_output_embeddings(), tokens, rows)


def _set_rows(layer: Any, tokens: Tensor, rows: Tensor) -> None:
    if isinstance(layer, Table):
        layer.set_rows(tokens, rows)
    else:
        layer.weight[tokens] = rows
