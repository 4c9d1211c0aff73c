"""Real Amazon and MovieLens files, by known counts."""

from __future__ import annotations

import ast
import gzip
import html
import re
from pathlib import Path

import numpy as np
import pytest

from data_prep.build import BuildOptions, build_corpus
from data_prep.metadata import Product, parse_literal
from data_prep.raw_files import BadRecords, read_lines
from unimp_bench.corpus import Corpus
from unimp_bench.errors import DataError

ALL = BuildOptions(user_core=0, item_core=0, held_out=0.0)


def _counts(corpus: Corpus) -> tuple[int, int, int]:
    counts = corpus.manifest.counts
    return counts.users, counts.items, counts.interactions


def _build(kind: str, raw: Path, folder: Path, options: BuildOptions | None = None) -> Corpus:
    if not raw.is_dir():
        pytest.skip(f"no {raw}")
    build_corpus(kind, folder, raw, options)
    return Corpus.open(folder)


def test_gift_cards_of_2018(realdata: Path, tmp_path: Path) -> None:
    """458 users, 148 items, 2,972 lines; seven of them review an item twice, so the published core opens up."""
    raw = realdata / "gift_cards_raw_2018"
    whole = _build("amazon-2018", raw, tmp_path / "whole", ALL)
    assert _counts(whole) == (458, 148, 2_972 - 7)
    assert whole.manifest.options["removed"] == {"duplicates": 7, "outside the core": 0}
    core = _build("amazon-2018", raw, tmp_path / "core")
    assert _counts(core) == (453, 147, 2_941)
    assert core.manifest.counts.held_out_users == 45
    assert core.manifest.bad_lines == {}
    assert core.manifest.domains == ("Gift_Cards",)
    prices = np.array(core.items.column("price").to_pylist(), dtype=np.float64)
    assert np.nanmin(prices) > 0
    assert np.isnan(prices).any()
    assert not any("<" in text for text in core.items.text("title"))
    assert core.items.text("category")[0].startswith("Gift Cards")


def test_a_third_of_the_gift_cards_are_explained(realdata: Path, tmp_path: Path) -> None:
    corpus = _build("amazon-2018", realdata / "gift_cards_raw_2018", tmp_path / "cards")
    assert corpus.explanations is not None and corpus.reviews is not None
    rows = corpus.explanations.rows
    assert 0.33 < len(rows) / len(corpus.histories) < 0.40
    assert corpus.manifest.options["explanations"] == {"Gift_Cards": {"by": "rule", "count": len(rows)}}
    sentences = corpus.explanations.take(np.arange(len(rows)))
    _, texts = corpus.reviews.take(rows)
    for sentence, text in zip(sentences, texts, strict=True):
        assert sentence in " ".join(html.unescape(text).split())
        assert sentence.isprintable() and 4 <= len(re.findall(r"\w[\w']*", sentence)) <= 40


@pytest.mark.parametrize(
    ("name", "counts"),
    [("beauty", (22_363, 12_101, 198_502)), ("office", (4_892, 1_780, 35_513)), ("grocery", (14_681, 8_687, 121_892))],
)
def test_atomic_sets_lose_nothing(realdata: Path, tmp_path: Path, name: str, counts: tuple[int, int, int]) -> None:
    corpus = _build("atomic", realdata / name, tmp_path / name)
    assert _counts(corpus) == counts
    assert corpus.manifest.counts.held_out_users == 0
    assert corpus.manifest.options["order"] == ("file" if name == "office" else "timestamp")
    assert corpus.manifest.options["removed"] == {"duplicates": 0, "outside the core": 0}


@pytest.mark.slow
def test_three_amazon_sets_as_one_corpus(realdata: Path, tmp_path: Path) -> None:
    """All items are asins: clothing shares 11 with beauty and 704 with sports, and those two share none."""
    raws = [realdata / name for name in ("beauty", "sports", "clothing")]
    if not all(raw.is_dir() for raw in raws):
        pytest.skip(f"not all of beauty, sports and clothing in {realdata}")
    build_corpus("atomic", tmp_path / "combined", raws[0], further=tuple(raws[1:]))
    corpus = Corpus.open(tmp_path / "combined")
    shared = 11 + 704
    users, items = 22_363 + 35_598 + 39_387, 12_101 + 18_357 + 23_033
    assert _counts(corpus) == (users, items - shared, 198_502 + 296_337 + 278_677)
    described = sum(bool(text) for text in corpus.items.text("category"))
    assert described == 12_101 + 18_357, "clothing brings no attributes, and shared items keep theirs"


@pytest.mark.parametrize(("name", "parts"), [("baby", (83_416, 20_973, 34_432)), ("office", (21_196, 5_449, 8_868))])
def test_public_splits_are_kept(realdata: Path, tmp_path: Path, name: str, parts: tuple[int, int, int]) -> None:
    corpus = _build("atomic", realdata / name, tmp_path / name)
    assert corpus.parts is not None
    assert tuple(np.bincount(corpus.parts)) == parts
    users = np.repeat(np.arange(corpus.histories.users), corpus.histories.lengths())
    assert (np.diff(corpus.parts.astype(int))[users[1:] == users[:-1]] >= 0).all()
    assert corpus.rating_scale == (1.0, 5.0, 1.0)


def test_beauty_keeps_order_and_categories(realdata: Path, tmp_path: Path) -> None:
    options = BuildOptions(user_core=0, item_core=0, held_out=0, ties="file")
    corpus = _build("atomic", realdata / "beauty", tmp_path / "beauty", options)
    user = corpus.users.names.index("A1YJEY40YUW4SE")
    start = corpus.histories.offsets[user]
    assert [corpus.items.names[item] for item in corpus.histories.items[start : start + 2]] == [
        "B004756YJA",
        "B004ZT0SSG",
    ]
    item = corpus.items.names.index("9759091062")
    assert corpus.items.text("category")[item] == "Hair Care > Styling Products > Creams, Gels & Lotions"


def test_movielens_with_posters(realdata: Path, tmp_path: Path) -> None:
    raw = realdata / "movielens"
    corpus = _build("atomic", raw, tmp_path / "movielens")
    assert _counts(corpus) == (610, 9_724, 100_836)
    assert corpus.manifest.counts.pictures == corpus.items.has_picture.sum() == 3_629
    toy_story = corpus.items.names.index("1")
    assert corpus.items.text("title")[toy_story] == "Toy Story"
    assert corpus.items.text("category")[toy_story] == "Adventure > Animation > Children > Comedy > Fantasy"
    picture = corpus.items.picture(toy_story)
    assert picture is not None
    assert picture.read_bytes() == (raw / "images" / "1.jpg").read_bytes()
    assert np.diff(corpus.histories.times[:200]).min() >= 0


def test_literals_of_2014(realdata: Path) -> None:
    """Both parsers of literals agree on every real line, and the fast one reads nearly all."""
    path = realdata / "musical_instruments_raw_2014_sample" / "meta_Musical_Instruments.json.gz"
    if not path.is_file():
        pytest.skip(f"no {path}")
    lines = [line for _, line in read_lines(path, BadRecords())]
    records = [parse_literal(line) for line in lines]
    assert records == [ast.literal_eval(line.decode()) for line in lines]
    first = Product.of(records[0])
    assert (first.price, first.brand) == (17.95, None)
    assert first.category == [
        "Musical Instruments",
        "Instrument Accessories",
        "General Accessories",
        "Sheet Music Folders",
    ]


def test_metadata_of_other_items_stop_the_build(realdata: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"95 of 100 lines are bad \(95 x item without metadata\)"):
        _build("amazon-2014", realdata / "musical_instruments_raw_2014_sample", tmp_path / "music", ALL)


def test_reviews_of_2014(realdata: Path, tmp_path: Path) -> None:
    """Real review lines with generated metadata."""
    source = realdata / "grocery_raw_2014_sample" / "reviews_Grocery_and_Gourmet_Food_5.json.gz"
    if not source.is_file():
        pytest.skip(f"no {source}")
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / source.name).symlink_to(source)
    reviews = [parse_literal(line) for _, line in read_lines(source, BadRecords())]
    metadata = "".join(f"{{'asin': '{item}'}}\n" for item in {review["asin"] for review in reviews})
    (raw / "meta_Grocery_and_Gourmet_Food.json.gz").write_bytes(gzip.compress(metadata.encode()))
    corpus = _build("amazon-2014", raw, tmp_path / "grocery", ALL)
    assert corpus.manifest.counts.reviews == len({(review["reviewerID"], review["asin"]) for review in reviews})
    assert corpus.manifest.domains == ("Grocery_and_Gourmet_Food",)
    assert corpus.manifest.bad_lines == {}


def test_reviews_of_musical_instruments_without_metadata(realdata: Path, tmp_path: Path) -> None:
    corpus = _build("amazon-2014", realdata / "musical_instruments_raw_2014", tmp_path / "music")
    assert _counts(corpus) == (1_429, 900, 10_261)
    assert corpus.manifest.rating_scale == (1, 5, 1)
    assert corpus.items.attributes == ()
    assert corpus.explanations is not None and len(corpus.explanations.rows) > 2_000
