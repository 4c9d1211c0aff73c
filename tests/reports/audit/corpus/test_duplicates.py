"""Near-duplicate titles and pictures: against a plain computation, and planted ones."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from tests.reports.audit.corpus.planting import DAY, START, write_planted
from unimp_bench.corpus import Corpus
from unimp_bench.reports.audit.corpus.duplicates import (
    Likeness,
    chained,
    copies,
    duplicates,
    picture_hash,
    picture_likeness,
    plain_title,
    title_likeness,
)
from unimp_bench.reports.audit.corpus.interactions import evaluated_splits
from unimp_bench.reports.audit.corpus.record import LIKE_COLOURS, LIKE_TITLES, MOST_SHARING

TITLES = (
    "Red Running Shoe, Size 9",
    "RED  running shoe - size 9!",
    "Red Running Shoe, Size 8",
    "Shoe Running, Red, Size 8",
    None,
    "Garden Hose &amp; Nozzle 20 ft",
    "garden hose nozzle 20 ft",
    "Porcelain tea cup",
    "",
    "!!!",
    "Porcelain tea pot with a cup",
)


NUMBERS = st.integers(0, 11)


def of_all_pairs(likeness: Likeness, items: int) -> set[tuple[int, int]]:
    pairs = np.array(list(itertools.combinations(range(items), 2)))
    copied = likeness.copies(pairs[:, 0], pairs[:, 1])
    assert np.array_equal(copied, likeness.copies(pairs[:, 1], pairs[:, 0]))
    assert not likeness.copies(np.arange(items), np.arange(items)).any()
    return set(map(tuple, pairs[copied].tolist()))


def cosine(a: str, b: str, titles: set[str]) -> float:
    """Cosine of smoothed TF-IDF weights over the trigrams of words padded with spaces, by plain loops."""

    def trigrams(title: str) -> Counter[str]:
        words = [f" {word} " for word in title.split()]
        return Counter(word[at : at + 3] for word in words for at in range(max(1, len(word) - 2)))

    def weigh(gram: str) -> float:
        return math.log((1 + len(titles)) / (1 + sum(gram in trigrams(title) for title in titles))) + 1

    left, right = ({gram: count * weigh(gram) for gram, count in trigrams(title).items()} for title in (a, b))
    product = sum(weight * right.get(gram, 0) for gram, weight in left.items())
    return product / math.sqrt(sum(w * w for w in left.values()) * sum(w * w for w in right.values()))


def one_walk(folder: Path, items: int, **planted: object) -> Corpus:
    return write_planted(folder, [[(item, START + item * DAY) for item in range(items)]], items, **planted)


def test_near_duplicate_titles_match_a_plain_computation(tmp_path: Path) -> None:
    likeness = title_likeness(one_walk(tmp_path / "titles", len(TITLES), titles=TITLES).items)
    assert likeness is not None
    plain = [plain_title(title or "") for title in TITLES]
    distinct = set(plain) - {""}
    expected = {
        (a, b)
        for a, b in itertools.combinations(range(len(TITLES)), 2)
        if plain[a] and plain[b] and cosine(plain[a], plain[b], distinct) >= LIKE_TITLES
    }
    assert of_all_pairs(likeness, len(TITLES)) == expected >= {(0, 1), (2, 3), (5, 6)}
    assert (7, 10) not in expected
    assert np.flatnonzero(likeness.contents < 0).tolist() == [4, 8, 9]


@pytest.mark.parametrize(
    ("title", "plain"),
    [
        ("Tom &amp; Jerry's  No_1!", "tom jerry s no 1"),
        ("STRASSE Straße", "strasse strasse"),
        ("½ ﬁt\n", "1 2 fit"),
        ("?", ""),
    ],
)
def test_plain_titles(title: str, plain: str) -> None:
    assert plain_title(title) == plain


def test_duplicates_are_counted_and_named(tmp_path: Path) -> None:
    titles = ["Tea cup", "tea-cup", "TEA CUP.", "Garden hose", "Garden hose!", "Piano", None]
    corpus = one_walk(tmp_path / "titles", len(titles), titles=titles)
    names = [title or "i6" for title in titles]
    found = duplicates(title_likeness(corpus.items), names)
    assert found is not None
    assert (found.items, found.left_out, found.groups) == (6, 0, 2)
    assert found.exact == found.near == round(5 / 6, 6)
    assert [(group.items, group.examples) for group in found.largest] == [
        (3, ("Tea cup", "tea-cup", "TEA CUP.")),
        (2, ("Garden hose", "Garden hose!")),
    ]


def test_no_contents_give_none(tmp_path: Path) -> None:
    without = one_walk(tmp_path / "without", 3)
    empty = one_walk(tmp_path / "empty", 3, titles=["", None, "?"])
    assert title_likeness(without.items) is None and title_likeness(empty.items) is None
    assert picture_likeness(without.items) is None
    assert duplicates(None, []) is None
    ((_, test),) = evaluated_splits(without, ("loo",))
    assert copies(test, None, None) is None


def drawn(seed: int, ground: str = "white") -> Image.Image:
    """A picture of twelve random boxes."""
    rng = np.random.default_rng(seed)
    picture = Image.new("RGB", (64, 64), ground)
    pen = ImageDraw.Draw(picture)
    for x, y, w, h, *colour in rng.integers(0, 255, (12, 7)).tolist():
        pen.rectangle((x // 4, y // 4, x // 4 + w // 12, y // 4 + h // 12), fill=tuple(colour))
    return picture


def test_near_duplicate_pictures_alone_are_found(tmp_path: Path) -> None:
    cup = drawn(0)
    brighter = cup.point(lambda value: min(255, value + 4))
    smaller = cup.resize((48, 48), Image.Resampling.LANCZOS)
    other_colours = Image.merge("RGB", [cup.getchannel(channel) for channel in "BRG"])
    blank, nearly_blank = Image.new("RGB", (64, 64), "white"), Image.new("RGB", (64, 64), (250, 250, 250))
    pictures = [cup, cup.copy(), brighter, smaller, other_colours, drawn(1), None, blank, blank.copy(), nearly_blank]
    placeholder = [drawn(2)] * (MOST_SHARING + 1)
    shared = [drawn(3)] * MOST_SHARING
    every = [*pictures, *placeholder, *shared]
    corpus = one_walk(tmp_path / "pictures", len(every), pictures=every)
    likeness = picture_likeness(corpus.items)
    assert likeness is not None
    among_shared = set(itertools.combinations(range(len(every) - MOST_SHARING, len(every)), 2))
    assert of_all_pairs(likeness, len(every)) == set(itertools.combinations(range(4), 2)) | among_shared
    found = duplicates(likeness, corpus.items.names)
    assert found is not None
    assert (found.items, found.left_out) == (6 + MOST_SHARING, 3 + MOST_SHARING + 1)
    assert found.exact == round((2 + MOST_SHARING) / found.items, 6)
    assert found.near == round((4 + MOST_SHARING) / found.items, 6)
    assert [group.items for group in found.largest] == [MOST_SHARING, 4]


def test_similar_colours_alone_are_not_a_duplicate(tmp_path: Path) -> None:
    """Two faint grey patterns with different outlines."""
    grey = [np.random.default_rng(seed).integers(118, 138, (8, 8, 1)).repeat(3, 2).astype(np.uint8) for seed in (0, 1)]
    pictures = [Image.fromarray(pattern).resize((64, 64), Image.Resampling.NEAREST) for pattern in grey]
    hashes = [picture_hash(picture) for picture in pictures]
    assert not any(each.blank for each in hashes)
    assert np.abs(hashes[0].colours.astype(int) - hashes[1].colours.astype(int)).mean() < LIKE_COLOURS
    likeness = picture_likeness(one_walk(tmp_path / "grey", 3, pictures=pictures).items)
    assert likeness is not None
    assert likeness.near(np.array([0, 0, 1]), np.array([0, 1, 1])).tolist() == [True, False, True]


def test_equal_bytes_of_another_shape_are_another_picture() -> None:
    values = np.random.default_rng(0).integers(0, 255, (4, 16, 3)).astype(np.uint8)
    wide, high = Image.fromarray(values), Image.fromarray(values.reshape(16, 4, 3))
    assert wide.tobytes() == high.tobytes() and picture_hash(wide).pixels != picture_hash(high).pixels


def test_blank_pictures_are_not_compared(tmp_path: Path) -> None:
    corpus = one_walk(tmp_path / "blank", 4, pictures=[Image.new("RGB", (8, 8), "white")] * 4)
    found = duplicates(picture_likeness(corpus.items), corpus.items.names)
    assert found is not None
    assert (found.items, found.left_out, found.exact, found.near, found.groups) == (0, 4, 0, 0, 0)


def test_copies_are_items_of_the_history(tmp_path: Path) -> None:
    """Targets: a copy of an earlier title, of an earlier picture, of a later title, no copy."""
    titles = ["Tea cup", "tea cup!", "Piano", "Saw", "Lamp", "Rug", "Rug.", "Vase"]
    pictures = [drawn(item) for item in range(8)]
    pictures[4] = pictures[3]
    walks = [(0, 2, 7, 1), (3, 2, 7, 4), (2, 0, 5), (6, 2, 7, 0)]
    timed = [[(item, START + day * DAY) for day, item in enumerate(walk)] for walk in walks]
    corpus = write_planted(tmp_path / "copies", timed, 8, titles=titles, pictures=pictures)
    ((_, test),) = evaluated_splits(corpus, ("loo",))
    by_title, by_picture = title_likeness(corpus.items), picture_likeness(corpus.items)
    found = copies(test, by_title, by_picture)
    assert found is not None
    assert (found.titles, found.pictures, found.either) == (0.25, 0.25, 0.5)
    alone = copies(test, by_title, None)
    assert alone is not None
    assert (alone.titles, alone.pictures, alone.either) == (0.25, None, 0.25)


@settings(deadline=None, max_examples=80)
@given(
    st.integers(1, 12), st.lists(st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=6), max_size=5)
)
def test_groups_are_connected_components(count: int, blocks: list[list[tuple[int, int]]]) -> None:
    kept = [[(a % count, b % count) for a, b in block] for block in blocks]
    groups = chained(count, (tuple(np.array(block, dtype=np.int64).reshape(-1, 2).T) for block in kept))
    neighbours: dict[int, set[int]] = {number: {number} for number in range(count)}
    for a, b in itertools.chain.from_iterable(kept):
        neighbours[a].add(b)
        neighbours[b].add(a)
    for start in range(count):
        reached, new = set(), {start}
        while new:
            reached |= new
            new = set().union(*(neighbours[number] for number in new)) - reached
        assert reached == set(np.flatnonzero(groups == groups[start]).tolist())


def test_titles_of_different_blocks_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    families = ("solid walnut bookshelf, seven drawers", "folding garden chair of steel", "porcelain jug painted blue")
    titles = [f"{family} {number}" for number in range(9) for family in families]
    corpus = one_walk(tmp_path / "blocks", len(titles), titles=titles)
    whole = title_likeness(corpus.items)
    monkeypatch.setattr("unimp_bench.reports.audit.corpus.duplicates._CELLS", 4 * len(titles))
    blocks = title_likeness(corpus.items)
    assert whole is not None and blocks is not None
    assert len(set(whole.groups.tolist())) == len(families)
    assert np.array_equal(whole.groups[:, None] == whole.groups, blocks.groups[:, None] == blocks.groups)


def test_pictures_of_different_blocks_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = [drawn(item % 5).point(lambda value, item=item: max(0, value - item // 5)) for item in range(15)]
    corpus = one_walk(tmp_path / "blocks", 15, pictures=pictures)
    whole = picture_likeness(corpus.items)
    monkeypatch.setattr("unimp_bench.reports.audit.corpus.duplicates._ROWS", 4)
    monkeypatch.setattr("unimp_bench.reports.audit.corpus.duplicates._PAIRS", 2)
    blocks = picture_likeness(corpus.items)
    assert whole is not None and blocks is not None
    assert len(set(whole.groups.tolist())) == 5
    assert np.array_equal(whole.groups[:, None] == whole.groups, blocks.groups[:, None] == blocks.groups)
