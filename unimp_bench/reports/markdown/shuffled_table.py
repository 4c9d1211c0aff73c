"""The table of what shuffled ties change."""

from __future__ import annotations

from collections.abc import Sequence

from unimp_bench.markdown import table_head, table_row
from unimp_bench.reports.cells import estimate_cell
from unimp_bench.reports.shuffled import TIES, Shuffled


def shuffled_table(rows: Sequence[Shuffled], metric: str) -> list[str]:
    """Rows on the corpus as it is stored and with its ties shuffled; nothing where none ran both ways."""
    if not rows:
        return []
    return [
        "",
        f"Shuffled time ties (view `{TIES}`: simultaneous interactions of a user in random order, so that another of "
        "them may be the target; models fitted and scored again; means over the seeds available for both). The shift "
        "is the effect of the file order:",
        "",
        *table_head(("Model", "Seeds", metric, "Shuffled", "Shift")),
        *(
            table_row(
                (
                    row.label,
                    str(row.seeds),
                    estimate_cell(row.stored),
                    estimate_cell(row.shuffled),
                    f"{row.shift:+.4f}",
                )
            )
            for row in rows
        ),
    ]
