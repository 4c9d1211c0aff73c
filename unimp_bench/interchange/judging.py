"""Judges the stored texts of finished runs, and on the same examples texts of known worth that test the judge."""

from __future__ import annotations

import numpy as np

from unimp_bench import registry
from unimp_bench.errors import DataError, UsageError
from unimp_bench.files import Workspace, locked
from unimp_bench.interchange.stored_answers import check_answered, stored_answers
from unimp_bench.kinds import kind_of
from unimp_bench.kinds.base import spaced
from unimp_bench.kinds.judging import Case, Judge, controls
from unimp_bench.kinds.text import TextExamples
from unimp_bench.runs.judged import Judgement
from unimp_bench.runs.packed import pack_scores
from unimp_bench.runs.provenance import provenance
from unimp_bench.runs.results import PREDICTIONS_NAME, RESULT_NAME, Result
from unimp_bench.runs.scoring import Answers, spread_of
from unimp_bench.runs.stored import StoredRun

KIND = "text"


def check_judgeable(run: StoredRun) -> Result:
    """The result of a run with texts to be judged.

    Raises:
        UsageError: it is of another kind of task, not finished, or its predictions were removed.
    """
    card = registry.task_cards()[run.spec.task]
    if card.kind != KIND:
        raise UsageError(f"run {run.key} is of {run.spec.task}, which has no texts to be judged")
    return check_answered(run)


def judge_run(run: StoredRun, judge: Judge, most: int, command: str, workspace: Workspace) -> Result:
    """The result of a run with a judgement in place of an earlier one of the same judge; stored in the run's folder.

    Args:
        run: see ``check_judgeable``.
        most: examples that are judged, at most.
        command: that judges this run.

    Raises:
        DataError: the corpus or the run has changed, or the predictions are not those of the result.
    """
    result, answers = check_judgeable(run), stored_answers(run, workspace)
    spread = spread_of(kind_of(KIND).answers(answers.prediction, answers.examples))
    if result.answers is not None and spread != result.answers:
        raise DataError(f"run {run.key}: {PREDICTIONS_NAME} has other texts than {RESULT_NAME}")
    made = _judgement(answers, judge, most, command)
    with locked(run.folder):
        now = Result.read(run.folder / RESULT_NAME)
        if now.model_copy(update={"judgements": ()}) != result.model_copy(update={"judgements": ()}):
            raise DataError(f"run {run.key} has changed while it was judged; judge it again")
        others = tuple(each for each in now.judgements if each.judge.key != made.judge.key)
        found = now.model_copy(update={"judgements": (*others, made)})
        found.write(run.folder / RESULT_NAME)
    return found


def _judgement(answers: Answers, judge: Judge, most: int, command: str) -> Judgement:
    examples, corpus = answers.examples, answers.setting.corpus
    assert isinstance(examples, TextExamples) and examples.rows is not None
    references, rows = examples.texts.read(), spaced(len(examples), most)
    ratings = np.asarray(corpus.histories.ratings[examples.rows])
    known = controls(rows, references, examples.users, ratings, judge.constant)
    asked = [[answers.prediction[row] for row in rows], *known.values()]
    items = examples.shown.items
    cases = [
        Case(int(items[row]), references[row], text)
        for texts in asked
        for row, text in zip(rows, texts, strict=True)
        if text is not None
    ]
    said = judge.judge(cases, corpus.items, answers.setting.cache)
    scores = np.full((len(asked), len(rows)), np.nan)
    scores[np.array([[text is not None for text in texts] for texts in asked])] = said.scores
    return Judgement(
        judge=judge.facts,
        examples=len(rows),
        scores=pack_scores(scores[0]),
        controls={name: pack_scores(each) for name, each in zip(known, scores[1:], strict=True)},
        unread=int(said.unread.sum()),
        usage=said.usage,
        provenance=provenance(command),
    )
