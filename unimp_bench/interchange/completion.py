"""Completes results of earlier versions with what follows from their stored lists, without running a model."""

from __future__ import annotations

from unimp_bench import registry
from unimp_bench.errors import DataError
from unimp_bench.files import Workspace, locked
from unimp_bench.interchange.predictions import PredictionFile, read_predictions
from unimp_bench.kinds import Setting, draw_examples, kind_of
from unimp_bench.metrics.resources import Resources
from unimp_bench.runs.fitting import corpus_cache
from unimp_bench.runs.packed import ColdItems, pack_ranks
from unimp_bench.runs.reproduction import corpus_of
from unimp_bench.runs.results import PREDICTIONS_NAME, RESULT_NAME, Result
from unimp_bench.runs.runner import open_corpus
from unimp_bench.runs.stored import StoredRun


def lacks_cold_items(run: StoredRun) -> bool:
    """Whether a run is a finished ranking whose lists are stored, and its cold items are not."""
    result = run.result
    return (
        result is not None
        and bool(result.ranks)
        and result.cold is None
        and not result.targets
        and result.spec.split != "new-domain"
        and (run.folder / PREDICTIONS_NAME).is_file()
    )


def complete(run: StoredRun, workspace: Workspace) -> Result:
    """Add the cold items of a run that lacks them to its stored result; nothing else of it changes.

    Raises:
        DataError: the corpus has changed, or the stored predictions are not those of the result.
    """
    result = run.result
    assert result is not None
    name, views = corpus_of(result)
    corpus = open_corpus(workspace.data / name, views)
    key = "interactions"
    if corpus.part_fingerprints[key] != result.corpus.parts.get(key) and corpus.fingerprint != result.corpus_id:
        raise DataError(f"run {run.key}: the interactions of corpus {name} have changed since")
    spec = result.spec
    task = registry.make_task(spec.task, spec.options)
    cache = corpus_cache(corpus, workspace)
    setting = Setting(task, corpus, spec.protocol, cache, result.model.name, Resources.of(workspace))
    examples = draw_examples(task, corpus, spec.split, "test", cache)
    with locked(run.folder), PredictionFile.open(run.folder / PREDICTIONS_NAME) as file:
        prediction = read_predictions(file, examples, setting)
        kind = kind_of(task.kind)
        ranks = kind.ranks(prediction)
        if ranks is None or pack_ranks(ranks) != result.ranks:
            raise DataError(f"run {run.key}: {PREDICTIONS_NAME} has other ranks than {RESULT_NAME}")
        found = result.model_copy(update={"cold": ColdItems.of(kind.cold(prediction, examples, setting))})
        found.write(run.folder / RESULT_NAME)
    return found
