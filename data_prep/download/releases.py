"""Files of the McAuley lab's releases, two per domain, and their hosts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from data_prep.download.hosts import bring, check_mirror
from data_prep.download.http import RetryPolicy
from unimp_bench.errors import find
from unimp_bench.files import locked


@dataclass(frozen=True)
class Release:
    """One year's files.

    Attributes:
        hosts: base addresses of the files, tried in this order.
        reviews, metadata: paths of a domain's two files, with the placeholder ``{domain}``.
        usual: the domains of the UniMP paper (Table 5) that the release has.
        others: the further domains.
        sha256: known hashes of files.
        otherwise: a further alternative if no host provides a file.
    """

    hosts: tuple[str, ...]
    reviews: str
    metadata: str
    usual: tuple[str, ...]
    others: tuple[str, ...]
    sha256: Mapping[str, str] = field(default_factory=dict)
    otherwise: str = ""

    def choose(self, domains: tuple[str, ...]) -> tuple[str, ...]:
        """The domains to fetch, by default the usual ones.

        Raises:
            UsageError: the release has no such domain.
        """
        known = dict.fromkeys(self.usual + self.others)
        for domain in domains:
            find(known, domain, "domain of this release")
        return domains or self.usual

    def fetch(
        self, domains: tuple[str, ...], folder: Path, mirror: str | None = None, policy: RetryPolicy | None = None
    ) -> None:
        """Download both files of each domain into ``folder``; existing files are kept, incomplete ones resumed.

        Args:
            mirror: an address or a folder that replaces scheme and host of every file.

        Raises:
            DataError: no host provides a file.
            UsageError: another process downloads into the folder, or the mirror is neither an address nor a folder.
        """
        check_mirror(mirror)
        with locked(folder):
            for domain in domains:
                for path in (self.reviews.format(domain=domain), self.metadata.format(domain=domain)):
                    self._fetch_one(path, folder, mirror, policy)

    def _fetch_one(self, path: str, folder: Path, mirror: str | None, policy: RetryPolicy | None) -> None:
        name = path.rpartition("/")[2]
        bring(
            [f"{host}/{path}" for host in self.hosts],
            folder / name,
            mirror,
            sha256=self.sha256.get(name),
            policy=policy,
            otherwise=f"use another address with --mirror <address>, put the file into {folder}{self.otherwise}",
        )


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


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
)
