"""Personalized preference prediction (UniMP, A.2): the user's rating of an item."""

from __future__ import annotations

import numpy as np

from unimp_bench.contracts import Task
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.splits import target_examples
from unimp_bench.errors import UsageError
from unimp_bench.kinds.rating import RatingExamples
from unimp_bench.records import SPLITS, Part, Shown, Split


class Preference(Task):
    """The instruction shows the item; the answer is the user's rating of it, on the corpus's own scale.

    Interactions without a rating give no example.
    """

    name = "preference"
    version = 1
    kind = "rating"
    splits = SPLITS
    instruction = "Given {items}, can you predict the preference level of the user to the product?"

    def examples(self, corpus: Corpus, split: Split, part: Part) -> RatingExamples:
        if corpus.rating_scale is None:
            raise UsageError(f"corpus {corpus.name!r} has no ratings, which {self.name} predicts")
        examples = target_examples(corpus, split, part, self.name)
        assert examples.rows is not None
        rated = np.flatnonzero(~np.isnan(corpus.histories.ratings[examples.rows]))
        examples = examples.select(rated)
        assert examples.rows is not None and examples.targets is not None
        return RatingExamples.of(
            examples,
            shown=Shown.single(examples.targets),
            ratings=np.asarray(corpus.histories.ratings[examples.rows]),
            scale=corpus.rating_scale,
        )
