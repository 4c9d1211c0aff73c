"""The files of five papers from which Beauty and Sports are built (``papers``), with commits and hashes."""

from __future__ import annotations

from data_prep.public import PublicFile

GITHUB = "https://raw.githubusercontent.com"
IDGENREC = f"{GITHUB}/agiresearch/IDGenRec/a297185aa5b6cd6de9dcf8b8182052ee8e0b3261/rec_datasets"
TICOSEREC = f"{GITHUB}/KingGugu/TiCoSeRec/302b2959f27bb16bb77acae5a471de82819bd1bd/data"
RDREC = f"{GITHUB}/WangXFng/RDRec/4055c3028d3afbd57a0fffd54076825836b7cad7/data"
GRLM = f"{GITHUB}/ZY0025/GRLM/2be7cd472ebdd4171cb4b47ff6d6b734727f0555/in_domain"
AMAZON_2014 = (
    "https://snap.stanford.edu/data/amazon/productGraph/categoryFiles",
    "https://mcauleylab.ucsd.edu/public_datasets/data/amazon/categoryFiles",
)


def pinned(url: str, gives: str, sha256: str, size: int) -> PublicFile:
    """A file of one commit; its name is the end of the address."""
    return PublicFile(url.rpartition("/")[2], gives, (url,), sha256, size)


def _metadata(domain: str, sha256: str | None = None) -> PublicFile:
    name = f"meta_{domain}.json.gz"
    urls = tuple(f"{host}/{name}" for host in AMAZON_2014)
    return PublicFile(name, "brands and category paths", urls, sha256, optional=True)


BEAUTY_FILES = (
    pinned(
        f"{RDREC}/beauty/sequential.txt",
        "interactions in the papers' order",
        "226cce9c3105299ca0db9615d7d3fb32b3175e90da43100ae352599f0f0107b8",
        1_090_094,
    ),
    pinned(
        f"{RDREC}/beauty/datamaps.json",
        "names of users and items",
        "c3386147637538f6d97f7eafffeb4e7180daa0638875bc1d889bbee45ce241a8",
        1_130_062,
    ),
    pinned(
        f"{GRLM}/beauty/raw_data/sequential_data.txt",
        "the items' numbers in the file of keywords",
        "9fbc09b71c63df52cd7b996958cd89c098f4657ad14a16573abc1d90a321e925",
        1_062_900,
    ),
    pinned(
        f"{GRLM}/beauty/sum_data/item_id2tid/beauty_item_id2tid.json",
        "keywords",
        "f31baa580eb4de65195eb1e7e4fae54bb1686ca39d28e164be7d3ddc82583ea2",
        1_127_256,
    ),
    # The hash is the one that the CaIRec authors give (github.com/ShyJason/CaIRec).
    _metadata("Beauty", "c7977dc0e0ead14ac7df8c1c6de74da00e4bebfad87a0f0c5763d4c5bc9b53a0"),
)
BEAUTY_TIMES = (
    pinned(
        f"{IDGENREC}/Beauty/user_sequence.txt",
        "names of the users and items of the times",
        "47197cbee7bdc1896926e10d96b807dce0aecb9a1f0c2ccc887c21090237c9b7",
        2_513_357,
    ),
    pinned(
        f"{TICOSEREC}/Beauty/Beauty_item_org_rank.txt",
        "items of the times",
        "b95614189df525e1eb69dad579e84c6086468f2bb42dab894038949240307c4f",
        1_141_495,
    ),
    pinned(
        f"{TICOSEREC}/Beauty/Beauty_time_org_rank.txt",
        "times",
        "4e6a6e30f9dba1985ad9adae79a891df6b403e2132f0422a6f6e88f67d1fcc75",
        2_306_594,
    ),
)
SPORTS_FILES = (
    pinned(
        f"{RDREC}/sports/sequential.txt",
        "interactions in the papers' order",
        "2a095e0648872beb9982408958290f5d655db5be2911c3756b5446de9f0b8de2",
        1_707_483,
    ),
    pinned(
        f"{RDREC}/sports/datamaps.json",
        "names of users and items",
        "4746e0d7dada225d8a2191f9002b6a0335c065f5ebbb71cd305f00e2fda9f124",
        1_783_830,
    ),
    pinned(
        f"{GRLM}/sports/raw_data/sequential_data.txt",
        "the items' numbers in the file of keywords",
        "ff3f4ec7409da8e889ab70a15f9983bba5fcf5c8d95fa99e2a8b78ce645d7fce",
        1_709_184,
    ),
    pinned(
        f"{GRLM}/sports/sum_data/item_id2tid/sports_item_id2tid.json",
        "keywords",
        "2b4261c4b1218f5cf3705e3aa3f1f17b2d1f990266fc76cdd83d9a8f2dd22774",
        1_688_615,
    ),
    _metadata("Sports_and_Outdoors"),
)
SPORTS_TIMES = (
    pinned(
        f"{IDGENREC}/Sports/user_sequence.txt",
        "names of the users and items of the times",
        "771ce98798c545aab4b48b30ecc1b7ebd045c41d287b87f07abbd773e11b6042",
        3_784_674,
    ),
    pinned(
        f"{TICOSEREC}/Sports/Sports_item_org_rank.txt",
        "items of the times",
        "f4891c83d23c7cdc2981098230d8831fdb1f45b3fc4ec24f3b199310287745e5",
        1_783_816,
    ),
    pinned(
        f"{TICOSEREC}/Sports/Sports_time_org_rank.txt",
        "times",
        "c442ed4744f1de95b00744861bbaa503fcc98380d8b7ec08d52231450356c3a2",
        3_462_189,
    ),
)
