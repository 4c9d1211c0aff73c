"""The rows of a section beside the same rows where the order among interactions of one time is by chance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from unimp_bench.corpus.views import View, viewed
from unimp_bench.reports.labels import label_of
from unimp_bench.reports.scored import Scored
from unimp_bench.runs.results import Estimate, Result

TIES = View.parse("ST")


@dataclass(frozen=True)
class Shuffled:
    """One row on the corpus as it is stored and on its view ``ST``, over the seeds that both have.

    Attributes:
        results: on the view, one a seed.
        stored, shuffled: the main metric, of as many seeds.
    """

    label: str
    results: tuple[Result, ...]
    stored: Estimate
    shuffled: Estimate

    @property
    def seeds(self) -> int:
        """How many seeds ran both ways."""
        return len(self.results)

    @property
    def shift(self) -> float:
        """What shuffling adds."""
        return self.shuffled.value - self.stored.value


def has_shuffled_ties(result: Result) -> bool:
    """Whether a result belongs beside that of the corpus whose ties were shuffled, and to no table of its own."""
    return result.corpus.name.partition("+")[2] == str(TIES)


def shuffled_rows(rows: Iterable[Scored], results: Sequence[Result]) -> tuple[Shuffled, ...]:
    """Those of the rows that also ran with shuffled ties, which ``results`` are of, in their order."""
    found = []
    for row in rows:
        by_seed = {result.spec.fit.seed: result for result in results if _is_of(row, result)}
        stored = [result for result in row.results if result.spec.fit.seed in by_seed]
        if stored:
            shuffled = tuple(by_seed[result.spec.fit.seed] for result in stored)
            before, after = (Scored.of(row.label, each, row.kind) for each in (stored, shuffled))
            main = row.kind.main
            found.append(Shuffled(row.label, shuffled, before.metrics()[main], after.metrics()[main]))
    return tuple(found)


def _is_of(row: Scored, result: Result) -> bool:
    """Whether a result is a row's in all but the corpus, and on the view of the row's own one."""
    home = row.results[0]
    seen = viewed(home.corpus.name, home.spec.fit.fingerprint, TIES)
    return (
        (result.corpus.name, result.spec.fit.fingerprint) == seen
        and _question(result) == _question(home)
        and label_of(result) == row.label
    )


def _question(result: Result) -> tuple[object, ...]:
    spec = result.spec
    return spec.task, spec.split, spec.protocol, spec.options
