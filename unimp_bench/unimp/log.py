"""The log of a training: JSON lines, and TensorBoard event files on request."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unimp_bench.errors import DependencyError
from unimp_bench.files import write_atomically
from unimp_bench.kinds.early_stopping import Scores
from unimp_bench.machine import helping, peak_memory_mib
from unimp_bench.records import Protocol
from unimp_bench.unimp.batches import Batch
from unimp_bench.unimp.checkpoint import Progress
from unimp_bench.unimp.objective import Losses

LOG_NAME = "training.jsonl"
EVERY = 20
"""Steps between two lines."""

EVENTS = "UNIMP_BENCH_TENSORBOARD"
"""The environment variable that requests event files."""


@dataclass(frozen=True)
class StepLine:
    """The steps since the previous line.

    Attributes:
        step, epoch: all finished steps, and their epoch, from 1.
        loss, task_loss, context_loss: means over the steps; the first is the sum of the others.
        learning_rate, gradient_norm: of the last step, the norm before it was clipped.
        examples_per_second, tokens_per_second: of all processes, padding left out.
        peak_memory_mib: maximum so far, of this process or its GPU.
    """

    step: int
    epoch: int
    loss: float
    task_loss: float
    context_loss: float
    learning_rate: float
    gradient_norm: float
    examples_per_second: float
    tokens_per_second: float
    peak_memory_mib: float


@dataclass(frozen=True)
class EpochLine:
    """A finished epoch: its validation scores, and the protocols under which it is the best so far."""

    step: int
    epoch: int
    validation: Scores
    best: Sequence[Protocol]


class TrainingLog:
    """Writes the lines; silent in a helping process.

    Args:
        folder: of the log; lines written after the last checkpoint of an interrupted training are dropped.
        done: progress of the training.
        device: of the model.
        summed: sums a tensor over all processes.

    Attributes:
        loss: of the last line of steps.

    Raises:
        DependencyError: event files are requested, and tensorboard is not installed.
    """

    def __init__(self, folder: Path, done: Progress, device: torch.device, summed: Callable[[Tensor], Tensor]) -> None:
        self._device, self._summed = device, summed
        self._path = folder / LOG_NAME
        self.loss: float | None = None
        self._events = None
        if not helping():
            write_atomically(self._path, "".join(_kept(self._path, done)))
            self._events = _events(folder, done) if os.environ.get(EVENTS) else None
        self.begin()

    def begin(self) -> None:
        """Reset counts and timer, as at the start of an epoch."""
        self._steps, self._started = 0, time.perf_counter()
        self._totals = torch.zeros(4, dtype=torch.float64, device=self._device)

    def batch(self, batch: Batch, losses: Losses) -> None:
        """Count a batch of the current step; its losses are over the labelled tokens of the step."""
        found = torch.stack([losses.whole.detach(), losses.task])
        counts = torch.tensor([len(np.unique(batch.examples[batch.is_task])), batch.lengths.sum()])
        self._totals += torch.cat([found.double(), counts.to(found.device).double()])

    def step(self, done: Progress, rate: float, norm: Tensor, *, last: bool) -> None:
        """End a step; every ``EVERY`` steps, and at the ``last`` of an epoch, a line is written."""
        self._steps += 1
        if done.step % EVERY and not last:
            return
        loss, task, examples, tokens = self._summed(self._totals).tolist()
        seconds = time.perf_counter() - self._started
        line = StepLine(
            step=done.step,
            epoch=done.epoch + 1,
            loss=loss / self._steps,
            task_loss=task / self._steps,
            context_loss=(loss - task) / self._steps,
            learning_rate=rate,
            gradient_norm=float(norm),
            examples_per_second=round(examples / seconds, 1),
            tokens_per_second=round(tokens / seconds, 1),
            peak_memory_mib=_peak_mib(self._device),
        )
        self._write(line)
        self.loss = line.loss
        self.begin()

    def validated(self, done: Progress, scores: Scores, best: Sequence[Protocol]) -> None:
        """End an epoch."""
        self._write(EpochLine(step=done.step, epoch=done.epoch + 1, validation=scores, best=best))

    def close(self) -> None:
        """Flush TensorBoard's writer."""
        if self._events is not None:
            self._events.close()

    def _write(self, line: StepLine | EpochLine) -> None:
        if helping():
            return
        values = asdict(line)
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(values) + "\n")
        if self._events is not None:
            scalars = {f"validation/{protocol}": score for protocol, score in values.pop("validation", {}).items()}
            for name, value in (scalars | values).items():
                if name not in ("step", "best"):
                    self._events.add_scalar(name, value, line.step)


def _kept(path: Path, done: Progress) -> Iterator[str]:
    """The complete lines of the steps up to the checkpoint."""
    if not path.is_file():
        return
    for text in path.read_text(encoding="utf-8").splitlines(keepends=True):
        try:
            line = json.loads(text)
        except ValueError:
            return
        # An epoch ends after its last step, and a checkpoint may lie between.
        if line["step"] <= done.step and ("validation" not in line or line["epoch"] <= done.epoch):
            yield text


def _events(folder: Path, done: Progress) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise DependencyError(f"{EVENTS} requires TensorBoard; install the package tensorboard") from None
    return SummaryWriter(str(folder), purge_step=done.step + 1)


def _peak_mib(device: torch.device) -> float:
    """Maximum memory so far in MiB: of tensors on a GPU, else of the process."""
    if device.type == "cuda":
        return round(torch.cuda.max_memory_allocated(device) / 2**20, 1)
    return peak_memory_mib()
