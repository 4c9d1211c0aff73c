"""The reader of atomic files: types, separators, order, and invalid input."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from data_prep.build import BuildOptions, build_corpus
from data_prep.raw_files import BAD_PART, BAD_TIME, MISSING_FIELD, NOT_UTF8, WRONG_COLUMNS
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.manifest import BadLines
from unimp_bench.errors import DataError

INTER = [
    "user_id:token\titem_id:token\trating:float\ttimestamp:float",
    "u2\ta\t5.0\t20",
    "u1\tb\t3.5\t9.5",
    "u1\ta\t\t7",
    "u1\tb\t1.0\t8",
    "u2\tc\t4\t10.25",
]
ITEM = [
    "item_id:token\ttitle:token_seq\tgenres:token_seq\ttags:token_seq(|)\tprice:float\tvector:float_seq",
    "b\tThe Second\tDrama War\tx y|z\t2.5\t0.1 0.2",
    "a\t\t\t\t\t",
    "unknown\tNobody\tNone\tq\t1\t0",
]


def _write(folder: Path, name: str, lines: list[str]) -> None:
    folder.mkdir(exist_ok=True)
    content = "\n".join(lines).encode()
    (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)


def _build(raw: Path, options: BuildOptions | None = None) -> Corpus:
    folder = raw.parent / "corpus"
    build_corpus("atomic", folder, raw, options)
    return Corpus.open(folder)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return tmp_path / "raw"


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_interactions_in_time_order_and_typed_attributes(raw: Path, ending: str) -> None:
    _write(raw, f"films.inter{ending}", INTER)
    _write(raw, f"films.item{ending}", ITEM)
    _write(raw, "films.user", ["user_id:token\tage:float", "u1\t30"])
    corpus = _build(raw)
    assert (corpus.users.names, corpus.items.names) == (["u1", "u2"], ["a", "b", "c"])
    assert corpus.histories.offsets.tolist() == [0, 2, 4]
    assert corpus.histories.items.tolist() == [0, 1, 2, 0]
    assert corpus.histories.times.tolist() == [7, 8, 10, 20]
    assert np.array_equal(corpus.histories.ratings, [np.nan, 1.0, 4.0, 5.0], equal_nan=True)
    assert corpus.items.attributes == ("title", "category", "tags", "price")
    assert corpus.items.column("title").to_pylist() == [None, "The Second", None]
    assert corpus.items.column("category").to_pylist() == [None, ["Drama", "War"], None]
    assert corpus.items.column("tags").to_pylist() == [None, ["x y", "z"], None]
    assert corpus.items.column("price").to_pylist() == [None, 2.5, None]
    manifest = corpus.manifest
    assert (manifest.domains, manifest.new_domains) == (("films",), ())
    assert (manifest.counts.held_out_users, manifest.counts.reviews, corpus.reviews) == (0, 0, None)
    assert manifest.options["left_out"] == ["films.user", f"films.item{ending}: vector"]
    assert manifest.options["order"] == "timestamp"
    assert manifest.options["removed"] == {"duplicates": 1, "outside the core": 0}


def test_without_timestamps_interactions_are_in_file_order(raw: Path) -> None:
    _write(raw, "x.inter", ["item_id:token\tuser_id:token\tplace:token", "z\tu\there", "a\tu\tthere", "m\tu\tthere"])
    corpus = _build(raw)
    assert [corpus.items.names[item] for item in corpus.histories.items] == ["z", "a", "m"]
    assert np.isnan(corpus.histories.ratings).all()
    assert corpus.manifest.options["order"] == "file"
    assert corpus.manifest.options["left_out"] == ["x.inter: place"]
    assert corpus.items.attributes == ()


def test_a_public_split_orders_a_users_rows_by_part_then_time(raw: Path) -> None:
    lines = [
        *("u\ta\t9\ttrain", "u\tb\t1\ttest", "u\tc\t5\tval", "v\ta\t3\ttest"),
        *("u\td\t2\ttrain", "u\te\t0\ttest", "v\tb\t4\tvalidation"),
    ]
    _write(raw, "x.inter", ["user_id:token\titem_id:token\ttimestamp:float\tsplit:token", *lines])
    corpus = _build(raw)
    assert "".join(corpus.items.names[item] for item in corpus.histories.items) == "dacebba"
    assert corpus.parts is not None
    assert corpus.parts.tolist() == [0, 0, 1, 2, 2, 1, 2]
    assert corpus.manifest.options["left_out"] == []


def test_a_single_token_is_a_category_path_of_length_one(raw: Path) -> None:
    _write(raw, "x.inter", ["user_id:token\titem_id:token", "u\ta"])
    _write(raw, "x.item", ["item_id:token\tclass:token\tcategory:token", "a\tmodel\ttwo words"])
    corpus = _build(raw)
    assert corpus.items.column("category").to_pylist() == [["two words"]]
    assert corpus.items.column("class").to_pylist() == ["model"]


def test_a_core_and_held_out_users_on_request(raw: Path) -> None:
    lines = [f"u{user}\ti{item}" for user in range(20) for item in range(4)]
    _write(raw, "x.inter", ["user_id:token\titem_id:token", *lines, "u0\tlone"])
    counts = _build(raw, BuildOptions(user_core=2, item_core=2, held_out=0.25)).manifest.counts
    assert (counts.users, counts.items, counts.held_out_users) == (20, 4, 5)


_NEVER_MEET = (
    r"a\.item: no line describes an item of a\.inter; its ids are like ' a', 'b\.0', "
    r"those of the interactions like 'a', 'b', 'c'"
)

BAD = {
    WRONG_COLUMNS: ("u1\ta\t3", ""),
    BAD_TIME: ("u1\ta\t3\t-1", " (timestamp)"),
    MISSING_FIELD: ("\ta\t3\t3", " (user_id)"),
    NOT_UTF8: ("u1\ta\udcff\t3\t3", ""),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_lines_are_counted_and_skipped(raw: Path, kind: str) -> None:
    lines = [INTER[0], *(f"u{number}\ti{number % 3}\t3\t{number}" for number in range(40)), BAD[kind][0]]
    raw.mkdir()
    (raw / "x.inter").write_bytes("\n".join([*lines, ""]).encode(errors="surrogateescape"))
    corpus = _build(raw)
    assert len(corpus.histories) == 40
    counted = corpus.manifest.bad_lines
    assert counted == {kind: BadLines(count=1, first=(f"x.inter:42{BAD[kind][1]}",))}


@pytest.mark.parametrize(("cells", "cut"), [("u1\ta\t3", True), ("u1\ta\t3\t4", False)])
def test_an_incomplete_last_line_is_a_truncation(raw: Path, cells: str, cut: bool) -> None:
    lines = [INTER[0], *(f"u{number}\ti{number % 3}\t3\t{number}" for number in range(40)), cells]
    _write(raw, "x.inter", lines)
    if cut:
        with pytest.raises(DataError, match=r"x\.inter is truncated in line 42"):
            _build(raw)
    assert len(_build(raw, BuildOptions(0, 0, 0.0, partial=True)).histories) == (40 if cut else 41)


@pytest.mark.parametrize("cell", ["-", "nan", "N/A", "five", "inf"])
def test_a_non_numeric_rating_is_missing_and_its_interaction_is_kept(raw: Path, cell: str) -> None:
    _write(raw, "x.inter", [INTER[0], f"u\ta\t{cell}\t1", "u\tb\t4\t2"])
    corpus = _build(raw)
    assert np.array_equal(corpus.histories.ratings, [np.nan, 4.0], equal_nan=True)
    assert corpus.manifest.bad_lines == {}
    assert corpus.manifest.bad_cells == {"x.inter: rating": BadLines(count=1, first=("x.inter:2",))}


@pytest.mark.parametrize("bad", [1, 39, 40])
def test_an_invalid_number_invalidates_only_its_cell(raw: Path, bad: int) -> None:
    _write(raw, "x.inter", [INTER[0], "u\ti7\t1\t1", "u\ti8\t1\t2"])
    unread = (7, *(number for number in range(40) if number not in (7, 8)), 8)[:bad]
    prices = [f"i{number}\t{'-' if number in unread else number}\tname {number}" for number in range(40)]
    _write(raw, "x.item", ["item_id:token\tprice:float\ttitle:token_seq", *prices])
    corpus = _build(raw)
    assert corpus.items.column("price").to_pylist() == [None, 8.0 if bad < 40 else None]
    assert corpus.items.column("title").to_pylist() == ["name 7", "name 8"]
    counted = corpus.manifest.bad_cells["x.item: price"]
    assert (counted.count, len(counted.first), corpus.manifest.bad_lines) == (bad, min(bad, 5), {})
    if bad == 1:
        assert counted.first == ("x.item:9",)
    assert corpus.manifest.described == {"price": 1 if bad < 40 else 0, "title": 2}


def test_an_unknown_part_is_a_bad_line(raw: Path) -> None:
    lines = [f"u{number}\ti{number % 3}\t{'dev' if number == 7 else 'train'}" for number in range(40)]
    _write(raw, "x.inter", ["user_id:token\titem_id:token\tsplit:token", *lines])
    corpus = _build(raw)
    assert corpus.manifest.bad_lines[BAD_PART].first == ("x.inter:9 (split)",)
    assert corpus.parts is not None and len(corpus.parts) == len(corpus.histories) == 39


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, r"has no \.inter"),
        ({"a.inter": INTER, "b.inter.gz": INTER}, r"several \.inter files \(a\.inter, b\.inter\.gz\); keep one"),
        ({"a.inter": INTER, "a.train.inter": INTER}, r"several \.inter files"),
        ({"a.train.inter": INTER, "b.test.inter": INTER}, r"several \.inter files"),
        ({"a.train.inter": INTER, "a.train.inter.gz": INTER}, r"several \.inter files"),
        ({"a.train.inter": INTER, "a.test.inter": ["user_id:token\titem_id:token", "u\ti"]}, "no column timestamp"),
        ({"a.inter": ["user_id:token item_id:token", "u i"]}, "with tabs between columns"),
        ({"a.inter": INTER, "a.item": ["item_id:token\ttitle:token", " a\tA", "b.0\tB"]}, _NEVER_MEET),
        ({"a.inter": ["user_id\titem_id", "u\ti"]}, "column 'user_id' of the first line is not name:type"),
        ({"a.inter": []}, "column '' of the first line"),
        ({"a.inter": ["user_id:token\titem:token", "u\ti"]}, "column 'item'|no column item_id"),
        ({"a.inter": INTER, "a.item": ["item_id:token\tpicture:token", "a\tb"]}, "rename column 'picture'"),
        ({"a.inter": INTER, "a.item": ["item_id:token\tx:token\tx:token", "a\tb\tc"]}, "rename column 'x'"),
        ({"a.inter": INTER[:1]}, "no interaction is left"),
    ],
)
def test_unusable_folders(raw: Path, files: dict[str, list[str]], message: str) -> None:
    raw.mkdir()
    for name, lines in files.items():
        _write(raw, name, lines)
    with pytest.raises(DataError, match=message):
        _build(raw)
    assert not (raw.parent / "corpus").exists()


def test_files_of_the_parts_are_a_public_split(raw: Path) -> None:
    """RecBole's ``benchmark_filename``; files may differ in the order of columns."""
    _write(raw, "x.test.inter", ["item_id:token\tuser_id:token\ttimestamp:float", "b\tu\t1", "e\tu\t0"])
    _write(raw, "x.train.inter", ["user_id:token\titem_id:token\ttimestamp:float", "u\ta\t9", "u\td\t2"])
    _write(raw, "x.valid.inter.gz", ["user_id:token\titem_id:token\ttimestamp:float\tsplit:token", "u\tc\t5\ttest"])
    _write(raw, "x.item", ["item_id:token\ttitle:token", "a\tA"])
    corpus = _build(raw)
    assert "".join(corpus.items.names[item] for item in corpus.histories.items) == "daceb"
    assert corpus.parts is not None and corpus.parts.tolist() == [0, 0, 1, 2, 2]
    assert corpus.manifest.domains == ("x",)
    assert corpus.manifest.options["public split"] == {"training": 2, "validation": 1, "test": 2}
    assert corpus.manifest.options["left_out"] == ["x.valid.inter.gz: split"]
    assert sorted(corpus.manifest.inputs) == ["x.item", "x.test.inter", "x.train.inter", "x.valid.inter.gz"]
    assert corpus.items.text("title") == ["A", "", "", "", ""]


def test_parts_without_times_are_in_the_order_of_the_files(raw: Path) -> None:
    """A pair in two parts belongs to the training part, regardless of line numbers."""
    _write(raw, "x.test.inter", ["user_id:token\titem_id:token", "u\tb", "u\tc"])
    _write(raw, "x.train.inter", ["user_id:token\titem_id:token", "u\td", "u\ta", "u\tb"])
    corpus = _build(raw)
    assert "".join(corpus.items.names[item] for item in corpus.histories.items) == "dabc"
    assert corpus.parts is not None and corpus.parts.tolist() == [0, 0, 0, 2]


def test_the_layout_of_mmrec(raw: Path) -> None:
    lines = ["0\t4\t5.0\t15\t0", "0\t9\t4.0\t14\t2", "0\t2\t3.0\t16\t1", "1\t4\t1.0\t3\t0"]
    _write(raw, "baby.inter", ["userID\titemID\trating\ttimestamp\tx_label", *lines])
    corpus = _build(raw)
    assert [corpus.items.names[item] for item in corpus.histories.items] == ["4", "2", "9", "4"]
    assert corpus.parts is not None and corpus.parts.tolist() == [0, 1, 2, 0]
    assert corpus.histories.ratings.tolist() == [5.0, 3.0, 4.0, 1.0]
    assert corpus.histories.times.tolist() == [15, 16, 14, 3]
    assert corpus.manifest.options["left_out"] == []


@pytest.mark.parametrize("name", ["x.inter", "x.item"])
def test_a_byte_order_mark_is_not_part_of_a_column_name(raw: Path, name: str) -> None:
    for each, lines in {"x.inter": INTER, "x.item": ITEM}.items():
        _write(raw, each, ["\ufeff" * (each == name) + lines[0], *lines[1:]])
    assert _build(raw).items.text("title") == ["", "The Second", ""]


def test_repeats_are_kept_on_request(raw: Path) -> None:
    _write(raw, "films.inter", INTER)
    corpus = _build(raw, BuildOptions(0, 0, 0.0, repeats=True))
    assert [corpus.items.names[item] for item in corpus.histories.items] == ["a", "b", "b", "c", "a"]
    assert corpus.histories.times.tolist() == [7, 8, 9, 10, 20]
    assert corpus.manifest.options["removed"] == {"duplicates": 0, "outside the core": 0}
