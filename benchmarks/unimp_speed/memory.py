"""UniMP compared with the authors' implementation: memory of a training step.

Two training steps (model, forward, backward, clipping, AdamW with its moments), each side in a separate process, with
random sentences and encoded pictures, as encoding needs little memory compared with the logits. *Code alone* is the
peak after a tiny step, which loads all code; *the step* is the rest. The authors' side has logits over the whole
vocabulary at every position, ours at labelled positions only; the rest of ours is mostly the two tables of the
vocabulary with their gradients and moments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import click
import psutil  # type: ignore[import-untyped]
import torch
from torch import Tensor, nn

from benchmarks.harness import Measure, benchmark
from benchmarks.unimp_speed.authors import flamingo, focal_loss_everywhere, trained_parameters
from benchmarks.unimp_speed.setting import CONFIG
from benchmarks.workloads import in_own_process, peak_mib
from unimp_bench.errors import UsageError
from unimp_bench.machine import device
from unimp_bench.unimp.batches import Batch
from unimp_bench.unimp.config import UniMPConfig
from unimp_bench.unimp.fusions import build_model
from unimp_bench.unimp.objective import Objective

_IMG, _EOC, _FIRST_WORD = 1, 2, 3
_PATCHES = 49  # of ViT-B/32
_STEPS = 2


@dataclass(frozen=True)
class Size:
    """Sizes of a step: five items with pictures per sentence, one label in each and one at the end."""

    vocabulary: int = 130_000
    sentences: int = 32
    tokens: int = 256
    width: int = 256
    media_width: int = 768  # of ViT-B/32

    @property
    def config(self) -> UniMPConfig:
        """Configuration of both models."""
        return replace(CONFIG, width=self.width, heads=4, layers=2)

    @property
    def chunk(self) -> int:
        """Tokens of an item; the rest of a sentence is the prompt."""
        return self.tokens * 4 // 5 // self.config.history

    @property
    def needed_gib(self) -> float:
        """What the authors' way takes at the least: logits, their logarithms and gradients, and half as much again
        for everything else where they are small."""
        return 3 * 4 * self.vocabulary * self.sentences * self.tokens / 2**30 + 2


_TINY = Size(vocabulary=100, sentences=1, tokens=64, width=16, media_width=16)


@benchmark("torch", "transformers", "open-flamingo")
@click.option("--vocabulary", default=Size.vocabulary)
@click.option("--sentences", default=Size.sentences)
@click.option("--tokens", default=Size.tokens)
@click.option("--width", default=Size.width)
def command(**sizes: int) -> Iterator[Measure]:
    """See the docstring of the module."""
    size = Size(**sizes)
    found = {side: in_own_process(peaks, side, size) for side in SIDES}
    for name, unit, values in (
        ("code alone", "MiB", {side: each.base for side, each in found.items()}),
        ("peak", "MiB", {side: each.peak for side, each in found.items()}),
        ("of that the step", "MiB", {side: each.peak - each.base for side, each in found.items()}),
        ("trained parameters", "", {side: each.parameters for side, each in found.items()}),
    ):
        rounds = {side: [float(value)] for side, value in values.items()}
        yield Measure.of("", name, unit, rounds, compared=name in ("peak", "of that the step"))


@dataclass(frozen=True)
class Peaks:
    """Peak MiB of one side before and after its steps, and its number of trained parameters."""

    base: float
    peak: float
    parameters: int


def peaks(side: str, size: Size) -> Peaks:
    """Run the steps of a side in this process.

    Raises:
        UsageError: not enough free memory.
    """
    if side != "ours" and (available := psutil.virtual_memory().available / 2**30) < size.needed_gib:
        raise UsageError(f"OpenFlamingo needs about {size.needed_gib:.0f} GiB; {available:.0f} are free")
    place = device()
    steps(side, _TINY, place)  # loads everything that torch and transformers load lazily
    base = _peak()
    parameters = steps(side, size, place)
    return Peaks(base, _peak(), parameters)


def _peak() -> float:
    return torch.cuda.max_memory_allocated() / 2**20 if device().type == "cuda" else peak_mib()


def random_batch(size: Size) -> Batch:
    """A random batch in the form of ``collate``."""
    torch.manual_seed(0)
    items = size.config.history
    count = size.sentences * items
    shape = (size.sentences, size.tokens)
    tokens = torch.randint(_FIRST_WORD, size.vocabulary, shape)
    begin = size.chunk * torch.arange(items)
    tokens[:, begin] = _IMG
    rows = (torch.arange(size.sentences)[:, None] * size.tokens + begin).flatten()[:, None] + torch.arange(size.chunk)
    places = torch.full((tokens.numel(),), rows.numel()).scatter(0, rows.flatten(), torch.arange(rows.numel()))
    labelled = torch.cat([begin + size.chunk - 3, torch.tensor([size.tokens - 2])]).repeat(size.sentences, 1)
    labels = tokens.gather(1, labelled + 1).flatten()
    is_task = (labelled == size.tokens - 2).flatten()
    return Batch(
        tokens=tokens,
        marks=torch.full(shape, -1),
        lengths=torch.full((size.sentences,), size.tokens),
        positions=torch.arange(size.tokens).expand(shape).clone(),
        attends=torch.ones(size.sentences, 1, size.tokens, size.tokens, dtype=torch.bool).tril(),
        pictures=torch.randn(count, _PATCHES, size.media_width),
        resampled=False,
        chunk_pictures=torch.arange(count),
        chunk_rows=rows,
        chunk_places=places,
        answer_rows=(labelled + size.tokens * torch.arange(size.sentences)[:, None]).flatten(),
        labels=labels,
        naming=torch.empty(3, 0, dtype=torch.int64),
        weights=torch.ones(len(labels)),
        readers=torch.ones_like(labels),
        is_task=is_task,
        examples=torch.where(is_task, torch.arange(len(labels)) // (items + 1), -1),
    )


class Encoded(nn.Module):
    """Replaces the picture encoder for pictures that are already encoded."""

    def forward(self, tokens: Tensor) -> tuple[None, Tensor]:
        """(n, 1, patches, width) to None and (n, patches, width)."""
        return None, tokens[:, 0]


def ours(size: Size) -> nn.Module:
    """The model of this project with its objective, from a batch to its loss."""
    return _Ours(build_model(size.config, size.vocabulary, size.media_width), size.config)


def theirs(size: Size) -> nn.Module:
    """OpenFlamingo with logits at every position, from the same batch to the same loss."""
    return _Theirs(flamingo(size.config, size.vocabulary, _IMG, _EOC, Encoded(), size.media_width), size.config)


class _Ours(Objective):
    def forward(self, batch: Batch) -> Tensor:  # type: ignore[override]
        return super().forward(batch).whole


class _Theirs(nn.Module):
    def __init__(self, whole: nn.Module, config: UniMPConfig) -> None:
        super().__init__()
        self.whole, self.config = whole, config

    def forward(self, batch: Batch) -> Tensor:
        labelled = batch.answer_rows + 1
        labels = torch.full_like(batch.tokens, -100).flatten().scatter(0, labelled, batch.labels).view_as(batch.tokens)
        weights = torch.where(batch.is_task, 1.0, self.config.context_weight)
        weights = weights.new_zeros(labels.numel()).scatter(0, labelled, weights).view_as(labels)
        pictures = batch.pictures.reshape(len(batch.tokens), -1, 1, 1, *batch.pictures.shape[1:])
        logits = self.whole(pictures, batch.tokens, torch.ones_like(batch.tokens)).logits
        return focal_loss_everywhere(logits, labels, weights, self.config.gamma)


SIDES: Mapping[str, Callable[[Size], nn.Module]] = {"ours": ours, "OpenFlamingo": theirs}


def steps(side: str, size: Size, device: torch.device) -> int:
    """Run the steps; return the number of trained parameters."""
    batch = random_batch(size).to(device)
    torch.manual_seed(0)
    step = SIDES[side](size).to(device).train()
    parameters = trained_parameters(step)
    optimizer = torch.optim.AdamW(parameters)
    for _ in range(_STEPS):
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            loss = step(batch)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, size.config.clip)
        optimizer.step()
        optimizer.zero_grad()
    return sum(parameter.numel() for parameter in parameters)
