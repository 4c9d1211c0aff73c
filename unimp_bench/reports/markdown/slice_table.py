"""The slices of a section as markdown, behind a fold."""

from __future__ import annotations

from collections.abc import Sequence

from unimp_bench.markdown import table_head, table_row
from unimp_bench.reports.audit.corpus.record import CorpusAudit
from unimp_bench.reports.slices import FEWEST, Side, slices_of
from unimp_bench.reports.tables import Section
from unimp_bench.reports.topics import TopicSection


def slice_details(section: Section | TopicSection, audits: Sequence[CorpusAudit], first: str) -> list[str]:
    """What each cut asks, and the main metric of each row on both of its sides; nothing without an audit.

    Args:
        first: head of the column of labels.
    """
    slices = slices_of(section, audits)
    if slices is None:
        return []
    shown = [each for each in slices.cuts if each.divides]
    sides = [side for each in shown for side in (each.yes, each.no)]
    cells = [[f"{mean:.4f}" for mean in side.means()] or [""] * len(slices.rows) for side in sides]
    empty = [f"* {side.name}: {side.examples} examples are too few for a mean" for side in sides if not side.is_enough]
    whole = [side for each in slices.cuts if not each.divides for side in (each.yes, each.no) if side.examples]
    empty += [f"* {side.name}: all examples, so this cut is left out" for side in whole]
    return [
        "",
        "<details><summary>Where the rows differ</summary>",
        "",
        f"{slices.metric} of each row on both sides of each cut of the test examples (number of examples in the "
        f"heading; no mean over fewer than {FEWEST}). Definitions of the cuts:",
        "",
        *(f"* *{each.cut.yes}*, else *{each.cut.no}*: {each.cut.about}" for each in shown),
        "",
        *table_head((first, *map(_head, sides))),
        *(table_row((row.label, *(column[place] for column in cells))) for place, row in enumerate(slices.rows)),
        *(["", *empty] if empty else []),
        "",
        "</details>",
    ]


def _head(side: Side) -> str:
    return f"{side.name} ({side.examples:,})"
