"""Reading of printed tables: names, digits and errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from unimp_bench.errors import DataError
from unimp_bench.reports.audit.table.reading import PrintedTable, metric_named, read_table


def from_csv(folder: Path, text: str, percent: bool = False) -> PrintedTable:
    path = folder / "t.csv"
    path.write_text(text, encoding="utf-8")
    return read_table(path, percent)


def from_json(folder: Path, *rows: dict[str, Any], percent: bool = False) -> PrintedTable:
    path = folder / "t.json"
    table = {"source": "a paper", "task": "search", "data": "d", "corpus": "", "protocol": "p"}
    path.write_text(json.dumps({**table, "rows": [{"system": f"S{n}", "metrics": row} for n, row in enumerate(rows)]}))
    return read_table(path, percent)


def printed(table: PrintedTable) -> list[list[str]]:
    return [list(map(str, row.cells)) for row in table.rows]


@pytest.mark.parametrize(
    ("names", "metric"),
    [
        ("HR@5 hr@5 H@5 Hit@5 hits@5 HitRate@5 Recall@5 R@5 HR5 hit5 Recall5", "HR@5"),
        ("NDCG@10 nDCG@10 N@10 NDCG10", "NDCG@10"),
        ("MRR@1000 M@1000 mrr@1000", "MRR@1000"),
    ],
)
def test_names_in_papers(names: str, metric: str) -> None:
    for name in names.split():
        found = metric_named(name)
        assert found is not None and found.name == metric, name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "HR",
        "MRR",
        "HR@0",
        "HR@1001",
        "HR@5.5",
        "Precision@5",
        "F1",
        "R2",
        "N10",
        "M3",
        "P5",
        "HR@-1",
        "HR 0",
        "HR@\N{ARABIC-INDIC DIGIT FIVE}",
    ],
)
def test_other_names_are_not_rank_metrics(name: str) -> None:
    assert metric_named(name) is None


def test_digits_of_a_csv(tmp_path: Path) -> None:
    table = from_csv(tmp_path, "system,HR @ 5,Fit,N@5\nA, 0.0110 ,7 s,.25\nB,-,,0.012345678\n\nC,,1,\n")
    assert printed(table) == [["HR@5 0.0110", "NDCG@5 0.25"], ["NDCG@5 0.0123457"]]
    assert table.notes == ("ignored, not HR, NDCG or MRR at a K up to 1000: Fit",)


def test_spaces_in_names_are_ignored() -> None:
    for name in ("HR @ 5", "HR@ 5", "HR 5", " Recall @5 "):
        found = metric_named(name)
        assert found is not None and found.name == "HR@5", name


MARKDOWN = """# Results

| a | b |
not a table, since no rule follows

| system | **HR@5** | NDCG5 | note |
|:---|---:|---:|---|
| A \\| a | **0.0337** | 0.0231 | x |
| B | 0.0281 | - | `y` |
Text.

| HR@1 | MRR@1 |
|---|---|
| 0.1 | _0.10_ |
"""


@pytest.mark.parametrize("name", ["t.md", "t.csv"])
def test_all_tables_of_a_markdown_file_are_read(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(MARKDOWN, encoding="utf-8")
    table = read_table(tmp_path / name)
    assert printed(table) == [["HR@5 0.0337", "NDCG@5 0.0231"], ["HR@5 0.0281"], ["HR@1 0.1", "MRR@1 0.10"]]
    assert [row.system for row in table.rows] == ["A | a", "B", "line 14"]
    assert table.notes == ("ignored, not HR, NDCG or MRR at a K up to 1000: note",)


def test_a_markdown_file_without_a_table_raises(tmp_path: Path) -> None:
    (tmp_path / "t.md").write_text("| HR@5 |\n| 0.1 |\n")
    with pytest.raises(DataError, match=r"t\.md has no table"):
        read_table(tmp_path / "t.md")


def test_rows_without_a_name_are_named_by_their_line(tmp_path: Path) -> None:
    table = from_csv(tmp_path, "HR@1,MRR@1\n0.1,0.1\n")
    assert [row.system for row in table.rows] == ["line 2"]


def test_cells_of_json_are_padded_to_the_longest_of_their_measure(tmp_path: Path) -> None:
    table = from_json(tmp_path, {"HR@3": 0.011, "MRR@3": 0.5}, {"HR@5": 0.0215, "MRR@3": 1, "RMSE": 1.5})
    assert printed(table) == [["HR@3 0.0110", "MRR@3 0.5"], ["HR@5 0.0215", "MRR@3 1.0"]]
    assert any("lack zeros" in note for note in table.notes)
    assert from_json(tmp_path, {"HR@3": 0.0111}, {"HR@3": 0.0112}).notes == ()


def test_percentages_are_fractions_with_two_more_digits(tmp_path: Path) -> None:
    assert printed(from_csv(tmp_path, "s,HR@5\nA,3.40\nB,100\n", percent=True)) == [["HR@5 0.0340"], ["HR@5 1.00"]]
    assert printed(from_json(tmp_path, {"HR@5": 3.4}, {"HR@5": 2.15}, percent=True))[0] == ["HR@5 0.0340"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "needs a header"),
        ("system,HR@5\n", "needs a header"),
        ("system,HR@5\nA,0.1,0.2\n", "line 2 has 3 cells, the header 2"),
        ("system,HR@5,HR@5\nA,0.1,0.2\n", "two columns 'HR@5'"),
        ("system,HR@5\nA,3.4\n", "HR@5 of A is 3.4, more than 1; for numbers in percent, use --percent"),
        ("system,HR@5\nA,-0.1\n", "HR@5 of A is '-0.1', which is not a number"),
        ("system,HR@5\nA,nan\n", "not a number"),
        ("system,HR@5\nA,0.1*\n", "not a number"),
        ("system,HR@5\nA,1e999999999\n", "not a number"),
        ('system,HR@5\n"A,0.1\n', "not CSV"),
    ],
)
def test_an_invalid_csv_raises_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=r"t\.csv") as caught:
        from_csv(tmp_path, text)
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not a table of reported numbers"),
        ('{"rows": []}', "not a table of reported numbers"),
        ("VALUE:1e999999999", "not a number|no table|more than 1"),
        ("VALUE:true", "not a number"),
        ("VALUE:NaN", "not a number|no table"),
        ("VALUE:34.1", "use --percent"),
        ("VALUE:-0.5", "not a number"),
    ],
)
def test_an_invalid_json_raises_one_line(tmp_path: Path, text: str, message: str) -> None:
    rows = '[{"system": "A", "metrics": {"HR@5": %s}}]'
    whole = '{"source": "s", "task": "search", "data": "d", "corpus": "", "protocol": "p", "rows": ' + rows + "}"
    path = tmp_path / "t.json"
    path.write_text(whole % text.removeprefix("VALUE:") if text.startswith("VALUE:") else text)
    with pytest.raises(DataError, match=message) as caught:
        read_table(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_unreadable_files_raise(tmp_path: Path) -> None:
    for name, message in (("none.csv", "No such file"), ("none.json", "No such file"), ("t.xlsx", "must be .json")):
        with pytest.raises(DataError, match=message):
            read_table(tmp_path / name)
    (tmp_path / "latin.csv").write_bytes("system,HR@5\nJärvelin,0.1\n".encode("latin-1"))
    with pytest.raises(DataError, match="not UTF-8"):
        read_table(tmp_path / "latin.csv")
