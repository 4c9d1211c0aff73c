"""In-domain pre-training on the items alone, their words and pictures (section 2 of Liu et al., KDD 2024)."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from unimp_bench.corpus.features.pictures import PictureFeatures
from unimp_bench.errors import ModelError, UsageError
from unimp_bench.machine import main_first
from unimp_bench.progress import training
from unimp_bench.records import IntArray
from unimp_bench.torch_setup import seed_everything
from unimp_bench.unimp.adaptation import set_trained
from unimp_bench.unimp.batches import Batch, collate, plan_batches
from unimp_bench.unimp.checkpoint import load_weights, save_weights
from unimp_bench.unimp.config import UniMPConfig
from unimp_bench.unimp.model import Attention, UniMPModel
from unimp_bench.unimp.objective import Objective
from unimp_bench.unimp.pieces import Pieces
from unimp_bench.unimp.sentences import Sentences, item_sentences
from unimp_bench.unimp.tokens import Vocabulary
from unimp_bench.unimp.training import BETAS, accelerator_for, explained_memory_errors, parameter_groups, schedule

PRETRAINED = "pretrained.safetensors"
HIDDEN_WORDS = 0.3
HIDDEN_PATCHES = 0.5
TEMPERATURE = 0.07
"""Initial temperature of the contrastive loss (Radford et al., 2021)."""

_COMMON_WIDTH = 64


@dataclass(frozen=True)
class Pretrained:
    """What a pre-training took.

    Attributes:
        losses: mean loss of each epoch; empty if it was finished before.
        steps: optimizer steps.
        items: items shown, repetitions included.
    """

    losses: list[float]
    steps: int
    items: int


def pretrain(
    model: UniMPModel,
    pieces: Pieces,
    features: PictureFeatures | None,
    vocabulary: Vocabulary,
    config: UniMPConfig,
    seed: int,
    work: Path,
) -> Pretrained:
    """Train all of ``model`` but its adaptation on the items, in place, as ``config.pretraining`` says.

    The result is saved in the work folder, so a fit that is interrupted later does not repeat it.

    Args:
        pieces: of the items, in words.
        features: of their pictures; items without one take part with their words.

    Raises:
        UsageError: the contrastive objective has no pictures, or no step of ``config.steps`` is left after it.
        ModelError: the pre-training diverged, or is out of memory.
        DataError: the saved result is damaged.
    """
    kept = work / PRETRAINED
    source = item_sentences(pieces, _items(model, features, vocabulary, config))
    seeds = np.random.default_rng(seed).integers(2**31, size=config.pretraining_epochs)
    plans = [list(plan_batches(source, config.batch_tokens, int(each))) for each in seeds]
    steps = sum(map(len, plans))
    if 0 < config.steps <= steps:
        raise UsageError(
            f"unimp: pre-training takes {steps} steps, of steps={config.steps} in total; raise steps or lower "
            f"pretraining_epochs, now {config.pretraining_epochs}"
        )
    losses: list[float] = []
    with main_first():
        if not kept.is_file():
            set_trained(model, "all")
            with explained_memory_errors(config):
                losses = _pretrain(model, source, plans, features, vocabulary, config, seed)
            set_trained(model, config.trained)
            save_weights(model, kept)
    load_weights(model, kept)
    return Pretrained(losses, steps, sum(len(chosen) for plan in plans for chosen in plan))


def _pretrain(
    model: UniMPModel,
    source: Sentences,
    plans: Sequence[Sequence[IntArray]],
    features: PictureFeatures | None,
    vocabulary: Vocabulary,
    config: UniMPConfig,
    seed: int,
) -> list[float]:
    """Train on the sentences of each epoch's batches; returns the mean loss of each epoch."""
    seed_everything(seed)
    pretext = _pretext(model, features, vocabulary, config)
    accelerator, home = accelerator_for(config), model.device
    pretext.to(accelerator.device).train()
    own = [parameter for name, parameter in pretext.named_parameters() if not name.startswith("model.")]
    groups = [*parameter_groups(model, config.weight_decay), {"params": own, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, betas=BETAS)
    total, step, means = sum(map(len, plans)), 0, []
    with training(f"unimp, {config.pretraining} pre-training", len(plans)) as shown:
        for epoch, plan in enumerate(plans):
            losses = []
            for chosen in shown.batches(plan, total=len(plan)):
                for group in optimizer.param_groups:
                    group["lr"] = config.learning_rate * schedule(step, total, config.warmup)
                with accelerator.autocast():
                    loss = pretext(collate(source, chosen, features, vocabulary).to(accelerator.device))
                loss.backward()
                norm = nn.utils.clip_grad_norm_(pretext.parameters(), config.clip)
                if not torch.isfinite(norm):
                    raise ModelError(f"unimp: the pre-training diverged at step {step}; lower learning_rate")
                optimizer.step()
                optimizer.zero_grad()
                losses.append(loss.item())
                step += 1
            means.append(float(np.mean(losses)))
            shown.reached(epoch + 1, means[-1])
    model.to(home).eval()
    return means


def _items(
    model: UniMPModel, features: PictureFeatures | None, vocabulary: Vocabulary, config: UniMPConfig
) -> IntArray:
    """The items that the objective uses: all, or those with a picture.

    Raises:
        UsageError: the contrastive objective has no pictures.
    """
    if config.pretraining != "contrastive":
        return np.arange(vocabulary.items)
    if features is None or model.resampler is None:
        raise UsageError(
            "pretraining=contrastive matches pictures with words, and there are no pictures; set pretraining to "
            "autoregressive, reconstructive or none"
        )
    return np.flatnonzero(features.rows >= 0)


def _pretext(
    model: UniMPModel, features: PictureFeatures | None, vocabulary: Vocabulary, config: UniMPConfig
) -> Pretext:
    """The objective that ``config.pretraining`` names."""
    match config.pretraining:
        case "autoregressive":
            return Autoregressive(model, config, vocabulary)
        case "reconstructive":
            _, patches, width = (0, 0, 0) if features is None else features.tokens.shape
            return Reconstructive(model, config, vocabulary, patches, width)
    assert features is not None
    return Contrastive(model, vocabulary, features.width)


class Pretext(nn.Module, ABC):
    """A loss of some items, one per sentence; its parameters besides the network are discarded at the end."""

    def __init__(self, model: UniMPModel) -> None:
        super().__init__()
        self.model = model

    @abstractmethod
    def forward(self, batch: Batch) -> Tensor:
        """A scalar."""


class _Words(Pretext):
    """Plain cross-entropy of words of the items, each predicted at the token before it."""

    def __init__(self, model: UniMPModel, config: UniMPConfig, vocabulary: Vocabulary) -> None:
        super().__init__(model)
        self.objective = Objective(model, replace(config, gamma=0.0), vocabulary.words)
        marks = vocabulary.pad, vocabulary.cls, vocabulary.img, vocabulary.answer, vocabulary.eoc
        self.register_buffer("marks", torch.tensor(marks), persistent=False)

    def words(self, tokens: Tensor) -> Tensor:
        """(B, N) bool, the words of the items and the tokens of their ids."""
        words = ~torch.isin(tokens, self.get_buffer("marks"))
        words[:, 0] = False
        return words

    def cross_entropy(self, batch: Batch, predicted: Tensor, labels: Tensor) -> Tensor:
        """Mean over the tokens ``labels`` where ``predicted``, both (B, N)."""
        rows = predicted.flatten().nonzero()[:, 0]
        one = torch.ones_like(rows)
        queries = replace(
            batch,
            answer_rows=rows - 1,
            labels=labels.flatten()[rows],
            naming=batch.naming[:, :0],
            weights=one.float(),
            readers=one,
            is_task=one.bool(),
            examples=-one,
        )
        loss: Tensor = self.objective(queries).whole
        return loss


class Autoregressive(_Words):
    """The next word of an item, given those before it and its picture."""

    def forward(self, batch: Batch) -> Tensor:
        return self.cross_entropy(batch, self.words(batch.tokens), batch.tokens)


class Reconstructive(_Words):
    """Hidden words of an item from those around them and its picture, and hidden patches of its picture from the rest.

    A decoder predicts a word at the token before it; so it does here, but attends in both directions (BehnamGhader et
    al., 2024). The resampler gets the remaining patches, and a head predicts hidden ones from the latents and their
    positions; patches are standardised features, their loss is the mean squared error.

    Args:
        patches: per picture; 0 without pictures.
        width: of each.
    """

    def __init__(
        self, model: UniMPModel, config: UniMPConfig, vocabulary: Vocabulary, patches: int, width: int
    ) -> None:
        super().__init__(model, config, vocabulary)
        self.blank = vocabulary.pad
        self.head = PatchHead(patches, width) if patches and model.resampler is not None else None

    def forward(self, batch: Batch) -> Tensor:
        words = self.words(batch.tokens)
        hidden = torch.zeros_like(words)
        hidden[words] = _drawn(int(words.sum()), HIDDEN_WORDS).to(words.device)
        real = torch.arange(words.shape[1], device=words.device) < batch.lengths[:, None]
        shown = replace(
            batch,
            tokens=batch.tokens.masked_fill(hidden, self.blank),
            attends=real[:, None, None].expand_as(batch.attends),
        )
        loss = self.cross_entropy(shown, hidden, batch.tokens)
        return loss if self.head is None or not len(batch.pictures) else loss + self._patches(batch.pictures)

    def _patches(self, pictures: Tensor) -> Tensor:
        """Of pictures, (U, patches, width), the same number hidden of each."""
        assert self.head is not None and self.model.resampler is not None
        order = torch.rand(pictures.shape[:2], device=pictures.device).argsort(dim=1)
        kept, hidden = order.tensor_split([order.shape[1] - round(HIDDEN_PATCHES * order.shape[1])], dim=1)
        latents = self.model.resampler(_taken(pictures, kept))
        return functional.mse_loss(self.head(latents, hidden), _taken(pictures, hidden))


class PatchHead(nn.Module):
    """Predicts patches from latents, by a learned query per position."""

    def __init__(self, patches: int, width: int) -> None:
        super().__init__()
        self.positions = nn.Parameter(torch.randn(patches, width))
        self.attention = Attention(width, width, 1, width)
        self.output = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width))

    def forward(self, latents: Tensor, positions: Tensor) -> Tensor:
        """The patches at positions (U, K) from latents (U, latents, width), (U, K, width)."""
        queries = self.positions[positions]
        patches: Tensor = self.output(queries + self.attention(queries, latents))
        return patches


class Contrastive(Pretext):
    """An item's picture and its words, read without the picture, find each other among all of the batch (InfoNCE).

    The picture is the mean of its latents, the words are the last hidden state before the item's id. The mean of the
    batch is subtracted from both: initially it dominates, and all items are alike.
    """

    def __init__(self, model: UniMPModel, vocabulary: Vocabulary, picture_width: int) -> None:
        super().__init__(model)
        self.answer = vocabulary.answer
        self.of_pictures = nn.Linear(picture_width, _COMMON_WIDTH, bias=False)
        self.of_words = nn.Linear(model.decoder.width, _COMMON_WIDTH, bias=False)
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / TEMPERATURE)))

    def forward(self, batch: Batch) -> Tensor:
        assert self.model.resampler is not None
        pictures = self.model.resampler(batch.pictures).mean(dim=1)[batch.chunk_pictures]
        words = self.model.hidden(_without_pictures(batch))[batch.tokens == self.answer]
        alike = _centred(self.of_pictures(pictures)) @ _centred(self.of_words(words)).T
        return symmetric(alike * self.log_scale.exp().clamp(max=100))


def symmetric(logits: Tensor) -> Tensor:
    """The mean of the cross-entropies of rows and of columns of logits (n, n) with the diagonal as targets."""
    own = torch.arange(len(logits), device=logits.device)
    loss: Tensor = (functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own)) / 2
    return loss


def _centred(vectors: Tensor) -> Tensor:
    """Vectors (n, width) without their mean, at length 1."""
    return functional.normalize(vectors - vectors.mean(dim=0))


def _drawn(count: int, share: float) -> Tensor:
    """(count,) bool, a share of them drawn at random, at least one."""
    return torch.randperm(count) < max(1, round(share * count))


def _taken(pictures: Tensor, positions: Tensor) -> Tensor:
    """Some patches of each picture, (U, K, width)."""
    return pictures.gather(1, positions[..., None].expand(-1, -1, pictures.shape[-1]))


def _without_pictures(batch: Batch) -> Batch:
    return replace(
        batch,
        pictures=batch.pictures[:0],
        chunk_pictures=batch.chunk_pictures[:0],
        chunk_rows=batch.chunk_rows[:0],
        chunk_places=torch.zeros_like(batch.chunk_places),
    )
