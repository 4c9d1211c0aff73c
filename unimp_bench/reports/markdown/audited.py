"""Where the published audits of corpora stand among the pages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from unimp_bench.markdown import table_head, table_row
from unimp_bench.reports.audit.corpus.cuts import CUTS
from unimp_bench.reports.audit.corpus.record import CorpusAudit, published_path
from unimp_bench.reports.slices import order_words
from unimp_bench.reports.tables import Section
from unimp_bench.reports.topics import TopicSection

INDEXED = ("transition", "file_order", "tied", "copy", "cold_user", "cold_item")
"""The cuts whose shares the index shows."""

TASK = "recommendation"


def audit_file(audit: CorpusAudit) -> str:
    """Name of the page of an audit.

    Raises:
        DataError: the corpus has no plain name.
    """
    return f"audit_{published_path(Path(), audit.name).stem}.md"


def audit_link(fingerprint: str, audits: Sequence[CorpusAudit]) -> list[str]:
    """A line that leads to the audit of a corpus, where one is published."""
    found = next((audit for audit in audits if audit.fingerprint == fingerprint), None)
    return ["", f"Shortcut audit: [{found.name}]({audit_file(found)})."] if found else []


def order_banner(section: Section | TopicSection, audits: Sequence[CorpusAudit]) -> list[str]:
    """That the order of a section's corpus is that of a file, where an audit found so; of rankings alone."""
    words = order_words(section, audits)
    return ["", f"> **File-order artefact.** {words}"] if words else []


def audit_index(audits: Sequence[CorpusAudit]) -> list[str]:
    """All published audits, by the shares of the test examples that are on the first side of a cut; maybe none."""
    if not audits:
        return []
    cuts = [cut for cut in CUTS if cut.name in INDEXED]
    text = f"Shortcut audits of corpora: shares of the test examples of {TASK}, split loo."
    return [
        "",
        text,
        "",
        *table_head(("Audit", "Test examples", *(cut.yes for cut in cuts))),
        *(
            table_row((f"[{audit.name}]({audit_file(audit)})", *_shares(audit, [cut.name for cut in cuts])))
            for audit in audits
        ),
    ]


def _shares(audit: CorpusAudit, cuts: Sequence[str]) -> list[str]:
    """Of the test examples of recommendation, leave-one-out; empty where the corpus serves none."""
    found = next((each for each in audit.sets if TASK in each.tasks and each.split == "loo"), None)
    if found is None:
        return [""] * (1 + len(cuts))
    masks = [found.mask(cut) for cut in cuts]
    return [f"{found.examples:,}", *("" if mask is None else f"{mask.mean():.1%}" for mask in masks)]
