"""The predictions that a finished run stored, as the kind of its task has them."""

from __future__ import annotations

from unimp_bench import registry
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.fingerprints import fingerprint_of
from unimp_bench.errors import DataError, UsageError
from unimp_bench.files import Workspace
from unimp_bench.interchange.predictions import PredictionFile, read_predictions
from unimp_bench.kinds import Setting, draw_examples
from unimp_bench.metrics.resources import Resources
from unimp_bench.runs.fitting import corpus_cache
from unimp_bench.runs.identity import parts_read
from unimp_bench.runs.reproduction import corpus_of
from unimp_bench.runs.results import PREDICTIONS_NAME, Result
from unimp_bench.runs.runner import open_corpus
from unimp_bench.runs.scoring import Answers
from unimp_bench.runs.stored import StoredRun


def has_its_examples(corpus: Corpus, result: Result) -> bool:
    """Whether the examples of a result's task are drawn from the same parts of a corpus."""
    if corpus.fingerprint == result.corpus_id:
        return True
    spec, parts = result.spec, result.corpus.parts
    drawn = parts_read((), (spec.task,), options=bool(spec.options))
    return bool(parts) and fingerprint_of(parts, drawn) == fingerprint_of(corpus.part_fingerprints, drawn)


def check_answered(run: StoredRun) -> Result:
    """The result of a run whose predictions are stored.

    Raises:
        UsageError: the run is not finished, or its predictions were removed.
    """
    if run.result is None:
        raise UsageError(f"run {run.key} is {run.state}; only a finished run has answers")
    if not (run.folder / PREDICTIONS_NAME).is_file():
        raise UsageError(f"run {run.key} has no {PREDICTIONS_NAME}; run it again with --fresh")
    return run.result


def stored_answers(run: StoredRun, workspace: Workspace) -> Answers:
    """The predictions of a run, with their examples.

    Raises:
        UsageError: the run is not finished, or its predictions were removed.
        DataError: the corpus has changed, or the predictions are damaged.
    """
    result = check_answered(run)
    name, views = corpus_of(result)
    corpus = open_corpus(workspace.data / name, views)
    if not has_its_examples(corpus, result):
        raise DataError(f"run {run.key}: what {result.spec.task} draws from corpus {name} has changed since")
    spec = result.spec
    task, cache = registry.make_task(spec.task, spec.options), corpus_cache(corpus, workspace)
    setting = Setting(task, corpus, spec.protocol, cache, result.model.name, Resources.of(workspace))
    examples = draw_examples(task, corpus, spec.split, "test", cache)
    with PredictionFile.open(run.folder / PREDICTIONS_NAME) as file:
        return Answers(read_predictions(file, examples, setting), examples, setting)
