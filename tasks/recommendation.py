"""Personalized recommendation (UniMP, A.2): which item comes next?"""

from __future__ import annotations

from unimp_bench.contracts import Task
from unimp_bench.corpus import Corpus
from unimp_bench.records import SPLITS, Example, Examples, Part, Split
from unimp_bench.rendering import render_ranking
from unimp_bench.splits import leave_one_out


class Recommendation(Task):
    """The target is the user's next item; there is no query."""

    name = "recommendation"
    version = 1
    kind = "ranking"
    splits = SPLITS
    instruction = "Can you recommend the next item to the user?"

    def examples(self, corpus: Corpus, split: Split, part: Part) -> Examples:
        return leave_one_out(corpus, split, part, self.name)

    def render(self, corpus: Corpus, examples: Examples, number: int) -> Example:
        return render_ranking(corpus, examples, number, self.instruction)
