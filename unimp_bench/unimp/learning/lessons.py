"""What an epoch learns from: which examples it draws of each task, and the sentences they make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unimp_bench.records import IntArray
from unimp_bench.unimp.config import UniMPConfig
from unimp_bench.unimp.sentence.branches import Branches
from unimp_bench.unimp.sentence.pieces import Pieces
from unimp_bench.unimp.sentence.sentences import Sentences, drawn_examples, drawn_starts, sentences, window_ends
from unimp_bench.unimp.sentence.tokens import Vocabulary

_WEIGHED = "recommendation"


@dataclass(frozen=True)
class Lessons:
    """The training examples of all tasks of a fit.

    Attributes:
        pieces: what their branches are made of.
        branches: of each task.
        rehearsed: tasks of an earlier fit that stand beside new ones: an epoch draws ``config.rehearsal`` of their
            examples.
    """

    pieces: Pieces
    branches: Sequence[Branches]
    vocabulary: Vocabulary
    config: UniMPConfig
    rehearsed: tuple[str, ...]

    def draw(self, seed: int) -> Sentences:
        """The sentences of an epoch, the same for the same seed."""
        drawn = [self._examples(part, seed) for part in self.branches]
        starts = [drawn_starts(part.examples, self.config.history, seed) for part in drawn]
        if self.config.next_item:
            ends = [_ends(part, start) for part, start in zip(drawn, starts, strict=True)]
            drawn = [part.select(rows) for part, rows in zip(drawn, ends, strict=True)]
            starts = [start[rows] for start, rows in zip(starts, ends, strict=True)]
        weights = [self.config.recommendation_weight if part.examples.task == _WEIGHED else 1.0 for part in drawn]
        return sentences(
            self.pieces, drawn, starts, self.vocabulary, next_item=self.config.next_item, task_weights=weights
        )

    def _examples(self, part: Branches, seed: int) -> Branches:
        if part.examples.task in self.rehearsed:
            chance = np.random.default_rng(seed).random(len(part))
            part = part.select(np.flatnonzero(chance < self.config.rehearsal))
        # Prompts and answers of the other kinds are long.
        return part if part.kind in ("ranking", "rating") else drawn_examples(part, self.config.draws, seed)


def _ends(part: Branches, starts: IntArray) -> IntArray:
    """Of a task that ranks without a query the last example of each window: the items before it ask for the others."""
    if part.kind != "ranking" or part.examples.queries is not None:
        return np.arange(len(part))
    return window_ends(starts, part.examples.users, part.examples.ends)
