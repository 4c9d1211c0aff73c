"""Shows a leaderboard in a terminal."""

from __future__ import annotations

from pathlib import Path

from unimp_bench.contracts import TaskCard
from unimp_bench.leaderboard.store import load_results
from unimp_bench.leaderboard.tables import Row, Section, sections


def show(folder: Path, card: TaskCard, corpus: str | None) -> str:
    """The tables of one task as plain text, of one corpus where ``corpus`` is given."""
    chosen = [part for part in sections(load_results(folder), card) if corpus in (None, part.corpus.name)]
    return "\n\n".join(_section(part) for part in chosen) or "no result has been published"


def _section(section: Section) -> str:
    kind = " (generated, not Amazon)" if section.corpus.synthetic else ""
    width = max(len(row.label) for row in section.rows)
    names = [name for name in section.names if (column := section.kind.column(name)) and column.brief]
    lines = [f"{section.title}{kind}"]
    lines.append("   # " + "model".ljust(width) + "".join(f"  {name:>8}" for name in names))
    for row in section.rows:
        place = "   ~" if row.place is None else f"{row.place:>4}"
        lines.append(f"{place} {row.label.ljust(width)}" + "".join(_cell(row, n) for n in names))
    if any(row.place is None for row in section.rows):
        lines.append("   ~ knows the truth of the generated corpus: a ceiling")
    return "\n".join(lines)


def _cell(row: Row, name: str) -> str:
    width = max(8, len(name))
    return "  " + (f"{row.metrics[name].value:{width}.4f}" if name in row.metrics else "-".rjust(width))
