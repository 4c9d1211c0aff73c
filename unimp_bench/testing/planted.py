"""A small corpus with a planted pattern, for tests of models.

Three domains (the last held out whole) have 24 items each, arranged in rings; a user walks along one domain's ring and
steps to the next item with probability 0.85, else jumps. So order decides, popularity does not. An item's ring
position modulo 4 gives its category and its half of the ring the colour of its picture, so that search has
something to match. Every interaction has a review, and most an explanation, which follow from the category and the
rating; the ratings themselves are chance. A user buys once a day, and users begin on different days.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from unimp_bench.corpus import CorpusWriter, Manifest
from unimp_bench.ragged import offsets_of
from unimp_bench.records import BoolArray, Histories, IntArray

DOMAINS = ("Books", "Tools", "Office")
ITEMS_PER_DOMAIN = 24
USERS_PER_DOMAIN = 80
_DAY = 86_400
_FIRST_DAY = 15_000
KINDS = ("red round", "blue square", "green long", "black flat")


def write_planted_corpus(folder: Path, seed: int = 0) -> Manifest:
    """Write the corpus to ``folder``; the same seed gives the same bytes."""
    rng = np.random.default_rng(seed)
    walks = [_walk(rng, domain) for domain in range(len(DOMAINS)) for _ in range(USERS_PER_DOMAIN)]
    domains = np.repeat(np.arange(len(DOMAINS)), USERS_PER_DOMAIN)
    lengths = np.array([len(walk) for walk in walks])
    rows = int(lengths.sum())
    histories = Histories(
        offsets=offsets_of(lengths),
        items=np.concatenate(walks).astype(np.int32),
        ratings=rng.integers(1, 6, rows).astype(np.float32),
        times=np.concatenate([(_FIRST_DAY + 7 * user % 11 + np.arange(n)) * _DAY for user, n in enumerate(lengths)]),
    )
    with CorpusWriter(folder) as writer:
        for item in range(len(DOMAINS) * ITEMS_PER_DOMAIN):
            if item % 10 != 9:
                _add_picture(writer, item, folder.parent)
        writer.users([f"u{number}" for number in range(len(walks))], [DOMAINS[d] for d in domains], _held_out(domains))
        _add_items(writer)
        writer.histories(histories)
        sentences = _sentences(histories)
        writer.reviews([(["" for _ in sentences], sentences)])
        explained = np.flatnonzero(np.arange(rows) % 5)  # four of five
        writer.explanations([(explained, [sentences[row] for row in explained])])
        return writer.finish(
            source="planted",
            licence="none",
            synthetic=True,
            options={"seed": seed},
            inputs={},
            domains=DOMAINS,
            new_domains=("Office",),
            bad_lines={},
        )


def _walk(rng: np.random.Generator, domain: int) -> IntArray:
    """A path along the ring without a repeated item."""
    length = int(rng.integers(6, 13))
    path = [int(rng.integers(ITEMS_PER_DOMAIN))]
    while len(path) < length:
        step = (path[-1] + 1) % ITEMS_PER_DOMAIN
        fresh = [item for item in range(ITEMS_PER_DOMAIN) if item not in path]
        path.append(step if step in fresh and rng.random() < 0.85 else int(rng.choice(fresh)))
    return np.array(path) + domain * ITEMS_PER_DOMAIN


def _sentences(histories: Histories) -> list[str]:
    """What the user of each interaction says of the item."""
    pairs = zip(histories.items % 4, histories.ratings, strict=True)
    return [f"The {KINDS[kind]} look is {'lovely' if rating > 3 else 'dull'}." for kind, rating in pairs]


def _held_out(domains: IntArray) -> BoolArray:
    held_out: BoolArray = (np.arange(len(domains)) % 10 == 0) & (domains < 2)
    return held_out


def _add_items(writer: CorpusWriter) -> None:
    numbers = range(len(DOMAINS) * ITEMS_PER_DOMAIN)
    domain_of = [DOMAINS[item // ITEMS_PER_DOMAIN] for item in numbers]
    writer.items(
        [f"i{item}" for item in numbers],
        domain_of,
        {
            "title": pa.array([f"{KINDS[item % 4]} thing number{item}" for item in numbers]),
            "brand": pa.array([None if item % 7 == 0 else f"brand{item % 5}" for item in numbers]),
            "category": pa.array([[domain_of[item], KINDS[item % 4]] for item in numbers]),
            "price": pa.array([None if item % 6 == 0 else 1.5 * item for item in numbers], pa.float64()),
        },
    )


def _add_picture(writer: CorpusWriter, item: int, scratch: Path) -> None:
    ring = item % ITEMS_PER_DOMAIN
    colour = (220, 40, 40) if ring < ITEMS_PER_DOMAIN // 2 else (40, 40, 220)
    path = scratch / f"{item}.png"
    Image.new("RGB", (32, 32), colour).save(path)
    writer.add_picture(item, path)
    path.unlink()
