"""The McAuley readers: three formats of the same content, and invalid raw files."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from data_prep.build import BuildOptions, PictureLimits, build_corpus
from data_prep.raw_files import (
    BAD_RATING,
    BAD_TIME,
    INVALID_JSON,
    INVALID_LITERAL,
    MISSING_FIELD,
    NO_METADATA,
    TRUNCATED,
)
from tests.data_prep.raw_sets import STYLES, review, reviews, sound_2014, write_2014, write_lines, write_style
from unimp_bench.corpus import Corpus
from unimp_bench.errors import DataError

OPTIONS = BuildOptions(user_core=3, item_core=3)


def _build(raw: Path, kind: str = "amazon-2014", options: BuildOptions = OPTIONS) -> Corpus:
    folder = raw.parent / "corpus"
    build_corpus(kind, folder, raw, options)
    return Corpus.open(folder)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return tmp_path / "raw"


@pytest.mark.parametrize("kind", STYLES)
@pytest.mark.parametrize("packed", [True, False])
def test_each_style_gives_the_same_corpus(raw: Path, kind: str, packed: bool) -> None:
    write_style(kind, raw, packed=packed)
    corpus = _build(raw, kind)
    records = sorted(reviews(), key=lambda record: (record["reviewerID"], record["unixReviewTime"]))
    histories = corpus.histories
    assert corpus.users.names == sorted({record["reviewerID"] for record in records})
    assert [corpus.items.names[item] for item in histories.items] == [record["asin"] for record in records]
    assert histories.times.tolist() == [record["unixReviewTime"] for record in records]
    assert set(histories.ratings.tolist()) == {4.0}
    assert corpus.reviews is not None
    summaries, texts = corpus.reviews.take(np.arange(len(histories)))
    assert summaries == [record["summary"] for record in records]
    assert texts == [record["reviewText"] for record in records]
    assert corpus.items.text("title")[:2] == ["it's I000 & co", "it's I001 & co"]
    assert corpus.items.text("brand")[0] == "O'Brand"
    assert corpus.items.text("category")[:3] == ["Beauty > kind 0", "Beauty > kind 1", "Beauty > kind 2"]
    assert corpus.items.column("price").to_pylist() == [12.5] * 12
    assert corpus.items.text("description")[11] == 'the "I011" of all'
    assert corpus.manifest.bad_lines == {}


def test_users_are_per_domain_and_an_item_has_its_first_domain(raw: Path) -> None:
    for domain in ("Toys", "Beauty", "Office_Products"):
        write_style("amazon-2014", raw, domain)
    corpus = _build(raw)
    assert corpus.manifest.domains == ("Beauty", "Office_Products", "Toys")
    assert corpus.manifest.new_domains == ("Office_Products",)
    assert corpus.users.names[:4] == ["U000_Beauty", "U000_Office_Products", "U000_Toys", "U001_Beauty"]
    assert corpus.users.domains[:4].tolist() == [0, 1, 2, 0]
    assert set(corpus.items.domains.tolist()) == {0}
    assert corpus.items.text("category")[0] == "Beauty > kind 0"
    assert corpus.users.held_out.sum() == 6
    assert not corpus.users.held_out[corpus.users.domains == 1].any()


def test_of_two_reviews_of_an_item_the_earlier_is_kept(raw: Path) -> None:
    records = [record for record in reviews() if (record["reviewerID"], record["asin"]) != ("U000", "I000")]
    records += [review("U000", "I000", 2_000_000_000, 1.0), review("U000", "I000", 1_000_000_000, 5.0)]
    records += [review("U000", "I000", 1_000_000_000, 2.0)]
    write_style("amazon-2014", raw, records=records)
    corpus = _build(raw, options=dataclasses.replace(OPTIONS, ties="file"))
    assert corpus.items.names[corpus.histories.items[0]] == "I000"
    assert corpus.histories.ratings[0] == 5.0
    assert corpus.manifest.options["removed"]["duplicates"] == 2


def test_equal_times_stay_in_file_order_on_demand(raw: Path) -> None:
    items = [f"I{number:03d}" for number in (7, 3, 9, 1, 5)]
    write_style("amazon-2014", raw, records=[review(f"U{user}", item) for item in items for user in range(6)])
    corpus = _build(raw, options=dataclasses.replace(OPTIONS, ties="file"))
    assert [corpus.items.names[item] for item in corpus.histories.items] == items * 6


def test_the_core_is_iterated_to_its_fixed_point(raw: Path) -> None:
    chain = [
        review("V0", "I000"),
        review("V0", "I001"),
        review("V0", "J000"),
        review("V1", "J000"),
        review("V2", "J000"),
    ]
    write_style("amazon-2014", raw, records=reviews() + chain)
    corpus = _build(raw)
    assert "J000" not in corpus.items.names
    assert "V0" not in corpus.users.names
    assert corpus.manifest.options["removed"] == {"duplicates": 0, "outside the core": 5}


BAD_REVIEWS = {
    INVALID_JSON: [b"{", b"nothing", b"\xff\xfe", b'{"overall": NaN}', b"{'reviewerID': 'U000'}"],
    MISSING_FIELD: [b"[]", b'{"reviewerID": "U000", "asin": "I001", "overall": 4.0}']
    + [
        json.dumps(review("U000", "I001") | wrong).encode()
        for wrong in ({"asin": 7}, {"asin": ""}, {"reviewerID": None}, {"unixReviewTime": None})
    ]
    + [json.dumps(review("U" * 200, "I001")).encode()],
    BAD_RATING: [json.dumps(review("U000", "I001", rating=rating)).encode() for rating in (11, 0, -1, 5.01)],
    BAD_TIME: [json.dumps(review("U000", "I001", time=time)).encode() for time in (-1, 1_300_000_000_000)],
    NO_METADATA: [json.dumps(review("U000", "../../etc/passwd")).encode()],
}


@pytest.mark.parametrize("kind", BAD_REVIEWS)
def test_bad_reviews_are_counted_and_skipped(raw: Path, kind: str) -> None:
    sound = sound_2014(users=60)
    write_2014(raw, sound)
    expected = _build(raw).fingerprint
    bad = BAD_REVIEWS[kind]
    sound.reviews[100:100] = bad
    write_2014(raw, sound)
    corpus = _build(raw)
    counted = corpus.manifest.bad_lines
    assert {name: lines.count for name, lines in counted.items()} == {kind: len(bad)}
    places = [f"reviews_Beauty_5.json.gz:{101 + number}" for number in range(len(bad))]
    assert tuple(place.split(" ")[0] for place in counted[kind].first) == tuple(places[:5])
    columns = {BAD_RATING: "overall", BAD_TIME: "unixReviewTime"}
    if kind in columns:
        assert counted[kind].first[0].endswith(f" ({columns[kind]})")
    assert corpus.fingerprint == expected


@pytest.mark.parametrize("kind", BAD_REVIEWS)
def test_too_many_bad_reviews_stop_the_build(raw: Path, kind: str) -> None:
    sound = sound_2014()
    sound.reviews += BAD_REVIEWS[kind][:1] * 14
    write_2014(raw, sound)
    with pytest.raises(DataError, match=rf"reviews_Beauty_5.*14 of 254 lines are bad \(14 x {kind}\)"):
        _build(raw)
    assert list(raw.parent.iterdir()) == [raw]


@pytest.mark.parametrize("rating", ["5", True, None, [5]])
def test_a_non_numeric_rating_is_missing_and_its_review_is_kept(raw: Path, rating: object) -> None:
    sound = sound_2014()
    record = json.loads(sound.reviews[7])
    sound.reviews[7] = json.dumps(record | {"overall": rating}).encode()
    write_2014(raw, sound)
    corpus = _build(raw)
    assert np.isnan(corpus.histories.ratings).sum() == 1
    assert len(corpus.histories) == len(sound.reviews)
    assert corpus.manifest.bad_lines == {}
    assert corpus.manifest.bad_cells["reviews_Beauty_5.json.gz: overall"].first == ("reviews_Beauty_5.json.gz:8",)


def test_an_invalid_price_is_counted_and_its_line_is_kept(raw: Path) -> None:
    sound = sound_2014()
    sound.metadata[2] = sound.metadata[2].replace(b"12.5", b"'see cart'")
    sound.metadata[3] = sound.metadata[3].replace(b"12.5", b"''")
    write_2014(raw, sound)
    corpus = _build(raw)
    assert corpus.items.column("price").to_pylist() == [12.5, 12.5, None, None] + 8 * [12.5]
    assert corpus.items.text("title")[2] == "it's I002 & co"
    ((column, bad),) = corpus.manifest.bad_cells.items()
    assert (column, bad.first) == ("meta_Beauty.json.gz: price", ("meta_Beauty.json.gz:3",))


@pytest.mark.parametrize("kind", STYLES)
@pytest.mark.parametrize("metadata", [False, True])
def test_a_truncated_file_is_an_error_unless_partial(raw: Path, kind: str, metadata: bool) -> None:
    write_style(kind, raw, records=reviews(users=200))
    (path,) = (path for path in raw.iterdir() if path.name.startswith("meta_") is metadata)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) - (20 if metadata else len(content) // 2)])
    with pytest.raises(DataError, match=rf"{path.name} is truncated in line .*--partial"):
        _build(raw, kind)
    assert list(raw.parent.iterdir()) == [raw]
    if not metadata:
        partial = _build(raw, kind, BuildOptions(3, 3, partial=True))
        assert 0 < len(partial.users.names) < 200
        assert partial.manifest.bad_lines[TRUNCATED].count == 1
        assert partial.manifest.options["partial"] is True


def test_metadata_of_other_items_only_are_an_error(raw: Path) -> None:
    sound = sound_2014()
    sound.metadata = [line.replace(b"'asin': 'I", b"'asin': 'B") for line in sound.metadata]
    write_2014(raw, sound)
    with pytest.raises(DataError, match=r"no line of the item files describes an item .* like 'I0\d\d'"):
        _build(raw)


def test_reviews_are_kept_without_markup(raw: Path) -> None:
    records = reviews()
    for record in records:
        record["summary"] = "Tom &amp; Jerry&#39;s"
        record["reviewText"] = "It&#34;s <b>good</b>.<br /><br />5 &lt; 6 [[VIDEOID:ab12]]&lt;br&gt;and &amp;#34;so <3"
    write_style("amazon-2014", raw, records=records)
    corpus = _build(raw)
    assert corpus.reviews is not None
    summaries, texts = corpus.reviews.take(np.arange(2))
    assert summaries == ["Tom & Jerry's"] * 2
    assert [text.split() for text in texts] == [['It"s', "good", ".", "5", "<", "6", "and", '"so', "<3"]] * 2
    assert texts[0].splitlines()[3:5] == ["", "5 < 6 "]


def test_csv_reviews_equal_json_reviews(raw: Path) -> None:
    write_style("amazon-2023", raw, packed=False)
    expected = _build(raw, "amazon-2023")
    lines = [json.loads(line) for line in (raw / "Beauty.jsonl").read_bytes().splitlines()]
    (raw / "Beauty.jsonl").unlink()
    columns = ("user_id", "parent_asin", "rating", "timestamp", "title", "text")
    with (raw / "Beauty.csv").open("w", newline="", encoding="utf-8-sig") as stream:
        rows = csv.writer(stream)
        rows.writerows([columns, *([line[column] for column in columns] for line in lines)])
    (raw / "notes.csv").write_text("any,other,table\n")
    assert _build(raw, "amazon-2023").fingerprint == expected.fingerprint
    (raw / "Beauty.csv").write_text("user_id,asin,rating,timestamp\n")
    with pytest.raises(DataError, match=r"Beauty\.csv has no column 'parent_asin'"):
        _build(raw, "amazon-2023")


def test_an_item_with_unreadable_metadata_is_removed_before_the_core(raw: Path) -> None:
    sound = sound_2014(users=400, items=40)
    lone = [json.dumps(review("U-lone", item)).encode() for item in ("I000", "I001", "I039")]
    sound.reviews += lone
    sound.metadata[39] = b"{'asin': 'I039', 'title': " + b"[" * 100_000
    sound.metadata += [f"{{'asin': 'X{number}'}}".encode() for number in range(20)]
    write_2014(raw, sound)
    corpus = _build(raw)
    bad = corpus.manifest.bad_lines
    assert bad[INVALID_LITERAL].first == ("meta_Beauty.json.gz:40",)
    assert bad[NO_METADATA].count == sum(b"I039" in line for line in sound.reviews)
    assert "I039" not in corpus.items.names
    assert "U-lone" not in corpus.users.names
    assert corpus.items.text("title")[38] == "it's I038 & co"


def test_literals_of_items_that_are_not_kept_are_not_parsed(raw: Path) -> None:
    sound = sound_2014()
    bombs = [b"{'asin': 'Z%d', 'title': " % number + b"[" * 1000 for number in range(200)]
    sound.metadata[5:5] = bombs
    write_2014(raw, sound)
    assert _build(raw).manifest.bad_lines == {}


def test_a_description_is_not_mistaken_for_the_item_id(raw: Path) -> None:
    sound = sound_2014()
    genuine = sound.metadata[0]
    fake = repr({"description": "'asin': 'I000', ", "title": "fake", "asin": "I999"}).encode()
    leading = repr({"asin": "I998", "description": "{'asin': 'I000', 'title': 'fake'}"}).encode()
    late = genuine.replace(b"{'asin': 'I000', ", b"{").replace(b"}", b", 'asin': 'I000'}")
    sound.metadata = [fake, leading, late, *sound.metadata[1:]]
    write_2014(raw, sound)
    corpus = _build(raw)
    assert corpus.items.text("title")[0] == "it's I000 & co"
    assert corpus.manifest.bad_lines == {}


def test_lone_surrogates_are_replaced(raw: Path) -> None:
    sound = sound_2014()
    sound.metadata[0] = rb"{'asin': 'I000', 'title': 'a\ud800b', 'categories': [['\udc00']]}"
    sound.metadata.append(rb"{'title': 'x', 'asin': '\ud800'}")
    write_2014(raw, sound)
    corpus = _build(raw)
    assert corpus.items.text("title")[0] == "a?b"
    assert corpus.items.text("category")[0] == "?"


def test_a_second_name_in_one_literal_is_a_bad_line(raw: Path) -> None:
    sound = sound_2014(users=400, items=40)
    sound.metadata[0] = b"{'asin': 'I000', 'title': 'two', 'asin': 'I001'}"
    write_2014(raw, sound)
    corpus = _build(raw)
    assert corpus.manifest.bad_lines[MISSING_FIELD].first == ("meta_Beauty.json.gz:1",)
    assert corpus.items.text("title")[0] == "it's I001 & co"


def test_missing_texts_are_empty(raw: Path) -> None:
    records = [{key: value for key, value in record.items() if key != "reviewText"} for record in reviews()]
    write_style("amazon-2014", raw, records=records)
    corpus = _build(raw)
    assert corpus.reviews is not None
    assert corpus.reviews.take(np.array([0]))[1] == [""]


@pytest.mark.parametrize("kind", STYLES)
def test_reviews_alone_are_a_corpus_without_attributes(raw: Path, kind: str) -> None:
    write_style(kind, raw)
    expected = _build(raw, kind)
    assert "missing metadata" not in expected.manifest.options
    (metadata,) = raw.glob("meta_*")
    metadata.unlink()
    corpus = _build(raw, kind)
    assert corpus.part_fingerprints["interactions"] == expected.part_fingerprints["interactions"]
    assert (corpus.items.attributes, corpus.manifest.described) == ((), {})
    assert corpus.manifest.options["missing metadata"] == [f"{metadata.name.removesuffix('.gz')}.gz"]
    assert corpus.reviews is not None and expected.reviews is not None
    rows = np.arange(len(corpus.histories))
    assert corpus.reviews.take(rows) == expected.reviews.take(rows)


def test_metadata_of_one_domain_only_are_an_error(raw: Path) -> None:
    write_style("amazon-2014", raw, "Beauty")
    write_style("amazon-2014", raw, "Toys")
    next(raw.glob("meta_Beauty*")).unlink()
    with pytest.raises(DataError, match=r"no metadata for reviews_Beauty_5.*add meta_Beauty\.json\.gz"):
        _build(raw)


def test_pictures_by_address_need_metadata(raw: Path) -> None:
    write_lines(raw / "reviews_Beauty_5.json.gz", sound_2014().reviews)
    with pytest.raises(DataError, match="no addresses of pictures"):
        build_corpus("amazon-2014", raw.parent / "corpus", raw, OPTIONS, pictures=PictureLimits())
    assert not (raw.parent / "corpus").exists()


def test_two_review_files_of_a_domain_are_an_error(raw: Path) -> None:
    write_2014(raw, sound_2014())
    write_lines(raw / "reviews_Beauty.json", sound_2014().reviews)
    with pytest.raises(DataError, match="both reviews of Beauty"):
        _build(raw)


def test_a_folder_of_another_style_is_an_error(raw: Path) -> None:
    write_style("amazon-2014", raw)
    with pytest.raises(DataError, match=r"no reviews of the kind amazon-2018 \(<Domain>_5"):
        _build(raw, "amazon-2018")


def test_nothing_left_is_an_error(raw: Path) -> None:
    write_style("amazon-2014", raw)
    with pytest.raises(DataError, match=r"no interaction is left in the core of 50 per user and 3 per item"):
        _build(raw, options=BuildOptions(user_core=50, item_core=3))


def test_an_empty_file_is_an_error(raw: Path) -> None:
    write_lines(raw / "reviews_Beauty_5.json", [])
    write_lines(raw / "meta_Beauty.json", [])
    with pytest.raises(DataError, match="no interaction is left"):
        _build(raw)
