"""Pictures as tokens.

Cost and reconstruction quality of a picture tokenizer. L1 is in grey levels of 255. *Another picture* is the
reconstruction of a random other picture of the corpus, a floor for generated pictures; the reconstruction of the true
picture is the upper bound. *The commonest codes* are the most frequent code at each position. Training includes the
import of diffusers.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np

from benchmarks.harness import Measure, benchmark, timed
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.pictures import picture_files
from unimp_bench.files import Workspace
from unimp_bench.generative.picture_tokens import catalogue_tokens, open_tokenizer
from unimp_bench.generative.picture_tokens.pictures import read_pictures
from unimp_bench.generative.picture_tokens.training import tokenizer_quality
from unimp_bench.metrics.pictures import colour_similarity, structural_similarity

RECONSTRUCTION, OTHER, COMMONEST = "the reconstruction", "another picture", "the commonest codes"


@benchmark("torch", "diffusers", "pillow")
@click.option("--corpus", multiple=True, default=("sample",), help="Built corpora, by name.")
@click.option("--preset", default="tiny")
def command(corpus: tuple[str, ...], preset: str) -> Iterator[Measure]:
    """See the docstring of the module."""
    for name in corpus:
        yield from of_corpus(name, preset)


def of_corpus(name: str, preset: str) -> Iterator[Measure]:
    """Train in a temporary cache, encode and decode all pictures."""
    items = Corpus.open(Workspace.here().data / name).items
    with tempfile.TemporaryDirectory() as scratch:
        cache = Path(scratch)
        tokenizer, training = timed(lambda: open_tokenizer(items, preset, cache))
        _, from_files = timed(lambda: catalogue_tokens(tokenizer, items, cache))
    pictures = read_pictures(picture_files(items, np.flatnonzero(items.has_picture)), tokenizer.side)
    count = len(pictures)
    tokens, encoding = timed(lambda: tokenizer.encode(pictures))
    drawn, decoding = timed(lambda: tokenizer.decode(tokens))
    yield Measure.fact(name, "pictures", count)
    yield Measure.fact(name, "training", training.cpu, "CPU s")
    for work, seconds in (("encoded from files", from_files), ("encoded", encoding), ("decoded", decoding)):
        yield Measure.fact(name, work, count / seconds.cpu, "a CPU s")

    quality = tokenizer_quality(tokenizer, pictures)
    yield Measure.fact(name, "L1", quality.l1)
    yield Measure.fact(name, "PSNR", quality.psnr, "dB")
    yield Measure.fact(name, "perplexity of the codes", quality.perplexity)
    other = np.random.default_rng(0).permutation(count)
    case = f"{name}, how near to the picture"
    for measure, similarity in (("SSIM", structural_similarity), ("colour similarity", colour_similarity)):
        sides = {RECONSTRUCTION: drawn, OTHER: drawn[other]}
        means = {side: [float(similarity(shown, pictures).mean())] for side, shown in sides.items()}
        yield Measure.of(case, measure, "", means)
    commonest = np.mean([np.bincount(column).max() / count for column in tokens.T])
    floors = {OTHER: [float((tokens[other] == tokens).mean())], COMMONEST: [float(commonest)]}
    yield Measure.of(case, "code accuracy", "", floors)
