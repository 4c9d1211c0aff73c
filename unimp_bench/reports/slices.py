"""How the rows of a section do on either side of each cut that the audit of its corpus made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unimp_bench.metrics.scores import bootstrap_interval
from unimp_bench.records import FloatArray
from unimp_bench.reports.audit.corpus.cuts import CUTS, Cut
from unimp_bench.reports.audit.corpus.page import file_order_words
from unimp_bench.reports.audit.corpus.record import CorpusAudit
from unimp_bench.reports.scored import Scored
from unimp_bench.reports.tables import Row, Section
from unimp_bench.reports.topics import TopicRow, TopicSection
from unimp_bench.runs.results import Estimate

FEWEST = 20
"""A mean over fewer examples says nothing."""


@dataclass(frozen=True)
class Side:
    """The examples on one side of a cut.

    Attributes:
        name: what tables call it.
        values: the main metric, means over seeds, of each row of ``Slices.rows`` on these examples: (examples,) each.
    """

    name: str
    values: tuple[FloatArray, ...]

    @property
    def examples(self) -> int:
        return len(self.values[0])

    @property
    def is_enough(self) -> bool:
        """Whether there are examples enough for a mean."""
        return self.examples >= FEWEST

    def means(self) -> list[float]:
        """Of each row; none where there are too few examples."""
        return [float(values.mean()) for values in self.values] if self.is_enough else []

    def estimates(self) -> list[Estimate]:
        """The means with their 95% bootstrap intervals over examples, which take a moment to draw."""
        intervals = [bootstrap_interval(values, seed=0) for values in self.values] if self.is_enough else []
        return [
            Estimate(value=mean, low=interval.low, high=interval.high)
            for mean, interval in zip(self.means(), intervals, strict=True)
        ]


@dataclass(frozen=True)
class CutRows:
    """A cut, and the rows on both of its sides."""

    cut: Cut
    yes: Side
    no: Side

    @property
    def divides(self) -> bool:
        """Whether there are examples on both sides."""
        return bool(self.yes.examples and self.no.examples)


@dataclass(frozen=True)
class Slices:
    """The rows of a section, cut by cut.

    Attributes:
        metric: what is averaged, the compared one of the section's kind.
        rows: those of the section that have results, in its order.
        cuts: those that the audit could make, in the order of ``CUTS``.
    """

    metric: str
    rows: tuple[Row | TopicRow, ...]
    cuts: tuple[CutRows, ...]


def slices_of(section: Section | TopicSection, audits: Sequence[CorpusAudit]) -> Slices | None:
    """The slices of a section, of a task's page or of a topic's; None where no audit tells its examples apart.

    Audits know the examples that tasks draw by their own options, so a section with other options has none.
    """
    rows = tuple(row for row in section.rows if row.results)
    spec = rows[0].results[0].spec
    found = [
        known
        for audit in audits
        if audit.fingerprint == section.fingerprint and not spec.options
        if (known := audit.examples_of(spec.task, spec.split, section.examples)) is not None
    ]
    if not found:
        return None
    values = [Scored.of(row.label, row.results, section.kind).main_values() for row in rows]
    masks = [(cut, mask) for cut in CUTS if (mask := found[0].mask(cut.name)) is not None]
    cuts = tuple(
        CutRows(
            cut,
            Side(cut.yes, tuple(each[mask] for each in values)),
            Side(cut.no, tuple(each[np.logical_not(mask)] for each in values)),
        )
        for cut, mask in masks
    )
    return Slices(section.kind.compared, rows, cuts) if cuts else None


def order_words(section: Section | TopicSection, audits: Sequence[CorpusAudit]) -> str:
    """What a banner says of a corpus whose order is that of a file, by its audit; empty for others, and no rankings."""
    found = next((audit for audit in audits if audit.fingerprint == section.fingerprint), None)
    return file_order_words(found.order) if found is not None and section.kind.has_protocols else ""
