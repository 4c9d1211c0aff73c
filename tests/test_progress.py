"""What goes on: one rewritten line on a terminal, a line an epoch in a log, nothing on standard output."""

from __future__ import annotations

import io
import sys
import threading

import pytest

from unimp_bench import progress as module
from unimp_bench.progress import duration, nothing_goes_on, progress, stage, training


class Screen(io.StringIO):
    """A terminal as wide as ``COLUMNS`` says."""

    def isatty(self) -> bool:
        return True

    def states(self) -> list[str]:
        """What its line showed, one after another; nothing ever ends the line."""
        assert "\n" not in self.getvalue()
        return [state.rstrip() for state in self.getvalue().split("\r")]


class Clock:
    """Stands where a test puts it."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    monkeypatch.setattr(module, "_screen", module._Screen())
    return made


def terminal(monkeypatch: pytest.MonkeyPatch, columns: int = 140) -> Screen:
    """In the place of standard error; called in a test, since pytest puts its own there after the fixtures."""
    made = Screen()
    monkeypatch.setattr(sys, "stderr", made)
    monkeypatch.setenv("COLUMNS", str(columns))
    return made


def learn(clock: Clock) -> None:
    """Four epochs of ten seconds, two batches each; every second one is validated."""
    with training("sasrec", 4, metric="HR@5", early=True) as shown:
        for epoch, score in enumerate((None, 0.25, None, 0.125)):
            for _ in shown.batches(range(2)):
                clock.now += 5
            shown.reached(epoch + 1, 2.0 / (epoch + 1), None if score is None else {"paper": score})


LINES = [
    "sasrec: epoch 1 of 4, <30 s left, loss 2",
    "sasrec: epoch 2 of 4, <20 s left, loss 1, HR@5 0.2500 (best 0.2500)",
    "sasrec: epoch 3 of 4, <10 s left, loss 0.6667, best HR@5 0.2500",
    "sasrec: epoch 4 of 4, loss 0.5, HR@5 0.1250 (best 0.2500)",
]


def test_a_log_gets_a_line_an_epoch(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with stage("sasrec: fitting"):
        learn(clock)
    assert capsys.readouterr() == ("", "\n".join(LINES) + "\n")


def test_a_terminal_gets_one_line_that_is_rewritten(
    clock: Clock, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = terminal(monkeypatch)
    learn(clock)
    states = screen.states()
    assert [state for state in states if "batch" not in state and state] == ["sasrec: epoch 1 of 4", *LINES]
    assert "sasrec: epoch 1 of 4, batch 2" in states
    assert "sasrec: epoch 3 of 4, <15 s left, loss 1, HR@5 0.2500 (best 0.2500), batch 2 of 2" in states
    assert states[-1] == "", "the line is free again"
    assert capsys.readouterr().out == ""


def test_a_line_is_no_longer_than_the_terminal_is_wide(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = terminal(monkeypatch, columns=40)
    learn(clock)
    assert max(map(len, screen.getvalue().split("\r"))) == 39


def test_a_resumed_training_continues_the_count(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with training("unimp", 12, metric="HR@5", done=10, best={"paper": 0.5, "masked": 0.25}) as shown:
        clock.now += 7
        shown.reached(11, 1.5, {"paper": 0.25, "masked": 0.5})
        shown.reached(12, 1.25)
    assert capsys.readouterr().err.splitlines() == [
        "unimp: epoch 11 of 12, 7 s left, loss 1.5, HR@5 paper 0.2500 (best 0.5000), masked 0.5000 (best 0.5000)",
        "unimp: epoch 12 of 12, loss 1.25, best HR@5 paper 0.5000, masked 0.5000",
    ]


def test_nested_work_follows_the_outer_one(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = terminal(monkeypatch)
    with stage("unimp: fitting"), training("unimp", 2) as shown:
        shown.reached(1, 1.0)
        for _ in progress(range(3), "unimp: ranking", unit="block"):
            clock.now += 3
    states = screen.states()
    assert "unimp: epoch 1 of 2, 3 s left, loss 1" not in states, "three seconds are worth a part of the line"
    assert "unimp: epoch 1 of 2, 6 s left, loss 1 | unimp: ranking: block 2 of 3, 3 s left" in states
    assert not [state for state in states if "fitting" in state and "|" in state], "what is counted says more"


def test_a_log_gets_occasional_lines_for_other_work(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in progress(range(10), "ease: ranking", unit="block"):
        clock.now += 12
    assert capsys.readouterr().err.splitlines() == [
        f"ease: ranking: block {done} of 10, {left} left" for done, left in ((3, "1 min"), (6, "48 s"), (9, "12 s"))
    ]
    for _ in progress(iter(range(40)), "reviews.gz", unit="block"):
        clock.now += 1
    assert capsys.readouterr().err == "reviews.gz: 30 blocks\n"


@pytest.mark.parametrize("on_terminal", [True, False])
def test_short_work_is_not_shown(
    on_terminal: bool, clock: Clock, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = terminal(monkeypatch) if on_terminal else Screen()
    with stage("bm25: fitting"):
        assert list(progress(range(5), "bm25: ranking")) == [0, 1, 2, 3, 4]
    assert screen.getvalue() == "" and capsys.readouterr() == ("", "")


@pytest.mark.parametrize("on_terminal", [True, False])
def test_a_long_stage_is_announced_once(
    on_terminal: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SHOWN_AFTER", 0.01)
    monkeypatch.setattr(module, "_screen", module._Screen())
    screen = terminal(monkeypatch) if on_terminal else Screen()
    with stage("ease: fitting"):
        threading.Event().wait(0.5)
    if on_terminal:
        assert [state for state in screen.states() if state] == ["ease: fitting"]
    else:
        assert capsys.readouterr().err == "ease: fitting\n"


def test_an_error_frees_the_line(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = terminal(monkeypatch)
    with pytest.raises(ZeroDivisionError), training("mf", 3) as shown:
        for _ in shown.batches(progress(range(3), "mf: reading")):
            clock.now += 5
            raise ZeroDivisionError
    nothing_goes_on()
    assert screen.states()[-1] == ""
    assert not module._screen._under_way


def test_helping_processes_are_silent(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RANK", "1")
    learn(clock)
    assert capsys.readouterr() == ("", "")


def test_durations_are_read_at_a_glance() -> None:
    said = [duration(seconds) for seconds in (0.4, 41, 90, 3599, 3900, 90_000)]
    assert said == ["0 s", "41 s", "2 min", "1 h 00", "1 h 05", "25 h 00"]
