"""Small raw sets with the same content in McAuley's three formats."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

START = 1_300_000_000
Fields = dict[str, Any]


@dataclass
class RawSet:
    """Lines of one domain, which tests change before writing them."""

    reviews: list[bytes]
    metadata: list[bytes]


def reviews(users: int = 30, items: int = 12, each: int = 8, seed: int = 0) -> list[Fields]:
    """Reviews in 2014 fields: each user has ``each`` different items at different times."""
    rng = np.random.default_rng(seed)
    records = [
        review(f"U{user:03d}", f"I{item:03d}", time=START + int(rng.integers(1, 10**6)))
        for user in range(users)
        for item in rng.choice(items, each, replace=False).tolist()
    ]
    order = rng.permutation(len(records))
    return [records[row] for row in order]


def review(user: str, item: str, time: int = START, rating: float = 4.0) -> Fields:
    """One review in 2014 fields; its text names user and item."""
    return {
        "reviewerID": user,
        "asin": item,
        "reviewText": f'{user} on {item}: fine \u00fc "quoted"',
        "overall": rating,
        "summary": f"summary {user} {item}",
        "unixReviewTime": time,
    }


def product(item: str, domain: str = "Beauty") -> Fields:
    """One item's metadata in 2014 fields, apostrophes and quotes included."""
    return {
        "asin": item,
        "title": f"it's {item} &amp; co",
        "price": 12.5,
        "imUrl": "http://pictures.invalid/x.jpg",
        "brand": "O'Brand",
        "categories": [[domain, f"kind {int(item[-3:]) % 3}"], ["other", "path"]],
        "description": f'the "{item}" of all',
    }


def lines_2014(records: list[Fields], products: list[Fields]) -> RawSet:
    return RawSet(_json(records), [repr(record).encode() for record in products])


def lines_2018(records: list[Fields], products: list[Fields]) -> RawSet:
    changed = [
        {
            "category": [*record["categories"][0], "</span></span>"],
            "description": ["the", record["description"][4:]],
            "title": f"<b>{record['title']}</b>",
            "brand": record["brand"],
            "price": "$12.50 - $20.00",
            "asin": record["asin"],
            "imageURL": [],
            "imageURLHighRes": [],
        }
        for record in products
    ]
    return RawSet(_json(records), _json(changed))


def lines_2023(records: list[Fields], products: list[Fields]) -> RawSet:
    changed = [
        {
            "rating": record["overall"],
            "title": record["summary"],
            "text": record["reviewText"],
            "images": [],
            "asin": "variant",
            "parent_asin": record["asin"],
            "user_id": record["reviewerID"],
            "timestamp": record["unixReviewTime"] * 1000 + 5,
        }
        for record in records
    ]
    described = [
        {
            "main_category": "All Beauty",
            "title": record["title"],
            "price": record["price"],
            "store": record["brand"],
            "categories": record["categories"][0],
            "description": [record["description"]],
            "images": [],
            "parent_asin": record["asin"],
        }
        for record in products
    ]
    return RawSet(_json(changed), _json(described))


STYLES = {
    "amazon-2014": (lines_2014, "reviews_{}_5.json.gz", "meta_{}.json.gz"),
    "amazon-2018": (lines_2018, "{}_5.json.gz", "meta_{}.json.gz"),
    "amazon-2023": (lines_2023, "{}.jsonl.gz", "meta_{}.jsonl.gz"),
}


def write_style(
    kind: str, folder: Path, domain: str = "Beauty", records: list[Fields] | None = None, packed: bool = True
) -> None:
    """Write one valid domain in the format of ``kind``."""
    make, review_name, metadata_name = STYLES[kind]
    records = reviews() if records is None else records
    raw = make(records, [product(item, domain) for item in sorted({record["asin"] for record in records})])
    ending = "" if packed else ".gz"
    write_lines(folder / review_name.format(domain).removesuffix(ending), raw.reviews)
    write_lines(folder / metadata_name.format(domain).removesuffix(ending), raw.metadata)


def write_2014(folder: Path, raw: RawSet, domain: str = "Beauty") -> None:
    """Write the lines of a test."""
    write_lines(folder / f"reviews_{domain}_5.json.gz", raw.reviews)
    write_lines(folder / f"meta_{domain}.json.gz", raw.metadata)


def sound_2014(**sizes: int) -> RawSet:
    """A valid set of 2014, as lines."""
    records = reviews(**sizes)
    return lines_2014(records, [product(item) for item in sorted({record["asin"] for record in records})])


def write_lines(path: Path, lines: Iterable[bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = b"".join(line + b"\n" for line in lines)
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


def write_picture(path: Path, size: tuple[int, int] = (20, 20)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.effect_noise(size, 60).convert("RGB").save(path)


def _json(records: list[Fields]) -> list[bytes]:
    return [json.dumps(record).encode() for record in records]
