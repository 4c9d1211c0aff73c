"""Turns one columnar example into the record that readers and instruction datasets get."""

from __future__ import annotations

from unimp_bench.corpus import Corpus
from unimp_bench.records import Example, Examples


def render_ranking(corpus: Corpus, examples: Examples, number: int, instruction: str) -> Example:
    """One ranking example; ``{query}`` in ``instruction`` is replaced by the example's query."""
    user = int(examples.users[number])
    rows = slice(int(examples.histories.offsets[user]), int(examples.ends[number]))
    query = None if examples.queries is None else examples.query_texts[int(examples.queries[number])]
    names = corpus.items.names
    if examples.targets is None:
        raise ValueError("hidden examples have no target to render")
    return Example(
        id=f"{examples.task}/{examples.split}/{examples.part}/{corpus.users.names[user]}/{rows.stop - rows.start}",
        task=examples.task,
        split=examples.split,
        part=examples.part,
        domain=corpus.manifest.domains[int(corpus.users.domains[user])],
        user=corpus.users.names[user],
        history=tuple(names[item] for item in examples.histories.items[rows]),
        ratings=tuple(float(rating) for rating in examples.histories.ratings[rows]),
        times=tuple(int(time) for time in examples.histories.times[rows]),
        query=query,
        instruction=instruction.replace("{query}", query or ""),
        target=names[int(examples.targets[number])],
    )
