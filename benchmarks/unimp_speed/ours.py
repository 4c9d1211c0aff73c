"""Our way, each of its measures a switch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from itertools import cycle

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.unimp_speed.setting import Done, Setting, Step, Strings
from unimp_bench.records import Examples, FloatArray, IntArray
from unimp_bench.unimp.batches import Batch, collate, drawn_starts, plan_batches
from unimp_bench.unimp.config import BASE
from unimp_bench.unimp.decoding import EncodedQueries, catalogue_scores
from unimp_bench.unimp.fusions import InclusiveMedia
from unimp_bench.unimp.model import Objective, PictureFusion, UniMPModel, focal_losses
from unimp_bench.unimp.sentences import Sentences, answered, sentences
from unimp_bench.unimp.training import parameter_groups


@dataclass(frozen=True)
class Measures:
    """What we do about the cost of a step; all of it, unless switched off.

    Attributes:
        encoded_once: pictures come out of the cache, each once a batch; else the tower encodes them where they stand.
        labelled_alone: logits at labelled positions; else at all.
        gathered: a token meets the embeddings of its own picture; else all, and a mask takes the others away.
        tokenised_once: sentences are joined from arrays; else their strings are tokenised in the step.
        shared: examples of a window share a sentence; else each has its own.
        like_lengths: sentences of like lengths meet; else any do.
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
    """The steps of ``learning.training``, one process, with some measures."""

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
        """The loss of some sentences, and the batch that they are.

        Args:
            chosen: sentence numbers.
            pictured: items of all their pictures, in their order.
            spelled: them in words.
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
    """As many batches of as many sentences on average, drawn without a look at their lengths."""
    order = np.random.default_rng(0).permutation(len(source))
    return iter(np.array_split(order, len(plan)))


def encoded_now(batch: Batch, pictured: IntArray, setting: Setting) -> Batch:
    """The batch with the pictures of all its items encoded, one that stands twice, twice."""
    _, tokens = setting.tower(setting.pixels.of(pictured))
    return replace(batch, pictures=tokens, chunk_pictures=torch.arange(len(tokens), device=tokens.device))


def loss_by_all_logits(model: UniMPModel, batch: Batch, setting: Setting) -> Tensor:
    """``Objective``'s loss by way of logits at every position."""
    logits = model.decoder.logits(model.hidden(batch)).flatten(0, 1)
    labels = batch.labels.new_full((len(logits),), -100).scatter(0, batch.answer_rows, batch.labels)
    weights = torch.where(batch.is_task, batch.weights, setting.config.context_weight * batch.weights)
    everywhere = weights.new_zeros(len(logits)).scatter(0, batch.answer_rows, weights)
    return (everywhere * focal_losses(logits, labels, setting.config.gamma)).sum() / batch.readers.sum()


class ExclusiveByMask(PictureFusion):
    """The same attention by a mask over the pictures of the sentence, as Eq. 3 writes it."""

    def media(self, embeddings: Tensor, batch: Batch) -> InclusiveMedia:
        media = InclusiveMedia.of(embeddings, batch)
        begin, (length, width) = batch.chunk_rows[:, 0], (batch.tokens.shape[1], batch.chunk_rows.shape[1])
        column = torch.where(batch.chunk_places < batch.chunk_rows.numel(), batch.chunk_places // width, len(begin))
        own = torch.cat([begin % length, begin.new_full((1,), -2)])[column].view_as(batch.tokens)
        return replace(media, visible=own[..., None] == media.columns[:, None])


class Immediate(PictureFusion):
    """OpenFlamingo's reading of the mask: what follows an item, such as the prompt, still sees its picture.

    Eq. 3 has it see none. With this our model gives what OpenFlamingo gives, for sentences of one branch.
    """

    def media(self, embeddings: Tensor, batch: Batch) -> InclusiveMedia:
        media = InclusiveMedia.of(embeddings, batch)
        place = torch.arange(batch.tokens.shape[1], device=batch.tokens.device)[:, None]
        begun = (media.columns[:, None] <= place) & (media.columns >= 0)[:, None]
        next_begun = torch.cat([begun[..., 1:], torch.zeros_like(begun[..., :1])], dim=-1)
        return replace(media, visible=begun & ~next_begun)


def epoch_of(setting: Setting, examples: Examples, shared: bool) -> Sentences:
    """An epoch's sentences of recommendation, as ``TrainingExamples`` draws them."""
    pieces, branches = answered([examples], setting.pieces, setting.vocabulary)
    starts = [drawn_starts(examples, setting.config.history, seed=0)]
    weights = [setting.config.recommendation_weight]
    return sentences(pieces, branches, starts, setting.vocabulary, shared, task_weights=weights)


def optimizer_of(setting: Setting, model: UniMPModel) -> torch.optim.Optimizer:
    """That of a fit, at its full learning rate."""
    config = setting.config
    return torch.optim.AdamW(parameter_groups(model, config.weight_decay), lr=config.learning_rate)


def queries_of(setting: Setting, examples: Examples) -> EncodedQueries:
    """As a model of preset ``base`` asks, in its large batches, which have many pictures in common."""
    return EncodedQueries(setting.asked(examples), setting.features, setting.vocabulary, BASE.batch_tokens)


def best_items(setting: Setting, model: UniMPModel, asked: EncodedQueries, count: int) -> IntArray:
    """Tokens of the ``count`` best items of each example by one pass, best first, (n, count)."""
    with setting.autocast():
        scores = catalogue_scores(model, asked, setting.candidates)
    return setting.vocabulary.item_tokens(setting.candidates)[:, 0][first(scores, count)]


def first(scores: FloatArray, count: int) -> IntArray:
    """Columns of the ``count`` highest scores of each row, best first."""
    some = np.argpartition(-scores, count, axis=1)[:, :count]
    order = np.argsort(-np.take_along_axis(scores, some, axis=1), axis=1, kind="stable")
    return np.take_along_axis(some, order, axis=1)
