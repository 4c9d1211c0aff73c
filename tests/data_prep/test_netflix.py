"""LLMRec's Netflix release: lists of items by user in three JSON files, attributes without a header, posters by id."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from data_prep.build import build_corpus
from data_prep.raw_files import NO_METADATA
from tests.data_prep.raw_sets import write_picture
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.writer import TEST, TRAINING, VALIDATION
from unimp_bench.errors import DataError

TITLES = [
    "0,2003.0,Dinosaur Planet",
    "1,2004,Isle of Man TT 2004 Review",
    '2,1997,"Something\'s Gotta Give, Again"',
    "3,,What the #$*! Do We Know!?",
    "4,1992,Lilo, and Stitch, and more",
    "5,2005,nobody saw it",
]
TRAIN = {"0": [3, 1, 0], "1": [0, 2, 4], "2": [4, 3]}
VALIDATE, TESTED = {"0": [2], "1": [], "2": [0]}, {"0": [4], "1": [1], "2": [2]}


def _write(raw: Path) -> None:
    (raw / "netflix_image_text").mkdir(parents=True)
    for name, lists in (("train", TRAIN), ("val", VALIDATE), ("test", TESTED)):
        (raw / f"{name}.json").write_text(json.dumps(lists))
    (raw / "netflix_image_text" / "item_attribute.csv").write_text("\n".join(TITLES))
    (raw / "train_mat").write_bytes(b"\x80\x04never read")


def test_interactions_attributes_and_posters(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    _write(raw)
    write_picture(raw / "netflix_image_text" / "Netflix_Posters" / "4.jpg")
    manifest = build_corpus("netflix", tmp_path / "corpus", raw)
    corpus = Corpus.open(tmp_path / "corpus")
    assert sorted(manifest.inputs) == ["item_attribute.csv", "test.json", "train.json", "val.json"]
    assert (manifest.counts.users, manifest.counts.items, manifest.counts.interactions) == (3, 5, 13)
    assert manifest.counts.held_out_users == 0
    assert manifest.bad_lines == {}
    assert corpus.items.names == ["0", "1", "2", "3", "4"]
    assert corpus.items.text("title")[1:5] == [
        "Isle of Man TT 2004 Review",
        "Something's Gotta Give, Again",
        "What the #$*! Do We Know!?",
        "Lilo, and Stitch, and more",
    ]
    assert corpus.items.text("year") == ["2003", "2004", "1997", "", "1992"]
    assert corpus.items.has_picture.tolist() == [False] * 4 + [True]
    assert corpus.histories.items[:5].tolist() == [3, 1, 0, 2, 4]
    assert corpus.parts is not None
    assert corpus.parts[:9].tolist() == [TRAINING] * 3 + [VALIDATION, TEST] + [TRAINING] * 3 + [TEST]


def test_items_without_attributes_are_bad_lines(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    _write(raw)
    (raw / "train.json").write_text(json.dumps({str(user): [0, 1, 2, 3] for user in range(10)} | {"10": [99]}))
    manifest = build_corpus("netflix", tmp_path / "corpus", raw)
    assert manifest.bad_lines[NO_METADATA].count == 1
    (raw / "train.json").write_text(json.dumps({"0": [90, 91, 92]}))
    with pytest.raises(DataError, match="item without metadata"):
        build_corpus("netflix", tmp_path / "corpus", raw)


@pytest.mark.parametrize(
    "content", ["", "[1, 2]", '{"0": [1, "2"]}', '{"0": 3}', '{"0": [true]}', '{"0": [1]', '{"0": [1.5]}']
)
def test_other_forms_are_refused(tmp_path: Path, content: str) -> None:
    raw = tmp_path / "raw"
    _write(raw)
    (raw / "val.json").write_text(content)
    with pytest.raises(DataError, match=r"val\.json"):
        build_corpus("netflix", tmp_path / "corpus", raw)


def test_missing_and_duplicate_files_are_errors(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    _write(raw)
    (raw / "netflix_image_text" / "test.json").write_text("{}")
    with pytest.raises(DataError, match=r"has test\.json twice"):
        build_corpus("netflix", tmp_path / "corpus", raw)
    (raw / "netflix_image_text" / "test.json").unlink()
    (raw / "test.json").unlink()
    with pytest.raises(DataError, match=r"has no test\.json"):
        build_corpus("netflix", tmp_path / "corpus", raw)


def test_a_byte_order_mark_is_skipped_and_an_invalid_year_is_missing(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    _write(raw)
    for path in (raw / "val.json", raw / "netflix_image_text" / "item_attribute.csv"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"2004,Isle", b"NULL,Isle"))
    corpus = build_and_open(tmp_path)
    assert corpus.items.text("year") == ["2003", "", "1997", "", "1992"]
    assert corpus.items.text("title")[1] == "Isle of Man TT 2004 Review"
    counted = corpus.manifest.bad_cells["item_attribute.csv: year"]
    assert (counted.count, counted.first) == (1, ("item_attribute.csv:2",))


def test_truncated_json_is_an_error(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    _write(raw)
    content = (raw / "train.json").read_bytes()
    (raw / "train.json").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"train\.json is not JSON"):
        build_and_open(tmp_path)


def build_and_open(tmp_path: Path) -> Corpus:
    build_corpus("netflix", tmp_path / "corpus", tmp_path / "raw")
    return Corpus.open(tmp_path / "corpus")
