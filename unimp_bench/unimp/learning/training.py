"""Training: AdamW under a cosine schedule, checkpoints that resume exactly, and the best epoch by validation."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from unimp_bench.corpus.features.pictures import PictureFeatures
from unimp_bench.errors import ModelError
from unimp_bench.kinds.early_stopping import EarlyStopping, Scores
from unimp_bench.machine import main_says, wait
from unimp_bench.progress import training
from unimp_bench.records import Protocol
from unimp_bench.torch_setup import derived_seed, seed_everything
from unimp_bench.unimp.config import UniMPConfig
from unimp_bench.unimp.learning.checkpoint import Progress, load_moving, load_training, save_moving, save_training
from unimp_bench.unimp.learning.devices import accelerator_for, gathered, is_sharded, share, whole
from unimp_bench.unimp.learning.log import TrainingLog
from unimp_bench.unimp.learning.loss import Objective
from unimp_bench.unimp.learning.memory import memory_answered
from unimp_bench.unimp.network.fusion import GatedCrossAttention
from unimp_bench.unimp.network.model import UniMPModel
from unimp_bench.unimp.sentence.batches import collate, planned
from unimp_bench.unimp.sentence.sentences import Sentences
from unimp_bench.unimp.sentence.tokens import Vocabulary

_CHECKPOINT = "training.safetensors"
_BEST = "best-{}.safetensors"

# The usual second 0.999 remembers a thousand steps; a training of few epochs on a small corpus has no more than that.
BETAS = (0.9, 0.98)


@dataclass(frozen=True)
class Course:
    """What is learnt from, and where the state is kept.

    Attributes:
        draw: gives the sentences of an epoch for a seed.
        metric: what validation measures, for progress.
    """

    draw: Callable[[int], Sentences]
    features: PictureFeatures | None
    vocabulary: Vocabulary
    seed: int
    work: Path
    metric: str = "validation"


def train(model: UniMPModel, config: UniMPConfig, course: Course, validate: Callable[[], Scores]) -> None:
    """Train what requires gradients of ``model``, in place; ``restore_best`` makes it one of the best epochs.

    A step is ``config.accumulation`` batches, shared by all processes; its gradient is that of their mean loss over all
    their labelled tokens. A batch's randomness comes from the seed and the batch's number alone, so a training that was
    killed and goes on from its last checkpoint ends with the same weights, and so does, but for the order of sums, one
    with another number of processes.

    Args:
        validate: scores the model as it stands under each protocol; called after each epoch, by the main process.

    Raises:
        ModelError: the training diverged, or memory did not suffice.
        DataError: the checkpoint in the work folder is damaged.
        UsageError: the processes cannot share the batches of a step.
    """
    with memory_answered(config):
        _train(model, config, course, validate)


def _train(model: UniMPModel, config: UniMPConfig, course: Course, validate: Callable[[], Scores]) -> None:
    accelerator = accelerator_for(config)
    moving = copy.deepcopy(model) if is_sharded(accelerator) else model.to(accelerator.device)
    optimizer = torch.optim.AdamW(parameter_groups(moving, config.weight_decay), betas=BETAS)
    objective, stepper = accelerator.prepare(Objective(moving, config), optimizer)
    checkpoint = course.work / _CHECKPOINT
    done = load_training(moving, optimizer, checkpoint) if checkpoint.is_file() else Progress()
    drawn = [course.draw(derived_seed(course.seed, epoch)) for epoch in range(config.epochs)]
    plans = [
        list(planned(each, config.batch_tokens, derived_seed(course.seed, epoch))) for epoch, each in enumerate(drawn)
    ]
    total = sum(math.ceil(len(plan) / config.accumulation) for plan in plans)
    log = TrainingLog(course.work / "log", done, accelerator.device, lambda counts: accelerator.reduce(counts, "sum"))

    best = EarlyStopping.parse(done.stopping).scores
    with training("unimp", config.epochs, metric=course.metric, done=done.epoch, best=best) as shown:
        while done.epoch < config.epochs:
            moving.train()
            plan, earlier = plans[done.epoch], sum(len(plan) for plan in plans[: done.epoch])
            starts = range(done.batches, len(plan), config.accumulation)
            log.begin()
            for begin in shown.batches(starts, total=len(starts)):
                rate = config.learning_rate * schedule(done.step, total, config.warmup)
                for group in optimizer.param_groups:
                    group["lr"] = rate
                step = plan[begin : begin + config.accumulation]
                shares = share(step, accelerator.process_index, accelerator.num_processes)
                batches = [
                    collate(drawn[done.epoch], each.chosen, course.features, course.vocabulary) for each in shares
                ]
                labelled = sum(batch.readers.sum() for each, batch in zip(shares, batches, strict=True) if each.counts)
                labelled = accelerator.reduce(torch.as_tensor(labelled, device=accelerator.device), "sum")
                for each, batch in zip(shares, batches, strict=True):
                    seed_everything(derived_seed(course.seed, earlier + begin + each.place))
                    with nullcontext() if each is shares[-1] else accelerator.no_sync(objective):
                        with accelerator.autocast():
                            losses = objective(batch.to(accelerator.device), labelled)
                        # Processes are averaged, but the labelled tokens are those of all.
                        accelerator.backward(losses.whole * (accelerator.num_processes if each.counts else 0))
                    if each.counts:
                        log.batch(batch, losses)
                norm = whole(accelerator.clip_grad_norm_(objective.parameters(), config.clip))
                if not torch.isfinite(norm):
                    raise ModelError(f"unimp: the training diverged at step {done.step}; lower learning_rate")
                stepper.step()
                stepper.zero_grad()
                done = replace(done, batches=begin + len(step), step=done.step + 1)
                log.step(done, rate, norm, last=done.batches == len(plan))
                shown.loss = log.loss
                if done.step % config.checkpoint_steps == 0:
                    save_training(moving, optimizer, done, checkpoint)
            with gathered(moving, model, accelerator.device):
                scores, stopping = main_says(validate), EarlyStopping.parse(done.stopping)
                improved = stopping.update(done.epoch + 1, scores, "unimp")
                log.validated(done, scores, improved)
                shown.reached(done.epoch + 1, scores=scores)
                for protocol in improved:
                    save_moving(model, course.work / _BEST.format(protocol))
            done = replace(done, epoch=done.epoch + 1, batches=0, stopping=stopping.dump())
            save_training(moving, optimizer, done, checkpoint)
    log.close()
    wait()  # for the best epochs on disk
    model.to(accelerator.device).eval()


def restore_best(model: UniMPModel, work: Path, protocol: Protocol) -> None:
    """Put a model at the best epoch under a protocol of the training that keeps its state in ``work``."""
    load_moving(model, work / _BEST.format(protocol))


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
    moving = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in moving if p not in decayed], "weight_decay": 0.0},
        {"params": [p for p in moving if p in decayed], "weight_decay": weight_decay},
    ]
