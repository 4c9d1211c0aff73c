"""Records: round trip, ratios per round, sides in turns, memory of processes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from benchmarks import BENCHMARKS
from benchmarks.harness import CPU, RESULTS, WALL, Measure, Record, Seconds, in_turns, timed, times
from benchmarks.workloads import Worker, in_own_process, peak_mib, run_command
from unimp_bench.errors import DataError, UsageError
from unimp_bench.runs.provenance import provenance


def a_record(*measures: Measure) -> Record:
    made = provenance("python -m benchmarks footprint --items 5", packages=("numpy",))
    return Record(name="footprint", threads=1, load=0.5, measures=measures, provenance=made)


def test_records_round_trip(tmp_path: Path) -> None:
    sides = {"ours": [Seconds(2.0, 1 / 3), Seconds(2.5, 0.3)], "theirs": [Seconds(4.0, 1.0), Seconds(4.0, 1.2)]}
    record = a_record(*times("a case", "a step", sides), Measure.fact("", "items", 124_000))
    path = record.write(tmp_path)
    assert path == tmp_path / "footprint.json"
    assert Record.read(path) == record
    assert [(measure.name, measure.unit) for measure in record.measures] == [
        ("a step", CPU),
        ("a step", WALL),
        ("items", ""),
    ]


def test_ratios_are_taken_within_rounds() -> None:
    rounds = {"ours": [1.0, 10.0, 2.0], "theirs": [3.0, 20.0, 8.0]}
    ratios = Measure.of("", "a step", CPU, rounds, compared=True).ratios
    assert list(ratios) == ["theirs"]
    assert (ratios["theirs"].value, ratios["theirs"].low, ratios["theirs"].high) == (3.0, 2.0, 4.0)


def test_inconsistent_ratios_raise(tmp_path: Path) -> None:
    measure = Measure.of("", "a step", CPU, {"ours": [1.0], "theirs": [3.0]}, compared=True)
    path = a_record(measure).write(tmp_path)
    whole = json.loads(path.read_text())
    whole["measures"][0]["sides"]["theirs"] = [2.0]
    path.write_text(json.dumps(whole))
    with pytest.raises(DataError, match="do not follow from its rounds"):
        Record.read(path)


def test_sides_with_different_numbers_of_rounds_raise() -> None:
    with pytest.raises(ValueError, match="argument 2 is longer"):
        Measure.of("", "a step", CPU, {"ours": [1.0, 2.0], "theirs": [3.0]}, compared=True)


def test_invalid_records_raise(tmp_path: Path) -> None:
    (tmp_path / "none.json").write_text('{"format": "something else"}')
    with pytest.raises(DataError, match="not a record"):
        Record.read(tmp_path / "none.json")


def test_unknown_fields_raise() -> None:
    with pytest.raises(ValidationError):
        Measure.model_validate({"case": "", "name": "", "unit": "", "sides": {}, "note": "by hand"})


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_committed_records_are_complete(path: Path) -> None:
    record = Record.read(path)
    assert record.name == path.stem in BENCHMARKS
    assert record.measures
    assert record.provenance.command.startswith(f"python -m benchmarks {record.name}")
    assert record.provenance.commit and record.provenance.clean


def test_sides_take_turns() -> None:
    seen: list[str] = []
    sides = {side: lambda side=side: seen.append(side) for side in ("a", "b", "c")}
    assert {side: len(rounds) for side, rounds in in_turns(sides, 3).items()} == {"a": 3, "b": 3, "c": 3}
    assert seen == ["a", "b", "c", "c", "b", "a", "a", "b", "c"]


def test_processor_seconds_exclude_waiting() -> None:
    import time

    _, waited = timed(lambda: time.sleep(0.2))
    value, worked = timed(lambda: sum(range(3_000_000)))
    assert value == 4_499_998_500_000
    assert waited.wall >= 0.2 > 10 * waited.cpu
    assert worked.cpu > waited.cpu
    assert (waited + worked).each(2).wall == pytest.approx((waited.wall + worked.wall) / 2)


class Holder:
    """Allocates memory on request."""

    def __init__(self, mebibytes: int) -> None:
        self.mebibytes, self.held = mebibytes, b""

    def hold(self) -> None:
        self.held = b"x" * (self.mebibytes * 2**20)


def test_the_peak_of_a_fresh_process_excludes_its_parent() -> None:
    ballast = b"x" * (400 * 2**20)
    assert peak_mib() > 400
    assert in_own_process(peak_mib) < 300
    worker = Worker(Holder, 300)
    assert worker.timed("hold").wall > 0
    assert 300 < worker.end() < 600
    assert len(ballast) == 400 * 2**20


def test_commands_are_measured_and_failures_raise() -> None:
    cost = run_command(["-c", "x = b'x' * (200 * 2**20); print('done')"])
    assert cost.printed == "done\n"
    assert 200 < cost.peak < 500
    with pytest.raises(UsageError, match="no such thing"):
        run_command(["-c", "raise SystemExit('no such thing')"])


def test_only_wall_seconds_are_recorded_on_a_gpu() -> None:
    sides = {"ours": [Seconds(2.0, 1.0)], "theirs": [Seconds(6.0, 1.0)]}
    (measure,) = times("", "a step", sides, on_card=True)
    assert (measure.unit, measure.ratios["theirs"].value) == (WALL, 3.0)
