"""Shared by the tests of UniMP: tiny settings, six small tasks, and the parts of a model on the planted corpus."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tasks.image_generation import ImageGeneration
from tasks.preference import Preference
from tasks.recommendation import Recommendation
from tasks.search import Search
from tasks.selection import Selection
from unimp_bench.contracts import FitData, Task, TaskExamples
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.features.pictures import PictureFeatures
from unimp_bench.corpus.splits import catalogue, target_examples
from unimp_bench.kinds.picture import PictureExamples
from unimp_bench.kinds.ranks import rank_examples
from unimp_bench.kinds.text import TextExamples
from unimp_bench.metrics.ranking import RankMetric
from unimp_bench.records import Examples, IntArray, Part, PictureCodes, Protocol, Shown, Split, Texts
from unimp_bench.torch_setup import seed_everything
from unimp_bench.unimp.config import Fusion, UniMPConfig
from unimp_bench.unimp.fusions import build_model
from unimp_bench.unimp.model import UniMPModel
from unimp_bench.unimp.pieces import Pieces, catalogue_pieces
from unimp_bench.unimp.sentences import Sentences, last_starts, sentences, unanswered
from unimp_bench.unimp.tokens import Vocabulary
from unimp_bench.unimp.unimp import UniMP

SMALL = UniMPConfig(width=16, layers=2, heads=2, latents=2, gate=1.0, dropout=0.0, batch_tokens=1024)
CODES = 6


class PlantedSentences:
    """A sentence about each item: what its category's number says, and something about its number."""

    def take(self, numbers: IntArray) -> list[str]:
        moods = ("lovely and warm", "too small", "broke after a day", "simply perfect")
        return [f"This one is {moods[number % 4]} <answer>" for number in numbers]


class PlantedExplanation(Task):
    """Explanations that follow from the item."""

    name = "explanation"
    version = 1
    kind = "text"
    splits = ("loo",)
    instruction = "Given {items}, why?"

    def examples(self, corpus: Corpus, split: Split, part: Part) -> Examples:
        examples = target_examples(corpus, split, part, self.name)
        assert examples.targets is not None
        texts = Texts(PlantedSentences(), examples.targets.astype(np.int64))
        return TextExamples.of(examples, shown=Shown.single(examples.targets), texts=texts)


TASKS: Mapping[str, Task] = {
    "recommendation": Recommendation(),
    "search": Search(),
    "preference": Preference(),
    "explanation": PlantedExplanation(),
    "selection": Selection(),
    "image_generation": ImageGeneration(),
}
KINDS: Mapping[str, Any] = {name: task.kind for name, task in TASKS.items()}


def planted_codes(corpus: Corpus) -> PictureCodes:
    """Three codes for each picture, of which the first two follow from the item's category."""
    pictured = np.flatnonzero(corpus.items.has_picture)
    rows = np.where(corpus.items.has_picture, np.cumsum(corpus.items.has_picture) - 1, -1)
    codes = np.stack([pictured % 4, pictured % 4 + 1, pictured % CODES], axis=1)
    return PictureCodes(CODES, rows, codes)


def examples_of(corpus: Corpus, name: str, part: Part = "train") -> Any:
    """Examples as the harness draws them."""
    task = TASKS[name]
    examples = replace(task.examples(corpus, "loo", part), instruction=task.instruction)
    return PictureExamples.of(examples, pictures=planted_codes(corpus)) if task.kind == "picture" else examples


@dataclass(frozen=True)
class Parts:
    """Everything below the model of the harness, untrained."""

    corpus: Corpus
    vocabulary: Vocabulary
    pieces: Pieces
    features: PictureFeatures
    model: UniMPModel

    def examples(self, task: str, part: Part = "train") -> Any:
        return examples_of(self.corpus, task, part)

    def asked(self, examples: Examples, history: int = 5) -> Sentences:
        """A sentence for each example, its answer left out."""
        pieces, branches = unanswered(examples, KINDS[examples.task], self.pieces, self.vocabulary)
        return sentences(pieces, branches, [last_starts(examples, history)], self.vocabulary, shared=False)


def fused(parts: Parts, fusion: Fusion, **settings: Any) -> Parts:
    """The same, with pictures that reach the decoder in another way."""
    config = replace(SMALL, fusion=fusion, **settings)
    seed_everything(0)
    model = build_model(config, len(parts.vocabulary), parts.features.width).eval()
    return replace(parts, pieces=catalogue_pieces(parts.corpus.items, parts.vocabulary, config), model=model)


def validator(corpus: Corpus) -> Callable[[Any, str], dict[Protocol, float]]:
    """A validation score between 0 and 1 for each kind of task."""
    items = catalogue(corpus, "loo")

    def quality(model: Any, task: str) -> float:
        examples = examples_of(corpus, task, "validation")
        hidden = examples.hidden()
        match KINDS[task]:
            case "ranking":
                ranks = rank_examples(model, examples, items, "paper", top=0, label="unimp").ranks
                return float(RankMetric("NDCG", 5).values(ranks).mean())
            case "rating":
                return float(1 - np.mean(np.abs(model.rate(hidden) - examples.ratings)) / 4)
            case "text":
                pairs = zip(model.write(hidden), examples.texts.read(), strict=True)
                return float(np.mean([written == truth for written, truth in pairs]))
            case "selection":
                return float(np.mean(model.choose(hidden)[examples.suits]))
            case "picture":
                return float(np.mean(model.paint(hidden) == examples.pictures.of(examples.targets)))

    return lambda model, task: {"paper": quality(model, task)}


def fit_data(corpus: Corpus, work: Path, cache: Path, *tasks: str, validate: Any = None, seed: int = 0) -> FitData:
    work.mkdir(parents=True, exist_ok=True)
    examples = {
        name: TaskExamples(examples_of(corpus, name, "train"), examples_of(corpus, name, "validation"))
        for name in tasks
    }
    return FitData(corpus.items, catalogue(corpus, "loo"), examples, seed, work, cache, validate or validator(corpus))


def answers(model: UniMP, examples: Examples, corpus: Corpus) -> np.ndarray:
    """What a model answers to some examples, as an array with a row for each, or for each candidate."""
    hidden = examples.hidden()
    match KINDS[examples.task]:
        case "ranking":
            return model.score(hidden, catalogue(corpus, "loo"))
        case "rating":
            return model.rate(hidden)
        case "text":
            return np.array(model.write(hidden), dtype=object)
        case "selection":
            return model.choose(hidden)
        case "picture":
            return model.paint(hidden)


def scores(model: UniMP, corpus: Corpus, task: str = "recommendation") -> np.ndarray:
    return answers(model, examples_of(corpus, task, "test"), corpus)


def reloaded(model: UniMP, folder: Path, corpus: Corpus, cache: Path) -> UniMP:
    """The model, saved to a new folder and read back."""
    folder.mkdir()
    model.save(folder)
    again = UniMP(model.config)
    again.load(folder, corpus.items, cache)
    return again
