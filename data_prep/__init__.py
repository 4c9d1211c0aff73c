"""Raw files to a corpus on disk: one reader per source, then one pipeline for all.

``build`` makes a ``source.Source`` of a folder of raw files; ``pipeline`` reads its interactions and items, applies the
rules of ``cleaning``, adds ``pictures`` and ``explanations``, and writes the corpus. A new source is one file and one
card.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class CorpusCard:
    """A corpus, or a kind of corpora, that ``make data`` can build.

    Attributes:
        name: what the user types.
        about: one line for lists.
        source: ``module:callable`` that makes a ``data_prep.source.Source`` from a raw folder; None for the generated
            sample.
        filtered: whether the raw files are filtered already and published numbers are on all their users, so that the
            defaults are no core and no held-out users.
        download: ``module:object``, a ``data_prep.download.releases.Release``; None if only the user can obtain the
            raw files.
        obtain: for those, how to obtain them.
        choices: available options of the build: ``domains``, fetching ``pictures`` by their addresses, ``further`` raw
            folders.
    """

    name: str
    about: str
    source: str | None = None
    filtered: bool = False
    download: str | None = None
    obtain: str = ""
    choices: tuple[str, ...] = ()

    @property
    def needs_raw(self) -> bool:
        """Whether it is built from files that only the user can obtain."""
        return self.source is not None and self.download is None


CATALOGUE: tuple[CorpusCard, ...] = (
    CorpusCard("sample", "a generated corpus of seven domains with pictures, reviews and known true probabilities"),
    CorpusCard(
        "amazon-2014",
        "McAuley's Amazon reviews of 2014: reviews_<Domain>_5.json.gz and meta_<Domain>.json.gz",
        "data_prep.mcauley:amazon_2014",
        download="data_prep.download.releases:AMAZON_2014",
        choices=("domains", "pictures"),
    ),
    CorpusCard(
        "amazon-2018",
        "McAuley's Amazon reviews of 2018: <Domain>_5.json.gz and meta_<Domain>.json.gz",
        "data_prep.mcauley:amazon_2018",
        download="data_prep.download.releases:AMAZON_2018",
        choices=("domains", "pictures"),
    ),
    CorpusCard(
        "amazon-2023",
        "McAuley's Amazon reviews of 2023: <Domain>.jsonl.gz and meta_<Domain>.jsonl.gz",
        "data_prep.mcauley:amazon_2023",
        download="data_prep.download.releases:AMAZON_2023",
        choices=("domains", "pictures"),
    ),
    CorpusCard(
        "amazon-2023-last-out",
        "the 5-core ratings of 2023 with the lab's leave-last-out split, <Domain>.train.csv.gz etc.",
        "data_prep.mcauley_splits:LastOut",
        filtered=True,
        download="data_prep.download.releases:AMAZON_2023_LAST_OUT",
        choices=("domains", "pictures"),
    ),
    CorpusCard(
        "amazon-2023-timestamp",
        "the same ratings with the lab's split by two points in time",
        "data_prep.mcauley_splits:ByTimestamp",
        filtered=True,
        download="data_prep.download.releases:AMAZON_2023_TIMESTAMP",
        choices=("domains", "pictures"),
    ),
    CorpusCard(
        "atomic",
        "RecBole atomic files: your own dataset as *.inter and *.item, with images/",
        "data_prep.atomic:Atomic",
        filtered=True,
        choices=("further",),
    ),
    CorpusCard(
        "hm",
        "H&M's purchases from Kaggle: articles.csv, transactions_train.csv and images/",
        "data_prep.hm:HM",
        obtain="unpack the Kaggle competition h-and-m-personalized-fashion-recommendations, which requires a login",
    ),
    CorpusCard(
        "netflix",
        "the Netflix set of LLMRec: train.json, val.json, test.json, item_attribute.csv and posters",
        "data_prep.netflix:Netflix",
        filtered=True,
        obtain="unpack LLMRec's Netflix archives from the Google Drive linked at github.com/HKUDS/LLMRec",
    ),
)
