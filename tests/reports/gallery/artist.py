"""A model with predictable outputs, for tests of galleries."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unimp_bench.contracts import FitData, Ranker, Sampling, SamplingPainter
from unimp_bench.corpus import Items
from unimp_bench.kinds.picture import PictureExamples
from unimp_bench.records import Examples, FloatArray, IntArray


@dataclass(frozen=True)
class NearConfig:
    """``wrong`` breaks the contract: ``scores`` or ``codes``."""

    wrong: str = ""


class Near(Ranker[NearConfig], SamplingPainter[NearConfig]):
    """Retrieves the items nearest to the last one of the history by number, and paints the first retrieved picture.

    Sampling paints the last retrieved picture, with the seed as its first code.
    """

    Config = NearConfig

    def fit(self, data: FitData) -> None:
        self.fitted_on = sorted(data.examples)

    def score(self, examples: Examples, catalogue: IntArray) -> FloatArray:
        assert examples.targets is None and examples.task == "search" and "{query}" in examples.instruction
        distance = np.abs(catalogue[None, :] - examples.last_items(1)).astype(np.float64)
        return distance * (np.nan if self.config.wrong == "scores" else -1)

    def paint(self, examples: PictureExamples) -> IntArray:
        assert examples.targets is None and examples.task == "image_generation"
        assert "product figure" in examples.instruction
        codes = examples.pictures.of(examples.shown.items[examples.shown.offsets[:-1]])
        return codes + (examples.pictures.size if self.config.wrong == "codes" else 0)

    def sample(self, examples: PictureExamples, sampling: Sampling) -> IntArray:
        codes = examples.pictures.of(examples.shown.items[examples.shown.offsets[1:] - 1]).copy()
        codes[:, 0] = sampling.seed
        return codes

    def save(self, folder: Path) -> None:
        (folder / "tasks").write_text(" ".join(self.fitted_on))

    def load(self, folder: Path, items: Items, cache: Path) -> None:
        self.fitted_on = (folder / "tasks").read_text().split()
