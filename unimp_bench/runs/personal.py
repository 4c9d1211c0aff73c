"""What a fitted model recommends to one user."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unimp_bench.contracts import Ranker
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.splits import catalogue
from unimp_bench.errors import find
from unimp_bench.files import Workspace
from unimp_bench.kinds import draw_examples
from unimp_bench.kinds.base import must_be
from unimp_bench.kinds.ranks import check_scores, rank_targets, seen_columns, top_items
from unimp_bench.runs.fitting import check_known, corpus_cache, fit_or_load, unknown_users
from unimp_bench.runs.runner import RunRequest, planned


@dataclass(frozen=True)
class ShownItem:
    """An item of a history or list.

    Attributes:
        name: source id.
        title: empty without titles.
        picture: path; empty without a picture.
        score: of the model; None in a history.
        seen: it is in the history.
    """

    name: str
    title: str
    picture: str
    score: float | None = None
    seen: bool = False


@dataclass(frozen=True)
class Recommended:
    """The answer to one test example.

    Attributes:
        history: all items, the latest last.
        query: empty for tasks without queries.
        items: the first of the ranking, best first.
        target: the held-out item.
        rank: of the target, ties counted against it.
        of: number of ranked items.
    """

    history: list[ShownItem]
    query: str
    items: list[ShownItem]
    target: ShownItem
    rank: int
    of: int


def recommended(request: RunRequest, user: str, count: int, workspace: Workspace) -> list[Recommended]:
    """The first ``count`` items for each test example of a user; the model is fitted if it has no fit yet.

    Raises:
        UsageError: the task is no ranking, or the user has no test example, is unknown to the model or misspelled.
    """
    plan = planned(request, workspace)
    corpus, model = plan.corpus, plan.model
    must_be(model, Ranker, request.model, request.task)
    assert isinstance(model, Ranker)
    cache = corpus_cache(corpus, workspace)
    examples = draw_examples(plan.task, corpus, request.split, "test", cache)
    names = {corpus.users.names[number]: number for number in dict.fromkeys(examples.users.tolist())}
    chosen = examples.select(np.flatnonzero(examples.users == find(names, user, "test user")))
    unknown = unknown_users(plan.card, corpus, plan.spec.fit.split)
    check_known(chosen, plan.task.kind, corpus, request.model, unknown)
    fit_or_load(model, plan.spec.fit, corpus, workspace, request.protocol, fresh=False)
    items = catalogue(corpus, request.split)
    scores = model.score(chosen.hidden(), items)
    check_scores(scores, (len(chosen), len(items)), request.model)
    seen = seen_columns(chosen, items)
    masked = seen if request.protocol == "masked" else None
    assert chosen.targets is not None
    targets = np.searchsorted(items, chosen.targets)
    ranks, top = rank_targets(scores, targets, masked), top_items(scores, count, masked)
    shown = _Describer(corpus)
    return [
        Recommended(
            history=[shown(item) for item in chosen.history(row).tolist()],
            query=chosen.query_texts[int(chosen.queries[row])] if chosen.queries is not None else "",
            items=[
                shown(int(items[column]), float(scores[row, column]), seen=column in seen[row])
                for column in top[row].tolist()
                if column >= 0
            ],
            target=shown(int(chosen.targets[row]), float(scores[row, targets[row]]), seen=targets[row] in seen[row]),
            rank=int(ranks[row]),
            of=len(items) - (0 if masked is None else len(masked[row])),
        )
        for row in range(len(chosen))
    ]


class _Describer:
    """Items by number, with title and picture where the corpus has them."""

    def __init__(self, corpus: Corpus) -> None:
        self._items = corpus.items
        self._titles = corpus.items.text("title") if "title" in corpus.items.attributes else None

    def __call__(self, item: int, score: float | None = None, *, seen: bool = False) -> ShownItem:
        picture = self._items.picture(item)
        return ShownItem(
            self._items.names[item],
            self._titles[item] if self._titles else "",
            "" if picture is None else str(picture),
            score,
            seen,
        )
