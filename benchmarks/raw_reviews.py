"""A raw set of the 2014 format, generated: reviews of sixty words, and metadata literals."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from io import BufferedWriter
from pathlib import Path

import numpy as np
import orjson

WORDS, BATCH = 60, 10_000
USER_REVIEWS, ITEM_REVIEWS = 10, 20


def write_raw(folder: Path, count: int, packed: bool) -> None:
    """Write so many reviews, and metadata, of the domain Beauty; the more popular items are the more reviewed."""
    rng = np.random.default_rng(0)
    words = [start + end for start in _syllables(rng, 60) for end in _syllables(rng, 60)]
    users, items = count // USER_REVIEWS, count // ITEM_REVIEWS
    folder.mkdir(parents=True)
    with _create(folder / "reviews_Beauty_5.json", packed) as stream:
        for begin in range(0, count, BATCH):
            stream.writelines(_reviews(rng, words, users, items, min(BATCH, count - begin)))
    with _create(folder / "meta_Beauty.json", packed) as stream:
        stream.writelines(f"{_metadata(rng, words, item, items)!r}\n".encode() for item in range(items))


def _create(path: Path, packed: bool) -> gzip.GzipFile | BufferedWriter:
    return gzip.open(f"{path}.gz", "wb", compresslevel=1) if packed else path.open("wb")


def _reviews(rng: np.random.Generator, words: list[str], users: int, items: int, count: int) -> Iterator[bytes]:
    user_of = rng.integers(0, users, count).tolist()
    item_of = (items * rng.random(count) ** 2).astype(np.int64).tolist()
    texts = rng.integers(0, len(words), (count, WORDS)).tolist()
    times = rng.integers(1_300_000_000, 1_400_000_000, count).tolist()
    ratings = rng.choice([1.0, 2.0, 3.0, 4.0, 5.0], count, p=[0.05, 0.05, 0.1, 0.2, 0.6]).tolist()
    for user, item, text, time_, rating in zip(user_of, item_of, texts, times, ratings, strict=True):
        record = {
            "reviewerID": f"A{user:013d}",
            "asin": f"B{item:09d}",
            "reviewerName": "a customer",
            "helpful": [0, 1],
            "reviewText": " ".join([words[word] for word in text]),
            "overall": rating,
            "summary": " ".join([words[word] for word in text[:4]]),
            "unixReviewTime": time_,
            "reviewTime": "06 1, 2013",
        }
        yield orjson.dumps(record) + b"\n"


def _metadata(rng: np.random.Generator, words: list[str], item: int, items: int) -> dict[str, object]:
    also = [f"B{other:09d}" for other in rng.integers(0, items, 40).tolist()]
    text = [words[word] for word in rng.integers(0, len(words), 80)]
    return {
        "asin": f"B{item:09d}",
        "related": {"also_bought": also[:20], "also_viewed": also[20:]},
        "title": " ".join(text[:8]),
        "price": round(float(rng.random()) * 50, 2),
        "salesRank": {"Beauty": item},
        "imUrl": f"http://pictures.invalid/{item}.jpg",
        "brand": text[8],
        "categories": [["Beauty", text[9], text[10]]],
        "description": " ".join(text),
    }


def _syllables(rng: np.random.Generator, count: int) -> list[str]:
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    return ["".join(rng.choice(letters, 3)) for _ in range(count)]
