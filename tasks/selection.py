"""Personalized multi-modal selection (UniMP, A.2): the candidates that suit the user."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.negatives import Negatives, draw_negatives
from unimp_bench.contracts import Task
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.splits import MIN_INTERACTIONS, last_examples, target_examples, users_of
from unimp_bench.errors import UsageError
from unimp_bench.kinds.selection import SelectionExamples
from unimp_bench.ragged import offsets_of, spans
from unimp_bench.records import SPLITS, Examples, IntArray, Part, Shown, Split

MAX_POSITIVES = 3
_PARTS: tuple[Part, ...] = ("train", "validation", "test")


@dataclass(frozen=True)
class SelectionConfig:
    """How candidates are drawn.

    Attributes:
        negatives: ``uniform`` over the items of the user's domain, or of the ``same-category`` as the positives.
        fewest, most: minimum and maximum number of negatives, which is drawn uniformly between them.
    """

    negatives: Negatives = "uniform"
    fewest: int = 2
    most: int = 7

    def __post_init__(self) -> None:
        if not 1 <= self.fewest <= self.most:
            raise ValueError(f"fewest ({self.fewest}) must be at least 1 and not exceed most ({self.most})")


class Selection(Task):
    """Candidates are the user's next items and items that the user never interacted with, in random order.

    Training examples have one to three positives, as have test examples of new users and domains. In ``loo`` the last
    two interactions are excluded from training: the positive of a validation example is the one before last, that of a
    test example the last, since models were selected on the other. In ``global-time`` the positives of a test example
    are the user's next one to three items after the cut-off time. A public split has no order of next items and is
    refused.
    """

    name = "selection"
    version = 2
    kind = "selection"
    splits = SPLITS
    instruction = "Given {items}, can you select all the appropriate items for the user?"
    Config = SelectionConfig

    def examples(self, corpus: Corpus, split: Split, part: Part) -> SelectionExamples:
        if corpus.parts is not None:
            raise UsageError(f"corpus {corpus.name!r} has a public split, which has no order to select by")
        if self.config.negatives == "same-category" and "category" not in corpus.items.attributes:
            raise UsageError(f"corpus {corpus.name!r} has no item categories to draw hard negatives from")
        if split == "new-domain" and part != "test":
            raise UsageError(
                "the targets of selection in a new domain are up to three items, on which a model fitted with "
                "--fit-split new-domain would have been trained; omit that option"
            )
        rng = np.random.default_rng([SPLITS.index(split), _PARTS.index(part)])
        examples, positives = self._positives(corpus, split, part, rng)
        assert examples.rows is not None
        wanted = rng.integers(self.config.fewest, self.config.most, endpoint=True, size=len(examples))
        liked_owner, rows = spans(examples.rows, examples.rows + positives)
        liked = corpus.histories.items[rows]
        others, others_owner = draw_negatives(corpus, split, examples, wanted, self.config.negatives, rng)
        items, owner = np.concatenate([liked, others]), np.concatenate([liked_owner, others_owner])
        order = np.lexsort((rng.random(len(items)), owner))
        offsets = offsets_of(np.bincount(owner, minlength=len(examples)))
        return SelectionExamples.of(
            examples,
            shown=Shown(offsets, items[order].astype(np.int32)),
            suits=(np.arange(len(items)) < len(liked))[order],
        )

    def _positives(
        self, corpus: Corpus, split: Split, part: Part, rng: np.random.Generator
    ) -> tuple[Examples, IntArray]:
        """Examples with histories that end before all positives, and the number of consecutive positives."""
        examples = target_examples(corpus, split, part, self.name)
        if part == "validation" or (split == "loo" and part == "test"):
            return examples, np.ones(len(examples), dtype=np.int64)
        if split == "global-time" and part == "test":
            assert examples.rows is not None
            left = corpus.histories.offsets[examples.users + 1] - examples.rows
            return examples, np.minimum(rng.integers(1, MAX_POSITIVES, endpoint=True, size=len(examples)), left)
        if part == "train":
            left = examples.histories.offsets[examples.users + 1] - examples.ends
            return examples, np.minimum(rng.integers(1, MAX_POSITIVES, endpoint=True, size=len(examples)), left)
        lengths = corpus.histories.lengths()
        most = np.minimum(MAX_POSITIVES, lengths - 1)
        evaluated = users_of(corpus, split) & (lengths >= MIN_INTERACTIONS)
        held_back = np.where(evaluated, rng.integers(1, np.maximum(most, 1), endpoint=True), 0)
        return last_examples(corpus, split, part, self.name, held_back), held_back[evaluated]
