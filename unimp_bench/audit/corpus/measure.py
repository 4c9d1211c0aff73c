"""Measures a whole corpus."""

from __future__ import annotations

from unimp_bench.audit.corpus.file_order import file_order
from unimp_bench.audit.corpus.leaks import leaks
from unimp_bench.audit.corpus.likeness import Likeness, copies, duplicates
from unimp_bench.audit.corpus.measures import SplitMeasures
from unimp_bench.audit.corpus.pictures import picture_likeness
from unimp_bench.audit.corpus.record import CorpusAudit
from unimp_bench.audit.corpus.sets import example_sets
from unimp_bench.audit.corpus.shares import mean
from unimp_bench.audit.corpus.skew import skew
from unimp_bench.audit.corpus.ties import tied_targets, ties
from unimp_bench.audit.corpus.titles import TITLE, title_likeness
from unimp_bench.audit.corpus.training import Training, asked_splits
from unimp_bench.audit.corpus.transitions import transitions
from unimp_bench.corpus import Corpus, Items
from unimp_bench.records import SPLITS, Examples


def audit_corpus(corpus: Corpus) -> CorpusAudit:
    """Everything that an audit tells; the same corpus gives the same record.

    Raises:
        UsageError: the corpus has no test examples.
        DataError: a file of it cannot be read.
    """
    asked = asked_splits(corpus, SPLITS)
    titles, pictures = title_likeness(corpus.items), picture_likeness(corpus.items)
    names = _names(corpus.items)
    return CorpusAudit(
        name=corpus.name,
        fingerprint=corpus.fingerprint,
        synthetic=corpus.manifest.synthetic,
        ties=ties(corpus),
        order=file_order(corpus),
        titles=duplicates(titles, names),
        pictures=duplicates(pictures, names),
        splits=tuple(_split(corpus, training, test, titles, pictures) for training, test in asked),
        sets=example_sets(corpus, [training for training, _ in asked], titles, pictures),
    )


def _split(
    corpus: Corpus, training: Training, test: Examples, titles: Likeness | None, pictures: Likeness | None
) -> SplitMeasures:
    return SplitMeasures(
        split=training.split,
        examples=len(test),
        catalogue=len(training.catalogue),
        training=len(training.histories),
        transitions=transitions(training, test),
        skew=skew(training, test),
        leaks=leaks(corpus, training, test),
        tied=mean(tied_targets(corpus, test)) if corpus.has_clock else None,
        copies=copies(test, titles, pictures),
    )


def _names(items: Items) -> list[str]:
    """What readers know items by: their titles, or their ids where they have none."""
    if TITLE not in items.attributes:
        return items.names
    return [title or name for title, name in zip(items.text(TITLE), items.names, strict=True)]
