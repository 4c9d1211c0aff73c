"""Slow tests by the day: CI runs a share of them each day, so that in a week each has run.

``pytest --slow-of today`` is the test suite with today's share; ``--slow-of 2026-11-28`` repeats that day's.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime

import pytest

DAYS = 7
"""In which each slow test has its day."""


def share(number: int, day: date) -> bool:
    """Whether the slow test of a number, in the order of collection, has its day."""
    return number % DAYS == day.toordinal() % DAYS


def _day(config: pytest.Config) -> date | None:
    given = config.getoption("slow_of")
    if given is None:
        return None
    try:
        return datetime.now(UTC).date() if given == "today" else date.fromisoformat(given)
    except ValueError:
        raise pytest.UsageError(f"--slow-of takes 'today' or a date such as 2026-11-28, not {given!r}") from None


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow-of", metavar="DATE", help="of the slow tests only the share of a day, or of 'today'")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    day = _day(config)
    if day is None:
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    left_out = {item for number, item in enumerate(slow) if not share(number, day)}
    config.hook.pytest_deselected(items=[item for item in items if item in left_out])
    items[:] = [item for item in items if item not in left_out]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    day = _day(config)
    if day is not None:
        part = day.toordinal() % DAYS + 1
        terminalreporter.write_line(
            f"slow tests of {day}, part {part} of {DAYS}: 'pytest --slow-of {day}' repeats them"
        )


__all__: Sequence[str] = ("pytest_addoption", "pytest_collection_modifyitems", "pytest_terminal_summary")
