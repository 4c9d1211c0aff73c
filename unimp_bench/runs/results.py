"""Results of runs: scores, costs and provenance, stored as small JSON files."""

from __future__ import annotations

import base64
import hashlib
import platform
import subprocess
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, ValidationError

from unimp_bench import registry
from unimp_bench.contracts import ModelCard, Training
from unimp_bench.corpus import features
from unimp_bench.errors import DataError, UsageError
from unimp_bench.files import write_atomically
from unimp_bench.kinds import kind_of
from unimp_bench.machine import cores, device, processor
from unimp_bench.metrics.ranking import RANK_METRICS, rank_scores
from unimp_bench.metrics.rating import SQUARED_ERROR
from unimp_bench.metrics.several import USER_METRICS
from unimp_bench.records import FloatArray, IntArray
from unimp_bench.runs.spec import FitSpec, RunSpec
from unimp_bench.settings import Strict

RANK_CEILING = 255
_COUNT = np.dtype("<u2")
RANK_NAMES = frozenset(metric.name for metric in RANK_METRICS)
RESULT_NAME = "result.json"
LEAK_REMARK = "LEAKS THE TEST TARGETS: the model read the held-out interactions while it was fitted"

NEARLY = 0.95
"""Share of the examples from which on answers count as constant, or as those of another row: a reader is warned."""

CROWDED = 0.5
"""Runnable processes beyond the machine's cores above which it counts as crowded."""

_AGAIN = "run it again with --fresh"


class Estimate(Strict):
    """A mean over the examples with its 95% bootstrap interval."""

    value: float
    low: float
    high: float


class Cost(Strict):
    """What the run took on its machine.

    Attributes:
        fit_seconds, predict_seconds: wall time; fit includes validation, and the parts before an interrupt, though
            not what a killed process did not live to write down.
        examples_per_second: of prediction and scoring.
        peak_memory_mib: largest resident memory of the process during fit or prediction.
        parameters_trained, parameters_total: numbers of parameters; what a rule stores counts as such.
        cpu_seconds: processor time of fit and prediction; None in results of before it was measured, as the next three.
        threads: that the process computes with.
        cores: of the machine.
        load: runnable processes of the whole machine, the mean of before and after (``os.getloadavg``).
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

    @property
    def is_crowded(self) -> bool:
        """Whether other processes took part of the machine, so that times compare with nothing."""
        return self.load is not None and self.cores is not None and self.load > self.cores + CROWDED


class Tuning(Strict):
    """The search that chose the settings of a run with preset ``tuned``.

    Attributes:
        trials: number of fits, failed and stopped ones included.
        seconds: wall time of all of them.
    """

    trials: int
    seconds: float


class Provenance(Strict):
    """Where a number comes from.

    Attributes:
        command: the exact command that gives it.
        commit: of the code, or empty where the code is no checkout; ``clean`` is false when files were changed.
        versions: of Python and the packages that matter.
        machine: processor, cores and accelerator.
        host: a digest that tells one machine from another and names neither; empty for results of before it was kept.
        time: UTC, ISO 8601, when the result was written.
    """

    command: str
    commit: str
    clean: bool
    versions: dict[str, str]
    machine: str
    host: str = ""
    time: str

    @property
    def origin(self) -> tuple[str, str]:
        """The machine, as far as results know it."""
        return self.machine, self.host


class AnswerSpread(Strict):
    """How far answers differ from one example to the next.

    Attributes:
        distinct: number of different answers.
        commonest: share of the examples with the most frequent one.
    """

    distinct: int
    commonest: float

    @property
    def is_constant(self) -> bool:
        """Whether (nearly) all examples got the same answer."""
        return self.commonest >= NEARLY

    @property
    def words(self) -> str:
        """As a remark says it."""
        if self.distinct == 1:
            return "the same answer for all examples"
        return f"{self.distinct:,} distinct answers, the most frequent one for {self.commonest:.1%} of the examples"


class CorpusFacts(Strict):
    """What a table says of the corpus without opening it.

    Attributes:
        fingerprint: of the whole corpus; empty in earlier results, whose fits name it.
        parts: fingerprints of its parts (``interactions``, ``texts``, ``pictures``).
        has_clock: its times are clock times.
        repeats: share of the test targets that are in their own history.
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
    """The queries of the test examples of a task that has them.

    Attributes:
        distinct: number of different queries.
        commonest: share of the examples with the most frequent one.
        items: median number of catalogue items that have an example's query as their own, over examples;
            None where the task does not say.
    """

    distinct: int
    commonest: float
    items: float | None


class ModelFacts(Strict):
    """What a table says of the model without importing it; ``tune`` are the settings of the last of several fits."""

    name: str
    preset: str
    settings: dict[str, str]
    tune: dict[str, str] = Field(default={})
    about: str
    source: str
    reads: tuple[str, ...]

    @property
    def is_ceiling(self) -> bool:
        """Whether it reads the truth of a generated corpus."""
        return "truth" in self.reads


class Result(Strict):
    """One run's outcome.

    Attributes:
        metrics: by name, as ``HR@5``.
        examples: number of examples scored.
        ranks: of rankings, target ranks in example order: uint8, clipped at 255, zlib-packed, base64.
        values: of other kinds, by metric, values in example order: float16, zlib-packed, base64.
        missing: metrics that could not be computed, with the reason.
        answers: how far they differ; None for rankings, and in results that are older than this field.
        targets: of rankings with several targets per user (public splits), the number of each user's targets, users in
            example order: packed as ``ranks``, two bytes each. Metrics and ``example_values`` are then per user.
        queries: of the examples; None for tasks without queries and in earlier results.
        training: of all fits that lead to this one, steps and examples summed; None for a model without gradient steps
            and in earlier results.
        tuning: the search behind the settings; None for settings that nothing chose.
        remarks: what a reader must know of this number, such as a training that was cut short.
        cost: None where the predictions came from elsewhere.
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
    queries: Queries | None = None
    training: Training | None = None
    tuning: Tuning | None = None
    remarks: tuple[str, ...]
    cost: Cost | None
    provenance: Provenance

    @property
    def corpus_id(self) -> str:
        """Fingerprint of the whole corpus, also in earlier results, whose fits named it."""
        return self.corpus.fingerprint or self.spec.fit.fingerprint

    @classmethod
    def read(cls, path: Path) -> Result:
        """Parse one result file.

        Raises:
            DataError: it cannot be read, is no result, or its ranks do not belong to it.
        """
        try:
            result = cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error.strerror
            raise DataError(f"{path} is no result that this version reads ({reason}); {_AGAIN}") from None
        kept = [result.example_values(name) for name in result.metrics]
        counts = result.target_counts()
        units = result.examples if counts is None else len(counts)
        if {len(values) for values in kept if values is not None} != {units}:
            raise DataError(f"{path} does not hold the values of its {result.examples} examples; {_AGAIN}")
        return result

    def estimates(self) -> Mapping[str, Estimate]:
        """``metrics``, and those that the ranks give of a result that is older than a cutoff.

        Ranks from elsewhere may be those of short lists, which give no more than was computed of them.
        """
        complete = self.metrics.keys() | self.missing.keys() >= RANK_NAMES
        if complete or not self.ranks or self.targets or self.cost is None:
            return self.metrics
        return {**_of_ranks(self.ranks), **self.metrics}

    def write(self, path: Path) -> None:
        """Write the result so that it is there whole or not at all."""
        write_atomically(path, self.model_dump_json(indent=1) + "\n")

    def target_ranks(self) -> IntArray:
        """(examples,) int64 ranks of a ranking, those beyond ``RANK_CEILING`` given as the ceiling."""
        return np.frombuffer(_unpacked(self.ranks), dtype=np.uint8).astype(np.int64)

    def target_counts(self) -> IntArray | None:
        """(users,) number of targets of each user; None where values are per example.

        Raises:
            DataError: they are not those of the examples.
        """
        if not self.targets:
            return None
        packed = _unpacked(self.targets)
        counts = np.frombuffer(packed[: len(packed) // 2 * 2], dtype=_COUNT).astype(np.int64)
        if counts.sum() != self.examples or len(self.target_ranks()) != self.examples or not counts.all():
            raise DataError(f"result {self.spec.key} does not hold the targets of its users; {_AGAIN}")
        return counts

    def example_values(self, metric: str) -> FloatArray | None:
        """(examples,) values of a metric, or None where it is not defined for one example.

        With several targets per user they are (users,) values of users.
        """
        if metric in self.missing:
            return None
        counts = self.target_counts()
        if counts is not None:
            of_users = next((known for known in USER_METRICS if known.name == metric), None)
            return None if of_users is None else of_users.values(self.target_ranks(), counts)
        if self.ranks:
            known = next((known for known in RANK_METRICS if known.name == metric), None)
            return None if known is None else known.values(self.target_ranks())
        if metric == SQUARED_ERROR:
            errors = self.example_values("MAE")
            return None if errors is None else errors**2
        if metric not in self.values:
            return None
        packed = _unpacked(self.values[metric])
        return np.frombuffer(packed[: len(packed) // 2 * 2], dtype=np.float16).astype(np.float64)


@lru_cache(maxsize=4096)
def _of_ranks(ranks: str) -> dict[str, Estimate]:
    """Of packed ranks; kept, since a result is shown on several pages."""
    scores = rank_scores(np.frombuffer(_unpacked(ranks), dtype=np.uint8).astype(np.int64))
    return {name: Estimate(value=score.value, low=score.low, high=score.high) for name, score in scores.items()}


def pack_ranks(ranks: IntArray) -> str:
    """The text form of target ranks in a result."""
    return _packed(np.minimum(ranks, RANK_CEILING).astype(np.uint8).tobytes())


def pack_counts(counts: IntArray) -> str:
    """The text form of numbers of targets in a result.

    Raises:
        ValueError: a number does not fit in two bytes.
    """
    if counts.max(initial=0) > np.iinfo(_COUNT).max:
        raise ValueError("a user has too many targets for a result")
    return _packed(counts.astype(_COUNT).tobytes())


def pack_values(values: FloatArray) -> str:
    """The text form of a metric's values in a result."""
    return _packed(values.astype(np.float16).tobytes())


def _packed(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content, 9)).decode("ascii")


def _unpacked(text: str) -> bytes:
    """What ``_packed`` took; nothing where the text is damaged."""
    try:
        return zlib.decompress(base64.b64decode(text, validate=True))
    except (ValueError, zlib.error):
        return b""


PACKAGES = (
    "unimp-bench", "torch", "transformers", "open_clip_torch", "diffusers", "recbole", "numpy", "pandas", "pyarrow",
    "nltk", "bert-score", "rouge-score",
)  # fmt: skip
CODE = ("unimp_bench", "tasks", "baselines", "data_prep")


def provenance(command: str, code: Sequence[str] = CODE, packages: Sequence[str] = PACKAGES) -> Provenance:
    """The provenance of a result written now by ``command``.

    Args:
        code: folders whose files make the result.
        packages: whose versions matter.
    """
    commit, clean = _commit(code)
    return Provenance(
        command=command,
        commit=commit,
        clean=clean,
        versions={"python": platform.python_version(), **_versions(packages)},
        machine=_machine(),
        host=_host(),
        time=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _versions(packages: Sequence[str]) -> dict[str, str]:
    found = {}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _commit(code: Sequence[str]) -> tuple[str, bool]:
    """Commit of the checkout this code runs from, and whether the files of its folders are as committed."""
    root = Path(__file__).resolve().parents[2]
    commit = _git(root, "rev-parse", "HEAD")
    return commit, bool(commit) and not _git(root, "status", "--porcelain", "--", *code)


def _git(root: Path, *arguments: str) -> str:
    try:
        answer = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return answer.stdout.strip()


def _host() -> str:
    """A digest of the id that the operating system was given, or of the machine's name where it has none."""
    try:
        name = Path("/etc/machine-id").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        name = ""
    return hashlib.sha256(f"unimp-bench {name or platform.node()}".encode()).hexdigest()[:12]


def _machine() -> str:
    text = f"{platform.system()} {platform.machine()}, {cores()} cores"
    if found := processor():
        text += f" of {found}"
    torch = sys.modules.get("torch")
    if torch is not None and device().type == "cuda":
        text += f", {torch.cuda.get_device_name(device())}"
    return text


@dataclass(frozen=True)
class Versions:
    """The fields of a ``FitSpec`` that hold versions."""

    version: int
    features: dict[str, int]
    selection: dict[str, int]


def versions_of(card: ModelCard, tasks: Iterable[str]) -> Versions:
    """The present versions of what a fit of a model on some tasks depends on."""
    kinds = {registry.task_cards()[task].kind for task in tasks} if card.validated else set()
    rules = {f"{name}/{protocol}": number for name in kinds for protocol, number in kind_of(name).selection.items()}
    return Versions(
        card.version,
        {name: features.VERSIONS[name] for name in sorted(card.features) if features.VERSIONS[name] != 1},
        {rule: number for rule, number in sorted(rules.items()) if number != 1},
    )


def outdated(result: Result) -> tuple[str, ...]:
    """What was of an earlier version when a result was made, in words; nothing for a result of the present versions.

    A selection rule counts for the results of its own kind and protocol alone: the others were selected as they are
    now. A model that is not registered here has no present version.
    """
    return tuple(dict.fromkeys(_earlier(result)))


def _earlier(result: Result) -> Iterator[str]:
    spec = result.spec
    card = registry.task_cards()[spec.task]
    kind, now = card.kind, registry.load(card.factory).version
    if now != spec.task_version:
        yield f"version {spec.task_version} of the task, now {now}"
    for stage in spec.fit.stages:
        try:
            model = registry.model_card(stage.model)
        except UsageError:
            continue
        yield from _of_stage(stage, model, f"{kind}/{spec.protocol}")


def _of_stage(stage: FitSpec, card: ModelCard, rule: str) -> Iterator[str]:
    now = versions_of(card, [name for name, _ in stage.tasks])
    if stage.version != now.version:
        yield f"version {stage.version} of the model, now {now.version}"
    for name in card.features:
        before, after = stage.features.get(name, 1), now.features.get(name, 1)
        if before != after:
            yield f"version {before} of its features from {name}, now {after}"
    before, after = stage.selection.get(rule, 1), now.selection.get(rule, 1)
    if before != after:
        yield f"version {before} of the selection rule, now {after}"
