"""Outlines of the backbones of the presets, so that their sizes are known without a download."""

from __future__ import annotations

from typing import Any

from unimp_bench.errors import UsageError
from unimp_bench.torch_setup import make_torchvision_importable
from unimp_bench.unimp.network.mosaic import outline

REDPAJAMA_3B = "togethercomputer/RedPajama-INCITE-Instruct-3B-v1"
MPT_1B = "anas-awadalla/mpt-1b-redpajama-200b"

NEOX_TOKENS = 50277
"""Of the tokenizer of GPT-NeoX-20B, which both of them have."""


def outlined(name: str) -> tuple[Any, int]:
    """A published decoder without weights (to be called on the meta device), and the tokens of its tokenizer.

    Raises:
        UsageError: there is no outline of it.
    """
    make_torchvision_importable()
    from transformers import AutoModelForCausalLM, GPTNeoXConfig

    if name == REDPAJAMA_3B:
        config = GPTNeoXConfig(
            vocab_size=50432,
            hidden_size=2560,
            num_hidden_layers=32,
            num_attention_heads=32,
            intermediate_size=10240,
            max_position_embeddings=2048,
            rotary_pct=1.0,
            use_parallel_residual=False,
        )
        return AutoModelForCausalLM.from_config(config), NEOX_TOKENS
    if name == MPT_1B:
        sizes = {"d_model": 2048, "n_heads": 16, "n_layers": 24, "mlp_ratio": 4, "max_seq_len": 2048}
        return outline({**sizes, "vocab_size": 50368, "attn_qk_ln": True}), NEOX_TOKENS
    raise UsageError(f"no outline of backbone {name!r} is known, only of {REDPAJAMA_3B} and {MPT_1B}")
