"""From predictions to a result, for models that ran in the harness and for prediction files alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from unimp_bench.corpus.splits import catalogue
from unimp_bench.files import written
from unimp_bench.kinds import Setting, kind_of
from unimp_bench.kinds.rendering import example_ids
from unimp_bench.metrics.scores import Missing, Score
from unimp_bench.progress import stage
from unimp_bench.records import Examples
from unimp_bench.runs.packed import ColdItems, pack_counts, pack_ranks, pack_values
from unimp_bench.runs.provenance import Provenance
from unimp_bench.runs.results import AnswerSpread, CorpusFacts, Cost, Estimate, ModelFacts, Queries, Result
from unimp_bench.runs.spec import RunSpec


@dataclass(frozen=True)
class Answers:
    """Predictions, their examples and setting; the prediction has the type of the task's kind."""

    prediction: Any
    examples: Examples
    setting: Setting


def scored(
    answers: Answers,
    spec: RunSpec,
    model: ModelFacts,
    remarks: tuple[str, ...],
    cost: Cost | None,
    provenance: Provenance,
) -> Result:
    """The result of predictions: every metric that can be computed, and reasons for the others."""
    corpus, examples = answers.setting.corpus, answers.examples
    kind = kind_of(answers.setting.task.kind)
    with stage(f"{model.name}: scoring {len(examples):,} predictions"):
        found = kind.scores(answers.prediction, examples, answers.setting)
    scores = {name: score for name, score in found.items() if isinstance(score, Score)}
    ranks = kind.ranks(answers.prediction)
    kept = {name: score.values for name, score in scores.items() if score.values is not None and ranks is None}
    counts, targets = corpus.manifest.counts, kind.targets(examples, answers.setting)
    return Result(
        spec=spec,
        corpus=CorpusFacts(
            name=corpus.name,
            synthetic=corpus.manifest.synthetic,
            users=counts.users,
            items=counts.items,
            interactions=counts.interactions,
            pictures=counts.pictures,
            catalogue=len(catalogue(corpus, spec.split)),
            fingerprint=corpus.fingerprint,
            parts=corpus.part_fingerprints,
            has_clock=corpus.has_clock,
            repeats=repeated(examples),
        ),
        model=model,
        metrics={name: Estimate(value=score.value, low=score.low, high=score.high) for name, score in scores.items()},
        examples=len(examples),
        ranks="" if ranks is None else pack_ranks(ranks),
        targets="" if targets is None else pack_counts(targets),
        cold=ColdItems.of(kind.cold(answers.prediction, examples, answers.setting)),
        values={name: pack_values(values) for name, values in kept.items()},
        missing={name: score.reason for name, score in found.items() if isinstance(score, Missing)},
        answers=spread_of(kind.answers(answers.prediction, examples)),
        queries=queries_of(examples),
        remarks=remarks,
        cost=cost,
        provenance=provenance,
    )


def repeated(examples: Examples) -> float:
    """Share of the targets that are in their own history."""
    assert examples.targets is not None
    histories, targets = examples.histories, examples.targets.astype(np.int64)
    if not len(histories) or not len(examples):
        return 0.0
    size = max(int(histories.items.max()), int(targets.max())) + 1
    # A history is the beginning of its user's rows: the first row of each user and item decides.
    pairs, first = np.unique(histories.owners() * size + histories.items, return_index=True)
    wanted = examples.users * size + targets
    places = np.minimum(np.searchsorted(pairs, wanted), len(pairs) - 1)
    return float(((pairs[places] == wanted) & (first[places] < examples.ends)).mean())


def queries_of(examples: Examples) -> Queries | None:
    """How far the queries of some examples, at least one, tell items apart; None for examples without queries."""
    if examples.queries is None:
        return None
    asked, counts = np.unique(examples.queries, return_counts=True)
    return Queries(
        distinct=len(asked),
        commonest=float(counts.max() / len(examples)),
        items=float(np.median(np.array(examples.query_items)[examples.queries])) if examples.query_items else None,
    )


def spread_of(answers: Sequence[Hashable] | None) -> AnswerSpread | None:
    """Diversity of at least one answer; None for kinds without comparable answers."""
    if answers is None:
        return None
    counts = Counter(answers)
    return AnswerSpread(distinct=len(counts), commonest=max(counts.values()) / len(answers))


def write_predictions(path: Path, answers: Answers) -> None:
    """Write one row per example: id, answer and ground truth, by source names."""
    columns = kind_of(answers.setting.task.kind).table(answers.prediction, answers.examples, answers.setting)
    ids = example_ids(answers.setting.corpus, answers.examples)
    with written(path) as partial:
        pq.write_table(pa.table({"id": ids, **columns}), partial)
