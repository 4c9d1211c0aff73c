"""The sample has the properties of docs/sample.md: reproducible raw files of 2014 with the planted signals."""

from __future__ import annotations

import ast
import gzip
import hashlib
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_prep.sample import attach_truth, generate
from data_prep.sample.pictures import _RGB, draw_picture
from data_prep.sample.store import COLOURS, PATTERNS, SHAPES
from data_prep.sample.words import DEPARTMENTS, FEATURE_LINES, STORY_LINES, THEMES
from unimp_bench.corpus import Corpus
from unimp_bench.errors import DataError

SEEN_ONLY = {*COLOURS, *SHAPES, *PATTERNS, "round", "striped", "stripe", "dot", "dotted", "check", "checked", "stars"}


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One domain, as raw files."""
    folder = tmp_path_factory.mktemp("raw")
    generate(folder, departments=DEPARTMENTS[:1])
    return folder


def truth(corpus: Corpus, name: str) -> np.ndarray:
    return np.load(corpus.folder / "truth" / f"{name}.npy")


def buyers(corpus: Corpus) -> np.ndarray:
    """(rows,) user of each interaction."""
    return np.repeat(np.arange(corpus.histories.users), corpus.histories.lengths())


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower()))


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def lines(path: Path) -> list[str]:
    return gzip.decompress(path.read_bytes()).decode().splitlines()


# --- raw files ---------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bytes(raw: Path, tmp_path: Path) -> None:
    generate(tmp_path / "again", departments=DEPARTMENTS[:1])
    generate(tmp_path / "other", seed=1, departments=DEPARTMENTS[:1])
    first, again, other = digests(raw), digests(tmp_path / "again"), digests(tmp_path / "other")
    assert first == again
    assert first["reviews_Baby_5.json.gz"] != other["reviews_Baby_5.json.gz"]


def test_review_lines_have_the_fields_of_2014(raw: Path) -> None:
    records = [json.loads(line) for line in lines(raw / "reviews_Baby_5.json.gz")]
    fields = "reviewerID asin reviewerName helpful reviewText overall summary unixReviewTime reviewTime"
    assert all(list(record) == fields.split() for record in records)
    assert all(record["unixReviewTime"] % 86_400 == 0 for record in records)
    assert {record["overall"] for record in records} == {1.0, 2.0, 3.0, 4.0, 5.0}
    times = [(record["reviewerID"], record["unixReviewTime"]) for record in records]
    assert len(set(times)) == len(times), "two purchases of a shopper on one day leave the order open"


def test_metadata_lines_are_python_literals_with_gaps(raw: Path) -> None:
    rows = lines(raw / "meta_Baby.json.gz")
    with pytest.raises(json.JSONDecodeError):
        json.loads(rows[0])
    records = [ast.literal_eval(row) for row in rows]
    for field in ("price", "brand", "description", "related"):
        present = sum(field in record for record in records)
        assert 0.4 * len(records) < present < len(records)
    assert all(record["categories"][0][0] == "Baby" and len(record["categories"][0]) == 3 for record in records)
    for record in records:
        with Image.open(raw / "images" / f"{record['asin']}.jpg") as picture:
            assert picture.format == "JPEG" and 64 <= picture.width <= 96


def test_unknown_users_are_an_error(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="lacks 'stranger'"):
        attach_truth(raw, tmp_path, ["stranger"], [])
    with pytest.raises(DataError, match="no truth folder"):
        attach_truth(tmp_path, tmp_path, [], [])


# --- the built corpus --------------------------------------------------------------------------------------------


def test_the_size_is_as_documented_and_the_core_drops_nothing(sample: Corpus) -> None:
    counts = sample.manifest.counts
    assert 2_900 <= counts.users <= 3_100
    assert 1_400 <= counts.items <= 1_600
    assert counts.pictures == counts.items
    assert sample.manifest.options["removed"] == {"duplicates": 0, "outside the core": 0}
    assert sample.manifest.bad_lines == {}
    assert sample.manifest.synthetic
    lengths = sample.histories.lengths()
    assert lengths.min() >= 6 and lengths.max() <= 14 and 8.5 < lengths.mean() < 9.5


def test_looks_are_never_named_in_texts(sample: Corpus) -> None:
    summaries, texts = sample.reviews.take(np.arange(len(sample.histories)))
    written = [*sample.items.text("title"), *sample.items.text("description"), *sample.items.text("category")]
    assert not SEEN_ONLY & set().union(*map(words, [*written, *summaries, *texts]))


def test_title_names_the_theme_and_no_other(sample: Corpus) -> None:
    theme_of = {word.lower(): theme for theme, row in enumerate(THEMES) for word in row}
    for title, theme in zip(sample.items.text("title"), truth(sample, "item_theme"), strict=True):
        assert {theme_of[word] for word in words(title) & set(theme_of)} == {theme}


def test_picture_shows_the_colour(sample: Corpus) -> None:
    """The hue of the most saturated pixels is the colour of plain items."""
    references = np.array([_RGB[name] for name in COLOURS], dtype=float)
    plain = np.flatnonzero(truth(sample, "item_pattern") == PATTERNS.index("plain"))
    right = 0
    for item in plain:
        with Image.open(sample.items.picture(int(item))) as picture:
            pixels = np.asarray(picture.convert("RGB"), dtype=float)
        centre = pixels[picture.height // 2 - 4 : picture.height // 2 + 4, picture.width // 2 - 4 :][:, :8]
        distances = np.linalg.norm(references - centre.reshape(-1, 3).mean(axis=0), axis=1)
        right += distances.argmin() == truth(sample, "item_colour")[item]
    assert len(plain) > 200
    assert right > 0.97 * len(plain)


def test_every_look_has_a_distinct_picture() -> None:
    looks = [(colour, shape, pattern) for colour in COLOURS for shape in SHAPES for pattern in PATTERNS]
    assert len({draw_picture(*look, [0.5] * 8).tobytes() for look in looks}) == len(looks) == 240


def test_popularity_has_a_long_tail(sample: Corpus) -> None:
    sales = np.sort(np.bincount(sample.histories.items))[::-1]
    assert sales.min() >= 5
    assert sales[: len(sales) // 10].sum() > 0.22 * sales.sum()
    assert sales[0] > 8 * np.median(sales) and np.median(sales) < 0.9 * sales.mean()


def test_ratings_are_skewed_and_half_predictable(sample: Corpus) -> None:
    ratings = np.asarray(sample.histories.ratings)
    shares = np.bincount(ratings.astype(int), minlength=6)[1:] / len(ratings)
    assert shares[4] > 0.5 and shares[3] > shares[2] > shares[1] > 0.03 and shares[0] > 0.03
    assert 4.1 < ratings.mean() < 4.3
    users, items = buyers(sample), sample.histories.items
    taste = sum(
        truth(sample, f"user_{name}")[users, truth(sample, f"item_{name}")[items]]
        for name in ("colour", "shape", "pattern", "theme")
    )
    low, high = np.quantile(taste, [0.25, 0.75])
    assert ratings[taste >= high].mean() - ratings[taste <= low].mean() > 0.3
    assert ratings[taste >= high].std() > 0.5


def test_reviews_are_long_tailed(sample: Corpus) -> None:
    _, texts = sample.reviews.take(np.arange(len(sample.histories)))
    lengths = np.array([len(text.split()) for text in texts])
    assert 20 < np.median(lengths) < 40 and lengths.mean() > 1.3 * np.median(lengths)
    assert (lengths == 1).sum() > 100 and (lengths > 200).sum() > 100


@pytest.mark.parametrize("feature", ["colour", "shape", "pattern", "theme"])
def test_opinions_agree_with_taste(sample: Corpus, feature: str) -> None:
    _, texts = sample.reviews.take(np.arange(len(sample.histories)))
    users, items = buyers(sample), sample.histories.items
    taste = truth(sample, f"user_{feature}")[users, truth(sample, f"item_{feature}")[items]]
    for liked in (True, False):
        patterns = [re.sub(r"\\{\w+\\}", r".+", re.escape(line)) for line in FEATURE_LINES[feature, liked]]
        spoken = np.array([re.search("|".join(patterns), text) is not None for text in texts])
        assert spoken.sum() > 100
        assert ((taste[spoken] > 0) == liked).all() and (taste[spoken] != 0).all()


def spoken_of(lines: Iterable[str]) -> Callable[[str], object]:
    """Whether a sentence fills in one of these lines."""
    return re.compile("|".join(re.sub(r"\\{\w+\\}", ".+", re.escape(line)) for line in lines)).fullmatch


def test_explanations_come_from_the_review_and_agree_with_taste(sample: Corpus) -> None:
    assert sample.explanations is not None
    rows = sample.explanations.rows
    sentences = sample.explanations.take(np.arange(len(rows)))
    _, texts = sample.reviews.take(rows)
    assert 0.6 < len(rows) / len(sample.histories) < 0.85
    assert all(sentence in text for sentence, text in zip(sentences, texts, strict=True))
    opinions = spoken_of(line for lines in FEATURE_LINES.values() for line in lines)
    stories = spoken_of(STORY_LINES)
    assert sum(map(bool, map(opinions, sentences))) > 0.55 * len(rows)
    assert sum(map(bool, map(stories, sentences))) < 0.15 * len(rows)


@pytest.mark.parametrize("feature", ["colour", "shape", "pattern", "theme"])
def test_five_purchases_reveal_the_favourite(sample: Corpus, feature: str) -> None:
    """The most frequent kind among the first five is the favourite far more often than by chance."""
    tastes = truth(sample, f"user_{feature}")
    kinds = tastes.shape[1]
    rows = sample.histories.offsets[:-1, None] + np.arange(5)
    seen = truth(sample, f"item_{feature}")[sample.histories.items[rows]]
    counts = (seen[:, :, None] == np.arange(kinds)).sum(axis=1)
    assert (counts.argmax(axis=1) == tastes.argmax(axis=1)).mean() > 2 / kinds + 0.05


def test_the_order_has_additional_information(sample: Corpus) -> None:
    """Successors follow often, and are independent of shelf, theme and look."""
    items, users = sample.histories.items, buyers(sample)
    successor = truth(sample, "item_successor")
    within = users[1:] == users[:-1]
    assert (successor[items[:-1]] == items[1:])[within].mean() > 0.1
    assert np.array_equal(np.sort(successor), np.arange(len(successor)))
    for name, kinds in (("shelf", 6), ("theme", 12), ("colour", 8), ("shape", 6), ("pattern", 5)):
        codes = truth(sample, f"item_{name}")
        assert (codes[successor] == codes).mean() < 1 / kinds + 0.04
