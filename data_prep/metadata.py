"""Attributes of an item from a McAuley metadata record, in the words of 2014, 2018 and 2023."""

from __future__ import annotations

import ast
import math
import re
import warnings
from dataclasses import dataclass
from typing import Any

import orjson
import pyarrow as pa

from data_prep.bad_records import INVALID_JSON, INVALID_LITERAL, MISSING_FIELD, NOT_UTF8, BadRecord
from data_prep.markup import without_markup

MAX_LITERAL = 1 << 18
"""Bytes of the longest literal that is parsed: a parser's tree takes a few hundred times as much memory."""

_PRICE = re.compile(r"(?:from )?\$? ?(\d[\d,]*(?:\.\d+)?)(?: ?- ?\$? ?\d[\d,]*(?:\.\d+)?)?")
_SCRIPT = "getTime"  # some titles of 2018 hold a script of the page instead of a title


@dataclass(frozen=True)
class Attributes:
    """One item. Missing is None."""

    title: str | None
    brand: str | None
    category: list[str] | None
    price: float | None
    description: str | None

    @classmethod
    def of(cls, record: dict[str, Any]) -> Attributes:
        """From a parsed record of any of the three years."""
        category = record.get("categories", record.get("category"))
        if isinstance(category, list) and category and isinstance(category[0], list):
            category = category[0]  # 2014 lists several paths
        return cls(
            title=_text(record.get("title")),
            brand=_text(record.get("brand", record.get("store"))),
            category=_path(category) or _path(record.get("main_category")),
            price=parse_price(record.get("price")),
            description=_text(record.get("description")),
        )


def picture_url(record: dict[str, Any]) -> str | None:
    """The address of an item's first picture in a record of any of the three years, the largest where several are."""
    candidates = [record.get("imUrl")]  # 2014
    candidates += [_first(record.get(key)) for key in ("imageURLHighRes", "imageURL")]  # 2018
    images = _first(record.get("images"))  # 2023
    candidates += [images.get(size) for size in ("hi_res", "large", "thumb")] if isinstance(images, dict) else []
    return next((url for url in candidates if isinstance(url, str) and url), None)


def attribute_columns(items: list[Attributes]) -> dict[str, pa.Array]:
    """One column an attribute."""
    types = {"title": pa.string(), "brand": pa.string(), "category": pa.list_(pa.string())}
    types |= {"price": pa.float64(), "description": pa.string()}
    return {name: pa.array([getattr(item, name) for item in items], kind) for name, kind in types.items()}


def parse_json(line: bytes) -> dict[str, Any]:
    """A JSON object, strictly: no NaN, no lone surrogates.

    Raises:
        BadRecord: it is none.
    """
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise BadRecord(INVALID_JSON) from None
    if type(record) is not dict:
        raise BadRecord(MISSING_FIELD)
    return record


def parse_literal(line: bytes) -> dict[str, Any]:
    """A Python literal of a dict; nothing in it is evaluated.

    Raises:
        BadRecord: it is none, or it is too long or too deep to be parsed safely.
    """
    if len(line) > MAX_LITERAL:
        raise BadRecord(INVALID_LITERAL)
    json = _requoted(line)
    if json is not None:
        try:
            return parse_json(json)
        except BadRecord:
            pass  # a literal that is no JSON, such as a tuple or None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of backslashes in descriptions
            record = ast.literal_eval(line.decode().strip())
    except UnicodeDecodeError:
        raise BadRecord(NOT_UTF8) from None
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise BadRecord(INVALID_LITERAL) from None
    if type(record) is not dict:
        raise BadRecord(MISSING_FIELD)
    return record


def _requoted(line: bytes) -> bytes | None:
    """The literal in JSON's quotes, where that says the same; JSON is parsed fifty times as fast as Python.

    Without backslashes a string ends at the next quote of its kind. So where each stretch outside double quotes has
    its single quotes in pairs, those pairs delimit strings, and no double quote stands inside one of them.
    """
    stretches = line.split(b'"')
    outside = stretches[::2]
    if b"\\" in line or any(stretch.count(b"'") % 2 for stretch in outside):
        return None
    stretches[::2] = [stretch.replace(b"'", b'"') for stretch in outside]
    return b'"'.join(stretches)


def parse_price(value: object) -> float | None:
    """Dollars from a number or from "$1,234.56"; of a range the lower end; anything else is missing."""
    if isinstance(value, str):
        match = _PRICE.fullmatch(value.strip())
        value = float(match.group(1).replace(",", "")) if match else None
    if type(value) not in (int, float):
        return None
    price = float(value)  # type: ignore[arg-type]
    return price if math.isfinite(price) and price >= 0 else None


def _first(value: object) -> object:
    return value[0] if isinstance(value, list) and value else None


def _text(value: object) -> str | None:
    """Plain text without markup and runs of space; lists of text are joined."""
    if isinstance(value, list):
        value = " ".join(part for part in value if isinstance(part, str))
    if not isinstance(value, str) or _SCRIPT in value:
        return None
    value = without_markup(value)
    if not value.isascii():
        value = value.encode(errors="replace").decode()  # a literal can hold lone surrogates, a corpus cannot
    return " ".join(value.split()) or None


def _path(value: object) -> list[str] | None:
    """A category path; 2023 has single names as well."""
    parts = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return [text for part in parts if isinstance(part, str) and (text := _text(part))] or None
