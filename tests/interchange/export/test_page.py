"""Examples as text, and as a page that opens from disk."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unimp_bench.corpus import Corpus
from unimp_bench.interchange.page import WIDTH, as_text, page, sheets
from unimp_bench.kinds import draw_examples
from unimp_bench.kinds.picture import PictureExamples
from unimp_bench.records import Examples, PictureCodes
from unimp_bench.registry import make_task


class Page(HTMLParser):
    """Collects the elements of a page."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def drawn(corpus: Corpus, name: str, tmp_path: Path) -> Examples:
    return draw_examples(make_task(name), corpus, "loo", "test", tmp_path)


def test_an_example_lists_items_by_title_within_the_width(planted: Corpus, tmp_path: Path) -> None:
    examples = drawn(planted, "search", tmp_path)
    number = int(np.argmax(examples.ends - examples.starts()))
    text = as_text(next(sheets(planted, examples.select(slice(number, number + 1)))))
    history = [planted.items.names[item] for item in examples.history(number)]
    titles = planted.items.text("title")
    assert all(len(line) <= WIDTH for line in text.splitlines())
    assert f"history      {len(history) - 6} earlier, then" in text
    listed = re.findall(r"^  (i\d+) +(.*?)  rated \d$", text, re.MULTILINE)
    assert listed == [(name, titles[planted.items.names.index(name)]) for name in history[-6:]]


def test_candidates_are_marked(planted: Corpus, tmp_path: Path) -> None:
    sheet = next(sheets(planted, drawn(planted, "selection", tmp_path).select(slice(1))))
    marked = re.findall(r"^  \[(x| )\] (i\d+)", as_text(sheet), re.MULTILINE)
    assert [name for _, name in marked] == list(sheet.example.shown)
    assert {name for mark, name in marked if mark == "x"} == set(sheet.example.target_items)


def test_control_characters_are_removed(hostile: Corpus, tmp_path: Path) -> None:
    for sheet in sheets(hostile, drawn(hostile, "preference", tmp_path)):
        assert "\x1b" not in as_text(sheet) and "[31mred" not in sheet.example.id


@pytest.mark.parametrize("task", ["recommendation", "search", "preference", "selection", "explanation"])
def test_a_page_escapes_text_and_needs_no_network(hostile: Corpus, tmp_path: Path, task: str) -> None:
    examples = drawn(hostile, task, tmp_path)
    content = page("A <heading>", "about", make_task(task).kind, sheets(hostile, examples))
    seen = Page(content)
    assert not seen.open and not seen.of("script") and not seen.of("b") and not seen.of("i")
    assert {tag for tag, attributes in seen.tags if any(name.startswith("on") for name in attributes)} == set()
    assert not re.findall(r"(?:src|href)=\"(?!data:image/jpeg;base64,|#)", content)
    assert "".join(seen.text).count("</script><script>alert(1)</script>") >= 1
    assert "{{ 7 * 7 }}" in content and len(seen.of("article")) == len(examples)
    images = seen.of("img")
    assert images and all(image["alt"] and image["alt"].startswith("Picture of ") for image in images)
    stream = io.BytesIO(base64.b64decode(str(images[0]["src"]).partition(",")[2]))
    assert Image.open(stream).size == (40, 20)


def test_the_page_of_a_picture_task_shows_the_picture_to_generate(planted: Corpus, tmp_path: Path) -> None:
    task = make_task("image_generation")
    examples = task.examples(planted, "loo", "test").select(slice(2))
    has = planted.items.has_picture
    codes = np.arange(int(has.sum()) * 4).reshape(-1, 4)
    rows = np.where(has, np.cumsum(has) - 1, -1)
    examples = PictureExamples.of(examples, pictures=PictureCodes(codes.size, rows, codes))
    object.__setattr__(examples, "instruction", task.instruction)
    found = list(sheets(planted, examples))
    seen = Page(page("h", "a", "picture", found))
    assert examples.targets is not None
    for number, sheet in enumerate(found):
        assert sheet.example.target == " ".join(map(str, codes[rows[examples.targets[number]]]))
        assert sheet.answers[0].picture == planted.items.picture(int(examples.targets[number]))
    titles = [planted.items.text("title")[int(item)] for item in examples.targets]
    alts = [image["alt"] for image in seen.of("img")]
    assert all(f"Picture of {title}" in alts for title in titles)
