"""Tiny weights in the very formats in which published ones come, written by the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unimp_bench.torch_setup import make_torchvision_importable, seed_everything

FAMILIES = ("gpt_neox", "llama", "mpt")
WIDTH, LAYERS, HEADS = 16, 2, 4
PADDING = 7
"""Rows of the tables that no token has, as published decoders have them."""

_TEXTS = (
    "Given this, which item will the user buy next? Which item does the user mean? Category Price Brand Title",
    "This one is lovely and warm, simply perfect. Too small, and it broke after a day. Why does the user like it?",
)


def tokenizer() -> Any:
    """Byte-level merges that keep the space before a word in its token, as GPT-NeoX's and MPT's do."""
    make_torchvision_importable()
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|endoftext|>", "<|padding|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator(_TEXTS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, eos_token="<|endoftext|>", clean_up_tokenization_spaces=False
    )


def architecture(family: str, rows: int, tied: bool = False, layers: int = LAYERS, scale: float = 0.3) -> Any:
    """A configuration of transformers with tables of ``rows`` rows; weights begin with a deviation of ``scale``."""
    make_torchvision_importable()
    from transformers import BloomConfig, GPTNeoXConfig, LlamaConfig, MptConfig

    shared = {"vocab_size": rows, "tie_word_embeddings": tied, "initializer_range": scale}
    sizes = {"hidden_size": WIDTH, "num_hidden_layers": layers, "num_attention_heads": HEADS}
    match family:
        case "gpt_neox":
            return GPTNeoXConfig(intermediate_size=32, **sizes, **shared)
        case "llama":
            return LlamaConfig(intermediate_size=32, num_key_value_heads=2, **sizes, **shared)
        case "mpt":
            return MptConfig(d_model=WIDTH, n_layers=layers, n_heads=HEADS, **shared)
    return BloomConfig(hidden_size=WIDTH, n_layer=layers, n_head=HEADS, **shared)


def decoder(family: str, rows: int, tied: bool = False, **shape: Any) -> Any:
    """A causal language model with random weights."""
    from transformers import AutoModelForCausalLM

    config = architecture(family, rows, tied, **shape)
    seed_everything(5)
    return AutoModelForCausalLM.from_config(config).eval()


def save(folder: Path, family: str, tied: bool = False, **shape: Any) -> Path:
    """A folder as ``save_pretrained`` writes it: config.json, model.safetensors, tokenizer.json."""
    words = tokenizer()
    decoder(family, len(words) + PADDING, tied, **shape).save_pretrained(folder)
    words.save_pretrained(folder)
    return folder
