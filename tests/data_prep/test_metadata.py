"""Metadata records: literals without evaluation, prices, markup, and the fields of each year."""

from __future__ import annotations

import ast
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from data_prep.metadata import MAX_LITERAL, Product, parse_json, parse_literal, parse_price, picture_url
from data_prep.raw_files import INVALID_JSON, INVALID_LITERAL, MISSING_FIELD, NOT_UTF8, BadRecord

TEXTS = st.text(st.sampled_from("ab'\"\\{}[]:, #\tütrue"), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4) | st.tuples(inner),
    max_leaves=12,
)


@given(st.dictionaries(TEXTS, VALUES, max_size=5))
@example({"a": 'x", "b": "y'})
@example({"a": "it's", "b": 'say "hi"', "c": '5" pipe'})
def test_literals_equal_those_of_python(record: dict[str, Any]) -> None:
    parsed = parse_literal(repr(record).encode())
    assert _without_big_integers(parsed) == _without_big_integers(record)


@given(st.text(st.sampled_from("'\"{}:,a1 []ub#"), max_size=24))
@example("{'a': 'x', 'b': 'y', \"c\": 'z'}")
@example("{'a': '''b'''}")
@example("{'a': 'b' 'c'}")
@example("{'a': u'b'}")
def test_generated_dicts_equal_those_of_python(text: str) -> None:
    try:
        expected = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError):
        expected = None
    if not isinstance(expected, dict):
        with pytest.raises(BadRecord):
            parse_literal(text.encode())
    else:
        assert parse_literal(text.encode()) == expected


@pytest.mark.parametrize(
    "bomb",
    [
        "[" * 100_000,
        "{'a':" * 50_000,
        "-" * 200_000 + "1",
        "(" * 90 + "1" + ")" * 90 + "**" * 50_000,
        "1" + "+1" * 100_000,
        "{'a': " + "9" * 200_000 + "}",
        "{[]: 1}",
        "{'a': __import__('os')}",
        "{'a': 'b'.upper()}",
        "f'{1}'",
        "not " * 50_000 + "1",
        "lambda: " * 30_000 + "1",
    ],
    ids=lambda bomb: bomb[:12],
)
def test_a_deeply_nested_literal_is_bad(bomb: str) -> None:
    assert len(bomb) <= MAX_LITERAL
    with pytest.raises(BadRecord, match=INVALID_LITERAL):
        parse_literal(bomb.encode())


def test_literals_are_bounded() -> None:
    long = b"{'a': '" + b"x" * MAX_LITERAL + b"'}"
    with pytest.raises(BadRecord, match=INVALID_LITERAL):
        parse_literal(long)
    assert parse_literal(long.replace(b"x" * 10, b"")) != {}


@pytest.mark.parametrize(
    ("line", "kind"),
    [(b"{'a': '\xff'}", NOT_UTF8), (b"['a']", MISSING_FIELD), (b"", INVALID_LITERAL), (b"{'a': ", INVALID_LITERAL)],
)
def test_bad_literals_by_kind(line: bytes, kind: str) -> None:
    with pytest.raises(BadRecord, match=kind):
        parse_literal(line)


@pytest.mark.parametrize(
    ("line", "kind"), [(b"{'a': 1}", INVALID_JSON), (b'{"a": NaN}', INVALID_JSON), (b"[1]", MISSING_FIELD)]
)
def test_json_is_strict(line: bytes, kind: str) -> None:
    with pytest.raises(BadRecord, match=kind):
        parse_json(line)


@pytest.mark.parametrize(
    ("value", "price"),
    [
        (17.95, 17.95),
        (0, 0.0),
        ("$25.00", 25.0),
        ("$1,234.56", 1234.56),
        ("$12.99 - $20.00", 12.99),
        ("from 14.99", 14.99),
        ("8.5", 8.5),
        ("", None),
        ("None", None),
        ("—", None),
        ('\n\t <div class="a-section">$5</div>', None),
        (".a-box{width:160px}", None),
        (-3.0, None),
        (float("inf"), None),
        (True, None),
        (None, None),
        (["$5"], None),
    ],
)
def test_prices(value: object, price: float | None) -> None:
    assert parse_price(value) == price


def test_fields_of_2014() -> None:
    record = {
        "title": "A&amp;B",
        "brand": "",
        "categories": [["Beauty", "Hair"], ["Gifts"]],
        "price": 3.5,
        "description": "one <br/>two\n three",
    }
    assert Product.of(record) == Product("A&B", None, ["Beauty", "Hair"], 3.5, "one two three")


def test_fields_of_2018() -> None:
    record = {
        "title": '<span class="x">Card</span>  $5 &lt; $6',
        "brand": "Brand",
        "category": ["Gift Cards", "</span></span>", "Boxes"],
        "price": "$1,000.00",
        "description": ["one", "", "two"],
        "main_cat": "Grocery",
    }
    assert Product.of(record) == Product("Card $5 < $6", "Brand", ["Gift Cards", "Boxes"], 1000.0, "one two")
    assert Product.of({"title": "var x = new Date().getTime();"}).title is None


def test_fields_of_2023() -> None:
    record = {
        "title": "T",
        "store": "S",
        "categories": [],
        "main_category": "Books",
        "price": "None",
        "description": [],
    }
    assert Product.of(record) == Product("T", "S", ["Books"], None, None)
    assert Product.of({}) == Product(None, None, None, None, None)


def _without_big_integers(value: Any) -> Any:
    """JSON numbers beyond 64 bits come as floats; no attribute has one."""
    if isinstance(value, dict):
        return {key: _without_big_integers(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_big_integers(inner) for inner in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value) if abs(value) < 1e300 else value
    return value


@pytest.mark.parametrize(
    ("record", "url"),
    [
        ({"imUrl": "http://a/x.jpg"}, "http://a/x.jpg"),
        ({"imageURL": ["s", "t"], "imageURLHighRes": ["l", "m"]}, "l"),
        ({"imageURL": ["s"], "imageURLHighRes": []}, "s"),
        ({"images": [{"thumb": "t", "large": "l", "hi_res": None}, {"hi_res": "h"}]}, "l"),
        ({"images": [{"thumb": "t", "large": "l", "hi_res": "h"}]}, "h"),
        ({"imUrl": ""}, None),
        ({"imUrl": 3, "imageURL": "x", "images": ["x"]}, None),
        ({}, None),
    ],
)
def test_addresses_of_pictures(record: dict[str, Any], url: str | None) -> None:
    assert picture_url(record) == url
