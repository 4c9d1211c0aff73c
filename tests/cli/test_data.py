"""``unimp-bench data``: the report of a build."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.data_prep.raw_sets import reviews, write_picture, write_style
from unimp_bench.cli.data import command

INTER = "user_id:token\titem_id:token\trating:float\tplace:token\n"


@pytest.fixture
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three users of four items: two repeats, three items with attributes, a price and a rating that are none."""
    monkeypatch.chdir(tmp_path)
    lines = ["u\ta\t1", "u\tb\t2.5", "v\ta\t4", "v\ta\t5", "w\tc\t-", "w\td\t4", "w\td\t4"]
    folder = tmp_path / "raw"
    folder.mkdir()
    (folder / "x.inter").write_text(INTER + "".join(f"{line}\there\n" for line in lines))
    (folder / "x.item").write_text("item_id:token\ttitle:token\tprice:float\na\tA\t-\nb\tB\t2\nc\t\t3\nq\tQ\t4\n")
    (folder / "x.user").write_text("user_id:token\nu\n")
    write_picture(folder / "images" / "a.png")
    write_picture(folder / "images" / "nobody.png")
    return folder


def _screen(*arguments: object) -> list[str]:
    done = CliRunner().invoke(command, list(map(str, arguments)), catch_exceptions=False)
    assert done.exit_code == 0
    return [line.strip() for line in done.output.splitlines()]


def test_the_build_reports_matched_and_dropped_input(raw: Path) -> None:
    screen = _screen("--corpus", "atomic", "--raw", raw, "--name", "mine")
    assert screen[0].endswith("mine: 3 users, 4 items, 5 interactions, 1 pictures, 0 explanations")
    assert screen[1:-1] == [
        "3 of 4 items have attributes (title 2, price 2)",
        "1 of 4 items have a picture",
        "ratings from 1 to 4 in steps of 1.5",
        "dropped 2 repeated interactions of a user and an item, the first is kept (--repeats keeps all)",
        "dropped x.user, x.inter: place: not supported",
        "dropped 1 picture without an item of the corpus",
        "treated 1 unreadable value of x.inter: rating as missing, first at x.inter:6",
        "treated 1 unreadable value of x.item: price as missing, first at x.item:2",
    ]


def test_a_replaced_corpus_is_reported(raw: Path) -> None:
    arguments = ("--corpus", "atomic", "--raw", raw, "--name", "mine")
    first = _screen(*arguments)[-1].removeprefix("fingerprint ")
    assert "identical to the previous corpus of that name" in _screen(*arguments)
    screen = _screen(*arguments, "--repeats")
    assert screen[0].endswith("7 interactions, 1 pictures, 0 explanations")
    replaced = [line for line in screen if line.startswith("replaced another corpus of that name")]
    assert len(replaced) == 1
    assert f"(3 users, 4 items, 5 interactions, fingerprint {first})" in replaced[0]


def test_merged_items_the_core_and_the_split_are_counted(raw: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for folder, name, lines in ((raw, "x", ("u\ta\t0", "u\tb\t1")), (other, "y", ("s\ta\t0", "s\tc\t2", "s\td\t2"))):
        (folder / f"{name}.inter").write_text("userID\titemID\tx_label\n" + "".join(f"{line}\n" for line in lines))
    screen = _screen("--corpus", "atomic", "--raw", raw, "--raw", other, "--name", "both")
    assert "merged 1 item in several domains" in screen
    assert "public split: training 2, validation 1, test 2" in screen
    assert "no ratings, or all equal" in screen


def test_interactions_outside_the_core_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    records = reviews()
    write_style("amazon-2018", tmp_path / "raw", records=[*records, records[0] | {"reviewerID": "once"}])
    screen = _screen("--corpus", "amazon-2018", "--raw", tmp_path / "raw")
    assert "12 of 12 items have attributes (title 12, brand 12, category 12, price 12, description 12)" in screen
    assert "dropped 1 interaction outside the core of 5 per user and 5 per item" in screen


def test_the_order_of_the_file_is_in_the_default_name(raw: Path) -> None:
    (raw / "x.inter").write_text("user_id:token\titem_id:token\ttimestamp:float\n" + "u\ta\t1\nu\tb\t1\n")
    for arguments, name in (((), "atomic"), (("--ties", "file"), "atomic-file"), (("--ties", "hash"), "atomic")):
        assert _screen("--corpus", "atomic", "--raw", raw, *arguments)[0].startswith(f"built data/{name}: ")


def test_reviews_without_metadata_say_what_the_items_lack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_style("amazon-2014", tmp_path / "raw")
    next((tmp_path / "raw").glob("meta_*")).unlink()
    screen = _screen("--corpus", "amazon-2014", "--raw", tmp_path / "raw")
    assert screen[2] == ("no titles, categories, brands and prices: no meta_Beauty.json.gz in the raw folder")
