"""Training: AdamW under a cosine schedule, checkpoints that resume exactly, and the best epoch by validation."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from unimp_bench.errors import ModelError
from unimp_bench.progress import progress as shown
from unimp_bench.torch_setup import seed_everything
from unimp_bench.unimp.config import UniMPConfig
from unimp_bench.unimp.learning.checkpoint import Progress, load_training, load_weights, save_training, save_weights
from unimp_bench.unimp.learning.loss import Objective
from unimp_bench.unimp.network.fusion import GatedCrossAttention
from unimp_bench.unimp.network.model import UniMPModel
from unimp_bench.unimp.network.vision import PictureFeatures
from unimp_bench.unimp.sentence.batches import collate, planned
from unimp_bench.unimp.sentence.sentences import Sentences
from unimp_bench.unimp.sentence.tokens import Vocabulary

_CHECKPOINT = "training.safetensors"
_BEST = "best.safetensors"

# The usual second 0.999 remembers a thousand steps; a training of few epochs on a small corpus has no more than that.
_BETAS = (0.9, 0.98)


@dataclass(frozen=True)
class Course:
    """What is learnt from, and where the state is kept; ``draw`` gives the sentences of an epoch for a seed."""

    draw: Callable[[int], Sentences]
    features: PictureFeatures | None
    vocabulary: Vocabulary
    seed: int
    work: Path


def train(model: UniMPModel, config: UniMPConfig, course: Course, validate: Callable[[], float]) -> None:
    """Train ``model`` in place and leave it at its best epoch.

    A step's randomness comes from the seed and the step's number alone, so a training that was killed and goes on
    from its last checkpoint ends with the same weights.

    Args:
        validate: scores the model as it stands; called after each epoch.

    Raises:
        ModelError: the training diverged.
        DataError: the checkpoint in the work folder is damaged.
    """
    from accelerate import Accelerator

    accelerator = Accelerator(mixed_precision=config.precision)
    model.to(accelerator.device)
    optimizer = torch.optim.AdamW(parameter_groups(model, config.weight_decay), betas=_BETAS)
    checkpoint = course.work / _CHECKPOINT
    done = load_training(model, optimizer, checkpoint) if checkpoint.is_file() else Progress()
    objective, stepper = accelerator.prepare(Objective(model, config), optimizer)
    drawn = [course.draw(_mixed(course.seed, epoch)) for epoch in range(config.epochs)]
    plans = [list(planned(each, config.batch_tokens, _mixed(course.seed, epoch))) for epoch, each in enumerate(drawn)]
    total = sum(len(plan) for plan in plans)

    while done.epoch < config.epochs:
        model.train()
        steps = plans[done.epoch][done.batches :]
        for chosen in shown(steps, f"unimp: epoch {done.epoch + 1} of {config.epochs}", unit="step"):
            seed_everything(_mixed(course.seed, done.step))
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * schedule(done.step, total, config.warmup)
            batch = collate(drawn[done.epoch], chosen, course.features, course.vocabulary).to(accelerator.device)
            with accelerator.autocast():
                loss = objective(batch)
            accelerator.backward(loss)
            norm = accelerator.clip_grad_norm_(model.parameters(), config.clip)
            if not torch.isfinite(norm):
                raise ModelError(f"unimp: the training diverged at step {done.step}; lower learning_rate")
            stepper.step()
            stepper.zero_grad()
            done = replace(done, batches=done.batches + 1, step=done.step + 1)
            if done.step % config.checkpoint_steps == 0:
                save_training(model, optimizer, done, checkpoint)
        model.eval()
        score = validate()
        if score > done.best_score:
            done = replace(done, best_score=score)
            save_weights(model, course.work / _BEST)
        done = replace(done, epoch=done.epoch + 1, batches=0)
        save_training(model, optimizer, done, checkpoint)
    model.eval()
    load_weights(model, course.work / _BEST)


def schedule(step: int, total: int, warmup: float) -> float:
    """Share of the learning rate at a step: linear from 0 over the warm-up, then half a cosine down to 0."""
    rise = max(1, math.ceil(warmup * total))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, total - rise)))


def parameter_groups(model: UniMPModel, weight_decay: float) -> list[dict[str, object]]:
    """All parameters that move; decay for the matrices of the cross-attention alone (Alayrac et al., 2022)."""
    decayed = {
        parameter
        for module in model.modules()
        if isinstance(module, GatedCrossAttention)
        for parameter in module.parameters()
        if parameter.ndim == 2
    }
    moved = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in moved if p not in decayed], "weight_decay": 0.0},
        {"params": [p for p in moved if p in decayed], "weight_decay": weight_decay},
    ]


def _mixed(seed: int, number: int) -> int:
    """A seed for each epoch or step of a training, other than those of a training with the next seed."""
    return seed * 1_000_003 + number
