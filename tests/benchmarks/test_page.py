"""docs/speed.md follows from the records."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import BENCHMARKS
from benchmarks.harness import PAGE, RESULTS, Measure, Record, Seconds, number, page, text_of, times
from unimp_bench.runs.provenance import Provenance

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
MADE = Provenance(
    command="python -m benchmarks footprint --items 5",
    commit="0123456789abcdef",
    clean=True,
    versions={"python": "3.11.7", "numpy": "2.4.6"},
    machine="Linux x86_64, 2 cores",
    time="2026-01-02T03:04:05+00:00",
)


def plant(folder: Path, *measures: Measure, **changed: object) -> list[str]:
    """The section of a planted record of ``footprint``."""
    made = MADE.model_copy(update=changed)
    Record(name="footprint", threads=1, load=1.5, measures=measures, provenance=made).write(folder)
    whole = page(folder)
    section = whole.split(f"## {text_of('footprint')[0]}\n")[1].split("\n## ")[0]
    return section.strip().splitlines()


def test_the_committed_page_follows_from_the_records() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(RESULTS), "run 'make speed'"


def test_a_section_has_the_provenance_of_its_record(tmp_path: Path) -> None:
    lines = plant(tmp_path, Measure.fact("", "items", 5))
    facts = next(line for line in lines if line.startswith("Measured"))
    assert facts == (
        "Measured on 2026-01-02 at commit `0123456789` by `python -m benchmarks footprint --items 5`; on Linux x86_64, "
        "2 cores, one thread per side, load 1.5 before the run; python 3.11.7, numpy 2.4.6."
    )
    assert "at commit `0123456789` with changes by" in "\n".join(plant(tmp_path, clean=False))


def test_tables_have_medians_and_ratios_with_their_range(tmp_path: Path) -> None:
    ours = [Seconds(9.0, cpu) for cpu in (1.0, 2.0, 4.0)]
    theirs = [Seconds(9.0, cpu) for cpu in (3.0, 4.0, 20.0)]
    measures = times("mf", "an epoch", {"ours": ours, "theirs": theirs})
    peak = Measure.of("mf", "peak", "MiB", {"ours": [1234.5], "theirs": [617.25]}, compared=True)
    lines = plant(tmp_path, *measures, peak)
    assert lines[-4:] == [
        "|  |   | an epoch, CPU s | ratio | peak, MiB | ratio |",
        "| --- | --- | --- | --- | --- | --- |",
        "| mf | ours | 2 | 1 | 1,234 | 1 |",
        "|  | theirs | 4 | **3** (2 to 5) | 617 | **0.500** |",
    ]


def test_cases_with_equal_columns_share_a_table(tmp_path: Path) -> None:
    lines = plant(
        tmp_path,
        Measure.fact("the corpus", "users", 10),
        Measure.fact("mf", "the fit", 2.5, "wall s"),
        Measure.fact("ease", "the fit", 0.25, "wall s"),
    )
    assert [line for line in lines if line.startswith("|")] == [
        "|  | users |",
        "| --- | --- |",
        "| the corpus | 10 |",
        "|  | the fit, wall s |",
        "| --- | --- |",
        "| mf | 2.50 |",
        "| ease | 0.250 |",
    ]


def test_sections_without_a_record_give_the_command(tmp_path: Path) -> None:
    whole = page(tmp_path)
    for name in BENCHMARKS:
        assert f"No record; run `python -m benchmarks {name}`." in whole
    assert "|" not in whole.split("## ", 1)[1].replace("`|`", "")


def test_a_changed_record_changes_the_page(tmp_path: Path) -> None:
    before = plant(tmp_path, Measure.fact("", "items", 5))
    assert plant(tmp_path, Measure.fact("", "items", 6)) != before


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (12, "12"), (124_000, "124,000"), (0.29803, "0.298"), (99.96, "100"), (123.4, "123"), (2.5, "2.50")],
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_every_benchmark_is_registered() -> None:
    commands = {
        ".".join(path.relative_to(FOLDER).with_suffix("").parts)
        for path in FOLDER.rglob("*.py")
        if "\n@benchmark(" in path.read_text(encoding="utf-8")
    }
    assert commands == set(BENCHMARKS)
    assert all(text for _, text in map(text_of, BENCHMARKS))


def in_python(code: str, **environment: str) -> str:
    """The output of some code in a fresh process."""
    whole = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")} | environment
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=FOLDER.parent, env=whole
    )
    return done.stdout.strip()


def test_the_page_imports_nothing_heavy() -> None:
    code = "import sys, benchmarks.__main__; print(sorted({'torch', 'pandas', 'recbole'} & sys.modules.keys()))"
    assert in_python(code) == "[]"


def test_the_number_of_threads_is_applied() -> None:
    code = "import benchmarks.__main__, numpy\nfrom threadpoolctl import threadpool_info as pools\n"
    code += "print({pool['num_threads'] for pool in pools()})"
    assert in_python(code) == "{1}"
    assert in_python(code, OMP_NUM_THREADS="2") == "{2}"
