"""Several atomic sets as one corpus: one domain and separate users per set, one catalogue."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data_prep.build import BuildOptions, build_corpus
from unimp_bench.corpus import Corpus
from unimp_bench.errors import DataError, UsageError

INTER = "user_id:token\titem_id:token\ttimestamp:float"
SETS = {
    "toys": (
        [INTER, "u1\ta\t1", "u1\tb\t2", "u2\tb\t1"],
        ["item_id:token\tbrand:token\tgenres:token_seq(|)", "a\tAcme\tToys|Cars", "b\t\tToys"],
    ),
    "books": (
        [INTER, "u1\tc\t5", "u1\tb\t4", "u3\tc\t1"],
        ["item_id:token\tcategory:token\tprice:float\tbrand:token", "c\tNovel\t3.5\tPress", "b\tNovel\t2\tBoth"],
    ),
    "bare": ([INTER, "u9\td\t1", "u9\ta\t2"], None),
}


def _write(folder: Path, name: str, inter: list[str], item: list[str] | None) -> Path:
    folder.mkdir(parents=True)
    (folder / f"{name}.inter").write_text("\n".join(inter))
    if item is not None:
        (folder / f"{name}.item").write_text("\n".join(item))
    return folder


@pytest.fixture
def raws(tmp_path: Path) -> list[Path]:
    return [_write(tmp_path / name, name, *files) for name, files in SETS.items()]


def _build(raws: list[Path], options: BuildOptions | None = None) -> Corpus:
    folder = raws[0].parent / "merged"
    build_corpus("atomic", folder, raws[0], options, further=tuple(raws[1:]))
    return Corpus.open(folder)


def test_users_are_per_set_and_items_are_merged_by_name(raws: list[Path]) -> None:
    corpus = _build(raws)
    manifest = corpus.manifest
    assert manifest.domains == ("toys", "books", "bare")
    assert corpus.users.names == ["u1_books", "u1_toys", "u2_toys", "u3_books", "u9_bare"]
    assert [manifest.domains[code] for code in corpus.users.domains] == ["books", "toys", "toys", "books", "bare"]
    assert corpus.items.names == ["a", "b", "c", "d"]
    histories = corpus.histories
    walks = [
        "".join(corpus.items.names[i] for i in part) for part in np.split(histories.items, histories.offsets[1:-1])
    ]
    assert walks == ["bc", "ab", "b", "c", "da"]
    assert manifest.options["order"] == "timestamp" and manifest.options["left_out"] == []
    assert set(manifest.inputs) == {"toys.inter", "toys.item", "books.inter", "books.item", "bare.inter"}


def test_attributes_are_joined_by_name_from_the_first_set(raws: list[Path]) -> None:
    items = _build(raws).items
    assert items.attributes == ("brand", "category", "price")
    assert items.column("brand").to_pylist() == ["Acme", "Both", "Press", None]
    assert items.column("category").to_pylist() == [["Toys", "Cars"], ["Toys"], ["Novel"], None]
    assert items.column("price").to_pylist() == [None, 2.0, 3.5, None]


def test_the_core_is_computed_over_all_sets(tmp_path: Path) -> None:
    """Item a is bought twice, but once in each set."""
    raws = [
        _write(tmp_path / "x", "x", [INTER, "u\ta\t1", "u\tb\t2", "v\tb\t1"], None),
        _write(tmp_path / "y", "y", [INTER, "u\ta\t1", "u\tc\t2", "v\tc\t3"], None),
    ]
    corpus = _build(raws, BuildOptions(user_core=0, item_core=2, held_out=0.0))
    assert corpus.items.names == ["a", "b", "c"] and len(corpus.histories) == 6


def test_bad_lines_are_reported_per_file(raws: list[Path]) -> None:
    lines = [INTER, *(f"v{number}\tb\t{number}" for number in range(40)), "short", ""]
    (raws[1] / "books.inter").write_text("\n".join(lines))
    (bad,) = _build(raws).manifest.bad_lines.values()
    assert bad.first == ("books.inter:42",)


def test_a_public_split_covers_all_sets(tmp_path: Path) -> None:
    split = "user_id:token\titem_id:token\tsplit:token"
    raws = [
        _write(tmp_path / "x", "x", [split, "u\ta\ttrain", "u\tb\ttest"], None),
        _write(tmp_path / "y", "y", [split, "u\tc\tval", "u\ta\ttrain"], None),
    ]
    corpus = _build(raws)
    assert corpus.parts is not None and corpus.parts.tolist() == [0, 2, 0, 1]
    (raws[1] / "y.inter").write_text("\n".join([INTER, "u\tc\t1"]))
    with pytest.raises(DataError, match="y has no column split, unlike another set"):
        _build(raws)


def test_orders_that_differ_are_noted_by_set(raws: list[Path]) -> None:
    (raws[2] / "bare.inter").write_text("user_id:token\titem_id:token\nu9\td")
    order = _build(raws).manifest.options["order"]
    assert order == {"toys": "timestamp", "books": "timestamp", "bare": "file"}


def test_incompatible_sets_are_refused(raws: list[Path]) -> None:
    (raws[1] / "books.item").write_text("item_id:token\tbrand:float\nc\t3")
    with pytest.raises(DataError, match=r"books: attribute 'brand' has type double, but string"):
        _build(raws)
    same = _write(raws[0].parent / "again" / "toys", "toys", *SETS["toys"])
    with pytest.raises(DataError, match="have the same name; rename one of the sets"):
        _build([raws[0], same])
    with pytest.raises(DataError, match="does not exist"):
        _build([raws[0], raws[0] / "nowhere"])


def test_other_kinds_are_built_from_one_folder(raws: list[Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="corpus netflix is built from a single folder"):
        build_corpus("netflix", tmp_path / "films", raws[0], further=(raws[1],))
    assert not (tmp_path / "films").exists()
