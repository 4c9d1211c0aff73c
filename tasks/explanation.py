"""Personalized explanation generation (UniMP, A.2): why may this item suit the user, or not?"""

from __future__ import annotations

import numpy as np

from unimp_bench.contracts import Task
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.splits import target_examples
from unimp_bench.errors import UsageError
from unimp_bench.kinds.text import TextExamples
from unimp_bench.records import SPLITS, Part, Shown, Split, Texts


class Explanation(Task):
    """The instruction shows the item; the answer is a sentence of the user's own review of it.

    Interactions without an explaining sentence give no example; the rule that selects sentences is fixed when the
    corpus is built, and recorded in its manifest.
    """

    name = "explanation"
    version = 1
    kind = "text"
    splits = SPLITS
    instruction = "Given {items}, can you explain to the user why the product might be suitable or unsuitable?"

    def examples(self, corpus: Corpus, split: Split, part: Part) -> TextExamples:
        explanations = corpus.explanations
        if explanations is None:
            raise UsageError(f"corpus {corpus.name!r} has no reviews, which {self.name} requires")
        examples = target_examples(corpus, split, part, self.name)
        assert examples.rows is not None
        number_of = np.full(len(corpus.histories), -1, dtype=np.int64)
        number_of[explanations.rows] = np.arange(len(explanations.rows))
        explained = np.flatnonzero(number_of[examples.rows] >= 0)
        if not len(explained):
            raise UsageError(f"corpus {corpus.name!r}, split {split}, {part} part: no review contains an explanation")
        examples = examples.select(explained)
        assert examples.rows is not None and examples.targets is not None
        return TextExamples.of(
            examples,
            shown=Shown.single(examples.targets),
            texts=Texts(explanations, number_of[examples.rows]),
        )
