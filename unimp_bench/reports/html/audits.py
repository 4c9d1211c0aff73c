"""What the audits of corpora bring to the page: shares of examples, and the main metric of rows on parts of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from unimp_bench.reports.audit.corpus.cuts import CUTS
from unimp_bench.reports.audit.corpus.record import CorpusAudit, ExampleSet
from unimp_bench.reports.html.record import AuditLine, Audits, Cell, Head, Part
from unimp_bench.reports.slices import slices_of
from unimp_bench.reports.tables import Section
from unimp_bench.reports.topics import TopicSection


@dataclass(frozen=True)
class Sliced:
    """The parts of a section's examples, and by a row's label its means on them, None for too few examples."""

    parts: tuple[Part, ...] = ()
    means: dict[str, tuple[float | None, ...]] = field(default_factory=dict)


def sliced(section: Section | TopicSection, audits: Sequence[CorpusAudit]) -> Sliced:
    """The slices of a section; nothing without an audit."""
    slices = slices_of(section, audits)
    if slices is None:
        return Sliced()
    sides = [(each.cut, side) for each in slices.cuts for side in (each.yes, each.no)]
    columns: list[list[float | None]] = [
        [round(mean, 6) for mean in side.means()] or [None] * len(slices.rows) for _, side in sides
    ]
    return Sliced(
        tuple(Part(side.name, side.examples, cut.about if side.name == cut.yes else "") for cut, side in sides),
        {row.label: tuple(column[at] for column in columns) for at, row in enumerate(slices.rows)},
    )


def audit_anchor(fingerprint: str, audits: Sequence[CorpusAudit]) -> str:
    """Where the page has the audit of a corpus; empty for nowhere."""
    found = next((number for number, audit in enumerate(audits, 1) if audit.fingerprint == fingerprint), None)
    return "" if found is None else f"audit-{found}"


def audit_table(audits: Sequence[CorpusAudit]) -> Audits | None:
    """The shares of all audits; None where there are none."""
    if not audits:
        return None
    return Audits(
        heads=(
            Head("Corpus", numeric=False),
            Head("Split", numeric=False),
            Head("Tasks", numeric=False),
            Head("Test examples", first="descending"),
            *(Head(cut.yes, first="descending") for cut in CUTS),
        ),
        questions=tuple((cut.yes, cut.about) for cut in CUTS),
        lines=tuple(
            AuditLine(
                anchor=f"audit-{number}" if place == 0 else "",
                corpus=audit.name,
                synthetic=audit.synthetic,
                cells=(
                    Cell(found.split),
                    Cell(", ".join(found.tasks).replace("_", " ")),
                    Cell(f"{found.examples:,}", str(found.examples)),
                    *_shares(found),
                ),
            )
            for number, audit in enumerate(audits, 1)
            for place, found in enumerate(audit.sets)
        ),
    )


def _shares(found: ExampleSet) -> list[Cell]:
    """The share of the examples on the first side of each cut; an absent cut is an empty cell."""
    masks = [found.mask(cut.name) for cut in CUTS]
    return [
        Cell() if mask is None or not found.examples else Cell(f"{mask.mean():.1%}", f"{mask.mean():.6f}")
        for mask in masks
    ]
