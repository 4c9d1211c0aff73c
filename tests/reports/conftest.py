"""What is published, grouped and compared once for all tests of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from unimp_bench.reports.contents import Contents


@pytest.fixture(scope="session")
def committed() -> Contents:
    """The leaderboards of this repository; nobody writes to them."""
    return Contents.published(Path(__file__).resolve().parents[2] / "leaderboards")
