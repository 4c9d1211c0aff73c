"""Pictures as short sequences of discrete codes: a VQ tokenizer, trained on a corpus or loaded from a checkpoint."""

from unimp_bench.picture_tokens.encode import CatalogueTokens, catalogue_tokens, open_tokenizer

__all__ = ["CatalogueTokens", "catalogue_tokens", "open_tokenizer"]
