"""Item attributes for the models that read them (SASRecF, GRU4RecF, FDSA)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from unimp_bench.corpus import Items
from unimp_bench.errors import UsageError, find
from unimp_bench.records import IntArray

DEFAULT = ("category", "brand")


@dataclass(frozen=True)
class Feature:
    """One attribute of the catalogue's items as token ids; id 0 is padding.

    Attributes:
        name: the attribute.
        tokens: the token of each id from 1 on.
        ids: one int64 array an item, empty where the item has no value.
        many: an item may have several tokens.
    """

    name: str
    tokens: list[str]
    ids: list[IntArray]
    many: bool


def feature_names(items: Items, chosen: Sequence[str] | None) -> tuple[str, ...]:
    """The attributes that a model reads: the chosen ones, else category and brand where the corpus has them.

    Raises:
        UsageError: a chosen attribute is not there, or there is none to read.
    """
    if chosen is not None:
        known = dict.fromkeys(items.attributes)
        for name in chosen:
            find(known, name, "item attribute")
        return tuple(chosen)
    names = tuple(name for name in DEFAULT if name in items.attributes)
    if not names:
        raise UsageError("this model reads item attributes, and the corpus has neither category nor brand")
    return names


def item_feature(items: Items, catalogue: IntArray, name: str) -> Feature:
    """One attribute of the items of ``catalogue`` (corpus numbers), in its order."""
    column = items.column(name).take(pa.array(catalogue))
    many = pa.types.is_list(column.type)
    values = [_texts(value) for value in column.to_pylist()]
    tokens, ids = np.unique(np.array([text for texts in values for text in texts], dtype=str), return_inverse=True)
    ends = np.cumsum([len(texts) for texts in values])
    return Feature(name, tokens.tolist(), np.split(ids.astype(np.int64) + 1, ends[:-1]), many)


def _texts(value: object) -> list[str]:
    if value is None:
        return []
    return [str(part) for part in value] if isinstance(value, list) else [str(value)]
