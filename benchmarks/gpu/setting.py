"""UniMP ready for training steps on the chosen device: as a fit makes it, or one sentence for each example."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.unimp_speed.setting import Done, Step
from unimp_bench import registry
from unimp_bench.contracts import FitData, TaskExamples
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.features.pictures import PictureFeatures, picture_features
from unimp_bench.corpus.splits import catalogue
from unimp_bench.kinds import draw_examples
from unimp_bench.records import Examples, IntArray, Protocol
from unimp_bench.torch_setup import seed_everything
from unimp_bench.unimp.adaptation import adapt
from unimp_bench.unimp.batches import Batch, collate, plan_batches
from unimp_bench.unimp.config import UniMPConfig
from unimp_bench.unimp.decoding import EncodedQueries
from unimp_bench.unimp.fusions import build_model
from unimp_bench.unimp.model import UniMPModel
from unimp_bench.unimp.objective import Objective
from unimp_bench.unimp.pieces import Pieces, build_vocabulary, catalogue_pieces
from unimp_bench.unimp.sentences import Sentences, answered, last_starts, sentences, unanswered
from unimp_bench.unimp.tokens import Vocabulary
from unimp_bench.unimp.training import parameter_groups

TASK = "recommendation"
AUTHORS_BATCH = 8
"""Sentences of a step of the authors, one for each example."""

_SEED = 0


@dataclass(frozen=True)
class Data:
    """The examples of recommendation on a corpus, as a fit gets them."""

    corpus: Corpus
    fit: FitData
    test: Examples

    @classmethod
    def opened(cls, folder: Path, cache: Path) -> Data:
        """Open a built corpus; ``cache`` takes what is computed of it."""
        corpus, task = Corpus.open(folder), registry.make_task(TASK)
        drawn = {part: draw_examples(task, corpus, "loo", part, cache) for part in ("train", "validation", "test")}
        parts = {TASK: TaskExamples(drawn["train"], drawn["validation"])}
        work = cache / "work"
        work.mkdir(exist_ok=True)
        scores: dict[Protocol, float] = {"paper": 0.0, "masked": 0.0}  # of a validation that takes no time
        fit = FitData(corpus.items, catalogue(corpus, "loo"), parts, _SEED, work, cache, lambda *_: scores)
        return cls(corpus, fit, drawn["test"])


@dataclass(frozen=True)
class Ready:
    """A model with random weights and what it reads, on a device.

    Attributes:
        pieces: of the sentences of training, one window per user and its examples.
    """

    config: UniMPConfig
    data: Data
    vocabulary: Vocabulary
    pieces: Pieces
    features: PictureFeatures | None
    model: UniMPModel
    place: torch.device

    @classmethod
    def of(cls, config: UniMPConfig, data: Data, place: torch.device) -> Ready:
        """The model of a configuration, with the same weights on every device."""
        vocabulary = build_vocabulary(data.fit, config)
        pieces = catalogue_pieces(data.corpus.items, vocabulary, config)
        features = None
        if config.fusion != "none":
            features = picture_features(data.corpus.items, config.encoder, config.pretrained, data.fit.cache)
        seed_everything(_SEED)
        model = build_model(config, len(vocabulary), None if features is None else features.width)
        adapt(model, config)
        return cls(config, data, vocabulary, pieces, features, model.to(place), place)

    def sentences(self, shared: bool) -> Sentences:
        """The training examples: those that begin at the same item in one sentence, or one sentence for each."""
        train = self.data.fit.examples[TASK].train
        pieces, branches = answered([train], self.pieces, self.vocabulary)
        starts = [last_starts(train, self.config.history)]
        weights = [self.config.recommendation_weight]
        return sentences(pieces, branches, starts, self.vocabulary, shared, task_weights=weights)

    def queries(self, count: int) -> EncodedQueries:
        """The first test examples, without their answers."""
        chosen = self.data.test.select(slice(count))
        pieces, branches = unanswered(chosen.hidden(), "ranking", self.pieces, self.vocabulary)
        starts = [last_starts(chosen, self.config.history)]
        encoded = sentences(pieces, branches, starts, self.vocabulary, shared=False)
        return EncodedQueries(encoded, self.features, self.vocabulary, self.config.batch_tokens)

    def batches(self, shared: bool) -> Iterator[Batch]:
        """Batches of training without end, on the CPU: of like lengths, or the authors' of any."""
        source = self.sentences(shared)
        if shared:
            plan = list(plan_batches(source, self.config.batch_tokens, seed=_SEED))
        else:
            order = np.random.default_rng(_SEED).permutation(len(source))
            plan = [order[start : start + AUTHORS_BATCH] for start in range(0, len(order), AUTHORS_BATCH)]
        return (collate(source, chosen, self.features, self.vocabulary) for chosen in cycle(plan))

    def autocast(self) -> Any:
        """bf16 where the configuration trains in it."""
        return torch.autocast(self.place.type, torch.bfloat16) if self.config.precision == "bf16" else nullcontext()


class Steps:
    """Training steps as in ``unimp.training``: collation, loss, gradient, clipping, AdamW.

    Args:
        shared: the batches of a fit; else the authors', one sentence for each example.
        compiled: the objective through ``torch.compile``.
        fused: AdamW in one kernel.
    """

    def __init__(self, ready: Ready, *, shared: bool = True, compiled: bool = False, fused: bool = False) -> None:
        self._ready, self._batches = ready, ready.batches(shared)
        ready.model.train()
        objective: Callable[..., Any] = Objective(ready.model, ready.config)
        self._objective = torch.compile(objective, dynamic=True) if compiled else objective
        groups = parameter_groups(ready.model, ready.config.weight_decay)
        self._optimizer = torch.optim.AdamW(groups, lr=ready.config.learning_rate, fused=fused or None)
        self._trained = [parameter for parameter in ready.model.parameters() if parameter.requires_grad]

    def __call__(self) -> Step:
        batch = next(self._batches)
        return lambda: self.step(batch)

    def step(self, batch: Batch) -> Done:
        """One step of a batch that is still on the CPU."""
        self.gradient(batch)
        nn.utils.clip_grad_norm_(self._trained, self._ready.config.clip)
        self._optimizer.step()
        self._optimizer.zero_grad()
        return Done(int(batch.is_task.sum()), int(batch.lengths.sum()))

    def gradient(self, batch: Batch) -> Tensor:
        """The loss, after its gradient was added to that of the parameters."""
        with self._ready.autocast():
            loss: Tensor = self._objective(batch.to(self._ready.place)).whole
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def next_batch(self) -> Batch:
        """The batch of the next step."""
        return next(self._batches)


def small(config: UniMPConfig) -> UniMPConfig:
    """The same model in a size for trials on a CPU, from scratch."""
    sizes = replace(config, width=32, heads=2, layers=2, latents=2, resampler_layers=1, vocabulary=300)
    return replace(sizes, backbone="gpt_neox", trained="all", batch_tokens=512)


def ranks_of(scores: np.ndarray[Any, Any], targets: IntArray) -> IntArray:
    """(examples,) one more than the number of candidates with a higher score than the target's column."""
    own = scores[np.arange(len(scores)), targets][:, None]
    ranks: IntArray = 1 + (scores > own).sum(axis=1)
    return ranks
