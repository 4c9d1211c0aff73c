"""Explanations: one sentence of the user's own review on why an item suits them or not.

``rule`` selects it from the review's text; ``sentires`` reads the extractions of the Sentires toolkit for the domains
that have such a file. This module writes either into a corpus.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from data_prep.explanations.rule import explaining_sentence
from data_prep.explanations.sentires import Extracted
from data_prep.interactions import CHUNK, Spill, unpack_review
from unimp_bench.corpus import CorpusWriter
from unimp_bench.records import IntArray


@dataclass(frozen=True)
class Rows:
    """The interactions of a corpus, in its order.

    Attributes:
        raw: (rows,) the raw interactions.
        items: (rows,) corpus numbers.
        domains: (rows,) codes of the users' domains.
    """

    raw: IntArray
    items: IntArray
    domains: IntArray


def write_explanations(
    writer: CorpusWriter,
    rows: Rows,
    titles: pa.Array,
    reviews: Spill,
    extracted: Extracted | None,
    domains: tuple[str, ...],
) -> dict[str, object]:
    """Write ``explanations.parquet``; return origin and number of explanations by domain.

    Args:
        titles: (items,) strings, of the corpus's items.
        reviews: one record per raw interaction, or none.
        extracted: the contents of Sentires' files.
        domains: names, by code.
    """
    counts = np.zeros(len(domains), dtype=np.int64)
    files = {} if extracted is None else extracted.files

    def chunks() -> Iterator[tuple[IntArray, list[str]]]:
        for start in range(0, len(rows.raw), CHUNK):
            block = Rows(*(column[start : start + CHUNK] for column in (rows.raw, rows.items, rows.domains)))
            sentences = dict(_by_rule(block, titles, reviews, list(files)) if len(reviews) else ())
            if extracted is not None:
                sentences.update(extracted.sentences(block.raw))
            places = np.array(sorted(sentences), dtype=np.int64)
            np.add.at(counts, block.domains[places], 1)
            yield start + places, [sentences[place] for place in places.tolist()]

    writer.explanations(chunks())
    return {
        name: {"by": "sentires", "count": int(counts[code]), **files[code]}
        if code in files
        else {"by": "rule", "count": int(counts[code])}
        for code, name in enumerate(domains)
        if code in files or len(reviews)
    }


def _by_rule(block: Rows, titles: pa.Array, reviews: Spill, without: list[int]) -> Iterator[tuple[int, str]]:
    """(index in the block, sentence) of rows in domains that are not in ``without``."""
    places = np.flatnonzero(~np.isin(block.domains, without))
    titles_of = titles.take(pa.array(block.items[places])).to_pylist()
    for place, title, record in zip(places.tolist(), titles_of, reviews.read(block.raw[places]), strict=True):
        sentence = explaining_sentence(unpack_review(record)[1], title or "")
        if sentence is not None:
            yield place, sentence
