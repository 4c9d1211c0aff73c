"""What the rows of a suite change at equal steps, in a sentence: on real data, and by rows with enough seeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from unimp_bench.reports.rows.sections import Row, Section
from unimp_bench.reports.rows.standard import verdict_words


def equal_steps_words(found: Sequence[Section]) -> Iterator[str]:
    """A sentence per section of a suite whose rows have equal steps: the first row, and the changes by the others."""
    for section in found:
        suite = section.suite
        if suite is None or not suite.equal_steps or section.corpus.synthetic or not section.filled:
            continue
        base, main = section.base, section.kind.main
        others = [row for row in section.filled if row.test and row.base == base.label and _is_settled(row)]
        if others and _is_settled(base) and base.steps is not None:
            yield (
                f"{suite.title} at {base.steps:,} steps of each row on {section.corpus.name}, "
                f"{section.task.replace('_', ' ')}: {main} of {base.label} {base.metrics[main].value:.4f}; changes: "
                f"{', '.join(map(_change, others))}."
            )


def _is_settled(row: Row) -> bool:
    return "few seeds" not in row.flags


def _change(row: Row) -> str:
    assert row.test is not None
    return f"{row.label} {row.test.difference:+.4f} ({verdict_words(row.test)})"
