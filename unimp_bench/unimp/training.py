"""Training: AdamW under a cosine schedule on one device or several, resumable, and the best epoch by validation."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unimp_bench.contracts import Training
from unimp_bench.corpus.features.pictures import PictureFeatures
from unimp_bench.errors import ModelError, UsageError
from unimp_bench.kinds.early_stopping import EarlyStopping, Scores
from unimp_bench.machine import device, helping, join, main_says, wait
from unimp_bench.progress import Training as TrainingProgress
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
from unimp_bench.unimp.model import GatedCrossAttention, UniMPModel
from unimp_bench.unimp.objective import Objective
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
    """The sentences to learn from, and the folder of the training's state.

    Attributes:
        draw: returns the sentences of an epoch for a seed.
        work: folder of checkpoints and log.
        metric: name of the validation metric, for progress.
        steps: of the training, which then ends within an epoch; 0 for ``config.epochs`` whole ones.
    """

    draw: Callable[[int], Sentences]
    features: PictureFeatures | None
    vocabulary: Vocabulary
    seed: int
    work: Path
    metric: str = "validation"
    steps: int = 0


def train(model: UniMPModel, config: UniMPConfig, data: TrainingData, validate: Callable[[], Scores]) -> Training:
    """Train the parameters of ``model`` that require gradients, in place; ``restore_best`` loads a best epoch.

    A step is ``config.accumulation`` batches, divided among all processes; its gradient is that of their mean loss over
    all their labelled tokens. A batch's randomness depends on the seed and the batch's number alone, so a training that
    resumes from its last checkpoint ends with the same weights, and so does, up to the order of sums, one with another
    number of processes.

    Args:
        validate: scores the current model under each protocol; called after each epoch, by the main process.

    Returns:
        Its steps and sentences; the schedule of the learning rate ends with the last epoch, so the budget always does.

    Raises:
        ModelError: the training diverged, or is out of memory.
        DataError: the checkpoint in the work folder is damaged.
        UsageError: the batches of a step cannot be divided evenly among the processes.
    """
    with explained_memory_errors(config):
        return _Training(model, config, data).run(validate)


class _Training:
    """A training in progress: epochs of steps, a validation after each epoch, checkpoints and log."""

    def __init__(self, model: UniMPModel, config: UniMPConfig, data: TrainingData) -> None:
        self._model, self._config, self._data = model, config, data
        self._accelerator = accelerator_for(config)
        self._device: torch.device = self._accelerator.device
        self._trained = copy.deepcopy(model) if is_sharded(self._accelerator) else model.to(self._device)
        self._optimizer = torch.optim.AdamW(parameter_groups(self._trained, config.weight_decay), betas=BETAS)
        self._objective, self._stepper = self._accelerator.prepare(
            Objective(self._trained, config, data.vocabulary.words), self._optimizer
        )
        self._checkpoint = data.work / _CHECKPOINT
        resumes = self._checkpoint.is_file()
        self._done = load_training(self._trained, self._optimizer, self._checkpoint) if resumes else Progress()
        drawn = list(_epochs(config, data))
        self._drawn, self._plans = [sentences for sentences, _ in drawn], [plan for _, plan in drawn]
        self._steps = sum(math.ceil(len(plan) / config.accumulation) for plan in self._plans)
        self._log = TrainingLog(data.work / "log", self._done, self._device, self._summed)

    def run(self, validate: Callable[[], Scores]) -> Training:
        """Train up to the last epoch; the model is then as the last step left it, on the device."""
        epochs, done = len(self._plans), self._done
        best = EarlyStopping.parse(done.stopping).scores
        with training("unimp", epochs, metric=self._data.metric, done=done.epoch, best=best) as shown:
            while self._done.epoch < epochs:
                self._train_epoch(shown)
                self._end_epoch(shown, validate)
        self._log.close()
        wait()  # until the best epochs are on disk
        self._model.to(self._device).eval()
        sentences = sum(len(chosen) for plan in self._plans for chosen in plan)
        return Training(self._done.step, sentences, epochs, stopped="budget")

    def _train_epoch(self, shown: TrainingProgress) -> None:
        """The remaining steps of the current epoch."""
        config, plan = self._config, self._plans[self._done.epoch]
        self._trained.train()
        starts = range(self._done.batches, len(plan), config.accumulation)
        self._log.begin()
        for start in shown.batches(starts, total=len(starts)):
            batches = plan[start : start + config.accumulation]
            rate = self._set_rate()
            norm = self._step(batches)
            self._done = replace(self._done, batches=start + len(batches), step=self._done.step + 1)
            self._log.step(self._done, rate, norm, last=self._done.batches == len(plan))
            shown.loss = self._log.loss
            if self._done.step % config.checkpoint_steps == 0:
                save_training(self._trained, self._optimizer, self._done, self._checkpoint)

    def _set_rate(self) -> float:
        """Set the learning rate of the next step, and return it."""
        rate = self._config.learning_rate * schedule(self._done.step, self._steps, self._config.warmup)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        return rate

    def _step(self, batches: Sequence[IntArray]) -> Tensor:
        """One optimizer step over ``batches`` of sentence numbers; returns the norm of the gradient before clipping.

        Raises:
            ModelError: the gradient is not finite.
        """
        accelerator, data, done = self._accelerator, self._data, self._done
        shares = share(batches, accelerator.process_index, accelerator.num_processes)
        drawn = self._drawn[done.epoch]
        collated = [collate(drawn, each.chosen, data.features, data.vocabulary) for each in shares]
        readers = sum(batch.readers.sum() for each, batch in zip(shares, collated, strict=True) if each.counts)
        labelled = self._summed(torch.as_tensor(readers, device=self._device))
        first = sum(len(plan) for plan in self._plans[: done.epoch]) + done.batches
        for each, batch in zip(shares, collated, strict=True):
            seed_everything(derived_seed(data.seed, first + each.place))
            with nullcontext() if each is shares[-1] else accelerator.no_sync(self._objective):
                with accelerator.autocast():
                    losses = self._objective(batch.to(self._device), labelled)
                # Gradients are averaged over processes, but the labelled tokens are those of all.
                accelerator.backward(losses.whole * (accelerator.num_processes if each.counts else 0))
            if each.counts:
                self._log.batch(batch, losses)
        norm = whole(accelerator.clip_grad_norm_(self._objective.parameters(), self._config.clip))
        if not torch.isfinite(norm):
            raise ModelError(f"unimp: the training diverged at step {done.step}; lower learning_rate")
        self._stepper.step()
        self._stepper.zero_grad()
        return norm

    def _end_epoch(self, shown: TrainingProgress, validate: Callable[[], Scores]) -> None:
        """Validate the epoch, save it where it is the best so far, and write a checkpoint."""
        done = self._done
        with gathered(self._trained, self._model, self._device):
            scores, stopping = main_says(validate), EarlyStopping.parse(done.stopping)
            improved = stopping.update(done.epoch + 1, scores, "unimp")
            self._log.validated(done, scores, improved)
            shown.reached(done.epoch + 1, scores=scores)
            for protocol in improved:
                save_weights(self._model, self._data.work / _BEST.format(protocol), trained_only=True)
        self._done = replace(done, epoch=done.epoch + 1, batches=0, stopping=stopping.dump())
        save_training(self._trained, self._optimizer, self._done, self._checkpoint)

    def _summed(self, counts: Tensor) -> Tensor:
        """The sum over all processes."""
        total: Tensor = self._accelerator.reduce(counts, "sum")
        return total


def _epochs(config: UniMPConfig, data: TrainingData) -> Iterator[tuple[Sentences, list[IntArray]]]:
    """The sentences of each epoch and their batches: of ``config.epochs`` epochs, or of ``data.steps`` steps."""
    left = data.steps
    for epoch in itertools.count() if data.steps else range(config.epochs):
        seed = derived_seed(data.seed, epoch)
        sentences = data.draw(seed)
        plan = list(plan_batches(sentences, config.batch_tokens, seed))
        if data.steps:
            plan = plan[: left * config.accumulation]
            left -= math.ceil(len(plan) / config.accumulation)
        yield sentences, plan
        if data.steps and not left:
            return


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
