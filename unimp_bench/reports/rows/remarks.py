"""Remarks on rows: degenerate answers, and results with shuffled time ties.

A row gets a warning if its answers are (nearly) constant, or (nearly) equal to those of another row of the same table:
its score then says little about the model. ``runs.results.NEARLY`` is the threshold. Rows are compared by their stored
metrics per example, in float16, so similar answers may count as equal. For results without ``Result.answers``, constant
ratings are inferred from the stored errors. Rankings are excluded: a ranker may recommend the same items to all users,
and stored ranks are truncated, so weak rankers may be equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from unimp_bench.corpus.views import View, viewed
from unimp_bench.kinds import Kind
from unimp_bench.records import FloatArray
from unimp_bench.reports.rows.labels import label_of
from unimp_bench.reports.rows.scored import Scored
from unimp_bench.runs.results import NEARLY, Estimate, Result

TIES = View.parse("ST")
"""The view of a corpus with shuffled time ties."""


@dataclass(frozen=True)
class Degenerate:
    """Warnings on the answers of one row, in words.

    Attributes:
        constant: its answers are (nearly) the same for all examples.
        repeated: it has (nearly) the values of another row.
    """

    constant: tuple[str, ...] = ()
    repeated: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.constant, *self.repeated)


def warnings(rows: Sequence[Scored]) -> dict[str, Degenerate]:
    """Degenerate answers of the rows of a table, by label."""
    stored = {row.label: [_stored(result) for result in row.results] for row in rows}
    return {row.label: Degenerate(tuple(_constant(row)), tuple(_as_another(row, rows, stored))) for row in rows}


def _constant(row: Scored) -> list[str]:
    """Warnings of (nearly) constant answers."""
    words = [(result, _constant_words(result, row.kind)) for result in row.results]
    return [f"{_seed(row, result)}{each}" for result, each in words if each]


def _constant_words(result: Result, kind: Kind) -> str:
    if result.answers is not None:
        return result.answers.words if result.answers.is_constant else ""
    return "its stored errors imply a constant prediction" if kind.is_constant(_stored(result)) else ""


def _as_another(row: Scored, rows: Sequence[Scored], stored: dict[str, list[dict[str, FloatArray]]]) -> list[str]:
    """Warnings of (nearly) the same values per example as another row on the same corpus."""
    found = []
    others = [other for other in rows if other is not row and _corpus(other) == _corpus(row)]
    for result, own in zip(row.results, stored[row.label], strict=True):
        for other in others:
            share = max(_equal(own, each) for each in stored[other.label])
            if share >= NEARLY:
                found.append(
                    f"{_seed(row, result)}equal to {other.label} in all stored metrics for {share:.1%} of the examples"
                )
    return found


def _stored(result: Result) -> dict[str, FloatArray]:
    """Values per example by metric, without those of rankings."""
    values = {name: result.example_values(name) for name in result.values}
    return {name: each for name, each in values.items() if each is not None}


def _equal(one: dict[str, FloatArray], other: dict[str, FloatArray]) -> float:
    """Share of the examples with equal stored values of all common metrics."""
    common = [(values, other[name]) for name, values in one.items() if name in other]
    if not common or any(len(first) != len(second) for first, second in common):
        return 0.0
    return float(np.logical_and.reduce([first == second for first, second in common]).mean())


def _corpus(row: Scored) -> str:
    return row.results[0].corpus_id


def _seed(row: Scored, result: Result) -> str:
    return f"seed {result.spec.fit.seed}: " if len(row.results) > 1 else ""


def spread_cells(results: Sequence[Result]) -> dict[str, str]:
    """Number of distinct answers and share of the most frequent one for each seed; empty if not recorded."""
    known = [result.answers for result in results if result.answers is not None]
    if len(known) < len(results):
        return {}
    return {
        "Distinct answers": ", ".join(f"{each.distinct:,}" for each in known),
        "Most frequent answer": ", ".join(f"{each.commonest:.1%}" for each in known),
    }


@dataclass(frozen=True)
class Shuffled:
    """One row on the stored corpus and on its view ``ST``, over the common seeds.

    Attributes:
        results: on the view, one per seed.
        stored, shuffled: the main metric on both, over the same seeds.
    """

    label: str
    results: tuple[Result, ...]
    stored: Estimate
    shuffled: Estimate


def has_shuffled_ties(result: Result) -> bool:
    """Whether a result is on a view with shuffled ties, so that it is shown with that of the stored corpus."""
    return result.corpus.name.partition("+")[2] == str(TIES)


def shuffled_rows(rows: Iterable[Scored], results: Sequence[Result]) -> tuple[Shuffled, ...]:
    """The rows with results under shuffled ties among ``results``, in order."""
    found = []
    for row in rows:
        by_seed = {result.spec.fit.seed: result for result in results if _is_of(row, result)}
        stored = [result for result in row.results if result.spec.fit.seed in by_seed]
        if stored and row.has_main:
            shuffled = tuple(by_seed[result.spec.fit.seed] for result in stored)
            before, after = (Scored.of(row.label, each, row.kind) for each in (stored, shuffled))
            main = row.kind.main
            if not (before.has_main and after.has_main):
                continue
            found.append(Shuffled(row.label, shuffled, before.metrics()[main], after.metrics()[main]))
    return tuple(found)


def _is_of(row: Scored, result: Result) -> bool:
    """Whether a result differs from a row only by the view with shuffled ties."""
    home = row.results[0]
    seen = viewed(home.corpus.name, home.corpus_id, TIES)
    return (
        (result.corpus.name, result.corpus_id) == seen
        and _question(result) == _question(home)
        and label_of(result) == label_of(home)
    )


def _question(result: Result) -> tuple[object, ...]:
    spec = result.spec
    return spec.task, spec.split, spec.protocol, spec.options
