"""Personalized search (UniMP, A.2): the item that the user seeks by a query."""

from __future__ import annotations

from unimp_bench.contracts import Task
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.splits import target_examples
from unimp_bench.errors import UsageError
from unimp_bench.records import SPLITS, Examples, Part, Split


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
        return target_examples(corpus, split, part, self.name).asking(category_paths(corpus, self.name))


def category_paths(corpus: Corpus, task: str) -> list[str]:
    """The category path of every item, the text of queries.

    Raises:
        UsageError: the corpus has none.
    """
    if "category" not in corpus.items.attributes:
        raise UsageError(f"corpus {corpus.name!r} has no item categories, which are the queries of {task}")
    return corpus.items.text("category")
