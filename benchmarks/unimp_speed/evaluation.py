"""Users a second that are answered with ten items, and whether both ways name the same ten."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from benchmarks.unimp_speed.authors import BEAMS, AuthorsAnswers, with_weights_of
from benchmarks.unimp_speed.ours import Immediate, asked_of, best_items, first
from benchmarks.unimp_speed.setting import Setting
from benchmarks.unimp_speed.timing import settle, table
from unimp_bench.records import Examples, IntArray
from unimp_bench.unimp.answering.beam import id_scores
from unimp_bench.unimp.network.model import UniMPModel
from unimp_bench.unimp.network.pictures import Exclusive


def measure(setting: Setting, users: int) -> None:
    """Print users a second and the share of users whose lists are identical.

    Args:
        users: that OpenFlamingo answers, of each task; ours answers all of the test part.
    """
    model = setting.model().eval()
    whole = with_weights_of(model, setting.config, setting)
    speeds, checks = [], []
    for task, examples in setting.test.items():
        theirs = AuthorsAnswers(setting, whole, setting.asked(examples))
        chosen = np.random.default_rng(0).choice(len(examples), min(users, len(examples)), replace=False)
        speeds.append([task, *speed(setting, model, theirs, examples, chosen)])
        checks.append([task, str(len(chosen)), *identity(setting, model, theirs, examples, chosen)])
    print("### Evaluation\n")
    table(["task", "ours, users/s", "OpenFlamingo, users/s", "ours over OpenFlamingo"], speeds)
    print("Users whose ten items are the same in the same order:\n")
    head = [
        "task",
        "users",
        "OpenFlamingo's beams and its one pass",
        "OpenFlamingo's beams over items and our one pass",
    ]
    table([*head, "our beam search and our one pass"], checks)


def speed(
    setting: Setting, model: UniMPModel, theirs: AuthorsAnswers, examples: Examples, chosen: IntArray
) -> list[str]:
    """Users a second of both sides and their ratio: half of OpenFlamingo's users, all of ours, the other half.

    Args:
        chosen: users that OpenFlamingo answers.
    """
    theirs.ready(chosen)
    theirs.best(int(chosen[0]))  # to warm up, as below
    answers(setting, model, examples.select(chosen))
    before, after = np.array_split(chosen, 2)
    seconds = _seconds(setting, partial(theirs.all_best, before))
    ours = len(examples) / _seconds(setting, partial(answers, setting, model, examples))
    slow = len(chosen) / (seconds + _seconds(setting, partial(theirs.all_best, after)))
    return [f"{ours:,.1f}", f"{slow:.2f}", f"**{ours / slow:,.0f}**"]


def answers(setting: Setting, model: UniMPModel, examples: Examples) -> IntArray:
    """The ten best items of each example, from its columns on: sentences, batches, one pass, ranking."""
    return best_items(setting, model, asked_of(setting, examples), BEAMS)


def identity(
    setting: Setting, model: UniMPModel, theirs: AuthorsAnswers, examples: Examples, chosen: IntArray
) -> list[str]:
    """Shares of users whose lists are identical.

    That of OpenFlamingo's beams to its own one pass over the whole vocabulary; that of its beams, kept to items, to our
    one pass with the same weights; that of our beam search to our one pass.
    """
    asked = asked_of(setting, examples.select(chosen))
    items = setting.vocabulary.item_tokens(setting.candidates)[:, 0]
    ours = best_items(setting, model, asked, BEAMS).tolist()
    beams = items[first(id_scores(model, asked, setting.candidates, BEAMS), BEAMS)].tolist()
    model.pictures = Immediate()
    as_theirs = best_items(setting, model, asked, BEAMS).tolist()
    model.pictures = Exclusive()
    return [
        _same(theirs.all_best(chosen), [theirs.likeliest(int(user)) for user in chosen]),
        _same(theirs.all_best(chosen, items_alone=True), as_theirs),
        _same(beams, ours),
    ]


def _seconds(setting: Setting, work: Callable[[], object]) -> float:
    settle(setting.device)
    started = time.perf_counter()
    work()
    settle(setting.device)
    return time.perf_counter() - started


def _same(left: Sequence[list[int]], right: Sequence[list[int]]) -> str:
    """The share of users with identical lists, the order included."""
    return f"{np.mean([a == b for a, b in zip(left, right, strict=True)]):.1%}"
