"""The parts of a corpus that a fit reads, by which it is identified."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from unimp_bench import registry
from unimp_bench.contracts import Reads
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.fingerprints import CONTENT_PARTS, ContentPart, fingerprint_of

PARTS_OF: dict[Reads, Sequence[ContentPart]] = {
    "popularity": (),
    "ratings": (),
    "interactions": (),
    "order": (),
    "text": ("texts",),
    "query": ("texts",),
    "pictures": ("pictures",),
    "truth": CONTENT_PARTS,
}
"""The parts behind the words of cards; everything reads the interactions."""


def parts_read(reads: Iterable[Reads], tasks: Iterable[str], *, options: bool = False) -> tuple[ContentPart, ...]:
    """The parts of a corpus that decide a fit.

    Args:
        reads: of the model's card.
        tasks: names of those it is fitted on.
        options: a task has options of its own, which may draw examples by anything.
    """
    if options:
        return CONTENT_PARTS
    cards = registry.task_cards()
    words = {*reads, *(word for task in tasks for word in cards[task].reads)}
    found = {"interactions", *(part for word in words for part in PARTS_OF[word])}
    return tuple(part for part in CONTENT_PARTS if part in found)


def fit_fingerprint(corpus: Corpus, reads: Iterable[Reads], tasks: Iterable[str], *, options: bool = False) -> str:
    """Fingerprint of what a fit reads of a corpus (``FitSpec.fingerprint``)."""
    return fingerprint_of(corpus.part_fingerprints, parts_read(reads, tasks, options=options))
