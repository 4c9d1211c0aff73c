"""Loading VQGAN checkpoints of CompVis/taming-transformers."""

from __future__ import annotations

from pathlib import Path

from unimp_bench.errors import DataError
from unimp_bench.picture_tokens.config import TokenizerConfig
from unimp_bench.picture_tokens.tokenizer import PictureTokenizer


def load_taming(path: Path, config: TokenizerConfig) -> PictureTokenizer:
    """Not there yet."""
    raise DataError(f"VQGAN checkpoints cannot be read yet: {path} for {config.codes} codes")
