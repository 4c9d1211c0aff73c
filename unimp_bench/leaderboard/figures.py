"""Which plots stand beside the tables of a section: rows, metric and costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from unimp_bench.leaderboard.reported import Reported
from unimp_bench.leaderboard.tables import Section
from unimp_bench.leaderboard.topics import TopicSection
from unimp_bench.plots import Plot


@dataclass(frozen=True)
class Figure:
    """A plot and its name within a section.

    Attributes:
        name: tells the figures of a section apart, and is part of the file's name.
        plot: what it shows; ``plot.finding`` is its text for who cannot see it.
    """

    name: Literal["intervals", "fit", "parameters", "difference"]
    plot: Plot


def section_figures(section: Section, reported: Sequence[Reported] = ()) -> list[Figure]:
    """The figures of a section of a task; none of a section with fewer than two rows.

    Args:
        section: whose rows.
        reported: the printed tables of its task.
    """
    raise NotImplementedError


def topic_figures(section: TopicSection) -> list[Figure]:
    """The figures of a section of a topic; none where fewer than two rows have results."""
    raise NotImplementedError
