"""Pictures: one sequence of picture codes per example."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unimp_bench.contracts import ConfigT, Model, Task
from unimp_bench.corpus import Corpus, Items
from unimp_bench.errors import ModelError
from unimp_bench.kinds.base import (
    AnswerError,
    AnswerReader,
    Column,
    Fields,
    Kind,
    MetricCard,
    Setting,
    evenly,
    listed,
    whole,
)
from unimp_bench.records import PER_EXAMPLE, Examples, IntArray, PictureCodes, Protocol, Shown

if TYPE_CHECKING:
    from unimp_bench.generative.picture_tokens.tokenizer import PictureTokenizer
    from unimp_bench.metrics.scores import Scores

VALIDATION_PICTURES = 500
"""Pictures that are generated for one validation score."""


@dataclass(frozen=True)
class PictureExamples(Examples):
    """Pictures to be generated.

    Attributes:
        queries: (n,) what the picture is to show.
        shown: retrieved items that guide it.
        pictures: the catalogue's pictures as codes; ``PictureKind.complete`` adds them.
    """

    queries: IntArray = field(kw_only=True, metadata=PER_EXAMPLE)
    shown: Shown = field(kw_only=True, metadata=PER_EXAMPLE)
    pictures: PictureCodes = field(kw_only=True)

    def answer_words(self, names: Callable[[IntArray], list[str]]) -> list[str]:
        assert self.targets is not None
        items, number_of = np.unique(self.targets, return_inverse=True)
        codes = [" ".join(map(str, row)) for row in self.pictures.of(items).tolist()]
        return [codes[number] for number in number_of]


class Painter(Model[ConfigT]):
    """A model that generates a picture as codes of the task's tokenizer."""

    @abstractmethod
    def paint(self, examples: PictureExamples) -> IntArray:
        """(n, ``examples.pictures.length``) codes, each below ``examples.pictures.size``."""


@dataclass(frozen=True)
class Sampling:
    """Settings of sampling, instead of the most probable codes.

    Attributes:
        temperature: divides the logits: 1 samples from the model's probabilities, near 0 takes the most probable code.
        top_k: sample from this number of most probable codes; None for all.
        seed: equal seeds give equal pictures.
    """

    temperature: float = 1.0
    top_k: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.temperature <= 0 or (self.top_k is not None and self.top_k < 1):
            raise ValueError("a temperature is above 0, and top_k at least 1")


class SamplingPainter(Painter[ConfigT]):
    """A painter that can also sample: several pictures for one query."""

    @abstractmethod
    def sample(self, examples: PictureExamples, sampling: Sampling) -> IntArray:
        """As ``paint``, each code drawn from its probabilities. A row depends on its own example and number only."""


class PictureReader(AnswerReader):
    """``codes`` are those of the task's tokenizer, row-major over the picture."""

    columns = ("codes",)
    ignored = ("target",)

    def __init__(self, examples: PictureExamples, setting: Setting) -> None:
        self._size = examples.pictures.size
        self._codes = np.zeros((len(examples), examples.pictures.length), dtype=np.int64)

    def take(self, example: int, fields: Fields) -> None:
        length = self._codes.shape[1]
        codes = listed(fields.get("codes"), "codes")
        if len(codes) != length:
            raise AnswerError(f"has {len(codes)} codes; the tokenizer writes a picture in {length}")
        numbers = [whole(code, "a code") for code in codes]
        if not 0 <= min(numbers) <= max(numbers) < self._size:
            raise AnswerError(f"has codes outside 0..{self._size - 1}, which are the tokenizer's")
        self._codes[example] = numbers

    def finish(self) -> IntArray:
        return self._codes


_DEFINITIONS = "unimp_bench.metrics.pictures:"


class PictureKind(Kind):
    """Predictions are (n, length) codes."""

    name = "picture"
    contract = Painter
    method = "paint"
    doing = "generating"
    reader = PictureReader
    metrics = (
        MetricCard(
            "Token accuracy",
            "share of a picture's codes that are those of the true picture",
            r"\frac{1}{L} \sum_{l=1}^{L} [\hat{c}_l = c_l]",
            _DEFINITIONS + "picture_scores",
        ),
        MetricCard(
            "Colour similarity",
            "what the colour histograms of two pictures have in common",
            r"\sum_{b} \min(p_b, q_b)",
            _DEFINITIONS + "colour_similarity",
        ),
        MetricCard(
            "SSIM",
            "structural similarity of two pictures",
            r"\frac{(2 \mu_x \mu_y + c_1)(2 \sigma_{xy} + c_2)}"
            r"{(\mu_x^2 + \mu_y^2 + c_1)(\sigma_x^2 + \sigma_y^2 + c_2)}",
            _DEFINITIONS + "structural_similarity",
        ),
        MetricCard(
            "CLIP-I",
            "cosine of the generated and the true picture by the CLIP that the column names",
            r"\frac{1}{n} \sum_{e=1}^{n} \hat{x}_e \cdot x_e",
            _DEFINITIONS + "picture_scores",
        ),
        MetricCard(
            "CLIP-T",
            "cosine of the generated picture and the query by the CLIP that the column names",
            r"\frac{1}{n} \sum_{e=1}^{n} \hat{x}_e \cdot q_e",
            _DEFINITIONS + "picture_scores",
        ),
        MetricCard(
            "CMMD",
            "distance of all generated pictures from all true ones by the CLIP that the column names",
            r"1000 \left(\overline{k(x, x')} + \overline{k(y, y')} - 2 \, \overline{k(x, y)}\right)",
            _DEFINITIONS + "cmmd",
            pooled=True,
        ),
    )
    columns = (
        Column("Token accuracy", interval=True),
        Column("Colour similarity", interval=True),
        Column("SSIM"),
        Column("CLIP-I"),
        Column("CLIP-T"),
        Column("CMMD", higher_is_better=False),
    )
    main = compared = "Token accuracy"
    trains = True
    shown = "Retrieved items"

    def complete(self, examples: Examples, task: Task, corpus: Corpus, cache: Path) -> PictureExamples:
        """With the codes of the pictures, by the tokenizer that the task's options name."""
        return PictureExamples.of(examples, pictures=picture_codes(task, corpus, cache))

    def checked(self, given: Any, examples: PictureExamples, label: str) -> IntArray:
        return checked_codes(given, examples, label)

    def scores(self, prediction: IntArray, examples: PictureExamples, setting: Setting) -> Scores:
        from unimp_bench.metrics.pictures import picture_scores

        assert examples.targets is not None and setting.resources is not None
        options = setting.task.config
        tokenizer = task_tokenizer(setting.corpus.items, options.tokenizer, options.weights, setting.cache)
        paths = [setting.corpus.items.picture(int(item)) for item in examples.targets]
        return picture_scores(
            prediction,
            examples.pictures.of(examples.targets),
            tokenizer.decode(prediction),
            [path for path in paths if path is not None],
            [examples.query_texts[int(query)] for query in examples.queries],
            setting.resources.clip,
        )

    def answers(self, prediction: IntArray, examples: PictureExamples) -> list[bytes]:
        """The codes of each picture."""
        return [row.tobytes() for row in prediction]

    def validation(self, model: Model[Any], examples: PictureExamples, setting: Setting) -> dict[Protocol, float]:
        """Token accuracy over at most ``VALIDATION_PICTURES`` examples, evenly spaced."""
        some = evenly(examples, VALIDATION_PICTURES)
        assert some.targets is not None
        return {"paper": float(np.mean(self.predict(model, some, setting) == some.pictures.of(some.targets)))}

    def table(self, prediction: IntArray, examples: PictureExamples, setting: Setting) -> dict[str, Any]:
        items = np.array(setting.corpus.items.names, dtype=object)
        return {"target": items[examples.targets].tolist(), "codes": prediction.tolist()}

    def account(self, examples: int, catalogue: int, protocol: str) -> str:
        return f"{examples:,} test pictures"


def checked_codes(given: Any, examples: PictureExamples, label: str) -> IntArray:
    """What a model generated, (n, length) int64, held to what ``Painter.paint`` promises.

    Raises:
        ModelError: it has a wrong shape or type, or numbers that are not codes.
    """
    shape, size = (len(examples), examples.pictures.length), examples.pictures.size
    if not isinstance(given, np.ndarray) or given.dtype.kind not in "iu" or given.shape != shape:
        raise ModelError(f"{label} gave no integer codes of shape {shape}")
    if given.size and not 0 <= given.min() <= given.max() < size:
        raise ModelError(f"{label} gave codes outside 0..{size - 1}")
    return given.astype(np.int64)


def picture_codes(task: Task, corpus: Corpus, cache: Path) -> PictureCodes:
    """The catalogue's pictures as codes of the tokenizer that the task's options name."""
    from unimp_bench.generative.picture_tokens import catalogue_tokens

    tokenizer = task_tokenizer(corpus.items, task.config.tokenizer, task.config.weights, cache)
    tokens = catalogue_tokens(tokenizer, corpus.items, cache)
    return PictureCodes(tokenizer.codes, tokens.rows, tokens.codes)


@lru_cache(maxsize=1)
def task_tokenizer(items: Items, preset: str, weights: str, cache: Path) -> PictureTokenizer:
    """``open_tokenizer``, once for all parts of a task and its metrics."""
    from unimp_bench.generative.picture_tokens import open_tokenizer

    return open_tokenizer(items, preset, cache, weights)
