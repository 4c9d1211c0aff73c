"""The common setting of both sides: sizes, corpus, vocabulary, pictures and their frozen encoder."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click
import torch
from tokenizers import AddedToken, Tokenizer
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
from unimp_bench.kinds import draw_examples
from unimp_bench.machine import device
from unimp_bench.records import Examples, IntArray
from unimp_bench.torch_setup import make_torchvision_importable
from unimp_bench.unimp.config import BASE, UniMPConfig
from unimp_bench.unimp.fusions import build_model
from unimp_bench.unimp.model import UniMPModel
from unimp_bench.unimp.pieces import Pieces, build_vocabulary, catalogue_pieces
from unimp_bench.unimp.sentences import Sentences, last_starts, sentences, unanswered
from unimp_bench.unimp.tokens import Vocabulary

TASKS = {"recommendation": Recommendation(), "search": Search()}

# Without dropout, so that losses are comparable; batches have about as many sentences as those of the authors.
CONFIG = replace(BASE, layers=4, dropout=0.0, encoder="ViT-B-32", batch_tokens=1024, precision="no")
SMALL = replace(CONFIG, width=64, heads=2, layers=2, latents=4, resampler_layers=1)

_SEED = 0

Command = TypeVar("Command", bound=Callable[..., Any])


def options(command: Command) -> Command:
    """Add the arguments of ``Setting.opened`` as options."""
    corpus = click.option("--corpus", default="sample", help="A built corpus with pictures, by name.")
    small = click.option("--small", is_flag=True, help="A small model for trials.")
    encoder = click.option("--encoder", default=CONFIG.encoder, help="'tiny' or open_clip's name; random weights.")
    return corpus(small(encoder(command)))


class Tower(nn.Module):
    """The frozen picture encoder with the normalisation of cached patch tokens, so that inputs are equal."""

    def __init__(self, visual: nn.Module, features: PictureFeatures) -> None:
        super().__init__()
        self.visual = visual.requires_grad_(False)
        self.register_buffer("mean", torch.from_numpy(features.mean))
        self.register_buffer("spread", torch.from_numpy(features.spread))

    @torch.no_grad()
    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 3, side, side) to the outputs that OpenFlamingo expects: pooled ones, and (n, patches, width)."""
        pooled, tokens = self.visual(pixels)
        return pooled, (tokens.half().float() - self.mean) / self.spread


class Pixels:
    """Preprocessed pictures, cached, so that times exclude reading and scaling."""

    def __init__(self, corpus: Corpus, prepare: Any, device: torch.device) -> None:
        self._corpus, self._prepare, self._device = corpus, prepare, device
        self._kept: dict[int, Tensor] = {}

    def ready(self, items: IntArray) -> None:
        """Preprocess the pictures of some items."""
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
    """The common setting.

    Attributes:
        train, test: examples by task.
        candidates: sorted numbers of the candidate items.
        encoding: time of encoding all pictures once.
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
        """Open a built corpus with random weights, in a temporary cache."""
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
        vocabulary = build_vocabulary(data, config)
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
        """Whether the device is a GPU."""
        return self.device.type == "cuda"

    def model(self) -> UniMPModel:
        """The model of this project, with the same random weights at every call."""
        torch.manual_seed(_SEED)
        return build_model(self.config, len(self.vocabulary), self.features.width).to(self.device)

    def queries(self, examples: Examples) -> Sentences:
        """A sentence for each example of a ranking task, without its answer."""
        pieces, branches = unanswered(examples.hidden(), "ranking", self.pieces, self.vocabulary)
        starts = [last_starts(examples, self.config.history)]
        return sentences(pieces, branches, starts, self.vocabulary, shared=False)

    def pictured(self, source: Sentences, chosen: IntArray) -> list[IntArray]:
        """The items of the pictures of each chosen sentence, in order."""
        runs = (source.runs[source.offsets[number] : source.offsets[number + 1]] for number in chosen)
        items = (run[(run > 0) & (run <= len(self.corpus.items))] - 1 for run in runs)
        return [each[self.features.rows[each] >= 0] for each in items]

    def autocast(self) -> Any:
        """bf16 on a GPU, disabled elsewhere."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.on_card)


class Strings:
    """Decodes sentences to strings with item tokens, and tokenises them to the same ids.

    Args:
        pieces: parts of sentences; each is decoded once, as the authors store the text of each item.

    Raises:
        ValueError: a piece is tokenised differently, so the sides would not be comparable.
    """

    def __init__(self, vocabulary: Vocabulary, pieces: Pieces) -> None:
        from transformers import PreTrainedTokenizerFast

        with tempfile.TemporaryDirectory() as folder:
            vocabulary.save(Path(folder) / "tokenizer.json")
            tokenizer = Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))
        names = [vocabulary.ids.name(number) for number in range(vocabulary.items)]
        tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in names])
        self._tokenizer: Any = PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, pad_token=tokenizer.id_to_token(vocabulary.pad), padding_side="right"
        )
        specials = [token.content for token in tokenizer.get_added_tokens_decoder().values()]
        marks = "|".join(map(re.escape, sorted(specials, key=len, reverse=True)))
        # Words include their leading space; a space next to a mark would be a separate token.
        self._beside_marks = re.compile(f" ?({marks})(?![0-9]) ?")
        rows = [pieces.tokens[begin:end] for begin, end in zip(pieces.offsets[:-1], pieces.offsets[1:], strict=True)]
        self._spelled = [self._beside_marks.sub(r"\1", vocabulary.decode(row)) for row in rows]
        for row, text in zip(rows, self._spelled, strict=True):
            if self._tokenizer(text)["input_ids"] != row.tolist():
                raise ValueError(f"{text!r} is tokenised differently")

    def of(self, source: Sentences, chosen: IntArray) -> list[list[str]]:
        """The pieces of the chosen sentences as strings, to be joined by ``read``."""
        bounds = zip(source.offsets[chosen], source.offsets[chosen + 1], strict=True)
        return [[self._spelled[piece] for piece in source.runs[begin:end]] for begin, end in bounds]

    def read(self, spelled: list[list[str]]) -> tuple[Tensor, Tensor]:
        """Token numbers and mask, (B, N) int64, padded on the right to the longest."""
        found = self._tokenizer(["".join(parts) for parts in spelled], padding="longest", return_tensors="pt")
        return found["input_ids"], found["attention_mask"]


CARD_TFLOPS = {"H200": 989, "H100 PCIe": 756, "H100": 989, "A100": 312}
"""Dense bf16 peaks by NVIDIA's data sheets; the first name contained in the card's name is used."""


@dataclass(frozen=True)
class Done:
    """The work of a step: answered examples, and tokens without padding."""

    examples: int
    tokens: int


Step = Callable[[], Done]
Way = Callable[[], Step]
"""Prepares the next step without timing; the step itself is timed."""


@dataclass(frozen=True)
class Worked:
    """The work and time of one turn."""

    examples: int
    tokens: int
    seconds: Seconds


def turn(way: Way, seconds: float, device: torch.device) -> Worked:
    """Run steps for some seconds."""
    examples, tokens, taken = 0, 0, Seconds(0.0, 0.0)
    while taken.wall < seconds:
        step = way()
        settle(device)
        done, took = timed(partial(_settled, step, device))
        taken, examples, tokens = taken + took, examples + done.examples, tokens + done.tokens
    return Worked(examples, tokens, taken)


def _settled(step: Step, device: torch.device) -> Done:
    done = step()
    settle(device)
    return done


def settle(device: torch.device) -> None:
    """Synchronise the GPU, if any."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def card_flops() -> float | None:
    """The bf16 peak of the GPU in operations per second; None without a GPU or if unknown."""
    if (place := device()).type != "cuda":
        return None
    card = torch.cuda.get_device_name(place)
    return next((tflops * 1e12 for name, tflops in CARD_TFLOPS.items() if name in card), None)
