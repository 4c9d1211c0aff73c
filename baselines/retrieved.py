"""Pictures without a generator: the picture of a retrieved item, and the most frequent codes of a category."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from unimp_bench.contracts import FitData, NoOptions, Painter, Parameters
from unimp_bench.corpus import Items
from unimp_bench.kinds.picture import PictureExamples
from unimp_bench.records import IntArray

TASK = "image_generation"


class RetrievedPicture(Painter[NoOptions]):
    """The picture of the first retrieved item, unchanged."""

    Config = NoOptions

    def fit(self, data: FitData) -> None:
        """Nothing to learn."""

    def save(self, folder: Path) -> None:
        """Nothing to keep."""

    def load(self, folder: Path, items: Items, cache: Path) -> None:
        """Nothing to read."""

    def paint(self, examples: PictureExamples) -> IntArray:
        return examples.pictures.of(examples.shown.items[examples.shown.offsets[:-1]])


class CategoryPicture(Painter[NoOptions]):
    """At each position the most frequent code among the pictures of the queried category, for every user.

    Maximises the token accuracy if positions are independent, so it is a baseline for that metric, but the result is
    not a meaningful picture. Ties go to the lower code; a query without a pictured item uses all pictures.
    """

    Config = NoOptions

    def fit(self, data: FitData) -> None:
        pictures = data.examples[TASK].train.pictures
        assert pictures is not None
        pictured = np.flatnonzero(pictures.rows >= 0)
        paths = np.array(data.items.text("category"), dtype=object)[pictured]
        self._paths, owners = np.unique(paths, return_inverse=True)
        codes = np.asarray(pictures.of(pictured))
        groups = [codes, *(codes[owners == path] for path in range(len(self._paths)))]
        self._codes = np.stack([_most_frequent(group, pictures.size) for group in groups])

    def save(self, folder: Path) -> None:
        (folder / "paths.json").write_text(json.dumps(self._paths.tolist()), encoding="utf-8")
        np.save(folder / "codes.npy", self._codes, allow_pickle=False)

    def load(self, folder: Path, items: Items, cache: Path) -> None:
        self._paths = np.array(json.loads((folder / "paths.json").read_text(encoding="utf-8")), dtype=object)
        self._codes = np.load(folder / "codes.npy", allow_pickle=False)

    def parameters(self) -> Parameters:
        """The codes."""
        return Parameters(total=self._codes.size)

    def paint(self, examples: PictureExamples) -> IntArray:
        row_of = {path: row for row, path in enumerate(self._paths, start=1)}
        rows = np.array([row_of.get(text, 0) for text in examples.query_texts])
        codes: IntArray = self._codes[rows[examples.queries]]
        return codes


def _most_frequent(codes: IntArray, size: int) -> IntArray:
    """The most frequent code in each column of ``codes`` (pictures, length), (length,)."""
    cells = codes.astype(np.int64) + size * np.arange(codes.shape[1])
    counts = np.bincount(cells.ravel(), minlength=size * codes.shape[1]).reshape(-1, size)
    modes: IntArray = counts.argmax(axis=1)
    return modes
