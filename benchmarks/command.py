"""A benchmark as a command: its options are its sizes, and what it yields becomes its record."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from benchmarks.page import measured, text_of
from benchmarks.record import RESULTS, Measure, Record
from unimp_bench.runs.results import CODE, provenance

Benchmark = Callable[..., Iterator[Measure]]


def benchmark(*packages: str) -> Callable[[Benchmark], click.Command]:
    """Make a command of a generator of measures that has click's options.

    Args:
        packages: whose versions matter, by their names in the registry.
    """

    def command_of(measure: Benchmark) -> click.Command:
        name = measure.__module__.removeprefix("benchmarks.")

        @click.command(name, help=text_of(name)[0], params=options_of(measure))
        @click.option("--out", type=Path, default=RESULTS, help="Folder of the record.")
        @click.pass_context
        def run(context: click.Context, /, out: Path, **options: Any) -> None:
            words = [word for each in context.command.params if each.name in options for word in _words(each, options)]
            line = " ".join(["python -m benchmarks", name, *words])
            record = Record(  # the code and the load are those at the start: the checkout may go on meanwhile
                name=name,
                threads=int(os.environ["OMP_NUM_THREADS"]),
                load=round(os.getloadavg()[0], 1),
                provenance=provenance(line, ("benchmarks/*.py", *CODE), packages),
                measures=tuple(measure(**options)),
            )
            record.write(out)
            click.echo("\n".join(measured(record)))

        return run

    return command_of


def options_of(measure: Benchmark) -> list[click.Parameter]:
    """Those that click's decorators put on a function, in the order they are written."""
    found: list[click.Parameter] = getattr(measure, "__click_params__", [])
    return found[::-1]


def command_named(name: str) -> click.Command:
    """Of one of ``BENCHMARKS``."""
    command: click.Command = importlib.import_module(f"benchmarks.{name}").command
    return command


def _words(parameter: click.Parameter, options: dict[str, Any]) -> Iterator[str]:
    """An option as it is given, its default too; of a path the last name, since the rest is this machine's."""
    value = options[str(parameter.name)]
    for each in value if isinstance(value, tuple) else (value,):
        if each is not None and each is not False:
            yield parameter.opts[0]
            if each is not True:
                yield each.name if isinstance(each, Path) else str(each)
