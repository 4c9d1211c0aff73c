"""Raw files to a corpus on disk: one reader a source, then one pipeline for all.

A new source is one file and one card.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class CorpusCard:
    """A corpus, or a kind of corpora, that ``make data`` can build.

    Attributes:
        name: what the user types.
        about: one line for lists.
        source: ``module:callable`` that makes a ``data_prep.source.Source`` of a raw folder; None for the sample, which
            is generated.
        filtered: the raw files are filtered already and published numbers are on all their users, so that by default
            neither a core is taken nor users are held out.
    """

    name: str
    about: str
    source: str | None = None
    filtered: bool = False

    @property
    def needs_raw(self) -> bool:
        """Whether it is built from files that the user brings."""
        return self.source is not None


CATALOGUE: tuple[CorpusCard, ...] = (
    CorpusCard("sample", "a generated seven-domain store with pictures, reviews and known true probabilities"),
    CorpusCard(
        "amazon-2014",
        "McAuley's Amazon reviews of 2014: reviews_<Domain>_5.json.gz and meta_<Domain>.json.gz",
        "data_prep.mcauley:amazon_2014",
    ),
    CorpusCard(
        "amazon-2018",
        "McAuley's Amazon reviews of 2018: <Domain>_5.json.gz and meta_<Domain>.json.gz",
        "data_prep.mcauley:amazon_2018",
    ),
    CorpusCard(
        "amazon-2023",
        "McAuley's Amazon reviews of 2023: <Domain>.jsonl.gz and meta_<Domain>.jsonl.gz",
        "data_prep.mcauley:amazon_2023",
    ),
    CorpusCard(
        "atomic",
        "RecBole atomic files: a set of your own as *.inter and *.item, with images/",
        "data_prep.atomic:Atomic",
        filtered=True,
    ),
)
