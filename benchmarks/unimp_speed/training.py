"""Training examples a second: theirs, ours, and ours with one measure switched off at a time."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.unimp_speed.authors import BATCH, AuthorsTraining, trained_parameters, with_weights_of
from benchmarks.unimp_speed.ours import ALL, NONE, WITHOUT, Immediate, Measures, OurTraining, lessons_of, optimizer_of
from benchmarks.unimp_speed.setting import Setting
from benchmarks.unimp_speed.strings import Strings
from benchmarks.unimp_speed.timing import Rates, Way, in_turns, over, share_of_peak, table
from unimp_bench.unimp.learning.loss import Objective
from unimp_bench.unimp.network.model import UniMPModel
from unimp_bench.unimp.sentence.batches import collate

TASK = "recommendation"
EPOCHS = 10
"""Over which the one-off encoding is spread."""

_THEIRS, _OURS, _NONE = "OpenFlamingo", "ours", "ours, all six switched off"
_CLOSE = 1e-3


def measure(setting: Setting, rounds: int, seconds: float) -> None:
    """Print what each side trains a second, and what each measure brings."""
    examples = setting.train[TASK]
    model = setting.model().train()
    theirs = AuthorsTraining(setting, with_weights_of(model, setting.config, setting), examples)
    optimizer = optimizer_of(setting, model)
    sources = {shared: lessons_of(setting, examples, shared) for shared in (True, False)}
    strings = Strings(setting.vocabulary, sources[True].pieces)

    def ours(measures: Measures) -> OurTraining:
        return OurTraining(setting, model, optimizer, sources[measures.shared], strings, measures)

    print("### Training\n")
    counts = [sum(p.numel() for p in trained_parameters(side)) for side in (model, theirs.whole)]
    print(f"Trained parameters: {counts[0]:,} ours, {counts[1]:,} theirs.", end=" ")
    print(f"Loss of the same {BATCH} examples: {same_loss(setting, model, theirs)}.\n")
    ways: dict[str, Way] = {_THEIRS: theirs, _OURS: ours(ALL)}
    ways |= {name: ours(measures) for name, measures in WITHOUT.items()}
    ways[_NONE] = ours(NONE)
    found = in_turns(ways, rounds, seconds, setting.device)
    _print_sides(setting, found, counts[0], len(examples))
    _print_measures(found)


def same_loss(setting: Setting, model: UniMPModel, theirs: AuthorsTraining) -> str:
    """The loss of some examples in every way that they are computed in here, before any has trained.

    Raises:
        ValueError: two differ, so the sides do not compute the same.
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
        raise ValueError(f"the same examples have loss {right} by OpenFlamingo, {left} by ours, {switched} by switches")
    return f"{left:.5f} ours, {right:.5f} theirs; {switched[0]:.5f} by Eq. 3, with any measure switched off"


def _print_sides(setting: Setting, found: dict[str, Rates], parameters: int, examples: int) -> None:
    theirs, ours = found[_THEIRS], found[_OURS]
    pictures, once = len(setting.features.tokens), setting.encoding_seconds
    spread = EPOCHS * examples / (EPOCHS * examples / ours.examples + once)
    rows = [
        [name, f"{np.median(rate):.1f}", f"**{over(rate, theirs.examples):.1f}**", *_tokens(tokens, parameters)]
        for name, rate, tokens in (
            (_OURS, ours.examples, ours.tokens),
            (f"ours, encoding spread over {EPOCHS} epochs", spread, ours.tokens),
            (_THEIRS, theirs.examples, theirs.tokens),
        )
    ]
    print(f"Encoding all {pictures:,} pictures once: {once:.1f} s. An epoch has {examples:,} examples.\n")
    table(["side", "examples/s", "over OpenFlamingo", "tokens/s", "share of the card's peak"], rows)


def _print_measures(found: dict[str, Rates]) -> None:
    ours = found[_OURS].examples
    rows = [
        [name, f"{np.median(rates.examples):.1f}", f"{over(ours, rates.examples):.2f}"]
        for name, rates in found.items()
        if name != _THEIRS
    ]
    table(["ours, with instead", "examples/s", "times slower"], rows)


def _tokens(rates: np.ndarray, parameters: int) -> list[str]:
    share = share_of_peak(float(np.median(rates)), parameters)
    return [f"{np.median(rates):,.0f}", "no card" if share is None else f"{share:.1%}"]
