"""Reported numbers of rows: comparable, marked or absent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.reports.pretended import make_result, place
from unimp_bench import registry
from unimp_bench.kinds import kind_of
from unimp_bench.reports.pages.write import pages, tables_of
from unimp_bench.reports.store import Contents
from unimp_bench.reports.tables.printed import (
    History,
    Reported,
    ReportedRow,
    load_reported,
    nearest,
    of_model,
    of_system,
    printed_rows,
    same_system,
)

pytestmark = pytest.mark.usefixtures("small")

COMMITTED = Path(__file__).resolve().parents[3] / "leaderboards"
RANKING = kind_of("ranking")


def table(corpus: str, value: float, history: History = "kept", system: str = "P5", **changes: Any) -> Reported:
    row = ReportedRow(system=system, metrics={"HR@5": value})
    fields = {"task": "search", "source": "p", "data": "d", "protocol": "p", "history": history, **changes}
    return Reported(corpus=corpus, rows=(row,), **fields)


def cell(tables: list[Reported], corpus: str = "beauty", protocol: str = "paper", system: str = "P5") -> str:
    found = nearest(printed_rows(tables, of_system(system), RANKING, corpus, protocol), "HR@5")
    return "" if found is None else found.cell("HR@5")


def test_other_data_is_marked_or_absent() -> None:
    here, elsewhere = table("beauty", 0.1), table("", 0.2)
    assert cell([elsewhere, here]) == "0.1000"
    assert cell([elsewhere, here], corpus="sample") == "0.2000†"
    assert cell([elsewhere, elsewhere], corpus="sample") == "", "two, of which none is nearer"
    assert cell([here], corpus="sample") == "", "a number on another corpus of ours"
    assert cell([elsewhere], system="") == ""


@pytest.mark.parametrize(
    ("history", "paper", "masked"),
    [("kept", "0.1000", "0.1000¶"), ("masked", "0.1000¶", "0.1000"), ("unknown", "0.1000§", "0.1000§")],
)
def test_numbers_are_unmarked_only_under_their_own_protocol(history: History, paper: str, masked: str) -> None:
    assert (cell([table("beauty", 0.1, history)]), cell([table("beauty", 0.1, history)], protocol="masked")) == (
        paper,
        masked,
    )
    assert cell([table("", 0.1, history)]) == paper.replace("0.1000", "0.1000†")


def test_the_most_comparable_row_is_chosen() -> None:
    """Same data before same protocol before unknown protocol."""
    masked, unknown, kept = (table("beauty", value, history) for value, history in
                             ((0.1, "masked"), (0.2, "unknown"), (0.3, "kept")))  # fmt: skip
    elsewhere = table("", 0.4, "kept")
    assert cell([elsewhere, masked, unknown, kept]) == "0.3000"
    assert cell([elsewhere, masked, unknown]) == "0.2000§"
    assert cell([elsewhere, masked, unknown, kept], protocol="masked") == "0.1000"
    assert cell([elsewhere, masked]) == "0.1000¶"


def test_a_row_may_override_its_table() -> None:
    rows = (
        ReportedRow(system="a", metrics={"HR@5": 0.1}),
        ReportedRow(system="b", metrics={"HR@5": 0.1}, history="unknown"),
    )
    mixed = table("beauty", 0.0, "masked").model_copy(update={"rows": rows})
    assert [mixed.history_of(row) for row in rows] == ["masked", "unknown"]
    assert [cell([mixed], protocol="masked", system=name) for name in "ab"] == ["0.1000", "0.1000§"]


def test_a_row_may_be_of_one_preset() -> None:
    row = ReportedRow(system="a", models=("sasrec", "hgn"), presets={"sasrec": "original"}, metrics={"HR@5": 0.1})
    assert of_model("sasrec", "original")(row) and of_model("hgn", "default")(row)
    assert not of_model("sasrec", "ce")(row) and not of_model("mf", "original")(row)


def test_kinds_without_rankings_have_no_protocol() -> None:
    row = ReportedRow(system="P5", metrics={"RMSE": 1.0})
    printed = table("", 0, "unknown", task="preference").model_copy(update={"rows": (row,)})
    found = nearest(printed_rows([printed], of_system("P5"), kind_of("rating"), "sample", "paper"), "RMSE")
    assert found is not None and found.cell("RMSE") == "1.0000†" and found.differs == "other data"


@pytest.mark.parametrize(
    "other", ["S3-Rec", "S³-Rec", "s3rec", "S3\u2010Rec", "S3\u2013Rec", "S_3-Rec", "S$^3$-Rec", "S₃-REC"]
)
def test_spellings_of_a_system_are_equal(other: str) -> None:
    assert same_system("S³-Rec", other)
    assert cell([table("beauty", 0.1, system=other)], system="S³-Rec") == "0.1000"


@pytest.mark.parametrize(("first", "second"), [("VIP5", "VIP5⁺"), ("SASRec", "S3-Rec"), ("UniMP", "UniMP-Small")])
def test_different_systems_are_different(first: str, second: str) -> None:
    assert not same_system(first, second)


def test_reported_numbers_have_source_and_protocol() -> None:
    tables = load_reported(COMMITTED)
    assert {each.task for each in tables} == {"recommendation", "search", "preference", "explanation", "selection"}
    for each in tables:
        assert each.source and each.protocol and each.rows
    said = {
        (each.source.split(" (")[0], each.corpus, row.system): each.history_of(row)
        for each in tables
        for row in each.rows
        if each.task in ("recommendation", "search")
    }
    for corpus in ("beauty", "sports"):
        ordered = f"{corpus}-s3rec"
        assert said["TIGER", ordered, "TIGER"] == said["TIGER", ordered, "P5"] == "unknown"
        assert said["TIGER", ordered, "S3-Rec"] == said["TIGER", ordered, "SASRec"] == "masked"
        assert said["eSASRec", ordered, "eSASRec"] == "masked"
        assert said["RPG", ordered, "RPG (paper)"] == "kept"
        assert said["Cornac, README of its TIGER", corpus, "TIGER (rqvae)"] == "kept"
    kept = {system for (source, _, system), history in said.items() if source == "UniMP" and history == "kept"}
    assert {"UniMP", "w/o Vision", "UniMP-Small", "Multi-task"} <= kept and not {"SASRec", "S³-Rec", "P5"} & kept


NAMES = {
    "hgn": "HGN",
    "sasrec": "SASRec, original loss",
    "s3rec": "S³-Rec",
    "mf": "MF",
    "p5": "P5",
    "popularity": "Popularity",
    "unimp": "UniMP-default, 0.0M, from scratch",
}
"""How tables name the models."""


@pytest.mark.parametrize(
    ("corpus", "protocol", "expected"),
    [
        ("beauty", "paper", {"hgn": "0.0231†§✗", "sasrec": "0.0508", "mf": "0.0165†§✗"}),
        ("beauty-s3rec", "paper", {"hgn": "0.0325¶", "recbole:HGN": "0.0325¶", "mf": "0.0165†§✗"}),
        ("beauty-s3rec", "masked", {"hgn": "0.0325", "s3rec": "0.0387", "sasrec": "0.0387", "mf": "0.0165†§✗"}),
        ("sports-s3rec", "masked", {"hgn": "0.0189", "s3rec": "0.0251", "p5": "0.0061§", "popularity": ""}),
        ("toy", "paper", {"hgn": "0.0231†§✗", "s3rec": "0.0311†§✗", "unimp": "0.0337†", "popularity": ""}),
        ("toy", "masked", {"hgn": "0.0231†§✗", "s3rec": "0.0311†§✗", "unimp": "0.0337†¶", "popularity": ""}),
    ],
)
def test_every_model_of_a_system_has_its_reported_number(
    tmp_path: Path, corpus: str, protocol: str, expected: dict[str, str]
) -> None:
    """On the same corpus if reported, else marked from Table 1; in Markdown and HTML."""
    (tmp_path / "reported").symlink_to(COMMITTED / "reported")
    for model in expected:
        preset = "original" if model == "sasrec" else "default"
        result = make_result(model, np.array([1, 2, 300]), task="recommendation", corpus=corpus, preset=preset)
        spec = result.spec.model_copy(update={"protocol": protocol})
        place(tmp_path, result.model_copy(update={"spec": spec}))
    shown = {NAMES.get(model, model): number for model, number in expected.items()}
    made = pages(tmp_path)
    page, reading = made[f"recommendation/{corpus}_details.md"], made["recommendation.md"]
    lines = [line.split(" | ") for line in page.splitlines()]
    head = next(cells for cells in lines if "Reported HR@5" in cells)
    column = head.index("Reported HR@5")
    assert {cells[1]: cells[column] for cells in lines if len(cells) == len(head) and cells[1] in shown} == shown
    assert all(
        f"{mark} {told}" in reading for mark, told in (("†", "on other data"), ("¶", "under the other protocol"))
    )
    (table,) = tables_of(Contents.published(tmp_path), registry.task_cards()["recommendation"])
    assert {row.label: table.cell(row, "Reported HR@5").text for row in table.rows if row.label in shown} == shown


def test_an_empty_row_has_the_number_reported_on_its_corpus(tmp_path: Path) -> None:
    """The suite names S³-Rec, the table of Sports in the papers' order S3-Rec."""
    (tmp_path / "reported").symlink_to(COMMITTED / "reported")
    place(tmp_path, make_result("popularity", np.array([1, 2]), task="recommendation", corpus="sports-s3rec"))
    page = pages(tmp_path)["recommendation/sports-s3rec_details.md"]
    (line,) = (line for line in page.splitlines() if line.startswith("|  | S³-Rec |"))
    assert "| 0.0251 |" in line
