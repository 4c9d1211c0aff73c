"""H&M in Kaggle's format: articles with quoted descriptions, purchases by day, pictures in folders of three digits."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data_prep.build import BuildOptions, build_corpus
from data_prep.raw_files import BAD_TIME, MISSING_FIELD, WRONG_COLUMNS
from tests.data_prep.raw_sets import write_picture
from unimp_bench.corpus import Corpus
from unimp_bench.errors import DataError

HEADER = (
    "article_id,product_code,prod_name,product_type_no,product_type_name,product_group_name,graphical_appearance_no,"
    "graphical_appearance_name,colour_group_code,colour_group_name,perceived_colour_value_id,"
    "perceived_colour_value_name,perceived_colour_master_id,perceived_colour_master_name,department_no,"
    "department_name,index_code,index_name,index_group_no,index_group_name,section_no,section_name,garment_group_no,"
    "garment_group_name,detail_desc"
)
COLUMNS = HEADER.split(",")
SMALL = BuildOptions(user_core=2, item_core=2, held_out=0)


def _article(number: int, **changes: str) -> dict[str, str]:
    fields = dict.fromkeys(COLUMNS, "1") | {
        "article_id": f"0{100 + number}775015",
        "prod_name": f"Strap top {number}",
        "product_type_name": "Vest top",
        "product_group_name": "Garment Upper body",
        "graphical_appearance_name": "Solid" if number else "Unknown",
        "colour_group_name": "Black",
        "section_name": "Womens Everyday Basics",
        "detail_desc": f'Jersey top, "{number}"\nwith narrow straps.',
    }
    return fields | changes


def _write(raw: Path, articles: list[dict[str, str]] | None = None, purchases: list[str] | None = None) -> None:
    raw.mkdir(exist_ok=True)
    articles = [_article(number) for number in range(6)] if articles is None else articles
    with (raw / "articles.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows(articles)
    lines = ["t_dat,customer_id,article_id,price,sales_channel_id"]
    lines += _purchases() if purchases is None else purchases
    (raw / "transactions_train.csv").write_text("\n".join(lines) + "\n")


def _purchases() -> list[str]:
    """Four customers; each has the articles 0 to 3, the first two on one day in falling order."""
    days = (("2018-09-20", 1), ("2018-09-20", 0), ("2018-09-22", 3), ("2018-09-21", 2))
    return [f"{day},{'c' * 63}{user},0{100 + number}775015,0.0508,2" for day, number in days for user in range(4)]


def _build(tmp_path: Path, options: BuildOptions = SMALL, **files: Any) -> Corpus:
    _write(tmp_path / "raw", **files)
    build_corpus("hm", tmp_path / "corpus", tmp_path / "raw", options)
    return Corpus.open(tmp_path / "corpus")


def test_articles_purchases_and_pictures(tmp_path: Path) -> None:
    for number in (0, 2):
        article = f"0{100 + number}775015"
        write_picture(tmp_path / "raw" / "images" / article[:3] / f"{article}.jpg")
    corpus = _build(tmp_path)
    assert corpus.items.names == [f"0{100 + number}775015" for number in range(4)]
    assert corpus.items.attributes == ("title", "appearance", "colour", "section", "description", "category")
    assert corpus.items.text("title")[2] == "Strap top 2"
    assert corpus.items.text("appearance") == ["", "Solid", "Solid", "Solid"]
    assert corpus.items.text("colour")[0] == "Black"
    assert corpus.items.text("section")[0] == "Womens Everyday Basics"
    assert corpus.items.text("category")[0] == "Garment Upper body > Vest top"
    assert corpus.items.text("description")[1] == 'Jersey top, "1" with narrow straps.'
    assert corpus.items.has_picture.tolist() == [True, False, True, False]
    assert sorted(corpus.histories.items[:2]) == [0, 1], "of one day"
    assert corpus.histories.items[2:4].tolist() == [2, 3]
    assert corpus.histories.times[:4].tolist() == [1_537_401_600, 1_537_401_600, 1_537_488_000, 1_537_574_400]
    assert np.isnan(corpus.histories.ratings).all()
    assert corpus.users.names[0] == "c" * 63 + "0"
    assert corpus.manifest.bad_lines == {}


def test_dropped_leading_zeros_are_restored(tmp_path: Path) -> None:
    write_picture(tmp_path / "raw" / "images" / "010" / "0100775015.jpg")
    articles = [_article(number, article_id=f"{100 + number}775015") for number in range(4)]
    corpus = _build(tmp_path, articles=articles, purchases=[line.replace(",01", ",1") for line in _purchases()])
    assert corpus.items.names[0] == "0100775015"
    assert corpus.items.has_picture[0]


def test_bad_lines_are_counted(tmp_path: Path) -> None:
    day = "2018-09-25"
    good = [f"{day},u{user},0{100 + number}775015,0.05,2" for user in range(30) for number in range(6)]
    wrong = [
        f"{day},u1,0100775015",
        "25.9.2018,u1,0100775015,0.05,2",
        f"{day},,0100775015,0.05,2",
        f"{day},u1,x,0.05,2",
    ]
    corpus = _build(tmp_path, purchases=good + wrong)
    assert {kind: bad.count for kind, bad in corpus.manifest.bad_lines.items()} == {
        WRONG_COLUMNS: 1,
        BAD_TIME: 1,
        MISSING_FIELD: 2,
    }
    assert corpus.manifest.bad_lines[BAD_TIME].first == ("transactions_train.csv:183 (t_dat)",)
    assert corpus.manifest.counts.interactions == 180


def test_an_open_quote_at_the_end_is_a_truncation(tmp_path: Path) -> None:
    """The number of lost lines is unknown."""
    lines = [f"2018-09-20,u{user},0{100 + number}775015,0.05,2" for user in range(30) for number in range(6)]
    lines.append('2018-09-20,"u1,0100775015,0.05,2')
    with pytest.raises(DataError, match=r"transactions_train\.csv is truncated in line 182"):
        _build(tmp_path, purchases=lines)
    corpus = _build(tmp_path, replace(SMALL, partial=True), purchases=lines)
    assert {kind: bad.count for kind, bad in corpus.manifest.bad_lines.items()} == {WRONG_COLUMNS: 1}
    assert corpus.manifest.counts.interactions == 180


@pytest.mark.parametrize("name", ["articles.csv", "transactions_train.csv"])
def test_missing_files_and_columns(tmp_path: Path, name: str) -> None:
    _write(tmp_path / "raw")
    path = tmp_path / "raw" / name
    text = path.read_text()
    path.write_text(text.replace("article_id", "id", 1))
    with pytest.raises(DataError, match="has no column 'article_id'"):
        build_corpus("hm", tmp_path / "corpus", tmp_path / "raw", SMALL)
    path.unlink()
    with pytest.raises(DataError, match=f"has no {name}"):
        build_corpus("hm", tmp_path / "corpus", tmp_path / "raw", SMALL)
