"""Files of the McAuley lab's releases and their hosts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from data_prep.download.hosts import bring, check_mirror
from data_prep.download.http import RetryPolicy
from unimp_bench.errors import UsageError, find
from unimp_bench.files import locked


@dataclass(frozen=True)
class Release:
    """One year's files.

    Attributes:
        hosts: base addresses of the files, tried in this order.
        reviews, metadata: paths of a domain's files, with the placeholders ``{domain}`` and ``{part}``.
        usual: the domains of the UniMP paper (Table 5) that the release has; none if domains have to be chosen.
        others: the further domains.
        sha256: known hashes of files.
        parts: of a public split, each of which is a file.
        unpacked: base addresses of hosts that have the same files without ``.gz``, tried last.
        otherwise: a further alternative if no host provides a file.
    """

    hosts: tuple[str, ...]
    reviews: str
    metadata: str
    usual: tuple[str, ...]
    others: tuple[str, ...]
    sha256: Mapping[str, str] = field(default_factory=dict)
    parts: tuple[str, ...] = ("",)
    unpacked: tuple[str, ...] = ()
    otherwise: str = ""

    def choose(self, domains: tuple[str, ...]) -> tuple[str, ...]:
        """The domains to fetch, by default the usual ones.

        Raises:
            UsageError: the release has no such domain, or none is usual.
        """
        known = dict.fromkeys(self.usual + self.others)
        for domain in domains:
            find(known, domain, "domain of this release")
        if not domains and not self.usual:
            raise UsageError(f"choose domains of this release with --domain <name>: {', '.join(self.others)}")
        return domains or self.usual

    def fetch(
        self, domains: tuple[str, ...], folder: Path, mirror: str | None = None, policy: RetryPolicy | None = None
    ) -> None:
        """Download the files of each domain into ``folder``; existing files are kept, incomplete ones resumed.

        Args:
            mirror: an address or a folder that replaces scheme and host of every file.

        Raises:
            DataError: no host provides a file.
            UsageError: another process downloads into the folder, or the mirror is neither an address nor a folder.
        """
        check_mirror(mirror)
        with locked(folder):
            for domain in domains:
                for part in self.parts:
                    self._fetch_one(self.reviews.format(domain=domain, part=part), folder, mirror, policy)
                self._fetch_one(self.metadata.format(domain=domain), folder, mirror, policy)

    def _fetch_one(self, path: str, folder: Path, mirror: str | None, policy: RetryPolicy | None) -> None:
        name = path.rpartition("/")[2]
        bare = path.removesuffix(".gz")
        bring(
            [
                *((f"{host}/{path}", folder / name) for host in self.hosts),
                *((f"{host}/{bare}", folder / name.removesuffix(".gz")) for host in self.unpacked),
            ],
            mirror,
            sha256=self.sha256.get(name),
            policy=policy,
            otherwise=f"use another address with --mirror <address>, put the file into {folder}{self.otherwise}",
        )


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


BUILD_2023 = ", or build another release with --corpus <amazon-2023> --domain <name>"

AMAZON_2014 = Release(
    hosts=(
        "https://snap.stanford.edu/data/amazon/productGraph/categoryFiles",
        "https://mcauleylab.ucsd.edu/public_datasets/data/amazon/categoryFiles",
    ),
    reviews="reviews_{domain}_5.json.gz",
    metadata="meta_{domain}.json.gz",
    usual=_names(
        """
        Baby Beauty Clothing_Shoes_and_Jewelry Grocery_and_Gourmet_Food Office_Products Sports_and_Outdoors
        Toys_and_Games
        """
    ),
    others=_names(
        """
        Amazon_Instant_Video Apps_for_Android Automotive Books CDs_and_Vinyl Cell_Phones_and_Accessories
        Digital_Music Electronics Health_and_Personal_Care Home_and_Kitchen Kindle_Store Movies_and_TV
        Musical_Instruments Patio_Lawn_and_Garden Pet_Supplies Tools_and_Home_Improvement Video_Games
        """
    ),
    # The hosts publish none; these two are from the CaIRec authors (github.com/ShyJason/CaIRec).
    sha256={
        "reviews_Beauty_5.json.gz": "e5925ec99023f1dc9c7d3dff7ef34cfeacd40d1b981b5525e1e4ba9c8abc18fe",
        "meta_Beauty.json.gz": "c7977dc0e0ead14ac7df8c1c6de74da00e4bebfad87a0f0c5763d4c5bc9b53a0",
    },
    otherwise=BUILD_2023,
)

AMAZON_2018 = Release(
    hosts=(
        "https://mcauleylab.ucsd.edu/public_datasets/data/amazon_v2",
        "https://jmcauley.ucsd.edu/data/amazon_v2",
    ),
    reviews="categoryFilesSmall/{domain}_5.json.gz",
    metadata="metaFiles2/meta_{domain}.json.gz",
    # The release of 2018 has no Baby, and its Beauty is All_Beauty.
    usual=_names(
        """
        All_Beauty Clothing_Shoes_and_Jewelry Grocery_and_Gourmet_Food Office_Products Sports_and_Outdoors
        Toys_and_Games
        """
    ),
    others=_names(
        """
        AMAZON_FASHION Appliances Arts_Crafts_and_Sewing Automotive Books CDs_and_Vinyl
        Cell_Phones_and_Accessories Digital_Music Electronics Gift_Cards Home_and_Kitchen
        Industrial_and_Scientific Kindle_Store Luxury_Beauty Magazine_Subscriptions Movies_and_TV
        Musical_Instruments Patio_Lawn_and_Garden Pet_Supplies Prime_Pantry Software
        Tools_and_Home_Improvement Video_Games
        """
    ),
    otherwise=BUILD_2023,
)

AMAZON_2023 = Release(
    hosts=(
        "https://mcauleylab.ucsd.edu/public_datasets/data/amazon_2023",
        "https://datarepo.eng.ucsd.edu/mcauley_group/data/amazon_2023",
    ),
    reviews="raw/review_categories/{domain}.jsonl.gz",
    metadata="raw/meta_categories/meta_{domain}.jsonl.gz",
    usual=(),  # files of a domain have up to tens of gigabytes
    others=_names(
        """
        All_Beauty Amazon_Fashion Appliances Arts_Crafts_and_Sewing Automotive Baby_Products Beauty_and_Personal_Care
        Books CDs_and_Vinyl Cell_Phones_and_Accessories Clothing_Shoes_and_Jewelry Digital_Music Electronics Gift_Cards
        Grocery_and_Gourmet_Food Handmade_Products Health_and_Household Health_and_Personal_Care Home_and_Kitchen
        Industrial_and_Scientific Kindle_Store Magazine_Subscriptions Movies_and_TV Musical_Instruments Office_Products
        Patio_Lawn_and_Garden Pet_Supplies Software Sports_and_Outdoors Subscription_Boxes Tools_and_Home_Improvement
        Toys_and_Games Video_Games
        """
    ),
    unpacked=("https://huggingface.co/datasets/McAuley-Lab/Amazon-Reviews-2023/resolve/main",),
)

AMAZON_2023_LAST_OUT = replace(
    AMAZON_2023, reviews="benchmark/5core/last_out/{domain}.{part}.csv.gz", parts=("train", "valid", "test")
)

AMAZON_2023_TIMESTAMP = replace(
    AMAZON_2023, reviews="benchmark/5core/timestamp/{domain}.{part}.csv.gz", parts=("train", "valid", "test")
)
