"""Pictures as short sequences of discrete codes: a VQ tokenizer, trained on a corpus or loaded from a checkpoint."""
