"""Rows beside the published numbers that they should come near: same data, split and treatment of seen items."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from unimp_bench.markdown import table_head, table_row
from unimp_bench.reports.tables.printed import HISTORY
from unimp_bench.reports.tables.table import Row, Table
from unimp_bench.runs.results import Estimate

HEADS = ("Model", "Published", "Seen items", "Metric", "Here", "There", "Distance")


@dataclass(frozen=True)
class Anchor:
    """A metric of a row and of a published row of the same model, on the same data under the same protocol."""

    row: Row
    source: str
    system: str
    metric: str
    here: Estimate
    there: float

    @property
    def distance(self) -> str:
        """Of the row from the published number, in percent of that."""
        percent = 100 * (self.here.value - self.there) / self.there
        inside = self.here.low <= self.there <= self.here.high
        return f"{round(percent):+}%" + (", within the interval" if inside else "")


def anchors_of(table: Table) -> Iterator[Anchor]:
    """The anchors of all rows of a table, in their order."""
    for row in table.filled:
        assert row.details is not None
        for quoted in row.details.quoted:
            if quoted.differs:
                continue
            for name, there in quoted.metrics.items():
                here = row.details.metrics.get(name)
                if here is not None and there:
                    yield Anchor(row, quoted.source, quoted.system, name, here, there)


def anchors_section(tables: Iterable[Table]) -> list[str]:
    """A section with the anchors of some tables; empty without one."""
    lines = [
        table_row(
            (
                each.row.marked,
                f"{each.system} in {each.source}",
                HISTORY.get(table.protocol, ""),
                each.metric,
                f"{each.here.value:.4f}",
                f"{each.there:.4f}",
                each.distance,
            )
        )
        for table in tables
        for each in anchors_of(table)
    ]
    if not lines:
        return []
    about = (
        "Numbers printed for the same data, split and treatment of seen items, which a row of the same model should "
        "come near. *Distance*: of the row from the printed number; *within the interval*: the printed number lies "
        "within the row's 95% interval. Settings and item texts may differ from theirs."
    )
    return ["", "## Beside published numbers", "", about, "", *table_head(HEADS), *lines]
