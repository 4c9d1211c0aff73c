"""What a benchmark measured, as it is written to ``results/`` and read again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Literal

from pydantic import Field, ValidationError, model_validator

from benchmarks.turns import Seconds
from unimp_bench.errors import DataError
from unimp_bench.files import write_atomically
from unimp_bench.runs.results import Provenance
from unimp_bench.settings import Strict

RESULTS = Path(__file__).resolve().parent / "results"
CPU, WALL = "CPU s", "wall s"
CLOCKS = ((CPU, "cpu"), (WALL, "wall"))
DIGITS = 6


class Ratio(Strict):
    """How many times the first side's value another side has, within each round.

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
    """One thing that was measured on every side of one comparison.

    Attributes:
        case: what the sides had in common, such as a corpus; empty where a record has one case.
        name, unit: of the values; a unit may be empty.
        sides: by name, what each round gave, (rounds,). The first is what the others are compared with.
        ratios: of the other sides, by name; empty where a ratio would say nothing.
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
        """One number that was found once, on no side."""
        return cls.of(case, name, unit, {"": (value,)})

    @model_validator(mode="after")
    def _ratios_follow(self) -> Measure:
        if self.ratios and self.ratios != _ratios(self.sides):
            raise ValueError(f"the ratios of {self.case!r}, {self.name!r} do not follow from its rounds")
        return self


def times(case: str, name: str, sides: Mapping[str, Sequence[Seconds]], on_card: bool = False) -> Iterator[Measure]:
    """Processor and wall seconds of every side's rounds, compared.

    Args:
        on_card: a graphics card did the work, so processor seconds say nothing and are left out.
    """
    for unit, clock in CLOCKS[1:] if on_card else CLOCKS:
        seconds = {side: [getattr(taken, clock) for taken in rounds] for side, rounds in sides.items()}
        yield Measure.of(case, name, unit, seconds, compared=True)


class Record(Strict):
    """One run of a benchmark.

    Attributes:
        name: of its module below ``benchmarks``.
        threads: that each side was given.
        load: processes that waited for a processor, on average over the minute before.
        measures: in the order of the page.
        provenance: its command has all options, so all sizes and the number of rounds.
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
            DataError: it cannot be read, or is no record.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise DataError(f"{path} is no record that this version reads ({error.errors()[0]['msg']})") from None

    def write(self, folder: Path) -> Path:
        """Write it under its name; returns where."""
        path = folder / f"{self.name}.json"
        write_atomically(path, self.model_dump_json(indent=1) + "\n")
        return path


def rounded(value: float) -> float:
    """To so many significant digits that a record stays small; whole numbers as they are."""
    return float(value) if float(value).is_integer() else float(f"{value:.{DIGITS}g}")


def _ratios(sides: Mapping[str, Sequence[float]]) -> dict[str, Ratio]:
    first, *others = sides
    return {side: Ratio.of(sides[side], sides[first]) for side in others}
