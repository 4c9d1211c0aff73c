"""Progress on standard error: one rewritten line on a terminal, permanent lines in a log.

Work is reported by ``stage`` where it cannot be counted, ``progress`` for loops over items, ``training`` for epochs.
They may be nested: a terminal shows all counted ones on one line, outermost first, and omits short work. A log gets one
line per epoch of a training, and occasional lines for other long work. Only the main process of several reports.
"""

from __future__ import annotations

import math
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from unimp_bench.machine import helping

if TYPE_CHECKING:
    from unimp_bench.records import Protocol

T = TypeVar("T")

SHOWN_AFTER = 2.0
"""Seconds until work other than training is shown."""
LOGGED_EVERY = 30.0
"""Seconds between two lines of a log about the same work."""
_DRAWN_EVERY = 0.1


class Activity:
    """Work under way.

    Attributes:
        label: what it is.
        counted: whether it can say how far it has come.
    """

    counted = False

    def __init__(self, label: str) -> None:
        self.label = label
        self.started = time.monotonic()

    def words(self) -> str:
        """What it is and how far it has come."""
        return self.label

    def is_shown(self, now: float) -> bool:
        """Whether it takes long enough for a line on a terminal."""
        return now - self.started >= SHOWN_AFTER


class _Items(Activity):
    """A loop over items, ``total`` of them if known."""

    counted = True

    def __init__(self, label: str, total: int | None, unit: str) -> None:
        super().__init__(label)
        self.total, self.unit, self.done = total, unit, 0

    def words(self) -> str:
        if self.total is None:
            return f"{self.label}: {self.done:,} {self.unit}s"
        left = _left(self.started, self.done, self.total - self.done)
        return ", ".join([f"{self.label}: {self.unit} {self.done:,} of {self.total:,}", *left])


class Training(Activity):
    """The epochs of a training, or other parts of it that end with a loss."""

    counted = True

    def __init__(
        self, label: str, total: int, *, unit: str, metric: str, done: int, best: Mapping[Protocol, float], early: bool
    ) -> None:
        super().__init__(label)
        self._total, self._unit, self._metric, self._early = total, unit, metric, early
        self._begun = self._done = done
        self._best = dict(best)
        self._scores: dict[Protocol, float] = {}
        self._batch = 0
        self._batches: int | None = None
        self.loss: float | None = None

    def is_shown(self, now: float) -> bool:
        return True

    def batches(self, batches: Iterable[T], total: int | None = None) -> Iterator[T]:
        """Pass the batches of the next epoch through; ``total`` where their number is known before."""
        self._batch, self._batches = 0, total or self._batches
        for batch in batches:
            self._batch += 1
            _screen.draw()
            yield batch
        self._batches = self._batch

    def reached(self, number: int, loss: float | None = None, scores: Mapping[Protocol, float] | None = None) -> None:
        """Note the end of epoch ``number``, counted from 1.

        Args:
            loss: its mean; None leaves the one noted before.
            scores: on the validation part by protocol, higher is better; None where the epoch was not validated.
        """
        self._done, self._batch = number, 0
        self.loss = self.loss if loss is None else loss
        self._scores = dict(scores or {})
        for protocol, score in self._scores.items():
            self._best[protocol] = max(score, self._best.get(protocol, score))
        _screen.log(self.words())
        _screen.draw(now=True)

    def words(self) -> str:
        going = min(self._done + (self._batch > 0 or not self._done), self._total)
        parts = [f"{self.label}: {self._unit} {going:,} of {self._total:,}"]
        done = self._done + (min(max(self._batch - 1, 0) / self._batches, 1) if self._batches else 0)
        less = "<" if self._early else ""
        parts += [less + left for left in _left(self.started, done - self._begun, self._total - done)]
        if self.loss is not None:
            parts.append(f"loss {self.loss:.4g}")
        parts += self._measured()
        if self._batch:
            parts.append(f"batch {self._batch:,}" + (f" of {self._batches:,}" if self._batches else ""))
        return ", ".join(parts)

    def _measured(self) -> Iterator[str]:
        """The last scores and the best ones; a protocol is named where there are several."""
        lead = self._metric if self._scores else f"best {self._metric}"
        for protocol, best in self._best.items():
            named = f" {protocol}" if len(self._best) > 1 else ""
            score = f"{self._scores[protocol]:.4f} (best {best:.4f})" if self._scores else f"{best:.4f}"
            yield f"{lead}{named} {score}".strip()
            lead = ""


class _Screen:
    """The activities under way, outermost first, and the output stream."""

    def __init__(self) -> None:
        self._under_way: list[Activity] = []
        self._lock = threading.RLock()
        self._drawn = -math.inf
        self._terminal: tuple[object, Callable[[str], None]] | None = None

    @contextmanager
    def during(self, activity: Activity) -> Iterator[None]:
        """The activity is under way in the block."""
        if helping():
            yield
            return
        with self._lock:
            self._under_way.append(activity)
            self.draw()
        try:
            yield
        finally:
            with self._lock:
                if activity in self._under_way:  # not where an outer one ended before, in an error
                    del self._under_way[self._under_way.index(activity) :]
                self.draw(now=True)

    def clear(self) -> None:
        """Forget what was under way, as after an error."""
        with self._lock:
            self._under_way.clear()
            self.draw(now=True)

    def announce(self, activity: Activity) -> None:
        """Show an activity that takes long, if it is still under way; log it unless a training is inside it."""
        with self._lock:
            if activity in self._under_way and not any(isinstance(each, Training) for each in self._under_way):
                self.log(activity.words())
            self.draw(now=True)

    def log(self, line: str) -> None:
        """Print a permanent line, unless the output is a terminal."""
        if not helping() and not sys.stderr.isatty():
            print(line, file=sys.stderr, flush=True)

    def draw(self, *, now: bool = False) -> None:
        """Rewrite the line on the terminal; not too often, unless it is wanted ``now``."""
        with self._lock:
            at = time.monotonic()
            if helping() or not sys.stderr.isatty() or (not now and at - self._drawn < _DRAWN_EVERY):
                return
            self._drawn = at
            shown = [activity for activity in self._under_way if activity.is_shown(at)]
            words = [activity.words() for activity in shown if activity.counted or activity is shown[-1]]
            if words or self._terminal is not None:
                self._print(" | ".join(words))
            if not words:
                self._terminal = None

    def _print(self, text: str) -> None:
        from tqdm import tqdm
        from tqdm.utils import disp_trim

        if self._terminal is None or self._terminal[0] is not sys.stderr:
            self._terminal = sys.stderr, tqdm.status_printer(sys.stderr)
        self._terminal[1](disp_trim(text, shutil.get_terminal_size().columns - 1))
        if not text:
            print(end="\r", file=sys.stderr, flush=True)


_screen = _Screen()


@contextmanager
def stage(label: str) -> Iterator[None]:
    """Report the block once it takes long."""
    activity = Activity(label)
    with _screen.during(activity):
        timer = threading.Timer(SHOWN_AFTER, _screen.announce, [activity])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def progress(items: Iterable[T], label: str, total: int | None = None, unit: str = "item") -> Iterator[T]:
    """Pass ``items`` through and say how many have gone by; ``total`` where it is known and they have no length."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    activity = _Items(label, total, unit)
    logged = activity.started
    with _screen.during(activity):
        for item in items:
            yield item
            activity.done += 1
            now = time.monotonic()
            if now - logged >= LOGGED_EVERY:
                logged = now
                _screen.log(activity.words())
            _screen.draw()


@contextmanager
def training(
    label: str,
    total: int,
    *,
    unit: str = "epoch",
    metric: str = "validation",
    done: int = 0,
    best: Mapping[Protocol, float] | None = None,
    early: bool = False,
) -> Iterator[Training]:
    """Follow a training in the block, which notes each epoch that ends.

    Args:
        label: the model's name, and the stage of its training where it has several.
        total: most epochs.
        unit: what is counted.
        metric: what the validation scores are of.
        done: finished epochs of a resumed training.
        best: its best validation scores, by protocol.
        early: it may end before its last epoch, so the time left is a bound.
    """
    activity = Training(label, total, unit=unit, metric=metric, done=done, best=best or {}, early=early)
    with _screen.during(activity):
        yield activity


def nothing_goes_on() -> None:
    """Free the terminal's line for an error; what an error left unfinished is not shown any more."""
    _screen.clear()


def duration(seconds: float) -> str:
    """Seconds as a reader takes them in: ``41 s``, ``12 min``, ``3 h 05``."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d}"


def _left(started: float, done: float, ahead: float) -> list[str]:
    """How long what is ahead takes at the pace so far; nothing before there is a pace, or at the end."""
    if done <= 0 or ahead <= 0:
        return []
    return [f"{duration(max(1.0, (time.monotonic() - started) / done * ahead))} left"]
