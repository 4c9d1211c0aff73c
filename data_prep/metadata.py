"""An item's attributes from a McAuley metadata record of 2014, 2018 or 2023, as text without markup."""

from __future__ import annotations

import ast
import html
import math
import re
import warnings
from dataclasses import dataclass
from typing import Any

import orjson
import pyarrow as pa

from data_prep.raw_files import INVALID_JSON, INVALID_LITERAL, MISSING_FIELD, NOT_UTF8, BadRecord

MAX_LITERAL = 1 << 18
"""Maximum length of a literal in bytes: the parser's tree needs a few hundred times as much memory."""

_PRICE = re.compile(r"(?:from )?\$? ?(\d[\d,]*(?:\.\d+)?)(?: ?- ?\$? ?\d[\d,]*(?:\.\d+)?)?")
_SCRIPT = "getTime"  # some titles of 2018 are scripts of the page
_TAG = re.compile(r"</?[A-Za-z!][^<>]{0,500}>|\[\[[A-Z]+:[^\[\]]{0,100}\]\]")
"""HTML, and the placeholder of a video (``[[VIDEOID:...]]``)."""

_TYPES = {
    "title": pa.string(),
    "brand": pa.string(),
    "category": pa.list_(pa.string()),
    "price": pa.float64(),
    "description": pa.string(),
}


@dataclass(frozen=True)
class Product:
    """One item; None is missing."""

    title: str | None = None
    brand: str | None = None
    category: list[str] | None = None
    price: float | None = None
    description: str | None = None
    picture_url: str | None = None

    @classmethod
    def of(cls, record: dict[str, Any]) -> Product:
        """From a parsed record of any release."""
        category = record.get("categories", record.get("category"))
        if isinstance(category, list) and category and isinstance(category[0], list):
            category = category[0]  # 2014 lists several paths
        return cls(
            title=_text(record.get("title")),
            brand=_text(record.get("brand", record.get("store"))),
            category=_path(category) or _path(record.get("main_category")),
            price=parse_price(record.get("price")),
            description=_text(record.get("description")),
            picture_url=picture_url(record),
        )


def picture_url(record: dict[str, Any]) -> str | None:
    """The address of an item's first picture in a record of any release, in the largest size."""
    candidates = [record.get("imUrl")]  # 2014
    candidates += [_first(record.get(key)) for key in ("imageURLHighRes", "imageURL")]  # 2018
    images = _first(record.get("images"))  # 2023
    candidates += [images.get(size) for size in ("hi_res", "large", "thumb")] if isinstance(images, dict) else []
    return next((url for url in candidates if isinstance(url, str) and url), None)


def attribute_columns(products: list[Product]) -> dict[str, pa.Array]:
    """One column per attribute."""
    return {name: pa.array([getattr(each, name) for each in products], kind) for name, kind in _TYPES.items()}


def parse_json(line: bytes) -> dict[str, Any]:
    """A JSON object, strictly: no NaN, no lone surrogates.

    Raises:
        BadRecord: anything else.
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
        BadRecord: anything else, or a line too long or too deep to be parsed safely.
    """
    if len(line) > MAX_LITERAL:
        raise BadRecord(INVALID_LITERAL)
    json = _requoted(line)
    if json is not None:
        try:
            return parse_json(json)
        except BadRecord:
            pass  # a literal that is not JSON, such as a tuple or None
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
    """The literal with JSON's quotes, if that is equivalent; JSON is parsed fifty times as fast as Python.

    Without backslashes a string ends at the next quote of its kind. If each stretch outside double quotes has single
    quotes in pairs, those pairs delimit strings, and no double quote is inside one of them.
    """
    stretches = line.split(b'"')
    outside = stretches[::2]
    if b"\\" in line or any(stretch.count(b"'") % 2 for stretch in outside):
        return None
    stretches[::2] = [stretch.replace(b"'", b'"') for stretch in outside]
    return b'"'.join(stretches)


def parse_price(value: object) -> float | None:
    """Dollars from a number or "$1,234.56", the lower end of a range; anything else is missing."""
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
    """Plain text without markup and repeated spaces; lists are joined."""
    if isinstance(value, list):
        value = " ".join(part for part in value if isinstance(part, str))
    if not isinstance(value, str) or _SCRIPT in value:
        return None
    value = without_markup(value)
    if not value.isascii():
        value = value.encode(errors="replace").decode()  # a literal can hold lone surrogates, a corpus cannot
    return " ".join(value.split()) or None


def _path(value: object) -> list[str] | None:
    """A category path; single names, as in 2023, are paths too."""
    parts = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return [text for part in parts if isinstance(part, str) and (text := _text(part))] or None


def without_markup(text: str, gap: str = " ") -> str:
    """A text as displayed, with ``gap`` for each tag and decoded entities.

    Some releases contain markup that was encoded twice (``&lt;br /&gt;``, ``&amp;#34;``): decoding is repeated until
    nothing changes. Each step shortens the text, so it ends.
    """
    while "<" in text or "&" in text or "[[" in text:
        bare = html.unescape(_TAG.sub(gap, text))
        if bare == text:
            break
        text = bare
    return text
