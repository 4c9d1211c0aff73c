"""Reads a plot back from its SVG, for tests that know nothing of how it was drawn."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

from unimp_bench.reports.plots.words import width

SVG = "{http://www.w3.org/2000/svg}"


@dataclass(frozen=True)
class Text:
    """A line of text as it stands: its ends, estimated as wide as the drawing takes it to be."""

    words: str
    left: float
    right: float
    y: float


def parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg)


def size_of(root: ET.Element) -> tuple[float, float]:
    left, top, wide, high = map(float, root.attrib["viewBox"].split())
    assert (left, top) == (0, 0)
    return wide, high


def texts(element: ET.Element) -> list[Text]:
    found = []
    for node in element.iter(f"{SVG}text"):
        css = node.get("class", "").split()
        wide = width(node.text or "", 12.0 if "quiet" in css else 13.0)
        x = float(node.attrib["x"])
        left = x - wide if "end" in css else x - wide / 2 if "mid" in css else x
        found.append(Text(node.text or "", left, left + wide, float(node.attrib["y"])))
    return found


def rows(root: ET.Element) -> dict[int, ET.Element]:
    found = {int(node.attrib["data-row"]): node for node in root.iter(f"{SVG}g")}
    assert len(found) == sum(1 for _ in root.iter(f"{SVG}g")), "a row has one group"
    return found


def axis(root: ET.Element) -> list[tuple[float, float]]:
    """(number, place) of the ticks of the level axis: texts in the middle of their lines, in plain numbers."""
    nodes = [node for node in root.iter(f"{SVG}text") if "mid" in node.get("class", "")]
    return [
        (_plain(node.text), float(node.attrib["x"]))
        for node in nodes
        if re.fullmatch(r"-?[\d.]+[kMGT]?", node.text or "")
    ]


def upright_axis(root: ET.Element) -> list[tuple[float, float]]:
    """(number, place) of the ticks of the upright axis; a text stands 4 below its place."""
    nodes = [node for node in root.iter(f"{SVG}text") if node.get("class") == "quiet end"]
    return [(_plain(node.text), float(node.attrib["y"]) - 4) for node in nodes]


def circle(group: ET.Element) -> tuple[float, float]:
    (node,) = group.iter(f"{SVG}circle")
    return float(node.attrib["cx"]), float(node.attrib["cy"])


def classes(root: ET.Element) -> set[str]:
    return {name for node in root.iter() for name in node.get("class", "").split()}


def _plain(text: Any) -> float:
    powers = {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
    return float(text[:-1]) * powers[text[-1]] if text[-1] in powers else float(text)
