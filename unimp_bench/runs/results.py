"""Results of runs: scores, costs and provenance, stored as small JSON files."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from unimp_bench.contracts import Training, Usage
from unimp_bench.errors import DataError
from unimp_bench.files import write_atomically
from unimp_bench.metrics.ranking import RANK_METRICS, rank_scores
from unimp_bench.metrics.rating import SQUARED_ERROR
from unimp_bench.metrics.several import USER_METRICS
from unimp_bench.records import BoolArray, FloatArray, IntArray
from unimp_bench.runs.judged import Judgement
from unimp_bench.runs.packed import ColdItems, counts_of, ranks_of, values_of
from unimp_bench.runs.provenance import Provenance
from unimp_bench.runs.spec import RunSpec
from unimp_bench.settings import Strict

RANK_NAMES = frozenset(metric.name for metric in RANK_METRICS)
RESULT_NAME = "result.json"
PREDICTIONS_NAME = "predictions.parquet"
LEAK_REMARK = "LEAKS THE TEST TARGETS: the model read the held-out interactions while it was fitted"

NEARLY = 0.95
"""Share of examples from which answers count as constant, or as those of another row, with a warning."""

CROWDED = 0.5
"""Runnable processes beyond the machine's cores above which it counts as crowded."""

_AGAIN = "rerun with --fresh"


class Estimate(Strict):
    """A mean over the examples with its 95% bootstrap interval."""

    value: float
    low: float
    high: float


class Cost(Strict):
    """Cost of a run on its machine.

    Attributes:
        fit_seconds, predict_seconds: wall time; fit includes validation and the parts before an interrupt, except for
            those that a killed process did not write down.
        examples_per_second: of prediction and scoring.
        peak_memory_mib: maximum resident memory of the process during fit or prediction.
        parameters_trained, parameters_total: numbers of parameters, including the stored values of rules.
        cpu_seconds: processor time of fit and prediction; None in earlier results, as are the next four.
        threads: number of threads of the process.
        cores: number of cores of the machine.
        load: runnable processes of the whole machine, mean of before and after (``os.getloadavg``).
        device: that of networks at prediction, such as ``cpu`` or ``cuda:0``.
        usage: of a language model at prediction; None for models that ask none, and in earlier results.
    """

    fit_seconds: float
    predict_seconds: float
    examples_per_second: float
    peak_memory_mib: float
    parameters_trained: int
    parameters_total: int
    cpu_seconds: float | None = None
    threads: int | None = None
    cores: int | None = None
    load: float | None = None
    device: str | None = None
    usage: Usage | None = None

    @property
    def is_crowded(self) -> bool:
        """Whether other processes used the machine, so that times are not comparable."""
        return self.load is not None and self.cores is not None and self.load > self.cores + CROWDED


class Tuning(Strict):
    """The search that chose the settings of a run with preset ``tuned``, or the weights of an ensemble.

    Attributes:
        trials: number of fits, including failed and stopped ones; of settings that an ensemble tried.
        seconds: total wall time.
    """

    trials: int
    seconds: float


class AnswerSpread(Strict):
    """Diversity of answers over examples.

    Attributes:
        distinct: number of different answers.
        commonest: share of the examples with the most frequent one.
    """

    distinct: int
    commonest: float

    @property
    def is_constant(self) -> bool:
        """Whether (nearly) all examples have the same answer."""
        return self.commonest >= NEARLY

    @property
    def words(self) -> str:
        """The text of a remark."""
        if self.distinct == 1:
            return "the same answer for all examples"
        return f"{self.distinct:,} distinct answers, the most frequent one for {self.commonest:.1%} of the examples"


class CorpusFacts(Strict):
    """Facts about the corpus for tables, without opening it.

    Attributes:
        fingerprint: of the whole corpus; empty in earlier results, which have it in their fits.
        parts: fingerprints of its parts (``interactions``, ``texts``, ``pictures``).
        has_clock: whether its times are timestamps.
        repeats: share of test targets that occur in their own history.
    """

    name: str
    synthetic: bool
    users: int
    items: int
    interactions: int
    pictures: int
    catalogue: int
    fingerprint: str = ""
    parts: dict[str, str] = Field(default={})
    has_clock: bool | None = None
    repeats: float | None = None


class Queries(Strict):
    """The queries of the test examples, if the task has queries.

    Attributes:
        distinct: number of different queries.
        commonest: share of the examples with the most frequent one.
        items: median number of catalogue items that have an example's query as their own, over examples;
            None where the task does not say.
    """

    distinct: int
    commonest: float
    items: float | None


GIVEN = "features."
"""Begins the names of stored feature sets among the settings of a result: ``features.text``."""

UNREAD = "; this model did not read them here"
"""Ends the remark on a stored feature set that a model was given and did not read."""


class ModelFacts(Strict):
    """Facts about the model for tables, without importing it.

    Attributes:
        settings: that differ from the preset, and the stored features that the model read, by name (``GIVEN``).
        tune: settings of the last of several fits.
    """

    name: str
    preset: str
    settings: dict[str, str]
    tune: dict[str, str] = Field(default={})
    about: str
    source: str
    reads: tuple[str, ...]

    @property
    def is_ceiling(self) -> bool:
        """Whether it uses the ground truth of a generated corpus."""
        return "truth" in self.reads


class Result(Strict):
    """Outcome of one run.

    Attributes:
        metrics: by name, as ``HR@5``.
        examples: number of examples scored.
        ranks: of rankings, target ranks in example order: uint8, clipped at 255, zlib-packed, base64.
        values: of other kinds, by metric, values in example order: float16, zlib-packed, base64.
        missing: reasons why metrics could not be computed, by name.
        answers: their diversity; None for rankings and in earlier results.
        targets: of rankings with several targets per user (public splits), the number of each user's targets, users in
            example order: packed as ``ranks``, two bytes each. Metrics and ``example_values`` are then per user.
        cold: items without a training interaction in a ranking; None where users have several targets, for new domains
            and in earlier results.
        queries: of the examples; None for tasks without queries and in earlier results.
        training: of all fits that lead to this one, steps and examples summed; None for a model without gradient steps
            and in earlier results.
        tuning: the search of the settings; None for settings that were not tuned.
        remarks: notes for the reader, such as a training stopped early.
        cost: None for external predictions.
        judgements: of the texts by judges, at most one of each judge.
    """

    format: Literal["unimp-bench-result"] = "unimp-bench-result"
    version: Literal[1] = 1
    spec: RunSpec
    corpus: CorpusFacts
    model: ModelFacts
    metrics: dict[str, Estimate]
    examples: int
    ranks: str = ""
    values: dict[str, str] = Field(default={})
    missing: dict[str, str] = Field(default={})
    answers: AnswerSpread | None = None
    targets: str = ""
    cold: ColdItems | None = None
    queries: Queries | None = None
    training: Training | None = None
    tuning: Tuning | None = None
    remarks: tuple[str, ...]
    cost: Cost | None
    provenance: Provenance
    judgements: tuple[Judgement, ...] = ()

    @property
    def is_committed(self) -> bool:
        """Whether it and its judgements are of code without uncommitted changes, as far as it is known."""
        origins = (self.provenance, *(each.provenance for each in self.judgements))
        return all(each.clean for each in origins if each.commit)

    @property
    def corpus_id(self) -> str:
        """Fingerprint of the whole corpus, also in earlier results, whose fits named it."""
        return self.corpus.fingerprint or self.spec.fit.fingerprint

    @classmethod
    def read(cls, path: Path) -> Result:
        """Parse one result file.

        Raises:
            DataError: the file cannot be read, is not a result, or its values do not match its examples.
        """
        try:
            result = cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error.strerror
            raise DataError(f"{path} is not a result of a supported format ({reason}); {_AGAIN}") from None
        kept = [result.example_values(name) for name in result.metrics]
        counts = result.target_counts()
        units = result.examples if counts is None else len(counts)
        if {len(values) for values in kept if values is not None} != {units}:
            raise DataError(f"{path} lacks the values of its {result.examples} examples; {_AGAIN}")
        cold = result.cold_targets(), result.cold_above()
        if {len(values) for values in cold if values is not None} - {result.examples}:
            raise DataError(f"{path} lacks the cold items of its {result.examples} examples; {_AGAIN}")
        if not all(each.is_whole and each.examples <= result.examples for each in result.judgements):
            raise DataError(f"{path} has a judgement without the scores of its examples; judge it again")
        return result

    def estimates(self) -> Mapping[str, Estimate]:
        """``metrics``, completed from the ranks for results from before a cutoff was added.

        External ranks are not used, as they may come from short lists.
        """
        complete = self.metrics.keys() | self.missing.keys() >= RANK_NAMES
        if complete or not self.ranks or self.targets or self.cost is None:
            return self.metrics
        return {**_of_ranks(self.ranks), **self.metrics}

    def write(self, path: Path) -> None:
        """Write the result atomically."""
        write_atomically(path, self.model_dump_json(indent=1) + "\n")

    def target_ranks(self) -> IntArray:
        """(examples,) int64 ranks of a ranking, those above ``RANK_CEILING`` clipped to it."""
        return ranks_of(self.ranks)

    def cold_targets(self) -> BoolArray | None:
        """(examples,) targets without a training interaction; None where they were not stored."""
        return None if self.cold is None else ranks_of(self.cold.targets) > 0

    def cold_above(self) -> IntArray | None:
        """(examples,) number of items without a training interaction above each target; None where unknown."""
        return None if self.cold is None or not self.cold.above else ranks_of(self.cold.above)

    def target_counts(self) -> IntArray | None:
        """(users,) number of targets of each user; None if values are per example.

        Raises:
            DataError: they do not match the examples.
        """
        if not self.targets:
            return None
        counts = counts_of(self.targets)
        if counts.sum() != self.examples or len(self.target_ranks()) != self.examples or not counts.all():
            raise DataError(f"result {self.spec.key} lacks the targets of its users; {_AGAIN}")
        return counts

    def example_values(self, metric: str) -> FloatArray | None:
        """(examples,) values of a metric, or None if it is not defined per example.

        With several targets per user, (users,) values per user.
        """
        if metric in self.missing:
            return None
        counts = self.target_counts()
        if counts is not None:
            per_user = next((known for known in USER_METRICS if known.name == metric), None)
            return None if per_user is None else per_user.values(self.target_ranks(), counts)
        if self.ranks:
            known = next((known for known in RANK_METRICS if known.name == metric), None)
            return None if known is None else known.values(self.target_ranks())
        if metric == SQUARED_ERROR:
            errors = self.example_values("MAE")
            return None if errors is None else errors**2
        if metric not in self.values:
            return None
        return values_of(self.values[metric])


@lru_cache(maxsize=4096)
def _of_ranks(ranks: str) -> dict[str, Estimate]:
    """Estimates from packed ranks; cached, since a result is shown on several pages."""
    scores = rank_scores(ranks_of(ranks))
    return {name: Estimate(value=score.value, low=score.low, high=score.high) for name, score in scores.items()}
