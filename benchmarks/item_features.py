"""Item features.

Texts and pictures of a corpus by pre-trained encoders, compared with plain loops of the libraries on the same items,
batch and weights: for texts the loop of sentence-transformers (longest first, padded batches, mean pooling,
normalised) over transformers, for pictures timm's own transform and model. Vectors must agree. Models are loaded
before; equal texts are encoded once here. The last case is the whole command where the features exist, in a process of
its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from PIL import Image

from benchmarks.harness import Measure, benchmark, in_turns, seconds_in_turns, times
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.features.computing import compute, text_job
from unimp_bench.corpus.features.sentence import Form, SentenceEncoder
from unimp_bench.corpus.features.text import item_texts
from unimp_bench.corpus.features.towers import PictureEncoder, find_tower, load_state
from unimp_bench.corpus.pictures import picture_files
from unimp_bench.files import Workspace
from unimp_bench.pretrained import packaged, read_weights
from unimp_bench.records import FloatArray
from unimp_bench.torch_setup import make_torchvision_importable

OURS, PLAIN = "unimp-bench features", "the plain loop"
TEXTS, PICTURES = "minilm", "efficientnet-lite0"


@benchmark("torch", "transformers", "timm", "pillow")
@click.option("--corpus", default="sample", help="Built corpus with texts and pictures.")
@click.option("--texts", default=512)
@click.option("--pictures", default=128)
@click.option("--batch", default=32)
@click.option("--rounds", default=3)
def command(corpus: str, texts: int, pictures: int, batch: int, rounds: int) -> Iterator[Measure]:
    """See the docstring of the module."""
    make_torchvision_importable()
    opened = Corpus.open(Workspace.here().data / corpus)
    yield from _texts([text for text in item_texts(opened.items) if text][:texts], batch, rounds)
    files = picture_files(opened.items, np.flatnonzero(opened.items.has_picture)[:pictures])
    yield from _pictures(files, batch, rounds)
    yield from _second_call(opened, rounds)


def _texts(texts: list[str], batch: int, rounds: int) -> Iterator[Measure]:
    from transformers import AutoModel, AutoTokenizer

    folder = packaged(TEXTS)
    encode = SentenceEncoder(folder, Form.of(folder), batch=batch)
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    longest = Form.of(folder).longest

    def plain() -> FloatArray:
        order = np.argsort([-len(text) for text in texts], kind="stable")
        found = []
        for start in range(0, len(texts), batch):
            chosen = [texts[row] for row in order[start : start + batch]]
            tokens = tokenizer(chosen, padding=True, truncation=True, max_length=longest, return_tensors="pt")
            with torch.no_grad():
                states = model(**tokens).last_hidden_state
            mask = tokens["attention_mask"][:, :, None].float()
            pooled = (states * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
            found.append(torch.nn.functional.normalize(pooled, dim=1))
        vectors: FloatArray = torch.cat(found).numpy()[np.argsort(order)]
        return vectors

    sides = {OURS: lambda: encode(texts), PLAIN: plain}
    _agree(sides)
    yield Measure.fact("texts", "items", len(texts))
    yield from times("texts", "all items", seconds_in_turns(sides, rounds))


def _pictures(files: list[Path], batch: int, rounds: int) -> Iterator[Measure]:
    import timm
    from timm.data import create_transform, resolve_model_data_config

    encode = PictureEncoder(find_tower(PICTURES), batch=batch)
    model: Any = timm.create_model("tf_efficientnet_lite0")
    load_state(model, read_weights(packaged(PICTURES)), packaged(PICTURES))
    model.reset_classifier(0)
    model.eval()
    prepare = create_transform(**resolve_model_data_config(model), is_training=False)

    def plain() -> FloatArray:
        found = []
        for start in range(0, len(files), batch):
            pictures = [prepare(Image.open(file).convert("RGB")) for file in files[start : start + batch]]
            with torch.no_grad():
                found.append(model(torch.stack(pictures)))
        vectors: FloatArray = torch.cat(found).numpy()
        return vectors

    sides = {OURS: lambda: encode(files), PLAIN: plain}
    _agree(sides)
    yield Measure.fact("pictures", "items", len(files))
    yield from times("pictures", "all items", seconds_in_turns(sides, rounds))


def _agree(sides: dict[str, Any]) -> None:
    """A warm-up in which both give the same vectors."""
    (ours,), (plain,) = in_turns(sides, 1).values()
    if not np.allclose(plain, ours, atol=1e-3):
        raise click.ClickException(f"the vectors differ by up to {np.abs(plain - ours).max()}")


def _second_call(corpus: Corpus, rounds: int) -> Iterator[Measure]:
    """The command that finds its features: no model is loaded."""
    name = "benchmark"
    compute(corpus, name, text_job(corpus.items, TEXTS))
    command = [sys.executable, "-m", "unimp_bench", "features", str(corpus.folder.resolve()), "--text", TEXTS]
    before = os.times()
    for _ in range(rounds):
        subprocess.run([*command, "--name", name], check=True, capture_output=True)
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    yield Measure.fact("a second call", "the command", spent / rounds, "CPU s")
