"""Shows a leaderboard in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from unimp_bench.contracts import TaskCard
from unimp_bench.kinds import Kind
from unimp_bench.leaderboard.cells import Line, brief
from unimp_bench.leaderboard.store import load_results
from unimp_bench.leaderboard.tables import Section, sections
from unimp_bench.leaderboard.topics import TopicSection, topic_sections
from unimp_bench.suites import Suite

NOTHING = "no result has been published"


def show(folder: Path, card: TaskCard, corpus: str | None) -> str:
    """The tables of one task as plain text, of one corpus where ``corpus`` is given."""
    chosen = [part for part in sections(load_results(folder), card) if corpus in (None, part.corpus.name)]
    return "\n\n".join(_section(part) for part in chosen) or NOTHING


def show_topic(folder: Path, suite: Suite, corpus: str | None) -> str:
    """The tables of one suite as plain text, of one corpus where ``corpus`` is given."""
    chosen = [part for part in topic_sections(suite, load_results(folder)) if corpus in (None, part.corpus.name)]
    return "\n\n".join(_topic_section(part) for part in chosen) or f"{NOTHING} of two rows that compare"


def _section(section: Section) -> str:
    places = ["   ~" if row.place is None else f"{row.place:>4}" for row in section.rows]
    lines = [_title(section.title, section.corpus.synthetic)]
    lines += _table(section.rows, places, section.names, section.kind, "#")
    if any(row.place is None for row in section.rows):
        lines.append("   ~ knows the truth of the generated corpus: a ceiling")
    return "\n".join(lines)


def _topic_section(section: TopicSection) -> str:
    seeds = [f"{len(row.results) or '-':>4}" for row in section.rows]
    lines = [_title(section.title, section.corpus.synthetic)]
    lines += _table(section.rows, seeds, section.names, section.kind, "seed")
    return "\n".join(lines)


def _title(title: str, synthetic: bool) -> str:
    return title + (" (generated, not Amazon)" if synthetic else "")


def _table(rows: Sequence[Line], begins: Sequence[str], metrics: Sequence[str], kind: Kind, first: str) -> list[str]:
    """The head and the rows, each of them after what it begins with."""
    width = max(len(row.label) for row in rows)
    names = brief(metrics, kind)
    head = f"{first:>4} " + "model".ljust(width) + "".join(f"  {name:>8}" for name in names)
    return [
        head,
        *(
            f"{begin} {row.label.ljust(width)}" + "".join(_cell(row, name) for name in names)
            for begin, row in zip(begins, rows, strict=True)
        ),
    ]


def _cell(row: Line, name: str) -> str:
    width = max(8, len(name))
    return "  " + (f"{row.metrics[name].value:{width}.4f}" if name in row.metrics else "-".rjust(width))
