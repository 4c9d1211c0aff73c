"""Personalized search (UniMP, A.2): which item does this user mean by this query?"""

from __future__ import annotations

from unimp_bench.contracts import Task
from unimp_bench.corpus import Corpus
from unimp_bench.errors import UsageError
from unimp_bench.records import SPLITS, Example, Examples, Part, Split
from unimp_bench.rendering import render_ranking
from unimp_bench.splits import leave_one_out


class Search(Task):
    """The query is the category path of the target item, as in the paper (after Ai et al., 2017).

    One query fits many items, so the history decides among them. A target without a category has the empty query.
    """

    name = "search"
    version = 1
    kind = "ranking"
    splits = SPLITS
    instruction = "{query} Can you retrieve the items that aligns with both the user's history and the given query?"

    def examples(self, corpus: Corpus, split: Split, part: Part) -> Examples:
        if "category" not in corpus.items.attributes:
            raise UsageError(f"corpus {corpus.name!r} has no item categories, and search makes its queries of them")
        return leave_one_out(corpus, split, part, self.name).asking(corpus.items.text("category"))

    def render(self, corpus: Corpus, examples: Examples, number: int) -> Example:
        return render_ranking(corpus, examples, number, self.instruction)
