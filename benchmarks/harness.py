"""Benchmarks as commands that write records, and the page generated from records.

A benchmark is a module with a generator of `Measure`s, decorated by `benchmark`: its options are its sizes, and the
measures are written to ``results/``. ``docs/speed.md`` has a section per benchmark: the docstring of its module, and
the tables of its record.
"""

from __future__ import annotations

import ast
import importlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Literal, TypeVar

import click
from pydantic import Field, ValidationError, model_validator

from benchmarks import BENCHMARKS
from unimp_bench.errors import DataError
from unimp_bench.files import write_atomically
from unimp_bench.markdown import generated, table_head, table_row
from unimp_bench.runs.provenance import CODE, Provenance, provenance
from unimp_bench.settings import Strict

FOLDER = Path(__file__).resolve().parent
RESULTS = FOLDER / "results"
PAGE = FOLDER.parent / "docs" / "speed.md"
CPU, WALL = "CPU s", "wall s"
CLOCKS = ((CPU, "cpu"), (WALL, "wall"))
DIGITS = 6
HEAD = f"""\
{generated("python -m benchmarks page", "benchmarks/results/")}
# Speed and memory

Results of the benchmarks, with date, commit and machine in each section. Compare ratios, not seconds: seconds depend on
the machine, which may have been busy with other work (see *load*). A ratio is relative to the first line of its case,
within one round of a run in which the sides take turns; tables give the median over rounds and, in brackets, the
smallest and the largest. Seconds are processor seconds (*CPU s*) unless marked *wall*; wall seconds and all rounds are
in the records, `benchmarks/results/`. Running a benchmark writes its record, and `make speed` writes this page.
"""

Benchmark = Callable[..., Iterator["Measure"]]
ValueT = TypeVar("ValueT")


@dataclass(frozen=True)
class Seconds:
    """Wall and processor time; only the latter is meaningful on a busy machine."""

    wall: float
    cpu: float

    def __add__(self, other: Seconds) -> Seconds:
        return Seconds(self.wall + other.wall, self.cpu + other.cpu)

    def each(self, amount: float) -> Seconds:
        """Seconds per unit of ``amount``."""
        return Seconds(self.wall / amount, self.cpu / amount)


def timed(work: Callable[[], ValueT]) -> tuple[ValueT, Seconds]:
    """The result of a function and its time in this process."""
    wall, cpu = time.perf_counter(), time.process_time()
    value = work()
    return value, Seconds(time.perf_counter() - wall, time.process_time() - cpu)


def in_turns(sides: Mapping[str, Callable[[], ValueT]], rounds: int) -> dict[str, list[ValueT]]:
    """The results of every side in each round; every second round is in reverse order."""
    found: dict[str, list[ValueT]] = {side: [] for side in sides}
    for number in range(rounds):
        for side in list(sides)[:: -1 if number % 2 else 1]:
            found[side].append(sides[side]())
    return found


def seconds_in_turns(sides: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[Seconds]]:
    """The time of every side in each round."""
    found = in_turns({side: partial(timed, work) for side, work in sides.items()}, rounds)
    return {side: [seconds for _, seconds in turns] for side, turns in found.items()}


class Ratio(Strict):
    """Ratio of a side's value to that of the first side, within each round.

    Attributes:
        value: median over the rounds.
        low, high: the smallest and the largest round.
    """

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, rounds: Sequence[float], first: Sequence[float]) -> Ratio:
        each = [rounded(value / base) for value, base in zip(rounds, first, strict=True)]
        return cls(value=median(each), low=min(each), high=max(each))


class Measure(Strict):
    """One quantity measured for all sides of a comparison.

    Attributes:
        case: common setting, such as a corpus; empty if a record has one case.
        name, unit: of the values; the unit may be empty.
        sides: by name, values per round, (rounds,). The first side is the reference.
        ratios: of the other sides, by name; empty if not meaningful.
    """

    case: str
    name: str
    unit: str
    sides: dict[str, tuple[float, ...]]
    ratios: dict[str, Ratio] = Field(default={})

    @classmethod
    def of(
        cls, case: str, name: str, unit: str, sides: Mapping[str, Sequence[float]], compared: bool = False
    ) -> Measure:
        kept = {side: tuple(map(rounded, rounds)) for side, rounds in sides.items()}
        return cls(case=case, name=name, unit=unit, sides=kept, ratios=_ratios(kept) if compared else {})

    @classmethod
    def fact(cls, case: str, name: str, value: float, unit: str = "") -> Measure:
        """A single number without sides."""
        return cls.of(case, name, unit, {"": (value,)})

    @model_validator(mode="after")
    def _ratios_follow(self) -> Measure:
        if self.ratios and self.ratios != _ratios(self.sides):
            raise ValueError(f"the ratios of {self.case!r}, {self.name!r} do not follow from its rounds")
        return self


def times(case: str, name: str, sides: Mapping[str, Sequence[Seconds]], on_card: bool = False) -> Iterator[Measure]:
    """Processor and wall seconds of every side's rounds, compared.

    Args:
        on_card: whether a GPU did the work, so that processor seconds are omitted.
    """
    for unit, clock in CLOCKS[1:] if on_card else CLOCKS:
        seconds = {side: [getattr(taken, clock) for taken in rounds] for side, rounds in sides.items()}
        yield Measure.of(case, name, unit, seconds, compared=True)


class Record(Strict):
    """One run of a benchmark.

    Attributes:
        name: of its module below ``benchmarks``.
        threads: per side.
        load: load average over the minute before the run.
        measures: in the order of the page.
        provenance: its command has all options, including sizes and number of rounds.
    """

    format: Literal["unimp-bench-speed"] = "unimp-bench-speed"
    version: Literal[1] = 1
    name: str
    threads: int
    load: float
    measures: tuple[Measure, ...]
    provenance: Provenance

    @classmethod
    def read(cls, path: Path) -> Record:
        """Parse one file.

        Raises:
            DataError: it cannot be read, or is not a record.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise DataError(f"{path} is not a record of this version ({error.errors()[0]['msg']})") from None

    def write(self, folder: Path) -> Path:
        """Write it under its name; return the path."""
        path = folder / f"{self.name}.json"
        write_atomically(path, self.model_dump_json(indent=1) + "\n")
        return path


def rounded(value: float) -> float:
    """A number with ``DIGITS`` significant digits; integers are kept."""
    return float(value) if float(value).is_integer() else float(f"{value:.{DIGITS}g}")


def _ratios(sides: Mapping[str, Sequence[float]]) -> dict[str, Ratio]:
    first, *others = sides
    return {side: Ratio.of(sides[side], sides[first]) for side in others}


def benchmark(*packages: str) -> Callable[[Benchmark], click.Command]:
    """Make a command from a generator of measures with click's options.

    Args:
        packages: distributions whose versions are recorded.
    """

    def command_of(measure: Benchmark) -> click.Command:
        name = measure.__module__.removeprefix("benchmarks.")

        @click.command(name, help=text_of(name)[0], params=options_of(measure))
        @click.option("--out", type=Path, default=RESULTS, help="Folder of the record.")
        @click.pass_context
        def run(context: click.Context, /, out: Path, **options: Any) -> None:
            words = [word for each in context.command.params if each.name in options for word in _words(each, options)]
            line = " ".join(["python -m benchmarks", name, *words])
            record = Record(  # code and load at the start, as the checkout may change meanwhile
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
    """The options of click's decorators on a function, in order."""
    found: list[click.Parameter] = getattr(measure, "__click_params__", [])
    return found[::-1]


def command_named(name: str) -> click.Command:
    """The command of one of ``BENCHMARKS``."""
    command: click.Command = importlib.import_module(f"benchmarks.{name}").command
    return command


def _words(parameter: click.Parameter, options: dict[str, Any]) -> Iterator[str]:
    """An option as on the command line, including defaults; paths without folders."""
    value = options[str(parameter.name)]
    for each in value if isinstance(value, tuple) else (value,):
        if each is not None and each is not False:
            yield parameter.opts[0]
            if each is not True:
                yield each.name if isinstance(each, Path) else str(each)


def page(results: Path) -> str:
    """The page generated from the records in a folder."""
    lines = [HEAD]
    for name in BENCHMARKS:
        title, text = text_of(name)
        path = results / f"{name}.json"
        lines += [f"## {title}", "", text, ""]
        lines += measured(Record.read(path)) if path.is_file() else [f"No record; run `python -m benchmarks {name}`."]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def text_of(name: str) -> tuple[str, str]:
    """Title and text of a benchmark: the first line of its docstring and the rest, without importing it."""
    path = FOLDER.joinpath(*name.split(".")).with_suffix(".py")
    whole = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert whole is not None, f"{path} has no docstring"
    title, _, text = whole.partition("\n")
    return title.rstrip("."), text.strip()


def measured(record: Record) -> list[str]:
    """The provenance and the tables of a record."""
    made = record.provenance
    versions = ", ".join(f"{package} {version}" for package, version in made.versions.items())
    commit = f"commit `{made.commit[:10]}`{'' if made.clean else ' with changes'}" if made.commit else "no commit"
    facts = [
        f"Measured on {made.time[:10]} at {commit} by `{made.command}`",
        f"on {made.machine}, {_threads(record.threads)} per side, load {record.load:g} before the run",
        versions,
    ]
    lines = ["; ".join(facts) + ".", ""]
    for cases in _alike(record.measures):
        lines += [*_table(cases), ""]
    return lines[:-1]


def _threads(count: int) -> str:
    return "one thread" if count == 1 else f"{count} threads"


def _alike(measures: Sequence[Measure]) -> list[list[list[Measure]]]:
    """Tables of cases with the same columns; a case is a list of measures."""
    cases: dict[str, list[Measure]] = {}
    for measure in measures:
        cases.setdefault(measure.case, []).append(measure)
    tables: dict[tuple[tuple[str, str, bool], ...], list[list[Measure]]] = {}
    for case in cases.values():
        shown = [each for each in case if not _by_processor_too(each, case)]
        columns = tuple((each.name, each.unit, bool(each.ratios)) for each in shown)
        tables.setdefault(columns, []).append(shown)
    return list(tables.values())


def _by_processor_too(measure: Measure, case: Sequence[Measure]) -> bool:
    return measure.unit == WALL and any(each.name == measure.name and each.unit == CPU for each in case)


def _table(cases: Sequence[Sequence[Measure]]) -> Iterator[str]:
    """One line per side of each case; columns of cases and sides only if they have names."""
    rows = [(case, side) for case in cases for side in dict.fromkeys(side for each in case for side in each.sides)]
    labels = [(case[0].case, side) for case, side in rows]
    named = [any(label[place] for label in labels) for place in (0, 1)]
    head = [name for name, wanted in zip(("", " "), named, strict=True) if wanted]
    for measure in cases[0]:
        head += [", ".join(filter(None, (measure.name, measure.unit))), *(["ratio"] if measure.ratios else [])]
    yield from table_head(head)
    before = None
    for (case, side), label in zip(rows, labels, strict=True):
        shown = ("" if label[0] == before else label[0], side)
        before = label[0]
        cells = [text for text, wanted in zip(shown, named, strict=True) if wanted]
        yield table_row([*cells, *(cell for measure in case for cell in _cells(measure, side))])


def _cells(measure: Measure, side: str) -> Iterator[str]:
    rounds = measure.sides.get(side)
    yield "" if rounds is None else number(median(rounds))
    if not measure.ratios:
        return
    ratio = measure.ratios.get(side)
    if ratio is None:
        yield "" if rounds is None else "1"
    elif ratio.low == ratio.high:
        yield f"**{number(ratio.value)}**"
    else:
        yield f"**{number(ratio.value)}** ({number(ratio.low)} to {number(ratio.high)})"


def number(value: float) -> str:
    """Integers and large numbers without decimals, others with three significant digits."""
    return f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 100 else f"{value:#.3g}".rstrip(".")
