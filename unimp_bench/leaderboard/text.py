"""Shows a leaderboard in a terminal."""

from __future__ import annotations

from pathlib import Path

from unimp_bench.leaderboard.store import load_results
from unimp_bench.leaderboard.tables import Section, sections

COLUMNS = ("HR@1", "HR@5", "NDCG@5", "MRR@5", "HR@10", "NDCG@10")


def show(folder: Path, task: str, corpus: str | None) -> str:
    """The tables of one task as plain text, of one corpus where ``corpus`` is given."""
    chosen = [part for part in sections(load_results(folder), task) if corpus in (None, part.corpus.name)]
    return "\n\n".join(_section(part) for part in chosen) or "no result has been published"


def _section(section: Section) -> str:
    kind = " (generated, not Amazon)" if section.corpus.synthetic else ""
    width = max(len(row.label) for row in section.rows)
    lines = [f"{section.corpus.name}{kind}, split {section.split}, protocol {section.protocol}"]
    lines.append("   # " + "model".ljust(width) + "".join(name.rjust(9) for name in COLUMNS))
    for row in section.rows:
        place = "   ~" if row.place is None else f"{row.place:>4}"
        lines.append(f"{place} {row.label.ljust(width)}" + "".join(f"{row.metrics[n].value:9.4f}" for n in COLUMNS))
    if any(row.place is None for row in section.rows):
        lines.append("   ~ knows the truth of the generated corpus: a ceiling")
    return "\n".join(lines)
