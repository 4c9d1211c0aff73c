"""Scores the predictions file of an external system, and stores the result like that of a run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from unimp_bench import registry
from unimp_bench.contracts import Reads, Task
from unimp_bench.corpus import Corpus
from unimp_bench.errors import UsageError, find
from unimp_bench.files import Workspace, locked, write_atomically
from unimp_bench.interchange.predictions import PredictionFile, read_predictions
from unimp_bench.kinds import Setting, draw_examples
from unimp_bench.metrics.resources import Resources
from unimp_bench.records import Protocol, Split, learned_from
from unimp_bench.runs.fitting import check_not_empty, corpus_cache
from unimp_bench.runs.provenance import provenance
from unimp_bench.runs.results import PREDICTIONS_NAME, RESULT_NAME, ModelFacts, Result
from unimp_bench.runs.runner import check_askable, differing_options, open_corpus
from unimp_bench.runs.scoring import Answers, scored, write_predictions
from unimp_bench.runs.spec import FitSpec, RunSpec

REMARK = "scored from a file; training and selection are self-reported"
LONGEST_LINE = 200
DIGITS_SHOWN = 8
EXTERNAL = "external:"

SYSTEM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,39}")


@dataclass(frozen=True)
class Submission:
    """A predictions file and its description.

    Attributes:
        predictions: the file.
        system: its name in tables: letters, digits and ``._+-``.
        options: options of the task that differ from the defaults.
        views: seeded changes of the corpus that the system used.
        about: one line on the system.
        source: the paper or program of the system.
        reads: its inputs (``unimp_bench.contracts.Reads``).

    Raises:
        UsageError: the name, a line or an input is invalid.
    """

    task: str
    corpus: Path
    predictions: Path
    system: str
    split: Split = "loo"
    protocol: Protocol = "paper"
    options: Mapping[str, Any] = field(default_factory=dict)
    views: tuple[str, ...] = ()
    about: str = ""
    source: str = ""
    reads: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not SYSTEM.fullmatch(self.system):
            raise UsageError(f"invalid name {self.system!r}: use 1 to 40 letters, digits and ._+-, not ._+- first")
        for name, line in (("about", self.about), ("source", self.source)):
            if not line.isprintable() or len(line) > LONGEST_LINE:
                raise UsageError(f"{name} takes one line of at most {LONGEST_LINE} characters")
        for name in self.reads:
            find(dict.fromkeys(get_args(Reads)), name, "input of a model")

    @property
    def model(self) -> str:
        """The system's name in the column of models."""
        return EXTERNAL + self.system


def score(submission: Submission, workspace: Workspace) -> Result:
    """Score a file like a run; the result is stored in ``runs/`` and can be published.

    Raises:
        UsageError: the corpus does not have the task, split or protocol.
        DataError: the file is invalid.
    """
    corpus = open_corpus(submission.corpus, submission.views)
    task = registry.make_task(submission.task, submission.options)
    check_askable(task, submission.split, submission.protocol)
    cache, resources = corpus_cache(corpus, workspace), Resources.of(workspace)
    setting = Setting(task, corpus, submission.protocol, cache, submission.model, resources)
    with PredictionFile.open(submission.predictions) as file:
        answers = read_answers(file, submission.split, setting)
    spec = _specify(submission, task, corpus, file.sha256)
    folder = workspace.runs / spec.key
    with locked(folder):
        write_atomically(folder / "spec.json", spec.model_dump_json(indent=1) + "\n")
        write_predictions(folder / PREDICTIONS_NAME, answers)
        facts = _facts(submission, file.sha256)
        result = scored(answers, spec, facts, (REMARK,), None, provenance(command_of(submission)))
        result.write(folder / RESULT_NAME)
    return result


def read_answers(file: PredictionFile, split: Split, setting: Setting) -> Answers:
    """The predictions in a file for the test examples of a split.

    Raises:
        UsageError: the corpus does not have the split, or no examples.
        DataError: the file is invalid.
    """
    examples = draw_examples(setting.task, setting.corpus, split, "test", setting.cache)
    check_not_empty(examples, setting.corpus, "there is nothing to score")
    return Answers(read_predictions(file, examples, setting), examples, setting)


def command_of(submission: Submission) -> str:
    """The command of this result, with the file name without its folder."""
    parts = ["unimp-bench", "score", "--task", submission.task, "--corpus", submission.corpus.name]
    parts += ["--predictions", submission.predictions.name, "--name", submission.system]
    parts += ["--split", submission.split, "--protocol", submission.protocol]
    for key, value in sorted(submission.options.items()):
        parts += ["--option", f"{key}={value}"]
    for view in submission.views:
        parts += ["--view", view]
    for name in ("about", "source"):
        parts += [f"--{name}", getattr(submission, name)] if getattr(submission, name) else []
    parts += ["--reads", ",".join(submission.reads)] if submission.reads else []
    return shlex.join(parts)


def _specify(submission: Submission, task: Task, corpus: Corpus, sha256: str) -> RunSpec:
    options = differing_options(task)
    return RunSpec(
        fit=FitSpec(
            tasks=((task.name, task.version),),
            model=submission.model,
            config={"predictions_sha256": sha256},
            fingerprint=corpus.fingerprint,
            seed=0,
            options={task.name: options} if options else {},
            split=learned_from(submission.split),
        ),
        task=task.name,
        task_version=task.version,
        split=submission.split,
        protocol=submission.protocol,
        options=options,
    )


def _facts(submission: Submission, sha256: str) -> ModelFacts:
    """Files of the same system name are separate rows, distinguished by the first digits of their hashes."""
    return ModelFacts(
        name=submission.model,
        preset="default",
        settings={"file": sha256[:DIGITS_SHOWN]},
        about=submission.about,
        source=submission.source,
        reads=submission.reads,
    )
