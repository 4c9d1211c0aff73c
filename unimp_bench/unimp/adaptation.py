"""Trained parameters of a model, and adaptation of a frozen backbone by low-rank updates or a trained prompt.

LoRA: ``unimp_bench.low_rank``. Prompt tuning: Lester et al. (EMNLP 2021), by peft.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from unimp_bench import low_rank
from unimp_bench.errors import UsageError
from unimp_bench.torch_setup import make_torchvision_importable
from unimp_bench.unimp.backbones import FusedLayer
from unimp_bench.unimp.config import Trained, UniMPConfig
from unimp_bench.unimp.fusions import build_model
from unimp_bench.unimp.model import Media, UniMPModel

_PROMPT = "decoder.prompt."

Group = Literal["backbone", "fusion", "input", "new input", "output", "new output", "lora", "prompt"]
"""``backbone``: layers and norms of the decoder; ``fusion``: resampler and all that fuses pictures or
texts of items; ``input`` and
``output``: the backbone's own rows of the two tables, without the new ones."""

TRAINED_GROUPS: Mapping[Trained, tuple[Group, ...]] = {
    "all": ("backbone", "fusion", "input", "new input", "output", "new output"),
    "fusion": ("fusion", "new input", "new output"),
    "output": ("output", "new output"),
    "lora": ("fusion", "new input", "new output", "lora"),
    "prompt": ("fusion", "new input", "new output", "prompt"),
}


def adapt(model: UniMPModel, config: UniMPConfig) -> None:
    """Add what ``config.trained`` names to the decoder, and set which parameters are trained; before loading weights.

    Low-rank updates start at zero, so the model is unchanged. Trained tokens start as random tokens of the vocabulary.

    Raises:
        UsageError: the attention projections of a backbone of this kind are unknown to peft, or the output layer alone
            is to be trained and it is the input embeddings.
    """
    if config.trained == "lora":
        low_rank.inject(model.decoder.model, config.lora_rank)
    elif config.trained == "prompt":
        drawn = torch.randint(model.decoder.vocabulary_size, (config.prompt_tokens,))
        model.decoder.prompt = SoftPrompt(model.decoder.input_rows(drawn).detach())
    set_trained(model, config.trained)


def base_name(name: str) -> str | None:
    """The name of a parameter in a model without adaptation; None for those that adaptation added."""
    return None if name.startswith(_PROMPT) else low_rank.base_name(name)


class SoftPrompt(nn.Module):
    """Trained vectors in front of every sentence, which all of its tokens attend to.

    Nothing precedes them, so their states in a causal decoder are the same for all sentences: they are computed once
    per batch, and the sentences continue from their keys and values.

    Args:
        rows: (size, width) initial vectors.
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
        self,
        read: Callable[..., Tensor],
        embedded: Tensor,
        attends: Tensor,
        positions: Tensor,
        media: Media | None,
        cache: Any,
    ) -> Tensor:
        """States of the sentences behind the prompt; ``read`` and its arguments as in ``Backbone.read``."""
        from transformers import DynamicCache

        cache = DynamicCache() if cache is None else cache
        if not cache.get_seq_length():
            index = torch.arange(self.size, device=embedded.device)
            causal = (index[:, None] >= index)[None, None]
            read(self.vectors(index)[None], causal, index[None], None if media is None else media.none(), cache)
            cache.batch_repeat_interleave(len(embedded))
        seen = torch.cat([attends.new_ones(*attends.shape[:3], self.size), attends], dim=-1)
        return read(embedded, seen, positions + self.size, media, cache)


def groups(model: UniMPModel) -> dict[str, Group]:
    """The group of each parameter, by its name; tied tables are an output."""
    decoder = model.decoder
    inputs, outputs = ({id(p) for p in table} for table in decoder.tables())
    new = {id(parameter) for parameter in decoder.new_rows()}
    fusion = {id(p) for m in model.modules() if isinstance(m, FusedLayer) for p in m.fusion.parameters()}
    if decoder.item_texts is not None:
        fusion |= {id(parameter) for parameter in decoder.item_texts.parameters()}
    prompt = set() if decoder.prompt is None else {id(p) for p in decoder.prompt.parameters()}
    backbone = {id(parameter) for parameter in decoder.parameters()}

    def group(name: str, parameter: nn.Parameter) -> Group:
        this = id(parameter)
        if this in outputs:
            return "new output" if this in new else "output"
        if this in inputs:
            return "new input" if this in new else "input"
        if this in prompt:
            return "prompt"
        if low_rank.LORA in name:
            return "lora"
        return "backbone" if this in backbone and this not in fusion else "fusion"

    return {name: group(name, parameter) for name, parameter in model.named_parameters()}


def set_trained(model: UniMPModel, trained: Trained) -> None:
    """Train the parameters of the groups that ``trained`` names, and freeze all others.

    Raises:
        UsageError: the output layer alone is to be trained, and it is the input embeddings.
    """
    owners = groups(model)
    inputs, outputs = model.decoder.tables()
    if trained == "output" and {id(parameter) for parameter in inputs} & {id(parameter) for parameter in outputs}:
        raise UsageError("trained=output trains the output layer alone, which is the input embeddings under tied=true")
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(owners[name] in TRAINED_GROUPS[trained])
    # Detects a library that leaves an output layer frozen, or adds nothing.
    assert all(parameter.requires_grad for parameter in (outputs if trained == "output" else model.decoder.new_rows()))
    assert trained not in ("lora", "prompt") or trained in owners.values()


def meta_model(config: UniMPConfig, vocabulary_size: int, picture_width: int | None) -> UniMPModel:
    """The model of some settings on the meta device, without weights and without a download.

    Raises:
        UsageError: a pre-trained backbone must be read to know its architecture.
    """
    with torch.device("meta"):
        model = build_model(config, vocabulary_size, picture_width)
        adapt(model, config)
    return model
