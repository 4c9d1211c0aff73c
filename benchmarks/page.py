"""``docs/speed.md``: for each benchmark its own words, and the tables of its record."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from benchmarks import BENCHMARKS
from benchmarks.record import CPU, WALL, Measure, Record
from unimp_bench.markdown import generated, table_head, table_row

ROOM = Path(__file__).resolve().parent
PAGE = ROOM.parent / "docs" / "speed.md"
HEAD = f"""\
{generated("python -m benchmarks page", "benchmarks/results/")}
# Speed and memory

What the benchmarks measured; the section of each says when, at which commit and on what kind of machine. Read ratios,
not seconds: seconds are those of one machine, which may have been busy with other work (*load* says how busy). A
ratio is over the first line of its case, within one round of a run in which the sides take turns; the table has the
median of the rounds and, in brackets, the smallest and the largest. Seconds are processor seconds (*CPU s*) where a
table does not say *wall*; wall seconds and all rounds are in the records, `benchmarks/results/`. A benchmark writes
its record when it is run, and `make speed` writes this page.
"""


def page(results: Path) -> str:
    """The whole page from the records in a folder."""
    lines = [HEAD]
    for name in BENCHMARKS:
        title, text = text_of(name)
        path = results / f"{name}.json"
        lines += [f"## {title}", "", text, ""]
        lines += measured(Record.read(path)) if path.is_file() else [f"No record; run `python -m benchmarks {name}`."]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def text_of(name: str) -> tuple[str, str]:
    """Title and text of a benchmark: the first line of its docstring, and the rest; nothing is imported for it."""
    path = ROOM.joinpath(*name.split(".")).with_suffix(".py")
    whole = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert whole is not None, f"{path} has no docstring"
    title, _, text = whole.partition("\n")
    return title.rstrip("."), text.strip()


def measured(record: Record) -> list[str]:
    """What a record gives to the page: where it comes from, and its tables."""
    made = record.provenance
    versions = ", ".join(f"{package} {version}" for package, version in made.versions.items())
    commit = f"commit `{made.commit[:10]}`{'' if made.clean else ' with changes'}" if made.commit else "no commit"
    facts = [
        f"Measured on {made.time[:10]} at {commit} by `{made.command}`",
        f"on {made.machine}, {_threads(record.threads)} a side, load {record.load:g} before it began",
        versions,
    ]
    lines = ["; ".join(facts) + ".", ""]
    for cases in _alike(record.measures):
        lines += [*_table(cases), ""]
    return lines[:-1]


def _threads(count: int) -> str:
    return "one thread" if count == 1 else f"{count} threads"


def _alike(measures: Sequence[Measure]) -> list[list[list[Measure]]]:
    """Cases, each a list of what was measured in it; those with the same columns meet in one table."""
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
    """A line for each side of each case; the columns of cases and sides only where they have names."""
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
    """Whole where it is whole or large, else three significant digits."""
    return f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 100 else f"{value:#.3g}".rstrip(".")
