"""User-guided image generation in two steps by one model (UniMP, A.2 and Eq. 9): retrieve items, then draw from them.

The task in the leaderboard puts a fixed retriever in the place of the first step, so that all models draw from the
same pictures; here the model retrieves for itself. Any model that serves both tasks will do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from unimp_bench.contracts import Model, Painter, Ranker, Sampling, SamplingPainter, Task
from unimp_bench.errors import UsageError
from unimp_bench.gallery import SEARCH
from unimp_bench.kinds.base import must_be
from unimp_bench.kinds.picture import checked_codes
from unimp_bench.ranking import check_scores, seen_columns, top_items
from unimp_bench.records import Examples, IntArray, PictureCodes, Shown

RETRIEVED = 2
"""Items that a picture is drawn from (A.2)."""


@dataclass(frozen=True)
class Drawings:
    """What a model made of some wishes.

    Attributes:
        retrieved: (n, RETRIEVED) item numbers, best first.
        codes: (n, length) of the generated pictures.
    """

    retrieved: IntArray
    codes: IntArray


@dataclass(frozen=True)
class Artist:
    """A fitted model that searches and paints.

    Attributes:
        model: serves both tasks.
        label: its name, for errors.
        painting: the task whose words ask for the picture.
        sampling: draw by chance; None for the likeliest codes.
    """

    model: Model[Any]
    label: str
    painting: Task
    sampling: Sampling | None = None

    def __post_init__(self) -> None:
        must_be(self.model, Ranker, self.label, SEARCH)
        must_be(self.model, Painter, self.label, self.painting.name)
        if self.sampling is not None and not isinstance(self.model, SamplingPainter):
            raise UsageError(f"{self.label} always draws the same picture; leave out --temperature")

    def draw(self, wishes: Examples, catalogue: IntArray, pictures: PictureCodes) -> Drawings:
        """Retrieve items with the words of ``wishes``, then generate a picture from them.

        Args:
            wishes: hidden examples of a search, few enough for one block.
            catalogue: sorted item numbers.
            pictures: those of the catalogue as codes.

        Raises:
            UsageError: fewer than ``RETRIEVED`` pictured items are outside of a history.
            ModelError: scores or codes are not what the model's contract promises.
        """
        retrieved = self._retrieved(wishes, catalogue[pictures.rows[catalogue] >= 0])
        shown = Shown(np.arange(len(wishes) + 1) * RETRIEVED, retrieved.ravel().astype(np.int32))
        name, words = self.painting.name, self.painting.instruction
        asked = replace(wishes, task=name, instruction=words, shown=shown, pictures=pictures)
        return Drawings(retrieved, checked_codes(self._painted(asked), asked, self.label))

    def _painted(self, asked: Examples) -> IntArray:
        if self.sampling is None:
            return self.model.paint(asked)  # type: ignore[attr-defined, no-any-return]
        return self.model.sample(asked, self.sampling)  # type: ignore[attr-defined, no-any-return]

    def _retrieved(self, wishes: Examples, pictured: IntArray) -> IntArray:
        """(n, RETRIEVED) best items of ``pictured`` that the user does not have yet; equal scores by lower number."""
        scores = self.model.score(wishes, pictured)  # type: ignore[attr-defined]
        check_scores(scores, (len(wishes), len(pictured)), self.label)
        columns = top_items(scores, RETRIEVED, seen_columns(wishes, pictured))
        if (columns < 0).any():
            raise UsageError(f"a picture is drawn from {RETRIEVED} pictured items that the user has not, and fewer are")
        found: IntArray = pictured[columns]
        return found
