"""Completes results of earlier versions with what follows from their stored lists, without running a model."""

from __future__ import annotations

from unimp_bench.errors import DataError
from unimp_bench.files import Workspace, locked
from unimp_bench.interchange.stored_answers import check_answered, stored_answers
from unimp_bench.kinds import kind_of
from unimp_bench.runs.packed import ColdItems, pack_ranks
from unimp_bench.runs.results import PREDICTIONS_NAME, RESULT_NAME, Result
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
    result = check_answered(run)
    with locked(run.folder):
        answers = stored_answers(run, workspace)
        kind = kind_of(answers.setting.task.kind)
        ranks = kind.ranks(answers.prediction)
        if ranks is None or pack_ranks(ranks) != result.ranks:
            raise DataError(f"run {run.key}: {PREDICTIONS_NAME} has other ranks than {RESULT_NAME}")
        cold = ColdItems.of(kind.cold(answers.prediction, answers.examples, answers.setting))
        found = result.model_copy(update={"cold": cold})
        found.write(run.folder / RESULT_NAME)
    return found
