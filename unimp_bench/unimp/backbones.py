"""The decoder: any causal language model of transformers, as the layers and the two tables that UniMP works with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from unimp_bench.errors import UsageError
from unimp_bench.torch_setup import make_torchvision_importable
from unimp_bench.unimp.config import UniMPConfig
from unimp_bench.unimp.item_texts import ItemTexts
from unimp_bench.unimp.published import AlibiAttention, Table, alibi_bias, check_masks, extend_tables, read_decoder


class FusedLayer(nn.Module):
    """A decoder layer with gated cross-attention in front of it.

    Attributes:
        media: what it attends to (``model.Media``), None for a decoder without pictures. ``Backbone`` sets it, as not
            every decoder passes further arguments to its layers.
    """

    def __init__(self, fusion: nn.Module, layer: nn.Module) -> None:
        super().__init__()
        self.fusion = fusion
        self.layer = layer
        self.media: Any = None

    def forward(self, hidden: Tensor, *args: Any, **kwargs: Any) -> Any:
        if self.media is not None:
            hidden = self.fusion(hidden, self.media)
        return self.layer(hidden, *args, **kwargs)


class Backbone(nn.Module):
    """A causal decoder over embedded tokens, under any mask and at any positions: sentences may share a trunk.

    Args:
        config: its name, and the sizes of one from scratch.
        vocabulary_size: tokens, items included; those of a pre-trained backbone come first.

    Attributes:
        model: the causal language model of transformers.
        layers: its decoder layers, which may be ``FusedLayer``.
        width: of its hidden states.
        vocabulary_size: tokens, items included.
        pretrained_tokens: tokens of a pre-trained backbone's own tokenizer.
        prompt: trained vectors in front of every sentence (``adaptation.SoftPrompt``), not counted by ``attends``,
            ``positions`` and caches below; None for none.
        item_texts: part of the rows of item tokens below; None where items are known by their tokens alone.

    Raises:
        UsageError: a pre-trained backbone cannot be read, or does not support the masks of UniMP's sentences.
        DataError: its weights are damaged or incomplete.
    """

    def __init__(self, config: UniMPConfig, vocabulary_size: int) -> None:
        super().__init__()
        self.pretrained_tokens = 0
        if config.from_scratch:
            self.model = from_scratch(config, vocabulary_size)
        else:
            self.model, self.pretrained_tokens = read_decoder(config.backbone)
            extend_tables(self.model, self.pretrained_tokens, vocabulary_size - self.pretrained_tokens)
        self.width = int(self.model.config.hidden_size)
        self.vocabulary_size = vocabulary_size
        self.prompt: Any = None
        self.item_texts: ItemTexts | None = None
        if self.model.config.model_type == "mpt":
            for layer in self.layers:
                layer.attn = AlibiAttention(layer.attn)
        elif not config.from_scratch and self.model.device.type != "meta":
            check_masks(self.model, self.read, config.backbone)
        if config.checkpointing:
            self._recompute_layers()

    @property
    def layers(self) -> nn.ModuleList:
        count = self.model.config.num_hidden_layers
        lists = (m for m in self.model.base_model.modules() if isinstance(m, nn.ModuleList))
        return next(each for each in lists if len(each) == count)

    def forward(
        self, embedded: Tensor, attends: Tensor, positions: Tensor, media: Any = None, cache: Any = None
    ) -> Tensor:
        """Last hidden states, (B, N, width).

        Args:
            embedded: (B, N, width).
            attends: (B, 1, N, S) bool, S the tokens in the cache and these.
            positions: (B, N) int64.
            media: for the layers that are fused with pictures.
            cache: a transformers ``Cache``; grows.
        """
        if self.prompt is None:
            return self.read(embedded, attends, positions, media, cache)
        states: Tensor = self.prompt(self.read, embedded, attends, positions, media, cache)
        return states

    def read(self, embedded: Tensor, attends: Tensor, positions: Tensor, media: Any, cache: Any) -> Tensor:
        """``forward`` without the prompt."""
        with self._context_of_layers(attends, media):
            states: Tensor = self.model.base_model(
                inputs_embeds=embedded,
                attention_mask=self._mask(attends, embedded.dtype),
                position_ids=positions,
                past_key_values=cache,
                use_cache=cache is not None,
            ).last_hidden_state
        return states

    def _recompute_layers(self) -> None:
        """Keep only the input of each layer for the backward pass."""
        if self.model.config.model_type == "mpt":  # the bias of its attention is gone by then
            raise UsageError("checkpointing=true does not work with an MPT decoder")
        self.model.activation_checkpointing_enable({"use_reentrant": False})

    @contextmanager
    def _context_of_layers(self, attends: Tensor, media: Any) -> Iterator[None]:
        """Set, on our own modules among the layers, what not every family's forward would pass on to them."""
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
        """A bool for SDPA, else what is added to the logits of the attention."""
        if self.model.config._attn_implementation == "sdpa":
            return attends
        return torch.zeros_like(attends, dtype=dtype).masked_fill(~attends, torch.finfo(dtype).min)

    def input_rows(self, tokens: Tensor) -> Tensor:
        """Input embeddings of tokens of any shape, (..., width)."""
        rows: Tensor = self.model.get_input_embeddings()(tokens)
        return rows if self.item_texts is None else rows + self.item_texts.inputs(tokens)

    def output_rows(self, tokens: Tensor) -> Tensor:
        """Rows of the output layer of tokens of any shape, (..., width)."""
        layer = self.model.get_output_embeddings()
        rows: Tensor = layer.rows(tokens) if isinstance(layer, Table) else layer.weight[tokens]
        return rows if self.item_texts is None else rows + self.item_texts.outputs(tokens)

    def logits(self, states: Tensor) -> Tensor:
        """Over the whole vocabulary, (..., vocabulary)."""
        logits: Tensor = self.model.get_output_embeddings()(states)
        return logits if self.item_texts is None else logits + self.item_texts.logits(states)

    def output_table(self) -> Tensor | None:
        """The matrix of ``logits``, (vocabulary, width); None where it is of several parts or has a bias."""
        layer = self.model.get_output_embeddings()
        if not isinstance(layer, nn.Linear) or [name for name, _ in layer.named_parameters()] != ["weight"]:
            return None
        return layer.weight if self.item_texts is None else layer.weight + self.item_texts.output_table()

    def tables(self) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
        """Parameters of the input embeddings and of the output layer; the same ones if they are tied."""
        model = self.model
        return list(model.get_input_embeddings().parameters()), list(model.get_output_embeddings().parameters())

    def new_rows(self) -> list[nn.Parameter]:
        """Those of them that hold rows without pre-training: all, from scratch."""
        layers = self.model.get_input_embeddings(), self.model.get_output_embeddings()
        tables = [layer for layer in layers if isinstance(layer, Table)]
        if tables:
            return list(dict.fromkeys(table.new for table in tables))
        inputs, outputs = self.tables()
        return inputs + outputs

    @torch.no_grad()
    def begin_rows(self, tokens: Tensor, inputs: Tensor, outputs: Tensor) -> None:
        """Set new rows of both tables, (n, width) each, to means of words' rows; see ``Table.as_distinct``."""
        _begin_rows(self.model.get_input_embeddings(), tokens, inputs)
        _begin_rows(self.model.get_output_embeddings(), tokens, outputs)

    @torch.no_grad()
    def set_input_rows(self, tokens: Tensor, rows: Tensor) -> None:
        """Overwrite input embeddings, (n, width); of a pre-trained backbone new ones alone."""
        _set_rows(self.model.get_input_embeddings(), tokens, rows)

    @torch.no_grad()
    def set_output_rows(self, tokens: Tensor, rows: Tensor) -> None:
        """Overwrite rows of the output layer, (n, width); of a pre-trained backbone new ones alone."""
        _set_rows(self.model.get_output_embeddings(), tokens, rows)


def _begin_rows(layer: Any, tokens: Tensor, means: Tensor) -> None:
    _set_rows(layer, tokens, layer.as_distinct(means) if isinstance(layer, Table) else means)


def _set_rows(layer: Any, tokens: Tensor, rows: Tensor) -> None:
    if isinstance(layer, Table):
        layer.set_rows(tokens, rows)
    else:
        layer.weight[tokens] = rows


def from_scratch(config: UniMPConfig, vocabulary_size: int) -> Any:
    """A causal language model with random weights: ``gpt_neox`` is RedPajama-INCITE's architecture, ``mpt`` MPT's."""
    make_torchvision_importable()
    from transformers import AutoModelForCausalLM, GPTNeoXConfig, LlamaConfig, MptConfig

    shared = {
        "vocab_size": vocabulary_size,
        "use_cache": False,
        "tie_word_embeddings": config.tied,
        # The usual 0.02 suits a width of thousands; the states of a narrow decoder would start near 0.
        "initializer_range": config.width**-0.5,
    }
    sizes = {"hidden_size": config.width, "num_hidden_layers": config.layers, "num_attention_heads": config.heads}
    architecture: Any
    match config.backbone:
        case "mpt":
            mpt_sizes = {"d_model": config.width, "n_layers": config.layers, "n_heads": config.heads}
            architecture = MptConfig(**mpt_sizes, **shared)
        case "llama":
            # Its feed-forward has three matrices instead of two: two thirds of their size keep the count.
            architecture = LlamaConfig(intermediate_size=8 * config.width // 3, **sizes, **shared)
        case _:
            dropout = {"hidden_dropout": config.layer_dropout, "attention_dropout": config.layer_dropout}
            architecture = GPTNeoXConfig(intermediate_size=4 * config.width, **sizes, **shared, **dropout)
    return AutoModelForCausalLM.from_config(architecture)
