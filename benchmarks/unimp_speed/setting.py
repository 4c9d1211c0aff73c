"""What both sides share: sizes, corpus, vocabulary, pictures, and the frozen tower that encodes them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import click
import torch
from torch import Tensor, nn

from benchmarks.harness import Seconds, timed
from tasks.recommendation import Recommendation
from tasks.search import Search
from unimp_bench.contracts import FitData, TaskExamples
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.features.encoder import load_encoder
from unimp_bench.corpus.features.pictures import PictureFeatures, picture_features
from unimp_bench.corpus.pictures import open_picture
from unimp_bench.corpus.splits import catalogue
from unimp_bench.errors import UsageError
from unimp_bench.files import Workspace
from unimp_bench.generative.item_ids import ItemIds
from unimp_bench.kinds.drawing import draw_examples
from unimp_bench.machine import device
from unimp_bench.records import Examples, IntArray
from unimp_bench.torch_setup import make_torchvision_importable
from unimp_bench.unimp.config import BASE, UniMPConfig
from unimp_bench.unimp.network.model import UniMPModel
from unimp_bench.unimp.sentence.branches import unanswered
from unimp_bench.unimp.sentence.lexicon import vocabulary_of
from unimp_bench.unimp.sentence.pieces import Pieces, catalogue_pieces
from unimp_bench.unimp.sentence.sentences import Sentences, last_starts, sentences
from unimp_bench.unimp.sentence.tokens import Vocabulary

TASKS = {"recommendation": Recommendation(), "search": Search()}

# Without dropout, so that the losses of both sides can be compared. Steps of about as many sentences as theirs have.
CONFIG = replace(BASE, layers=4, dropout=0.0, encoder="ViT-B-32", batch_tokens=1024, precision="no")
SMALL = replace(CONFIG, width=64, heads=2, layers=2, latents=4, resampler_layers=1)

_SEED = 0

Command = TypeVar("Command", bound=Callable[..., Any])


def options(command: Command) -> Command:
    """Of a benchmark that needs a setting: what ``Setting.opened`` takes."""
    corpus = click.option("--corpus", default="sample", help="A built corpus with pictures, by name.")
    small = click.option("--small", is_flag=True, help="A trial: narrow, few layers.")
    encoder = click.option("--encoder", default=CONFIG.encoder, help="'tiny' or open_clip's name; random weights.")
    return corpus(small(encoder(command)))


class Tower(nn.Module):
    """The frozen picture encoder, with what our cache makes of its patch tokens, so that both sides see the same."""

    def __init__(self, visual: nn.Module, features: PictureFeatures) -> None:
        super().__init__()
        self.visual = visual.requires_grad_(False)
        self.register_buffer("mean", torch.from_numpy(features.mean))
        self.register_buffer("spread", torch.from_numpy(features.spread))

    @torch.no_grad()
    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 3, side, side) to what OpenFlamingo expects: something pooled, and (n, patches, width)."""
        pooled, tokens = self.visual(pixels)
        return pooled, (tokens.half().float() - self.mean) / self.spread


class Pixels:
    """Pictures ready for the encoder, opened and scaled once and kept: neither side's time has that in it."""

    def __init__(self, corpus: Corpus, prepare: Any, device: torch.device) -> None:
        self._corpus, self._prepare, self._device = corpus, prepare, device
        self._kept: dict[int, Tensor] = {}

    def ready(self, items: IntArray) -> None:
        """Lay ready those of some items."""
        for item in map(int, items):
            if item not in self._kept:
                path = self._corpus.items.picture(item)
                assert path is not None
                self._kept[item] = self._prepare(open_picture(path))

    def of(self, items: IntArray) -> Tensor:
        """(items, 3, side, side)."""
        self.ready(items)
        return torch.stack([self._kept[int(item)] for item in items]).to(self._device)


@dataclass(frozen=True)
class Setting:
    """The common ground.

    Attributes:
        train, test: examples of the tasks, by name.
        candidates: sorted numbers of the items that may be an answer.
        encoding: what encoding all pictures took, once.
    """

    config: UniMPConfig
    corpus: Corpus
    train: Mapping[str, Examples]
    test: Mapping[str, Examples]
    candidates: IntArray
    vocabulary: Vocabulary
    pieces: Pieces
    features: PictureFeatures
    tower: Tower
    pixels: Pixels
    encoding: Seconds
    device: torch.device

    @classmethod
    def opened(cls, corpus: str, small: bool, encoder: str) -> Setting:
        """A built corpus and random weights, in a cache that is forgotten."""
        config = replace(SMALL if small else CONFIG, encoder=encoder)
        make_torchvision_importable()
        with tempfile.TemporaryDirectory() as cache:
            return cls.of(Workspace.here().data / corpus, config, Path(cache), device())

    @classmethod
    def of(cls, folder: Path, config: UniMPConfig, cache: Path, device: torch.device) -> Setting:
        corpus = Corpus.open(folder)
        parts = {
            part: {name: draw_examples(task, corpus, "loo", part, cache) for name, task in TASKS.items()}
            for part in ("train", "validation", "test")
        }
        candidates = catalogue(corpus, "loo")
        fitted = {name: TaskExamples(parts["train"][name], parts["validation"][name]) for name in TASKS}
        data = FitData(corpus.items, candidates, fitted, _SEED, cache, cache, lambda *_: {"paper": 0.0})
        vocabulary = vocabulary_of(data, config, ItemIds.atomic(len(corpus.items)))
        features, seconds = timed(lambda: picture_features(corpus.items, config.encoder, config.pretrained, cache))
        if features is None:
            raise UsageError(f"corpus {corpus.name!r} has no pictures; name one that has, such as the sample")
        visual, prepare = load_encoder(config.encoder, config.pretrained, tokens=True)
        return cls(
            config,
            corpus,
            parts["train"],
            parts["test"],
            candidates,
            vocabulary,
            catalogue_pieces(corpus.items, vocabulary, config),
            features,
            Tower(visual, features).to(device),
            Pixels(corpus, prepare, device),
            seconds,
            device,
        )

    @property
    def on_card(self) -> bool:
        """Whether a graphics card does the work."""
        return self.device.type == "cuda"

    def model(self) -> UniMPModel:
        """Ours, with random weights, the same at every call."""
        torch.manual_seed(_SEED)
        return UniMPModel(self.config, len(self.vocabulary), self.features.width).to(self.device)

    def asked(self, examples: Examples) -> Sentences:
        """A sentence for each example of a ranking task, its answer left out."""
        pieces, branches = unanswered(examples.hidden(), "ranking", self.pieces, self.vocabulary)
        starts = [last_starts(examples, self.config.history)]
        return sentences(pieces, branches, starts, self.vocabulary, shared=False)

    def pictured(self, source: Sentences, chosen: IntArray) -> list[IntArray]:
        """For each chosen sentence, the items of its pictures in their order."""
        runs = (source.runs[source.offsets[number] : source.offsets[number + 1]] for number in chosen)
        items = (run[(run > 0) & (run <= len(self.corpus.items))] - 1 for run in runs)
        return [each[self.features.rows[each] >= 0] for each in items]

    def autocast(self) -> Any:
        """bf16 on a graphics card, nothing elsewhere."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.on_card)
