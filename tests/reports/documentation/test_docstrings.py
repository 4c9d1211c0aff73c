"""Parsing of docstrings and settings, and their Markdown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import pytest
from pydantic import Field

from unimp_bench.reports.documentation.docstrings import (
    Entry,
    Setting,
    code,
    differences,
    docstring,
    documented,
    prose,
    settings_of,
    table,
    type_words,
    words,
)

TEXT = """One line,
    that goes on.

    More of it: and a colon.

        y = p * q

    Attributes:
        width: of the vectors,
            twice.
        low, high: bounds.

    Raises:
        ValueError: they cross.
    """


@dataclass(frozen=True)
class Base:
    """Base.

    Attributes:
        epochs: most epochs.
        rate: of the optimizer.
    """

    epochs: Annotated[int, Field(ge=1)] = 3
    rate: float = 0.1


@dataclass(frozen=True)
class Derived(Base):
    """Derived.

    Attributes:
        form: which.
        rate: of Adam.
    """

    epochs: Annotated[int, Field(ge=1)] = 5
    form: Literal["ce", "bpr"] = "ce"
    parts: tuple[str, ...] = ("a", "b")


def test_a_docstring_is_parsed() -> None:
    found = docstring(TEXT)
    assert found.summary == "One line, that goes on."
    assert found.text.endswith("    y = p * q") and "Attributes" not in found.text
    assert found.attributes == {"width": "of the vectors, twice.", "low": "bounds.", "high": "bounds."}
    assert list(found.sections) == ["Attributes", "Raises"]
    assert docstring(None).text == "" and docstring(None).sections == {}


def test_a_section_without_names_is_text() -> None:
    assert docstring("A.\n\nReturns:\n    What was\n    found.").sections == {
        "Returns": (Entry((), "What was found."),)
    }


def test_settings_include_those_of_base_classes() -> None:
    assert settings_of(Derived()) == (
        Setting("epochs", "int, at least 1", "5", "most epochs."),
        Setting("rate", "float", "0.1", "of Adam."),
        Setting("form", "one of ce, bpr", "ce", "which."),
        Setting("parts", "list of str", "a,b", ""),
    )
    assert differences(Derived(form="bpr", parts=()), Derived()) == {"form": "bpr", "parts": ""}


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        (int | None, "int or none"),
        (tuple[Literal["a"], ...], "list of one of a"),
        (Annotated[float, Field(gt=0, lt=1)], "float, above 0, below 1"),
        (Annotated[float, Field(ge=0, le=1)], "float, at least 0, at most 1"),
    ],
)
def test_types_in_words(hint: object, expected: str) -> None:
    assert type_words(hint) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("``x_1`` and [IMG] <answer>", r"``x_1`` and \[IMG\] \<answer\>"),
        ("a * b_c $5", r"a \* b\_c \$5"),
        ("* an item\n* another", "* an item\n* another"),
        ("goes on\n- b and\n3. more", "goes on\n\\- b and\n3\\. more"),
    ],
)
def test_words_escape_markup(text: str, expected: str) -> None:
    assert words(text) == expected


def test_equations_are_kept() -> None:
    assert prose("See *this*:\n\n    y = a * b_c\n\nwith b_c") == "See \\*this\\*:\n\n    y = a * b_c\n\nwith b\\_c"
    assert "* `low`, `high`: bounds." in documented(docstring(TEXT))


def test_cells_are_single_lines() -> None:
    assert table(("a",), [("x\n| y",)])[-1] == "| x \\| y |"
    assert code("") == "" and code("a`b") == "``a`b``"
