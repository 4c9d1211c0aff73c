"""UniMP on a GPU.

First checks: the same loss and gradient as on the CPU, bf16 close to single precision with its ranks, a loss that
falls, no needless waiting for the card, an explained end of memory. Then the steps of a fit on one corpus. *as
fitted*: examples that begin at the same item share a sentence, in batches of like length. *the authors' way*: a
sentence for each example, eight of any length in a step. On a GPU further lines compile the objective and fuse the
optimizer. SASRec is fitted as a whole, but for its validation. An example is an answered prompt, of SASRec a
prediction of its loss. The share of the card is that of its fastest matrix product in the same precision, measured
here, by the operations that PyTorch counts in forward and backward pass; traffic is that of weights, gradients and
moments alone, as a share of the fastest copy. On a CPU the command is a test of itself.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import click
import torch

from benchmarks.gpu.checks import checked
from benchmarks.gpu.setting import TASK, Data, Ready, Steps, small
from benchmarks.harness import Measure, benchmark, in_turns, times
from benchmarks.unimp_speed.setting import Worked, settle, turn
from unimp_bench import registry
from unimp_bench.contracts import Model
from unimp_bench.errors import BenchError, UsageError
from unimp_bench.files import Workspace
from unimp_bench.machine import device
from unimp_bench.torch_setup import make_torchvision_importable, seed_everything
from unimp_bench.unimp.config import PRESETS, UniMPConfig
from unimp_bench.unimp.decoding import catalogue_scores

FITTED, AUTHORS = "as fitted", "the authors' way"
_FLOAT = 4
_TRAFFIC = 7 + 3
"""Times that a step reads or writes a trained parameter: AdamW reads four tables and writes three; the two passes read
the weights and write the gradient."""


@benchmark("torch", "transformers")
@click.option("--corpus", default="beauty", help="A built corpus, by name; 'python -m benchmarks.gpu.pack' packs one.")
@click.option("--preset", "presets", multiple=True, default=("base", "smol"), help="Of UniMP; repeatable.")
@click.option("--rounds", default=3)
@click.option("--seconds", default=20.0, help="Wall time of each side in each round.")
@click.option("--epochs", default=3, help="Of SASRec.")
@click.option("--evaluated", default=2048, help="Test examples that are scored.")
@click.option("--small", "trial", is_flag=True, help="Small models, for a trial on a CPU.")
def command(
    corpus: str, presets: tuple[str, ...], rounds: int, seconds: float, epochs: int, evaluated: int, trial: bool
) -> Iterator[Measure]:
    """See the docstring of the module."""
    place = device()
    if place.type == "cpu" and not trial:
        raise UsageError("there is no GPU here; --small tries the command on a CPU")
    make_torchvision_importable()
    with tempfile.TemporaryDirectory() as cache:
        data = Data.opened(Workspace.here().data / corpus, Path(cache))
        for preset in presets:
            config = _config(preset, trial)
            if config is None:
                continue
            yield from checked(config, data, place)
            yield from _trained(preset, config, data, place, rounds, seconds)
            yield from _evaluated(preset, config, data, place, evaluated)
        yield from _sasrec(data, epochs, place)


def _config(preset: str, trial: bool) -> UniMPConfig | None:
    """The configuration of a preset; None, with a line, where this version or this machine does not have it."""
    if preset not in PRESETS:
        click.echo(f"no preset {preset!r} in this version: left out", err=True)
        return None
    return small(PRESETS[preset]) if trial else PRESETS[preset]


def _sides(place: torch.device) -> Mapping[str, dict[str, bool]]:
    sides = {FITTED: {}, AUTHORS: {"shared": False}}
    if place.type == "cuda":
        sides |= {"as fitted, fused AdamW": {"fused": True}, "as fitted, compiled": {"fused": True, "compiled": True}}
    return sides


def _trained(
    preset: str, config: UniMPConfig, data: Data, place: torch.device, rounds: int, seconds: float
) -> Iterator[Measure]:
    """Seconds per example of every side, the memory and the share of the card of its steps."""
    case = f"UniMP-{preset}, training"
    steps, memory = {}, {}
    for side, options in _sides(place).items():
        made = Steps(Ready.of(config, data, place), **options)
        _reset(place)
        try:
            made()()  # warm-up, which compiles
        except (
            RuntimeError,
            BenchError,
        ) as error:  # torch.compile fails in many ways; the other sides are worth having
            if side in (FITTED, AUTHORS):
                raise
            click.echo(f"{side}: {str(error).splitlines()[0][:200]}", err=True)
            continue
        steps[side], memory[side] = made, _peak(place)
    found = in_turns({side: partial(turn, made, seconds, place) for side, made in steps.items()}, rounds)
    each = {side: [worked.seconds.each(worked.examples) for worked in turns] for side, turns in found.items()}
    yield from times(case, "an example", each, place.type == "cuda")
    yield _rate(case, "examples a second", found, "examples")
    yield _rate(case, "tokens a second", found, "tokens")
    if place.type == "cuda":
        yield Measure.of(case, "memory of a step", "MiB", {side: [value] for side, value in memory.items()})
    yield from _roofline(case, steps[FITTED], Ready.of(config, data, place), place)


def _rate(case: str, name: str, found: Mapping[str, list[Worked]], unit: str) -> Measure:
    sides = {side: [getattr(each, unit) / each.seconds.wall for each in turns] for side, turns in found.items()}
    return Measure.of(case, name, "", sides)


def _roofline(case: str, steps: Steps, ready: Ready, place: torch.device) -> Iterator[Measure]:
    """Operations and bytes of a step, against what the device does at most."""
    from torch.utils.flop_counter import FlopCounterMode

    counted = Steps(ready)
    batch = counted.next_batch()
    with FlopCounterMode(display=False) as counter:
        counted.gradient(batch)
    settle(place)
    before = time.perf_counter()
    steps.step(batch)
    settle(place)
    seconds = time.perf_counter() - before
    trained = sum(parameter.numel() for parameter in ready.model.parameters() if parameter.requires_grad)
    peak, copied = fastest_product(place, ready.config.precision == "bf16"), fastest_copy(place)
    yield Measure.fact(case, "operations of a step", counter.get_total_flops() / 1e9, "GFLOP")
    yield Measure.fact(case, "fastest matrix product here", peak / 1e9, "GFLOP/s")
    yield Measure.fact(case, "share of it", counter.get_total_flops() / seconds / peak)
    yield Measure.fact(case, "fastest copy here", copied / 1e9, "GB/s")
    yield Measure.fact(case, "share of it by parameters", _TRAFFIC * _FLOAT * trained / seconds / copied)


def fastest_product(place: torch.device, half: bool) -> float:
    """Operations per second of the fastest of some square matrix products."""
    kind, sides = torch.bfloat16 if half else torch.float32, (4096, 8192) if place.type == "cuda" else (256, 512)
    rates = []
    for side in sides:
        one, other = torch.randn(2, side, side, device=place, dtype=kind)
        rates.append(2 * side**3 / _fastest(place, partial(torch.matmul, one, other)))
    return max(rates)


def fastest_copy(place: torch.device) -> float:
    """Bytes per second that a large copy reads and writes."""
    source = torch.empty(2**28 if place.type == "cuda" else 2**22, device=place)
    target = torch.empty_like(source)
    return 2 * _FLOAT * source.numel() / _fastest(place, partial(target.copy_, source))


def _fastest(place: torch.device, work: Any, times: int = 5) -> float:
    """Seconds of the fastest call."""
    found = []
    for _ in range(times + 1):
        settle(place)
        before = time.perf_counter()
        work()
        settle(place)
        found.append(time.perf_counter() - before)
    return min(found[1:])


def _evaluated(preset: str, config: UniMPConfig, data: Data, place: torch.device, count: int) -> Iterator[Measure]:
    """Test examples scored over the catalogue per second, in single precision and in bf16 where that is trained in."""
    ready = Ready.of(config, data, place)
    ready.model.eval()
    queries, candidates = ready.queries(count), data.fit.catalogue
    rates = {}
    for name, half in (("single precision", False), ("bf16", True)):
        if half and config.precision != "bf16":
            continue
        with torch.autocast(place.type, torch.bfloat16, enabled=half):
            seconds = _fastest(place, partial(catalogue_scores, ready.model, queries, candidates), times=1)
        rates[name] = [len(queries.sentences) / seconds]
    yield Measure.of(f"UniMP-{preset}, evaluation", "examples a second", "", rates)


def _sasrec(data: Data, epochs: int, place: torch.device) -> Iterator[Measure]:
    """SASRec, fitted for some epochs."""
    model: Model[Any] = registry.make_model("sasrec", None, {"epochs": str(epochs)})
    seed_everything(0)
    _reset(place)
    before = time.perf_counter()
    model.fit(data.fit)
    settle(place)
    seconds, training = time.perf_counter() - before, model.training()
    assert training is not None
    case = f"SASRec, {TASK}"
    yield Measure.fact(case, "examples a second", training.examples / seconds)
    yield Measure.fact(case, "an epoch", seconds / training.epochs, "wall s")
    if place.type == "cuda":
        yield Measure.fact(case, "memory of a fit", _peak(place), "MiB")


def _reset(place: torch.device) -> None:
    if place.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(place)


def _peak(place: torch.device) -> float:
    return torch.cuda.max_memory_allocated(place) / 2**20 if place.type == "cuda" else 0.0
