"""Every collaborative model tells crowds apart that are alike to popularity."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from unimp_bench.corpus import Corpus

MARGIN = 0.6
"""Whoever knows a user's crowd finds the target among nine unseen items always; popularity in one case of nine."""

SETTINGS: dict[str, dict[str, Any]] = {
    "mf": {"epochs": 30, "learning_rate": 0.02, "batch_size": 256},
    "lightgcn": {"epochs": 20, "learning_rate": 0.02, "batch_size": 256},
    "macr": {"epochs": 40, "learning_rate": 0.02, "batch_size": 256},
    "ultragcn": {"epochs": 20, "learning_rate": 0.02, "batch_size": 128, "negatives": 50, "negative_weight": 20.0},
    "itemknn": {},
    "ease": {},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_beats_popularity(crowds: Corpus, quality: Callable[..., float], name: str) -> None:
    assert quality(name, crowds, **SETTINGS[name]) > quality("popularity", crowds) + MARGIN
