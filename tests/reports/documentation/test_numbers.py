"""Pages that are written by hand hold no measured number: those stand where a script puts them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[3] / "docs"
GENERATED = "<!-- Generated"

CODE = re.compile(
    r"""
    ^(\ *)(```|~~~).*?^\1\2\ *$            # blocks of code
    | `[^`\n]*`                             # code in a line
    | \$\$.*?\$\$ | \$[^$\n]+\$             # equations
    | \]\([^)\s]*\)                        # addresses
    | Python\ 3\.\d+(?:(?:,|\ or)\ 3\.\d+)*
    """,
    re.DOTALL | re.MULTILINE | re.VERBOSE,
)
MEASURED = re.compile(
    r"""
    \b\d[\d,]*\.\d{2,}\b                                                    # 0.1234
    | \b\d[\d,.]*\s?(?:[munµ]?s|min|h|(?:second|minute|hour)s?)\b           # 75 s, 10 seconds
    | \b\d[\d,.]*\s?[kKMGT]i?B\b                                            # 16.3 GiB
    | \b\d[\d,.]*\s?%                                                       # 29%
    | \b\d[\d,.]*\s?(?:x|times)\s(?:as|faster|slower|fewer|less|more|smaller|larger)\b  # 3 times faster
    """,
    re.VERBOSE,
)
DEFINITIONS = {
    "95%": "the level of all intervals",
    "0.05": "the level of significance",
    "0.25": "weight of the commitment term of the picture tokenizer's loss",
    "0.01": "a setting, and a constant of SSIM",
    "0.02": "the usual standard deviation of first weights",
    "0.98": "a setting: Adam's second beta",
    "0.999": "a setting: Adam's second beta",
    "30 seconds": "after which a download stalls",
    "60 seconds": "most for one picture of a download",
    "10 MiB": "most for one picture of a download",
    "1 MiB": "most for a line of predictions",
}
"""Numbers that define something, or that somebody chose: no run can change them."""

SAMPLE_MODEL = {"0.55", "1.89", "1.43", "0.94", "0.22", "8%", "15%", "5%"}
"""Parameters of the generator that ``docs/sample.md`` defines, and no run measures."""


def measured(text: str) -> list[str]:
    """What looks like a measurement outside of code, equations and addresses."""
    return [" ".join(found.split()) for found in MEASURED.findall(CODE.sub(" ", text))]


def written_pages() -> list[Path]:
    pages = {path: path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("*.md"))}
    return [path for path, text in pages.items() if not text.startswith(GENERATED)]


@pytest.mark.parametrize("page", written_pages(), ids=lambda page: page.stem)
def test_a_page_that_is_written_by_hand_measures_nothing(page: Path) -> None:
    allowed = set(DEFINITIONS) | (SAMPLE_MODEL if page.stem == "sample" else set())
    found = set(measured(page.read_text(encoding="utf-8")))
    assert found <= allowed, (
        f"{sorted(found - allowed)} in {page.name}: link to the leaderboard or the generated page that says so"
    )


def test_every_definition_is_of_use() -> None:
    found = {number for page in written_pages() for number in measured(page.read_text(encoding="utf-8"))}
    assert set(DEFINITIONS) <= found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("UniMP reaches 0.1290, without pictures 0.115", ["0.1290", "0.115"]),
        ("in 75 s, or 10 seconds, of 16.3 GiB", ["75 s", "10 seconds", "16.3 GiB"]),
        ("3 times faster, 29% less", ["3 times faster", "29%"]),
        ("1,024.50 of them", ["1,024.50"]),
        ("Python 3.11, 36 x 36 pixels, 2,322 examples, K at 1, 3, 5 and 10", []),
        ("`--share 0.25`, $N(0, 0.35^2)$ and\n```sh\nsleep 75 s\n```\n[a](b-0.25.md)", []),
    ],
)
def test_what_counts_as_measured(text: str, expected: list[str]) -> None:
    assert measured(text) == expected
