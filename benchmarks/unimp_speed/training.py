"""UniMP beside the authors' way: training.

OpenFlamingo's own architecture from its own package, driven as the authors of UniMP drive it, beside ours: the same
sizes, vocabulary, corpus and first weights, a picture encoder with random weights. Before anything is timed, both
sides must give the same examples the same loss, and so must our way with any of its measures switched off. The one
difference between the networks: OpenFlamingo's prompt still sees the last item's picture, Eq. 3 lets it see none;
where losses are compared, ours reads the mask as OpenFlamingo does.

A step of theirs: eight sentences, each the last five items of a random example and its answer, tokenised from strings
and padded to the longest; the frozen tower encodes the picture of every item; each token's cross-attention runs over
all pictures of its sentence under a mask; logits and losses at every position; clip and AdamW. Ours: the batches of a
fit, in about as many tokens. Pictures are opened and scaled before, outside the clock, on both sides. An example is
an answered prompt; ours read one to five items before it, as the windows are cut, theirs always five. Then each of
our measures is switched off alone, and all. On a graphics card both run there under bf16.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import click
import numpy as np
import torch

from benchmarks.harness import Measure, Seconds, benchmark, in_turns, times
from benchmarks.unimp_speed.authors import BATCH, AuthorsTraining, trained_parameters, with_weights_of
from benchmarks.unimp_speed.ours import ALL, NONE, WITHOUT, Immediate, Measures, OurTraining, epoch_of, optimizer_of
from benchmarks.unimp_speed.setting import Setting, Strings, Way, Worked, card_flops, options, turn
from unimp_bench.errors import UsageError
from unimp_bench.unimp.batches import collate
from unimp_bench.unimp.model import Objective, UniMPModel

TASK = "recommendation"
EPOCHS = 10
"""Over which the one-off encoding is spread."""

_THEIRS, _OURS, _NONE = "OpenFlamingo", "ours", "ours, all six switched off"
_CLOSE = 1e-3


@benchmark("torch", "transformers", "open_clip_torch", "open-flamingo")
@options
@click.option("--rounds", default=3)
@click.option("--seconds", default=5.0, help="Of wall time of each way in each round.")
def command(rounds: int, seconds: float, **options: Any) -> Iterator[Measure]:
    """See the top of the file."""
    setting = Setting.opened(**options)
    examples = setting.train[TASK]
    model = setting.model().train()
    theirs = AuthorsTraining(setting, with_weights_of(model, setting.config, setting), examples)
    optimizer = optimizer_of(setting, model)
    sources = {shared: epoch_of(setting, examples, shared) for shared in (True, False)}
    strings = Strings(setting.vocabulary, sources[True].pieces)

    def ours(measures: Measures) -> OurTraining:
        return OurTraining(setting, model, optimizer, sources[measures.shared], strings, measures)

    losses = {side: [loss] for side, loss in same_loss(setting, model, theirs).items()}
    counts = {_OURS: model, _THEIRS: theirs.whole}
    parameters = {side: sum(p.numel() for p in trained_parameters(whole)) for side, whole in counts.items()}
    yield Measure.of("the same to be computed", f"loss of the same {BATCH} examples", "", losses)
    yield Measure.of(
        "the same to be computed", "trained parameters", "", {side: [count] for side, count in parameters.items()}
    )
    ways: dict[str, Way] = {_OURS: ours(ALL), _THEIRS: theirs}
    ways |= {f"ours, {name}": ours(measures) for name, measures in WITHOUT.items()}
    ways[_NONE] = ours(NONE)
    turns = {side: partial(turn, way, seconds, setting.device) for side, way in ways.items()}
    for way in ways.values():
        way()()  # to warm up
    found = in_turns(turns, rounds)
    yield from rates(found, setting.encoding.each(EPOCHS * len(examples)), setting.on_card)
    if (peak := card_flops()) is not None:
        operations = {side: 6 * count / peak for side, count in parameters.items()}
        shares = {
            side: [each * worked.tokens / worked.seconds.wall for worked in found[side]]
            for side, each in operations.items()
        }
        yield Measure.of("the card", "share of its bf16 peak, at six operations a parameter and token", "", shares)
    yield Measure.fact("the pictures", "pictures", len(setting.features.tokens))
    yield Measure.fact("the pictures", "encoding them once", setting.encoding.wall, "wall s")
    yield Measure.fact("the pictures", "examples of an epoch", len(examples))


def rates(found: Mapping[str, Sequence[Worked]], encoding: Seconds, on_card: bool) -> Iterator[Measure]:
    """Seconds an example of every way; of ours also with its share of the one encoding of all pictures."""
    each = {side: [worked.seconds.each(worked.examples) for worked in turns] for side, turns in found.items()}
    each[f"{_OURS}, with the encoding spread over {EPOCHS} epochs"] = [one + encoding for one in each[_OURS]]
    yield from times(TASK, "an example", each, on_card)
    tokens = {side: [worked.tokens / worked.seconds.wall for worked in turns] for side, turns in found.items()}
    yield Measure.of(TASK, "tokens a wall second", "", tokens)


def same_loss(setting: Setting, model: UniMPModel, theirs: AuthorsTraining) -> dict[str, float]:
    """The loss of some examples on both sides, before any has trained.

    Raises:
        UsageError: two ways differ, so they do not compute the same.
    """
    windows = theirs.windows
    chosen = np.random.default_rng(1).choice(len(windows.answers), BATCH, replace=False)
    pictured = setting.pictured(windows.source, chosen)
    with torch.no_grad():
        right = float(theirs.loss(windows.words(chosen), pictured)[0])
        model.pictures = Immediate()
        batch = collate(windows.source, chosen, setting.features, setting.vocabulary).to(setting.device)
        left = float(Objective(model, setting.config)(batch).whole)
        switched = []
        for measures in (ALL, *WITHOUT.values(), NONE):
            way = OurTraining(setting, model, None, windows.source, windows.strings, measures)
            spelled = windows.strings.of(windows.source, chosen)
            switched.append(float(way.loss(chosen, np.concatenate(pictured), spelled)[0]))
    if abs(left - right) > _CLOSE * right or max(switched) - min(switched) > _CLOSE * left:
        raise UsageError(f"the same examples have loss {right} by OpenFlamingo, {left} by ours, {switched} by switches")
    return {_OURS: left, _THEIRS: right}
