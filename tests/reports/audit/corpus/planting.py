"""Corpora with planted shortcuts, and random ones for comparison with plain loops."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from unimp_bench.corpus import Corpus, CorpusWriter
from unimp_bench.records import Histories

DAY = 86_400
START = 1_400_000_000 // DAY * DAY
ITEMS = 14

Walks = Sequence[Sequence[tuple[int, int]]]
"""(item, time) of each user, in order."""


def write_planted(
    folder: Path,
    walks: Walks,
    items: int = ITEMS,
    *,
    names: Sequence[str] | None = None,
    titles: Sequence[str | None] | None = None,
    pictures: Sequence[Image.Image | None] = (),
    held_out: Sequence[int] = (),
    second_domain: Sequence[int] = (),
) -> Corpus:
    """Write a corpus without ratings; the users of ``second_domain`` are in the held-out domain."""
    with CorpusWriter(folder) as writer:
        for item, picture in enumerate(pictures):
            if picture is not None:
                picture.save(folder.parent / "picture.png")
                writer.add_picture(item, folder.parent / "picture.png")
        writer.users(
            [f"u{user}" for user in range(len(walks))],
            ["b" if user in second_domain else "a" for user in range(len(walks))],
            np.array([user in held_out for user in range(len(walks))]),
        )
        attributes = {} if titles is None else {"title": pa.array(titles, pa.string())}
        writer.items(names or [f"i{item}" for item in range(items)], ["a"] * items, attributes)
        writer.histories(
            Histories(
                offsets=np.concatenate([[0], np.cumsum([len(walk) for walk in walks])]),
                items=np.array([item for walk in walks for item, _ in walk]),
                ratings=np.full(sum(map(len, walks)), np.nan),
                times=np.array([time for walk in walks for _, time in walk]),
            )
        )
        writer.finish(
            source="planted",
            licence="none",
            synthetic=True,
            options={},
            inputs={},
            domains=("a", "b") if second_domain else ("a",),
            new_domains=("b",) if second_domain else (),
            bad_lines={},
        )
    return Corpus.open(folder)


def write_by_chance(folder: Path, seed: int = 0, users: int = 90) -> Corpus:
    """A corpus with all splits, and histories of 1 to 8 items on few days, so that ties and leaks are frequent."""
    rng = np.random.default_rng(seed)
    walks = []
    for _ in range(users):
        length = int(rng.integers(1, 9))
        items = rng.choice(ITEMS, length, replace=False, p=np.arange(1, ITEMS + 1) / (ITEMS * (ITEMS + 1) / 2))
        days = np.sort(rng.integers(0, 9, length)) + rng.integers(0, 30)
        walks.append([(int(item), START + int(day) * DAY) for item, day in zip(items, days, strict=True)])
    return write_planted(folder, walks, held_out=range(0, 60, 6), second_domain=range(60, users))
