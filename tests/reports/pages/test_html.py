"""The HTML page as text: contents, escaping, and no network access."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.reports.pretended import small_tables
from tests.reports.published import FINGERPRINT, HOSTILE, draw
from unimp_bench.errors import DataError
from unimp_bench.reports.pages.galleries import galleries
from unimp_bench.reports.pages.html import html_page, whiskers
from unimp_bench.reports.pages.write import boards as pages_in
from unimp_bench.reports.store import Contents
from unimp_bench.reports.tables.table import Page, Table

pytestmark = pytest.mark.usefixtures("small")

COMMITTED = Path(__file__).resolve().parents[3] / "leaderboards"
LARGEST = 4_000_000


class Reader(HTMLParser):
    """All tags with their attributes, and the text of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.raw: dict[str, str] = {}
        self._inside = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.tags.append((tag, found))
        self._inside = f"{tag} {found.get('type', '')}".strip() if tag in ("script", "style") else ""

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.raw[self._inside] = self.raw.get(self._inside, "") + data

    def values(self, attribute: str) -> list[str]:
        return [found[attribute] for _, found in self.tags if attribute in found]


@pytest.fixture(scope="module")
def reader(html: str) -> Reader:
    return Reader(html)


def data_of(reader: Reader) -> Any:
    return json.loads(gzip.decompress(base64.b64decode(reader.raw["script application/gzip"])))


def test_the_same_results_give_the_same_bytes(boards: Path, html: str) -> None:
    assert html_page(Contents.published(boards)) == html


def test_the_page_is_self_contained(reader: Reader) -> None:
    for attribute in ("src", "href", "data", "action", "srcset", "poster"):
        assert all(value.startswith(("data:", "#")) for value in reader.values(attribute)), attribute
    assert not {"iframe", "object", "embed", "base"} & {tag for tag, _ in reader.tags}
    for text in (reader.raw["style"], reader.raw["script"]):
        assert not re.search(r"@import|url\(|https?:|fetch\(|import\(|innerHTML", text)


def test_the_policy_admits_only_the_one_style_and_script(reader: Reader) -> None:
    (policy,) = (found["content"] for tag, found in reader.tags if tag == "meta" and "http-equiv" in found)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))

    def allowed(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    assert rules == {
        "default-src": "'none'",
        "img-src": "data:",
        "style-src": allowed(reader.raw["style"]),
        "script-src": allowed(reader.raw["script"]),
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_untrusted_labels_are_escaped_everywhere(reader: Reader) -> None:
    assert [found.get("type", "") for tag, found in reader.tags if tag == "script"] == ["application/gzip", ""]
    assert not [name for _, found in reader.tags for name in found if name.startswith("on") or name == "style"]
    assert reader.values("data-label").count(HOSTILE) == 2, "its row and its line of the matrix"
    assert HOSTILE in {detail["label"] for detail in data_of(reader)["details"]}


def test_every_row_with_a_result_has_its_details(reader: Reader) -> None:
    data = data_of(reader)
    assert sorted(map(int, reader.values("data-detail"))) == list(range(len(data["details"])))
    assert {key for detail in data["details"] for key in detail["runs"]} == set(data["runs"])
    (middle,) = (detail for detail in data["details"] if detail["label"] == "middle (k=2)")
    first, second = (data["runs"][key] for key in middle["runs"])
    assert (first["seed"], second["seed"]) == (0, 1)
    assert first["stages"][0]["config"] == {"preset": "default", "k": "2"}
    assert middle["quoted"][0]["metrics"] == {"HR@5": 0.25, "NDCG@5": 0.125}
    assert middle["quoted"][0]["differs"] == "seen items unspecified"
    assert len(middle["metrics"]) == 18
    sheet = data["sheets"][middle["sheet"]]
    assert [part["examples"] for part in sheet["parts"]] == [100, 300, 3, 397]
    assert middle["means"][2] is None, "three examples are too few for a mean"
    (main,) = (metric for metric in middle["metrics"] if metric["name"] == "NDCG@10")
    assert main["low"] < main["value"] < main["high"]
    assert 0.25 * middle["means"][0] + 0.75 * middle["means"][1] == pytest.approx(main["value"], abs=1e-5)


def test_every_linked_anchor_exists_once(reader: Reader) -> None:
    ids = reader.values("id")
    assert len(ids) == len(set(ids))
    assert {value[1:] for value in reader.values("href") if value.startswith("#")} <= set(ids)
    labelled = {name for value in reader.values("aria-labelledby") for name in value.split()}
    assert labelled <= {*ids, "details-title"}, "the title of the details is made when they open"


@pytest.fixture(scope="module")
def search(boards: Path) -> Page:
    with small_tables():
        return pages_in(Contents.published(boards))[0][1]


@pytest.fixture(scope="module")
def table(search: Page) -> Table:
    return search.tables[1]


def test_marks_of_rows_are_text(search: Page, table: Table, html: str) -> None:
    assert (table.corpus, table.split, table.protocol) == ("toy", "loo", "masked")
    marks = {row.label: row.mark for row in table.rows if row.mark in ("best", "ceiling")}
    assert marks == {"oracle": "ceiling", "best": "best"}
    assert {row.reason for row in table.rows if row.mark == "empty"} >= {"no result yet"}
    assert table.generated
    assert '<a href="#audit-1">Audit of this corpus</a>' in html and 'id="audit-1"' in html
    assert search.plot is not None and search.plot.finding.startswith("First of ")
    assert '<img src="data:image/svg+xml;base64,' in html


def test_the_scale_of_intervals_excludes_upper_bounds(table: Table) -> None:
    column = [each.name for each in table.columns].index("NDCG@10")
    rows = zip(table.rows, whiskers(table), strict=True)
    drawn = {row.label: found[column] for row, found in rows if row.mark != "empty"}
    assert drawn.pop("oracle") is None, "a ceiling would stretch the scale until no two intervals could be told apart"
    found = [whisker for whisker in drawn.values() if whisker is not None]
    assert len(found) == len(drawn) == 5
    assert (min(each.low for each in found), max(each.high for each in found)) == (0, 100)
    values = [each.value for each in found]
    assert values == sorted(values, reverse=True), "as the rows are ordered"


def test_the_gallery_has_only_its_own_pictures(boards: Path) -> None:
    (gallery,) = galleries(boards, {FINGERPRINT})
    assert gallery.synthetic
    (panel,) = gallery.panels
    pictures = (*panel.history, *panel.outcome)
    assert [picture.label for picture in pictures] == ["History, 1", "Generated"]
    assert all(picture.uri.startswith("data:image/png;base64,iVBOR") for picture in pictures)


@pytest.mark.parametrize("harm", ["missing", "no picture", "no record"])
def test_a_damaged_gallery_raises(tmp_path: Path, harm: str) -> None:
    folder = tmp_path / "image_generation_gallery"
    draw(folder)
    if harm == "missing":
        (folder / "user-1-generated.png").unlink()
    elif harm == "no picture":
        (folder / "user-1-generated.png").write_bytes(b"<svg onload=alert(1)>")
    else:
        (folder / "gallery.json").write_text("{}")
    with pytest.raises(DataError, match="draw"):
        galleries(tmp_path, ())


def test_an_empty_page_gives_the_first_command(tmp_path: Path) -> None:
    text = html_page(Contents.published(tmp_path))
    assert "unimp-bench run --task search --model unimp" in text
    assert 'id="gallery"' not in text and 'id="audits"' not in text


@pytest.mark.slow
def test_the_page_of_the_committed_results_is_small(committed: Contents) -> None:
    text = html_page(committed)
    assert len(text.encode()) < LARGEST
    shown = re.sub(r'data:image/(?:png|svg\+xml);base64,[A-Za-z0-9+/=]+|(?<=id="data">)[A-Za-z0-9+/=]+', "", text)
    for words in (shown, json.dumps(data_of(Reader(text)))):
        assert not re.search(r"[A-Za-z0-9+/]{400}", words), "ranks"
