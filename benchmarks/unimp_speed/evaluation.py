"""UniMP beside the authors' way: evaluation.

The same two sides as in training. Theirs answers a user at a time: `generate` with ten beams and one new token over
the whole vocabulary, which encodes each picture once a beam. Ours answers all users of the test part in one pass,
from their columns to the ten best items. Theirs answers some users a round, since it takes long. The ten items must
be the same in the same order for all users: of their beams and their own logits; of their beams, kept to items, and
our one pass with the same weights; of our beam search and our one pass. The last table has the share of users of whom
that is so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import cycle
from typing import Any

import click
import numpy as np

from benchmarks.harness import Measure, Seconds, benchmark, in_turns, timed, times
from benchmarks.unimp_speed.authors import BEAMS, AuthorsAnswers, with_weights_of
from benchmarks.unimp_speed.ours import Immediate, best_items, first, queries_of
from benchmarks.unimp_speed.setting import Setting, options, settle
from unimp_bench.records import Examples, IntArray
from unimp_bench.unimp.decoding import id_scores
from unimp_bench.unimp.model import PictureFusion, UniMPModel


@benchmark("torch", "transformers", "open_clip_torch", "open-flamingo")
@options
@click.option("--rounds", default=2)
@click.option("--users", default=6, help="That OpenFlamingo answers, of each task in each round.")
def command(rounds: int, users: int, **options: Any) -> Iterator[Measure]:
    """See the top of the file."""
    setting = Setting.opened(**options)
    model = setting.model().eval()
    whole = with_weights_of(model, setting.config, setting)
    for task, examples in setting.test.items():
        theirs = AuthorsAnswers(setting, whole, setting.asked(examples))
        count = min(rounds * users, len(examples))
        chosen = np.random.default_rng(0).choice(len(examples), count, replace=False)
        yield from times(
            task, "a user", speed(setting, model, theirs, examples, np.array_split(chosen, rounds)), setting.on_card
        )
        for compared, share in identity(setting, model, theirs, examples, chosen).items():
            yield Measure.fact(f"{task}, the same ten", compared, share)


def speed(
    setting: Setting, model: UniMPModel, theirs: AuthorsAnswers, examples: Examples, chosen: Sequence[IntArray]
) -> dict[str, list[Seconds]]:
    """Seconds a user: ours answers all of the test part in every round.

    Args:
        chosen: users that OpenFlamingo answers, an array a round.
    """
    theirs.ready(np.concatenate(chosen))
    theirs.best(int(chosen[0][0]))  # to warm up, as below
    answers(setting, model, examples.select(chosen[0]))
    settle(setting.device)
    next_users = cycle(chosen)

    def our_turn() -> Seconds:
        return _timed(setting, lambda: answers(setting, model, examples)).each(len(examples))

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
    """The ten best items of each example, from its columns on: sentences, batches, one pass, ranking."""
    return best_items(setting, model, queries_of(setting, examples), BEAMS)


def identity(
    setting: Setting, model: UniMPModel, theirs: AuthorsAnswers, examples: Examples, chosen: IntArray
) -> dict[str, float]:
    """Shares of users whose lists are identical.

    That of OpenFlamingo's beams to its own one pass over the whole vocabulary; that of its beams, kept to items, to our
    one pass with the same weights; that of our beam search to our one pass.
    """
    asked = queries_of(setting, examples.select(chosen))
    items = setting.vocabulary.item_tokens(setting.candidates)[:, 0]
    ours = best_items(setting, model, asked, BEAMS).tolist()
    beams = items[first(id_scores(model, asked, setting.candidates, BEAMS), BEAMS)].tolist()
    model.pictures = Immediate()
    as_theirs = best_items(setting, model, asked, BEAMS).tolist()
    model.pictures = PictureFusion()
    one_pass = [theirs.likeliest(int(user)) for user in chosen]
    return {
        "OpenFlamingo's beams and its own one pass": _same(theirs.all_best(chosen), one_pass),
        "OpenFlamingo's beams over items and our one pass": _same(theirs.all_best(chosen, items_alone=True), as_theirs),
        "our beam search and our one pass": _same(beams, ours),
    }


def _same(left: Sequence[list[int]], right: Sequence[list[int]]) -> float:
    """The share of users with identical lists, the order included."""
    return float(np.mean([a == b for a, b in zip(left, right, strict=True)]))
