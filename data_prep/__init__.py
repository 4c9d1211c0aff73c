"""Raw files to a corpus on disk: one reader a source, then one pipeline for all."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CorpusCard:
    """A corpus, or a kind of corpora, that ``make data`` can build."""

    name: str
    about: str
    needs_raw: bool


CATALOGUE: tuple[CorpusCard, ...] = (
    CorpusCard("sample", "a generated seven-domain store with pictures, reviews and known true probabilities", False),
    CorpusCard("amazon-2014", "McAuley's Amazon reviews of 2014: reviews_<Domain>_5.json.gz, meta_<Domain>...", True),
    CorpusCard("amazon-2018", "McAuley's Amazon reviews of 2018: <Domain>_5.json.gz, meta_<Domain>...", True),
    CorpusCard("amazon-2023", "McAuley's Amazon reviews of 2023: <Domain>.jsonl.gz, meta_<Domain>...", True),
    CorpusCard("atomic", "RecBole atomic files: a set of your own as *.inter and *.item, with images/", True),
)
