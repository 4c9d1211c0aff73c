"""Training: AdamW under a cosine schedule on one device or several, resumable, and the best epoch by validation."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from unimp_bench.corpus.features.pictures import PictureFeatures
from unimp_bench.errors import ModelError, UsageError
from unimp_bench.kinds.early_stopping import EarlyStopping, Scores
from unimp_bench.machine import device, helping, join, main_says, wait
from unimp_bench.progress import training
from unimp_bench.records import IntArray, Protocol
from unimp_bench.torch_setup import derived_seed, seed_everything
from unimp_bench.unimp.batches import collate, plan_batches
from unimp_bench.unimp.checkpoint import (
    Progress,
    load_training,
    load_weights,
    save_training,
    save_weights,
    whole,
)
from unimp_bench.unimp.config import UniMPConfig
from unimp_bench.unimp.log import TrainingLog
from unimp_bench.unimp.model import GatedCrossAttention, Objective, UniMPModel
from unimp_bench.unimp.sentences import Sentences
from unimp_bench.unimp.tokens import Vocabulary

if TYPE_CHECKING:
    from accelerate import Accelerator

_CHECKPOINT = "training.safetensors"
_BEST = "best-{}.safetensors"

# The usual second 0.999 averages over a thousand steps; a training of few epochs on a small corpus has no more.
BETAS = (0.9, 0.98)

# Error messages of CPU allocators; a device raises torch.OutOfMemoryError.
_OUT_OF_MEMORY = ("not enough memory", "can't allocate memory")


@dataclass(frozen=True)
class TrainingData:
    """What is learned, and where the state is kept.

    Attributes:
        draw: the sentences of an epoch for a seed.
        work: folder of checkpoints and log.
        metric: of the validation, for progress.
    """

    draw: Callable[[int], Sentences]
    features: PictureFeatures | None
    vocabulary: Vocabulary
    seed: int
    work: Path
    metric: str = "validation"


def train(model: UniMPModel, config: UniMPConfig, data: TrainingData, validate: Callable[[], Scores]) -> None:
    """Train the parameters of ``model`` that require gradients, in place; ``restore_best`` loads a best epoch.

    A step is ``config.accumulation`` batches, divided among all processes; its gradient is that of their mean loss over
    all their labelled tokens. A batch's randomness depends on the seed and the batch's number alone, so a training that
    resumes from its last checkpoint ends with the same weights, and so does, up to the order of sums, one with another
    number of processes.

    Args:
        validate: scores the current model under each protocol; called after each epoch, by the main process.

    Raises:
        ModelError: the training diverged, or is out of memory.
        DataError: the checkpoint in the work folder is damaged.
        UsageError: the batches of a step cannot be divided evenly among the processes.
    """
    with explained_memory_errors(config):
        _train(model, config, data, validate)


def _train(model: UniMPModel, config: UniMPConfig, data: TrainingData, validate: Callable[[], Scores]) -> None:
    accelerator = accelerator_for(config)
    trained = copy.deepcopy(model) if is_sharded(accelerator) else model.to(accelerator.device)
    optimizer = torch.optim.AdamW(parameter_groups(trained, config.weight_decay), betas=BETAS)
    objective, stepper = accelerator.prepare(Objective(trained, config), optimizer)
    checkpoint = data.work / _CHECKPOINT
    done = load_training(trained, optimizer, checkpoint) if checkpoint.is_file() else Progress()
    seeds = [derived_seed(data.seed, epoch) for epoch in range(config.epochs)]
    drawn = [data.draw(seed) for seed in seeds]
    plans = [list(plan_batches(each, config.batch_tokens, seed)) for each, seed in zip(drawn, seeds, strict=True)]
    total = sum(math.ceil(len(plan) / config.accumulation) for plan in plans)
    log = TrainingLog(data.work / "log", done, accelerator.device, lambda counts: accelerator.reduce(counts, "sum"))

    best = EarlyStopping.parse(done.stopping).scores
    with training("unimp", config.epochs, metric=data.metric, done=done.epoch, best=best) as shown:
        while done.epoch < config.epochs:
            trained.train()
            plan, earlier = plans[done.epoch], sum(len(plan) for plan in plans[: done.epoch])
            starts = range(done.batches, len(plan), config.accumulation)
            log.begin()
            for begin in shown.batches(starts, total=len(starts)):
                rate = config.learning_rate * schedule(done.step, total, config.warmup)
                for group in optimizer.param_groups:
                    group["lr"] = rate
                step = plan[begin : begin + config.accumulation]
                shares = share(step, accelerator.process_index, accelerator.num_processes)
                batches = [collate(drawn[done.epoch], each.chosen, data.features, data.vocabulary) for each in shares]
                labelled = sum(batch.readers.sum() for each, batch in zip(shares, batches, strict=True) if each.counts)
                labelled = accelerator.reduce(torch.as_tensor(labelled, device=accelerator.device), "sum")
                for each, batch in zip(shares, batches, strict=True):
                    seed_everything(derived_seed(data.seed, earlier + begin + each.place))
                    with nullcontext() if each is shares[-1] else accelerator.no_sync(objective):
                        with accelerator.autocast():
                            losses = objective(batch.to(accelerator.device), labelled)
                        # Gradients are averaged over processes, but the labelled tokens are those of all.
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
                    save_training(trained, optimizer, done, checkpoint)
            with gathered(trained, model, accelerator.device):
                scores, stopping = main_says(validate), EarlyStopping.parse(done.stopping)
                improved = stopping.update(done.epoch + 1, scores, "unimp")
                log.validated(done, scores, improved)
                shown.reached(done.epoch + 1, scores=scores)
                for protocol in improved:
                    save_weights(model, data.work / _BEST.format(protocol), trained_only=True)
            done = replace(done, epoch=done.epoch + 1, batches=0, stopping=stopping.dump())
            save_training(trained, optimizer, done, checkpoint)
    log.close()
    wait()  # until the best epochs are on disk
    model.to(accelerator.device).eval()


def restore_best(model: UniMPModel, work: Path, protocol: Protocol) -> None:
    """Load the best epoch under a protocol of the training in ``work``."""
    load_weights(model, work / _BEST.format(protocol), trained_only=True)


def schedule(step: int, total: int, warmup: float) -> float:
    """Share of the learning rate at a step: linear from 0 over the warm-up, then half a cosine down to 0."""
    rise = max(1, math.ceil(warmup * total))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, total - rise)))


def parameter_groups(model: UniMPModel, weight_decay: float) -> list[dict[str, object]]:
    """All trained parameters; weight decay for the matrices of the cross-attention alone (Alayrac et al., 2022)."""
    decayed = {
        parameter
        for module in model.modules()
        if isinstance(module, GatedCrossAttention)
        for parameter in module.parameters()
        if parameter.ndim == 2
    }
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in trained if p not in decayed], "weight_decay": 0.0},
        {"params": [p for p in trained if p in decayed], "weight_decay": weight_decay},
    ]


@dataclass(frozen=True)
class Share:
    """A batch of a step that this process computes.

    Attributes:
        chosen: sentence numbers.
        place: number of the batch in its step, on which its random numbers depend.
        counts: false for a batch that only keeps the processes in step; its loss is multiplied by 0.
    """

    chosen: IntArray
    place: int
    counts: bool


def accelerator_for(config: UniMPConfig) -> Accelerator:
    """Accelerate's object for a training of these settings.

    Raises:
        UsageError: the batches of a step cannot be divided evenly among the processes.
    """
    processes = join()
    from accelerate import Accelerator, DistributedDataParallelKwargs
    from accelerate.state import AcceleratorState, PartialState

    if config.accumulation % processes:
        raise UsageError(
            f"{processes} processes share the batches of a step; set accumulation, now {config.accumulation}, to a "
            f"multiple of {processes}"
        )
    AcceleratorState._reset_state()  # an earlier fit of this process may have used another precision
    if (alone := PartialState()).distributed_type == "NO":
        alone.device = device()
    # A batch without pictures does not use the resampler.
    unused = DistributedDataParallelKwargs(find_unused_parameters=True)
    return Accelerator(mixed_precision=config.precision, kwargs_handlers=[unused])


def share(batches: Sequence[IntArray], process: int, processes: int) -> list[Share]:
    """The batches of a step that one of several processes computes; every process gets the same number."""
    places = range(process, process + processes * -(-len(batches) // processes), processes)
    return [
        Share(batches[place], place, True) if place < len(batches) else Share(batches[0], 0, False) for place in places
    ]


def is_sharded(accelerator: Accelerator) -> bool:
    """Whether each process holds a part of the weights (FSDP)."""
    return bool(accelerator.distributed_type == "FSDP")


@contextmanager
def gathered(trained: UniMPModel, model: UniMPModel, device: torch.device) -> Iterator[None]:
    """Within the block ``model`` has the weights of ``trained``: the same object, or gathered from a sharded one.

    It is on the device in the main process, on the CPU in the others.
    """
    trained.eval()
    if model is not trained:
        with torch.no_grad():
            for own, tensor in zip(model.parameters(), trained.parameters(), strict=True):
                own.copy_(whole(tensor.detach()))
        model.to("cpu" if helping() else device).eval()
    yield
    if model is not trained:
        model.cpu()


@contextmanager
def explained_memory_errors(config: UniMPConfig) -> Iterator[None]:
    """Replace failures of allocators within the block by an error that names the settings to lower.

    Raises:
        ModelError: out of memory.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        reported = any(words in str(error) for words in _OUT_OF_MEMORY)
        if not (reported or isinstance(error, torch.OutOfMemoryError | MemoryError)):
            raise
        raise ModelError(
            f"unimp: out of memory; lower batch_tokens (now {config.batch_tokens}) and raise accumulation (now "
            f"{config.accumulation}) by as much to keep the size of a step, or lower logit_rows (now "
            f"{config.logit_rows}); the same command with the same settings resumes from the last checkpoint"
        ) from None
