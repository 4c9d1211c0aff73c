"""Decoders from scratch: the architectures of the paper's backbones in any size, with random weights."""

from __future__ import annotations

from typing import Any

from unimp_bench.torch_setup import make_torchvision_importable
from unimp_bench.unimp.config import UniMPConfig


def from_scratch(config: UniMPConfig, vocabulary_size: int) -> Any:
    """A causal language model of transformers: ``gpt_neox`` is RedPajama-INCITE's architecture, ``mpt`` MPT's."""
    make_torchvision_importable()
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_config(_architecture(config, vocabulary_size))


def _architecture(config: UniMPConfig, vocabulary_size: int) -> Any:
    from transformers import GPTNeoXConfig, LlamaConfig, MptConfig

    shared = {
        "vocab_size": vocabulary_size,
        "use_cache": False,
        "tie_word_embeddings": config.tied,
        # The usual 0.02 suits a width of thousands; a narrow decoder would start almost silent.
        "initializer_range": config.width**-0.5,
    }
    if config.backbone == "mpt":
        return MptConfig(d_model=config.width, n_layers=config.layers, n_heads=config.heads, **shared)
    sizes = {
        "hidden_size": config.width,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
    }
    if config.backbone == "llama":
        # Its feed-forward has three matrices where others have two: two thirds of their size keeps the count.
        return LlamaConfig(intermediate_size=8 * config.width // 3, **sizes, **shared)
    return GPTNeoXConfig(intermediate_size=4 * config.width, **sizes, **shared)
