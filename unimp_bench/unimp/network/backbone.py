"""The decoder: any causal language model of transformers, as the layers and the two tables that UniMP works with."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from unimp_bench.torch_setup import make_torchvision_importable
from unimp_bench.unimp.config import UniMPConfig
from unimp_bench.unimp.network.adaptation import SoftPrompt
from unimp_bench.unimp.network.fusion import Media


class Backbone(nn.Module):
    """A causal decoder over embedded tokens.

    Args:
        config: sizes.
        vocabulary_size: tokens, items included.

    Attributes:
        layers: its decoder layers, which may be wrapped.
        width: of its hidden states.
        vocabulary_size: tokens, items included.
        prompt: trained vectors in front of every sentence, which ``attends``, ``positions`` and what a cache holds
            below do not count; None for none.
        packs: it takes any mask and any positions, so sentences may share a trunk (see ``sentences``).
    """

    packs = True

    def __init__(self, config: UniMPConfig, vocabulary_size: int) -> None:
        super().__init__()
        self.model = _from_scratch(config, vocabulary_size)
        self.width = int(config.width)
        self.vocabulary_size = vocabulary_size
        self.prompt: SoftPrompt | None = None

    @property
    def layers(self) -> nn.ModuleList:
        layers: nn.ModuleList = self.model.base_model.layers
        return layers

    def forward(
        self, embedded: Tensor, attends: Tensor, positions: Tensor, media: Media | None = None, cache: Any = None
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

    def _read(self, embedded: Tensor, attends: Tensor, positions: Tensor, media: Media | None, cache: Any) -> Tensor:
        states: Tensor = self.model.base_model(
            inputs_embeds=embedded,
            attention_mask=attends,
            position_ids=positions,
            media=media,
            past_key_values=cache,
            use_cache=cache is not None,
        ).last_hidden_state
        return states

    def input_rows(self, tokens: Tensor) -> Tensor:
        """Input embeddings of tokens of any shape, (..., width)."""
        rows: Tensor = self.model.get_input_embeddings()(tokens)
        return rows

    def output_rows(self, tokens: Tensor) -> Tensor:
        """Rows of the output layer of tokens of any shape, (..., width)."""
        rows: Tensor = self.model.get_output_embeddings().weight[tokens]
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
        inputs, outputs = self.tables()
        return inputs + outputs

    @torch.no_grad()
    def set_input_rows(self, tokens: Tensor, rows: Tensor) -> None:
        """Overwrite input embeddings, (n, width)."""
        self.model.get_input_embeddings().weight[tokens] = rows

    @torch.no_grad()
    def set_output_rows(self, tokens: Tensor, rows: Tensor) -> None:
        """Overwrite rows of the output layer, (n, width)."""
        self.model.get_output_embeddings().weight[tokens] = rows


def _from_scratch(config: UniMPConfig, vocabulary_size: int) -> Any:
    """A GPT-NeoX of the wanted size with random weights (the architecture of the paper's RedPajama-INCITE)."""
    make_torchvision_importable()
    from transformers import AutoModelForCausalLM, GPTNeoXConfig

    return AutoModelForCausalLM.from_config(
        GPTNeoXConfig(
            vocab_size=vocabulary_size,
            hidden_size=config.width,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            intermediate_size=4 * config.width,
            use_cache=False,
            # The usual 0.02 suits a width of thousands; a narrow decoder would start almost silent.
            initializer_range=config.width**-0.5,
        )
    )
