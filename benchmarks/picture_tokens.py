"""What a picture tokenizer keeps of a corpus's pictures, and what it costs: the table of docs/pictures.md.

Usage: python benchmarks/picture_tokens.py CORPUS_FOLDER [PRESET]
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from unimp_bench.corpus import Corpus
from unimp_bench.metrics.pictures import colour_similarity, structural_similarity
from unimp_bench.picture_tokens import catalogue_tokens, open_tokenizer
from unimp_bench.picture_tokens.encode import picture_paths
from unimp_bench.picture_tokens.files import read_pictures
from unimp_bench.picture_tokens.quality import tokenizer_quality

ValueT = TypeVar("ValueT")


def timed(task: Callable[[], ValueT]) -> tuple[ValueT, float]:
    """What a task gives, and the processor seconds it took."""
    started = time.process_time()
    value = task()
    return value, time.process_time() - started


def main(folder: Path, preset: str) -> None:
    """Train in a cache of its own, encode and decode everything, and print the figures."""
    torch.set_num_threads(1)
    items = Corpus.open(folder).items
    with tempfile.TemporaryDirectory() as scratch:
        cache = Path(scratch)
        tokenizer, training = timed(lambda: open_tokenizer(items, preset, cache))
        _, from_files = timed(lambda: catalogue_tokens(tokenizer, items, cache))
    pictures = read_pictures(picture_paths(items, np.flatnonzero(items.has_picture)), tokenizer.side)
    tokens, encoding = timed(lambda: tokenizer.encode(pictures))
    drawn, decoding = timed(lambda: tokenizer.decode(tokens))
    quality = tokenizer_quality(tokenizer, pictures)
    other = np.random.default_rng(0).permutation(len(pictures))
    commonest = [np.bincount(column).max() / len(tokens) for column in tokens.T]

    count = len(pictures)
    print(f"pictures {count:,}; training {training:.0f} CPU s, with the import of diffusers")
    print(f"a CPU second: from files {count / from_files:,.0f}, encode {count / encoding:,.0f}", end=", ")
    print(f"decode {count / decoding:,.0f}")
    print(f"L1 {quality.l1:.1f}, PSNR {quality.psnr:.1f} dB, perplexity {quality.perplexity:.0f}")
    for name, similarity in (("SSIM", structural_similarity), ("Colour similarity", colour_similarity)):
        own, random = similarity(drawn, pictures).mean(), similarity(drawn[other], pictures).mean()
        print(f"{name}: reconstruction {own:.2f}, another picture {random:.2f}")
    accuracy = (tokens[other] == tokens).mean()
    print(f"token accuracy: another picture {accuracy:.2f}, commonest codes {np.mean(commonest):.2f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "tiny")
