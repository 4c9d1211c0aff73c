"""The rows of a section on either side of each cut that the audit of its corpus made."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from unimp_bench.records import BoolArray
from unimp_bench.reports.audit.corpus.cuts import CUTS
from unimp_bench.reports.audit.corpus.page import file_order_words
from unimp_bench.reports.audit.corpus.record import CorpusAudit
from unimp_bench.reports.scored import Scored
from unimp_bench.reports.sections import Section
from unimp_bench.reports.table import MIN_EXAMPLES, CutRows, Side, Slices


def slices_of(section: Section, audits: Sequence[CorpusAudit]) -> Slices | None:
    """The slices of a section by the cuts that the audit could make; None where no audit has its examples.

    Audits know the examples that tasks draw by their own options, so a section with other options has none.
    """
    if section.options:
        return None
    found = [
        known
        for audit in audits
        if audit.fingerprint == section.fingerprint
        if (known := audit.examples_of(section.task, section.split, section.examples)) is not None
    ]
    if not found:
        return None
    values = [Scored.of(row.label, row.results, section.kind).main_values() for row in section.filled]

    def side(name: str, mask: BoolArray) -> Side:
        examples = int(np.count_nonzero(mask))
        means = tuple(float(each[mask].mean()) for each in values) if examples >= MIN_EXAMPLES else ()
        return Side(name, examples, means)

    cuts = tuple(
        CutRows(cut.name, cut.about, side(cut.yes, mask), side(cut.no, np.logical_not(mask)))
        for cut in CUTS
        if (mask := found[0].mask(cut.name)) is not None
    )
    return Slices(section.kind.compared, tuple(row.label for row in section.filled), cuts) if cuts else None


def order_words(section: Section, audits: Sequence[CorpusAudit]) -> str:
    """What the audit of a corpus in the order of a file says of it; empty for others, and no rankings."""
    found = next((audit for audit in audits if audit.fingerprint == section.fingerprint), None)
    return file_order_words(found.order) if found is not None and section.kind.has_protocols else ""
