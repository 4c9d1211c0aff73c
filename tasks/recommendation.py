"""Personalized recommendation (UniMP, A.2): the user's next item."""

from __future__ import annotations

from unimp_bench.contracts import Task
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.splits import target_examples
from unimp_bench.records import SPLITS, Examples, Part, Split


class Recommendation(Task):
    """The target is the user's next item; there is no query."""

    name = "recommendation"
    version = 1
    kind = "ranking"
    splits = SPLITS
    instruction = "Can you recommend the next item to the user?"

    def examples(self, corpus: Corpus, split: Split, part: Part) -> Examples:
        return target_examples(corpus, split, part, self.name)
