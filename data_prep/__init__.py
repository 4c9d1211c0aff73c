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
        marks: patterns of file names by which its raw folders are recognised: each one matches some file. Of several
            kinds the one with the most patterns counts.
    """

    name: str
    about: str
    source: str | None = None
    filtered: bool = False
    download: str | None = None
    obtain: str = ""
    choices: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()

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
        marks=("reviews_.+\\.json(\\.gz)?",),
    ),
    CorpusCard(
        "amazon-2018",
        "McAuley's Amazon reviews of 2018: <Domain>_5.json.gz and meta_<Domain>.json.gz",
        "data_prep.mcauley:amazon_2018",
        download="data_prep.download.releases:AMAZON_2018",
        choices=("domains", "pictures"),
        marks=("(?!meta_|reviews_).+_5\\.json(\\.gz)?",),
    ),
    CorpusCard(
        "amazon-2023",
        "McAuley's Amazon reviews of 2023: <Domain>.jsonl.gz and meta_<Domain>.jsonl.gz",
        "data_prep.mcauley:amazon_2023",
        download="data_prep.download.releases:AMAZON_2023",
        choices=("domains", "pictures"),
        marks=("(?!meta_).+\\.jsonl(\\.gz)?",),
    ),
    CorpusCard(
        "amazon-2023-last-out",
        "the 5-core ratings of 2023 with the lab's leave-last-out split, <Domain>.train.csv.gz etc.",
        "data_prep.mcauley_splits:LastOut",
        filtered=True,
        download="data_prep.download.releases:AMAZON_2023_LAST_OUT",
        choices=("domains", "pictures"),
        marks=(".+\\.train\\.csv(\\.gz)?",),
    ),
    CorpusCard(
        "amazon-2023-timestamp",
        "the same ratings with the lab's split by two points in time",
        "data_prep.mcauley_splits:ByTimestamp",
        filtered=True,
        download="data_prep.download.releases:AMAZON_2023_TIMESTAMP",
        choices=("domains", "pictures"),
        marks=(".+\\.train\\.csv(\\.gz)?",),
    ),
    CorpusCard(
        "atomic",
        "RecBole atomic files: your own dataset as *.inter and *.item, with images/",
        "data_prep.atomic:Atomic",
        filtered=True,
        choices=("further",),
        marks=(".+\\.inter(\\.gz)?",),
    ),
    CorpusCard(
        "mmrec",
        "a folder of MMRec: <name>.inter with x_label, and u_id_mapping.csv and i_id_mapping.csv",
        "data_prep.formats.mmrec:MMRec",
        filtered=True,
        obtain="the folder of one set, as MMRec's authors share it; see docs/formats.md",
        marks=(r".+\.inter(\.gz)?", r"[ui]_id_mapping\.csv"),
    ),
    CorpusCard(
        "unisrec",
        "a folder of UniSRec or MISSRec: <name>.train.inter etc. with histories, and <name>.text",
        "data_prep.formats.unisrec:UniSRec",
        filtered=True,
        obtain="the processed set of one domain; see docs/formats.md",
        marks=(r".+\.train\.inter", r".+\.item2index"),
    ),
    CorpusCard(
        "s3rec",
        "the text form of S3-Rec: <name>.txt and <name>_item2attributes.json",
        "data_prep.formats.s3rec:S3Rec",
        filtered=True,
        obtain="the files of one set; see docs/formats.md",
        marks=(r".+_item2attributes\.json",),
    ),
    CorpusCard(
        "letter",
        "the JSON form of LC-Rec and LETTER: <name>.inter.json and <name>.item.json",
        "data_prep.formats.letter:Letter",
        filtered=True,
        obtain="the files of one set; see docs/formats.md",
        marks=(r".+\.inter\.json",),
    ),
    CorpusCard(
        "microlens-pairs",
        "a set of MicroLens: <name>_pairs.tsv or _pairs.csv, and <name>_titles.csv",
        "data_prep.formats.microlens:MicroLens",
        filtered=True,
        obtain="the files of one size of MicroLens; see docs/formats.md",
        marks=(r".+_pairs\.[ct]sv",),
    ),
    CorpusCard(
        "hm",
        "H&M's purchases from Kaggle: articles.csv, transactions_train.csv and images/",
        "data_prep.hm:HM",
        obtain="unpack the Kaggle competition h-and-m-personalized-fashion-recommendations, which requires a login",
        marks=("articles\\.csv", "transactions_train\\.csv"),
    ),
    CorpusCard(
        "netflix",
        "the Netflix set of LLMRec: train.json, val.json, test.json, item_attribute.csv and posters",
        "data_prep.netflix:Netflix",
        filtered=True,
        obtain="unpack LLMRec's Netflix archives from the Google Drive linked at github.com/HKUDS/LLMRec",
        marks=("train\\.json", "item_attribute\\.csv"),
    ),
)
