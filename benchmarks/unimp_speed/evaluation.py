"""UniMP compared with the authors' implementation: evaluation.

The same sides as in training. The authors' side processes one user at a time: `generate` with ten beams and one new
token over the whole vocabulary, which encodes each picture once per beam. This project processes users in the batches
of a run, from their examples to the ten best items; its pictures are encoded before, as in a run after a fit. A round
has some hundred users of ours and a few of theirs. The last table gives the shares of users with the same ten items in
the same order: for the authors' beams and their logits; for their beams, restricted to items, and our one pass with
the same weights; for our beam search and our one pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import cycle
from typing import Any

import click
import numpy as np

from benchmarks.harness import Measure, Seconds, benchmark, in_turns, timed, times
from benchmarks.unimp_speed.authors import BEAMS, AuthorsAnswers, Immediate, with_weights_of
from benchmarks.unimp_speed.setting import Setting, options, settle
from unimp_bench.records import Examples, FloatArray, IntArray
from unimp_bench.unimp.config import BASE
from unimp_bench.unimp.decoding import EncodedQueries, catalogue_scores, id_scores
from unimp_bench.unimp.model import PictureFusion, UniMPModel


@benchmark("torch", "transformers", "open_clip_torch", "open-flamingo")
@options
@click.option("--rounds", default=2)
@click.option("--users", default=6, help="Users of OpenFlamingo, per task and round.")
@click.option("--ours", default=512, help="Users of this project, per task and round.")
def command(rounds: int, users: int, ours: int, **options: Any) -> Iterator[Measure]:
    """See the docstring of the module."""
    setting = Setting.opened(**options)
    model = setting.model().eval()
    whole = with_weights_of(model, setting.config, setting)
    for task, examples in setting.test.items():
        theirs = AuthorsAnswers(setting, whole, setting.queries(examples))
        drawn = np.random.default_rng(0).permutation(len(examples))
        chosen, many = drawn[: rounds * users], examples.select(np.sort(drawn[:ours]))
        seconds = speed(setting, model, theirs, many, examples, np.array_split(chosen, rounds))
        yield from times(task, "a user", seconds, setting.on_card)
        for compared, share in identity(setting, model, theirs, examples, chosen).items():
            yield Measure.fact(f"{task}, the same ten", compared, share)


def speed(
    setting: Setting,
    model: UniMPModel,
    theirs: AuthorsAnswers,
    many: Examples,
    examples: Examples,
    chosen: Sequence[IntArray],
) -> dict[str, list[Seconds]]:
    """Seconds per user.

    Args:
        many: of ours, the same in every round.
        chosen: users of OpenFlamingo among ``examples``, one array per round.
    """
    theirs.ready(np.concatenate(chosen))
    theirs.best(int(chosen[0][0]))  # warm-up, as below
    answers(setting, model, examples.select(chosen[0]))
    settle(setting.device)
    next_users = cycle(chosen)

    def our_turn() -> Seconds:
        return _timed(setting, lambda: answers(setting, model, many)).each(len(many))

    def their_turn() -> Seconds:
        users = next(next_users)
        return _timed(setting, lambda: theirs.all_best(users)).each(len(users))

    return in_turns({"ours": our_turn, "OpenFlamingo": their_turn}, len(chosen))


def _timed(setting: Setting, work: Callable[[], object]) -> Seconds:
    def settled() -> None:
        work()
        settle(setting.device)

    return timed(settled)[1]


def answers(setting: Setting, model: UniMPModel, examples: Examples) -> IntArray:
    """The ten best items of each example: sentences, batches, one pass, ranking."""
    return best_items(setting, model, queries_of(setting, examples), BEAMS)


def identity(
    setting: Setting, model: UniMPModel, theirs: AuthorsAnswers, examples: Examples, chosen: IntArray
) -> dict[str, float]:
    """Shares of users with identical lists.

    For OpenFlamingo's beams and its own one pass over the whole vocabulary; for its beams, restricted to items, and our
    one pass with the same weights; for our beam search and our one pass.
    """
    queries = queries_of(setting, examples.select(chosen))
    items = setting.vocabulary.item_tokens(setting.candidates)[:, 0]
    ours = best_items(setting, model, queries, BEAMS).tolist()
    beams = items[first(id_scores(model, queries, setting.candidates, BEAMS), BEAMS)].tolist()
    model.pictures = Immediate()
    as_theirs = best_items(setting, model, queries, BEAMS).tolist()
    model.pictures = PictureFusion()
    one_pass = [theirs.likeliest(int(user)) for user in chosen]
    return {
        "OpenFlamingo's beams and its own one pass": _same(theirs.all_best(chosen), one_pass),
        "OpenFlamingo's beams over items and our one pass": _same(theirs.all_best(chosen, items_alone=True), as_theirs),
        "our beam search and our one pass": _same(beams, ours),
    }


def _same(left: Sequence[list[int]], right: Sequence[list[int]]) -> float:
    """The share of users with identical lists, including order."""
    return float(np.mean([a == b for a, b in zip(left, right, strict=True)]))


def queries_of(setting: Setting, examples: Examples) -> EncodedQueries:
    """Encoded queries in the large batches of preset ``base``, which share many pictures."""
    return EncodedQueries(setting.queries(examples), setting.features, setting.vocabulary, BASE.batch_tokens)


def best_items(setting: Setting, model: UniMPModel, queries: EncodedQueries, count: int) -> IntArray:
    """(n, count) tokens of the best items of each example by one pass, best first."""
    with setting.autocast():
        scores = catalogue_scores(model, queries, setting.candidates)
    return setting.vocabulary.item_tokens(setting.candidates)[:, 0][first(scores, count)]


def first(scores: FloatArray, count: int) -> IntArray:
    """Columns of the ``count`` highest scores of each row, best first."""
    some = np.argpartition(-scores, count, axis=1)[:, :count]
    order = np.argsort(-np.take_along_axis(scores, some, axis=1), axis=1, kind="stable")
    return np.take_along_axis(some, order, axis=1)
