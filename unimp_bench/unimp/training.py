"""Training: AdamW under a cosine schedule, checkpoints that resume exactly, and the best epoch by validation."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import nn

from unimp_bench.errors import ModelError
from unimp_bench.progress import progress as drawn
from unimp_bench.torch_setup import seed_everything
from unimp_bench.unimp.batches import collate, planned
from unimp_bench.unimp.checkpoint import Progress, load_training, load_weights, save_training, save_weights
from unimp_bench.unimp.config import UniMPConfig
from unimp_bench.unimp.fusion import GatedCrossAttention
from unimp_bench.unimp.loss import objective
from unimp_bench.unimp.model import UniMPModel
from unimp_bench.unimp.sentences import Sentences
from unimp_bench.unimp.tokens import Vocabulary
from unimp_bench.unimp.vision import PictureFeatures

_CHECKPOINT = "training.safetensors"
_BEST = "best.safetensors"


@dataclass(frozen=True)
class Course:
    """What is learnt from, and where the state is kept."""

    sentences: Sentences
    features: PictureFeatures | None
    vocabulary: Vocabulary
    seed: int
    work: Path


def train(model: UniMPModel, config: UniMPConfig, course: Course, validate: Callable[[], float]) -> None:
    """Train ``model`` in place and leave it at its best epoch.

    Every step's randomness comes from the seed and the step's number alone, so a training that was killed and goes on
    from its last checkpoint ends with the same weights.

    Args:
        validate: scores the model as it stands; called after each epoch.

    Raises:
        ModelError: the loss is no longer finite.
    """
    from accelerate import Accelerator

    accelerator = Accelerator(mixed_precision=config.precision)
    optimizer = torch.optim.AdamW(parameter_groups(model, config.weight_decay), betas=(0.9, 0.999))
    model.to(accelerator.device)
    state = Progress()
    checkpoint = course.work / _CHECKPOINT
    if checkpoint.is_file():
        state = load_training(model, optimizer, checkpoint)
    wrapped, stepped = accelerator.prepare(model, optimizer)
    lengths = [len(list(_plan(config, course, epoch))) for epoch in range(config.epochs)]
    total = sum(lengths)

    while state.epoch < config.epochs:
        model.train()
        batches = islice(_plan(config, course, state.epoch), state.batches, None)
        left = lengths[state.epoch] - state.batches
        for chosen in drawn(batches, f"epoch {state.epoch + 1}/{config.epochs}", left, "step"):
            seed_everything(course.seed * 1_000_003 + state.step)
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * schedule(state.step, total, config.warmup)
            batch = collate(course.sentences, chosen, course.features, course.vocabulary).to(accelerator.device)
            with accelerator.autocast():
                logits = wrapped(batch)
            loss = objective(logits, batch, config.gamma, config.context_weight)
            accelerator.backward(loss)
            norm = accelerator.clip_grad_norm_(model.parameters(), config.clip)
            if not torch.isfinite(norm):
                raise ModelError(f"unimp: the training diverged at step {state.step}; lower 'learning_rate'")
            stepped.step()
            stepped.zero_grad()
            state = replace(state, batches=state.batches + 1, step=state.step + 1)
        model.eval()
        score = validate()
        if score > state.best_score:
            state = replace(state, best_epoch=state.epoch, best_score=score)
            save_weights(model, course.work / _BEST)
        state = replace(state, epoch=state.epoch + 1, batches=0)
        save_training(model, optimizer, state, checkpoint)
    load_weights(model, course.work / _BEST)


def schedule(step: int, total: int, warmup: float) -> float:
    """Share of the learning rate at a step: linear from 0 over the warm-up, then half a cosine down to 0."""
    rise = max(1, math.ceil(warmup * total))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, total - rise)))


def parameter_groups(model: UniMPModel, weight_decay: float) -> list[dict[str, object]]:
    """All parameters; decay for the matrices of the cross-attention alone (Alayrac et al., 2022)."""
    decayed = {
        parameter
        for module in model.modules()
        if isinstance(module, GatedCrossAttention)
        for layer in module.modules()
        if isinstance(layer, nn.Linear)
        for parameter in layer.parameters()
    }
    rest = [parameter for parameter in model.parameters() if parameter not in decayed]
    return [
        {"params": rest, "weight_decay": 0.0},
        {"params": [p for p in model.parameters() if p in decayed], "weight_decay": weight_decay},
    ]


def _plan(config: UniMPConfig, course: Course, epoch: int) -> "np.ndarray":
    return planned(course.sentences, config.batch_tokens, course.seed * 1_000_003 + epoch)
