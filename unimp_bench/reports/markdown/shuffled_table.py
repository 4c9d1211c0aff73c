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
        f"When ties in time are shuffled (view `{TIES}`: interactions of a user at one time in an order by chance, so "
        "that another of them may be the target; the model fitted and scored again on that; means over the seeds that "
        "ran both ways). A shift says how much of a score hangs on the order that a file happens to have:",
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
