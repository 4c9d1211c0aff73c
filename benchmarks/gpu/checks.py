"""What must hold on a GPU before anything is measured there; each check gives the number that it was decided by."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

from benchmarks.gpu.setting import Data, Ready, Steps, ranks_of
from benchmarks.harness import Measure
from unimp_bench.errors import ModelError, UsageError
from unimp_bench.unimp.config import UniMPConfig
from unimp_bench.unimp.decoding import catalogue_scores
from unimp_bench.unimp.training import explained_memory_errors

CASE = "checks"
_SAME = 1e-3
"""Relative difference of a loss in single precision on two devices."""
_BF16 = 0.02
"""The same of bf16 and single precision on one device."""
_LEARNED = 20
_EXAMPLES = 256
_HUGE = 2**50


def checked(config: UniMPConfig, data: Data, place: torch.device) -> Iterator[Measure]:
    """The checks on a device, those of bf16 where the configuration trains in it.

    Raises:
        UsageError: one of them fails; says which.
    """
    single = replace(config, precision="no", dropout=0.0)
    host, card = (Ready.of(single, data, torch.device(name)) for name in ("cpu", str(place)))
    batch = Steps(host).next_batch()
    on_host, on_card = (float(Steps(ready).gradient(batch)) for ready in (host, card))
    yield _within("loss on the device and on the CPU, relative difference", _relative(on_card, on_host), _SAME)
    norms = [_norm(ready) for ready in (host, card)]
    yield _within("their gradients, relative difference of the norm", _relative(norms[1], norms[0]), _SAME)
    if config.precision == "bf16":
        half = Ready.of(replace(config, dropout=0.0), data, place)
        loss = float(Steps(half).gradient(batch))
        yield _within("loss in bf16 and in single precision", _relative(loss, on_card), _BF16)
        yield from _ranks(card, half)
    yield _learns(Ready.of(config, data, place))
    if place.type == "cuda":
        yield Measure.fact(CASE, "synchronisations of a step", _synchronisations(Steps(card)))
    yield _explains(config, place)


def _relative(value: float, reference: float) -> float:
    return abs(value - reference) / max(abs(reference), 1e-9)


def _within(name: str, value: float, limit: float) -> Measure:
    if not value <= limit:  # NaN fails as well
        raise UsageError(f"check failed: {name}: {value:.2g}, more than {limit:g}")
    return Measure.fact(CASE, name, value)


def _norm(ready: Ready) -> float:
    squares = [p.grad.double().square().sum() for p in ready.model.parameters() if p.grad is not None]
    ready.model.zero_grad()
    return float(torch.stack(squares).sum().sqrt())


def _ranks(single: Ready, half: Ready) -> Iterator[Measure]:
    """Evaluation in bf16: the share of test examples with the same rank, and the change of the mean reciprocal rank."""
    queries, candidates = single.queries(_EXAMPLES), single.data.fit.catalogue
    targets = single.data.test.select(slice(_EXAMPLES)).targets
    assert targets is not None
    columns = np.searchsorted(candidates, targets)
    found = []
    for ready in (single, half):
        ready.model.eval()
        with ready.autocast():
            found.append(ranks_of(catalogue_scores(ready.model, queries, candidates), columns))
    yield Measure.fact(CASE, "test examples of equal rank in bf16", float((found[0] == found[1]).mean()))
    change = float((1 / found[1]).mean() - (1 / found[0]).mean())
    yield _within("change of the mean reciprocal rank by bf16", abs(change), _BF16)


def _learns(ready: Ready) -> Measure:
    """Some steps on one batch lower its loss, in the precision of the training."""
    steps = Steps(ready)
    batch = steps.next_batch()
    before = float(steps.gradient(batch))
    for _ in range(_LEARNED):
        steps.step(batch)
    after = float(steps.gradient(batch))
    if not after < before:
        raise UsageError(f"check failed: {_LEARNED} steps changed the loss of their batch: {before:.4f} to {after:.4f}")
    return Measure.of(CASE, f"loss of one batch, {_LEARNED} steps", "", {"before": [before], "after": [after]})


def _synchronisations(steps: Steps) -> int:
    """How often a step waits for the card, by the warnings of torch."""
    batch = steps.next_batch()
    steps.step(batch)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            steps.step(batch)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return sum("synchroniz" in str(each.message) for each in seen)


def _explains(config: UniMPConfig, place: torch.device) -> Measure:
    """Memory that there is not gives one line with what to lower."""
    try:
        with explained_memory_errors(config):
            torch.empty(_HUGE, device=place)
    except ModelError as error:
        named = "batch_tokens" in str(error) and "\n" not in str(error)
        return _within("out of memory without a remedy", float(not named), 0)
    raise UsageError("check failed: a tensor of a pebibyte was allocated")
