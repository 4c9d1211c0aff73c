"""UniMP compared with the authors' implementation: training.

OpenFlamingo from its own package, used as by the authors of UniMP, and this project, with the same sizes, vocabulary,
corpus and initial weights, and a picture encoder with random weights. Before timing, both sides must give the same loss
for the same examples, also with any of our optimisations disabled. The networks differ in one point: OpenFlamingo's
prompt attends to the last item's picture, that of Eq. 3 to none; for the comparison of losses ours uses the mask of
OpenFlamingo.

A step of the authors: eight sentences, each with the last five items of a random example and its answer, tokenised from
strings and padded to the longest; the frozen encoder processes the picture of every item; cross-attention runs over all
pictures of a sentence under a mask; logits and losses are computed at every position; then clipping and AdamW. Ours:
the batches of a fit with about as many tokens. Reading and scaling of pictures is not timed. An example is an answered
prompt, after one to five items in our windows, always five in theirs. Further lines disable each of our optimisations
alone, and all of them. On a GPU both sides run under bf16.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from itertools import cycle
from typing import Any

import click
import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.harness import Measure, Seconds, benchmark, in_turns, times
from benchmarks.unimp_speed.authors import BATCH, AuthorsTraining, Immediate, trained_parameters, with_weights_of
from benchmarks.unimp_speed.setting import Done, Setting, Step, Strings, Way, Worked, card_flops, options, turn
from unimp_bench.errors import UsageError
from unimp_bench.records import Examples, IntArray
from unimp_bench.unimp.batches import Batch, collate, drawn_starts, plan_batches
from unimp_bench.unimp.fusions import InclusiveMedia
from unimp_bench.unimp.model import PictureFusion, UniMPModel
from unimp_bench.unimp.objective import Objective, focal_losses
from unimp_bench.unimp.sentences import Sentences, answered, sentences
from unimp_bench.unimp.training import parameter_groups

TASK = "recommendation"
EPOCHS = 10
"""Number of epochs that share the one encoding of pictures."""

_THEIRS, _OURS, _NONE = "OpenFlamingo", "ours", "ours, all six switched off"
_CLOSE = 1e-3


@benchmark("torch", "transformers", "open_clip_torch", "open-flamingo")
@options
@click.option("--rounds", default=3)
@click.option("--seconds", default=5.0, help="Wall time of each side in each round.")
def command(rounds: int, seconds: float, **options: Any) -> Iterator[Measure]:
    """See the docstring of the module."""
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
        way()()  # warm-up
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
    """Seconds per example of every side; for ours also with its share of the encoding of pictures."""
    each = {side: [worked.seconds.each(worked.examples) for worked in turns] for side, turns in found.items()}
    each[f"{_OURS}, with the encoding spread over {EPOCHS} epochs"] = [one + encoding for one in each[_OURS]]
    yield from times(TASK, "an example", each, on_card)
    tokens = {side: [worked.tokens / worked.seconds.wall for worked in turns] for side, turns in found.items()}
    yield Measure.of(TASK, "tokens a wall second", "", tokens)


def same_loss(setting: Setting, model: UniMPModel, theirs: AuthorsTraining) -> dict[str, float]:
    """The loss of some examples on both sides before training.

    Raises:
        UsageError: losses differ, so the sides are not comparable.
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


@dataclass(frozen=True)
class Measures:
    """Optimisations of a step, each of which can be disabled.

    Attributes:
        encoded_once: cached pictures, once per batch; else the encoder processes every occurrence.
        labelled_alone: logits at labelled positions; else at all positions.
        gathered: a token attends to the embeddings of its own picture; else to all under a mask.
        tokenised_once: sentences are joined from arrays; else strings are tokenised in every step.
        shared: examples of a window share a sentence; else each has its own.
        like_lengths: batches of sentences of similar lengths; else of any lengths.
    """

    encoded_once: bool = True
    labelled_alone: bool = True
    gathered: bool = True
    tokenised_once: bool = True
    shared: bool = True
    like_lengths: bool = True


ALL = Measures()
NONE = Measures(**{field.name: False for field in fields(Measures)})
WITHOUT = {
    "pictures encoded in every step": replace(ALL, encoded_once=False),
    "logits at every position": replace(ALL, labelled_alone=False),
    "every token to all pictures, masked": replace(ALL, gathered=False),
    "strings tokenised in every step": replace(ALL, tokenised_once=False),
    "a sentence for each example": replace(ALL, shared=False),
    "batches of any lengths": replace(ALL, like_lengths=False),
}


class OurTraining:
    """The training steps of ``unimp.training`` in one process, with some optimisations."""

    def __init__(
        self,
        setting: Setting,
        model: UniMPModel,
        optimizer: torch.optim.Optimizer | None,
        lessons: Sentences,
        strings: Strings,
        measures: Measures,
    ) -> None:
        self._setting, self._model, self._optimizer = setting, model, optimizer
        self._source, self._strings, self._measures = lessons, strings, measures
        self._objective = Objective(model, setting.config)
        plan = list(plan_batches(self._source, setting.config.batch_tokens, seed=0))
        self._plan = cycle(plan if measures.like_lengths else of_any_length(self._source, plan))

    def __call__(self) -> Step:
        chosen = next(self._plan)
        pictured = np.concatenate(self._setting.pictured(self._source, chosen))
        spelled = self._strings.of(self._source, chosen)
        if not self._measures.encoded_once:
            self._setting.pixels.ready(pictured)
        return lambda: self._step(chosen, pictured, spelled)

    def _step(self, chosen: IntArray, pictured: IntArray, spelled: list[list[str]]) -> Done:
        with self._setting.autocast():
            loss, batch = self.loss(chosen, pictured, spelled)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._model.parameters(), self._setting.config.clip)
        assert self._optimizer is not None
        self._optimizer.step()
        self._optimizer.zero_grad()
        return Done(int(batch.is_task.sum()), int(batch.lengths.sum()))

    def loss(self, chosen: IntArray, pictured: IntArray, spelled: list[list[str]]) -> tuple[Tensor, Batch]:
        """The loss of some sentences, and their batch.

        Args:
            chosen: sentence numbers.
            pictured: items of all their pictures, in order.
            spelled: the sentences as strings.
        """
        setting, measures = self._setting, self._measures
        batch = collate(self._source, chosen, setting.features, setting.vocabulary)
        if not measures.tokenised_once:
            batch = replace(batch, tokens=self._strings.read(spelled)[0])
        batch = batch.to(setting.device)
        if not measures.encoded_once:
            batch = encoded_now(batch, pictured, setting)
        self._model.pictures = PictureFusion() if measures.gathered else ExclusiveByMask()
        if measures.labelled_alone:
            return self._objective(batch).whole, batch
        return loss_by_all_logits(self._model, batch, setting), batch


def of_any_length(source: Sentences, plan: list[IntArray]) -> Iterator[IntArray]:
    """The same number of batches and sentences, regardless of lengths."""
    order = np.random.default_rng(0).permutation(len(source))
    return iter(np.array_split(order, len(plan)))


def encoded_now(batch: Batch, pictured: IntArray, setting: Setting) -> Batch:
    """The batch with the pictures of all its items encoded; repeated pictures are encoded repeatedly."""
    _, tokens = setting.tower(setting.pixels.of(pictured))
    return replace(batch, pictures=tokens, chunk_pictures=torch.arange(len(tokens), device=tokens.device))


def loss_by_all_logits(model: UniMPModel, batch: Batch, setting: Setting) -> Tensor:
    """The loss of ``Objective`` with logits at every position."""
    logits = model.decoder.logits(model.hidden(batch)).flatten(0, 1)
    labels = batch.labels.new_full((len(logits),), -100).scatter(0, batch.answer_rows, batch.labels)
    weights = torch.where(batch.is_task, batch.weights, setting.config.context_weight * batch.weights)
    everywhere = weights.new_zeros(len(logits)).scatter(0, batch.answer_rows, weights)
    return (everywhere * focal_losses(logits, labels, setting.config.gamma)).sum() / batch.readers.sum()


class ExclusiveByMask(PictureFusion):
    """The same attention with a mask over all pictures of the sentence, as in Eq. 3."""

    def media(self, embeddings: Tensor, batch: Batch) -> InclusiveMedia:
        media = InclusiveMedia.of(embeddings, batch)
        begin, (length, width) = batch.chunk_rows[:, 0], (batch.tokens.shape[1], batch.chunk_rows.shape[1])
        column = torch.where(batch.chunk_places < batch.chunk_rows.numel(), batch.chunk_places // width, len(begin))
        own = torch.cat([begin % length, begin.new_full((1,), -2)])[column].view_as(batch.tokens)
        return replace(media, visible=own[..., None] == media.columns[:, None])


def epoch_of(setting: Setting, examples: Examples, shared: bool) -> Sentences:
    """The sentences of recommendation for an epoch, as drawn by ``TrainingExamples``."""
    pieces, branches = answered([examples], setting.pieces, setting.vocabulary)
    starts = [drawn_starts(examples, setting.config.history, seed=0)]
    weights = [setting.config.recommendation_weight]
    return sentences(pieces, branches, starts, setting.vocabulary, shared, task_weights=weights)


def optimizer_of(setting: Setting, model: UniMPModel) -> torch.optim.Optimizer:
    """The optimizer of a fit at its full learning rate."""
    config = setting.config
    return torch.optim.AdamW(parameter_groups(model, config.weight_decay), lr=config.learning_rate)
