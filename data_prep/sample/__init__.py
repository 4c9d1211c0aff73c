"""The built-in ``sample``: a small store of seven domains, drawn from a documented choice model.

``docs/sample.md`` describes the model. ``generate`` writes raw files of the 2014 format, pictures included, which are
built by the same readers and pipeline as Amazon; ``attach_truth`` adds the generator's parameters to the built corpus,
from which the oracle computes the true probabilities.
"""

from __future__ import annotations

import datetime
import gzip
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.sample.choice import draw_purchases, draw_ratings
from data_prep.sample.pictures import draw_pictures
from data_prep.sample.store import draw_shoppers, draw_store
from data_prep.sample.texts import Dice, write_listings, write_reviews
from data_prep.sample.truth import DomainTruth, attach_truth, write_truth
from data_prep.sample.words import DEPARTMENTS, FIRST_NAMES, HANDLES, SURNAME_INITIALS, Department
from unimp_bench.progress import progress
from unimp_bench.records import IntArray

__all__ = ["SEED", "attach_truth", "generate"]

SEED = 0
DAY = 86_400
OPENING, OPENING_SPAN = 13_514, 1_096
"""First purchases are on days of 2007 to 2009, counted from 1970."""

MEDIAN_GAP, GAP_SPREAD, LONGEST_GAP = 18.0, 1.1, 120
"""Days between two purchases of a shopper: log-normal, at least one, so that there are no ties."""


def generate(raw: Path, seed: int = SEED, departments: Sequence[Department] = DEPARTMENTS) -> None:
    """Write review and metadata files, ``images/`` and ``truth/`` into ``raw``, which has none of them.

    Args:
        seed: the same seed gives the same bytes.
        departments: the domains to write, each independent of the others.
    """
    (raw / "images").mkdir(parents=True)
    # One generator per domain, so that no domain depends on the size of another.
    domains = [
        _generate_domain(raw, department, np.random.SeedSequence([seed, DEPARTMENTS.index(department)]))
        for department in progress(departments, "sample store", total=len(departments), unit="domain")
    ]
    write_truth(domains, raw / "truth")


def _generate_domain(raw: Path, department: Department, seeds: np.random.SeedSequence) -> DomainTruth:
    shop, looks, texts, people = (np.random.default_rng(seed) for seed in seeds.spawn(4))
    store = draw_store(department, shop)
    shoppers = draw_shoppers(shop)
    items, purchases = draw_purchases(store, shoppers, shop)
    ratings = draw_ratings(items, shoppers, purchases, shop)
    days = _days(shoppers.purchases, shop)
    draw_pictures(items, raw / "images", looks)
    listings = write_listings(store, items, texts)
    _write_gzip(raw / f"meta_{department.key}.json.gz", (repr(listing) for listing in listings))
    dice = Dice(people)
    names = [_reviewer_name(dice) for _ in shoppers.names]
    reviews = write_reviews(store, items, shoppers, purchases, ratings.stars, texts)
    records = [
        _record(str(shoppers.names[who]), str(items.asins[what]), names[who], dice, review.summary, review.text, *given)
        for who, what, review, *given in zip(
            purchases.shopper, purchases.item, reviews, ratings.stars.tolist(), days.tolist(), strict=True
        )
    ]
    records.sort(key=lambda record: (record["asin"], record["unixReviewTime"], record["reviewerID"]))
    _write_gzip(raw / f"reviews_{department.key}_5.json.gz", (json.dumps(record) for record in records))
    return DomainTruth(store, items, shoppers, purchases, ratings)


def _days(purchases: IntArray, rng: np.random.Generator) -> IntArray:
    """(all purchases,) days since 1970, increasing per shopper."""
    gaps = np.exp(rng.normal(np.log(MEDIAN_GAP), GAP_SPREAD, (len(purchases), int(purchases.max()))))
    gaps = np.clip(np.ceil(np.round(gaps, 6)), 1, LONGEST_GAP).astype(np.int64)
    gaps[:, 0] = OPENING + rng.integers(0, OPENING_SPAN, len(purchases))
    days: IntArray = np.cumsum(gaps, axis=1)[np.arange(gaps.shape[1])[None, :] < purchases[:, None]]
    return days


def _record(
    reviewer: str, asin: str, name: str, dice: Dice, summary: str, text: str, stars: int, day: int
) -> dict[str, Any]:
    """One review line of 2014."""
    date = datetime.date(1970, 1, 1) + datetime.timedelta(days=day)
    votes = dice.pick((0, 0, 0, 0, 1, 1, 2, 3, 7))
    return {
        "reviewerID": reviewer,
        "asin": asin,
        "reviewerName": name,
        "helpful": [dice.pick(range(votes + 1)), votes],
        "reviewText": text,
        "overall": float(stars),
        "summary": summary,
        "unixReviewTime": day * DAY,
        "reviewTime": f"{date.month:02d} {date.day}, {date.year}",
    }


def _reviewer_name(dice: Dice) -> str:
    first, initial = dice.pick(FIRST_NAMES), dice.pick(SURNAME_INITIALS)
    return dice.pick((first, f"{first} {initial}.", f"{first[0]}. {initial}.", f'{first} "{dice.pick(HANDLES)}"'))


def _write_gzip(path: Path, lines: Iterable[str]) -> None:
    """Write lines without a name or a time in the gzip header, so that equal lines give equal bytes."""
    with path.open("wb") as raw, gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=6, mtime=0) as packed:
        for line in lines:
            packed.write(f"{line}\n".encode())
