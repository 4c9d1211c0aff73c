"""Raw files to a corpus on disk: one reader a source, then one pipeline for all."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CorpusCard:
    """A corpus, or a kind of corpora, that ``make data`` can build."""

    name: str
    about: str
    needs_raw: bool


CATALOGUE: tuple[CorpusCard, ...] = ()
