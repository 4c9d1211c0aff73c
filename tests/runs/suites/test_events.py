"""States of cells after the end of their processes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from unimp_bench.files import Workspace
from unimp_bench.runs.execution.executor import End, Event, State, judged, last_line, log_of
from unimp_bench.runs.plan import Cell

ENDS = [
    (End(1), "Traceback...\nValueError: no\n", State.FAILED, "ValueError: no"),
    (End(5), "epoch 1\rerror: NaN scores\n\n", State.FAILED, "NaN scores"),
    (End(3), "", State.FAILED, "ended with exit code 3"),
    (End(-9), "", State.FAILED, "killed by SIGKILL (out of memory?)"),
    (End(-11), "said before", State.FAILED, "killed by SIGSEGV"),
    (End(-99), "", State.FAILED, "killed by signal 99"),
    (End(1), "MemoryError", State.FAILED, "out of memory: MemoryError"),
    (
        End(1),
        "torch.OutOfMemoryError: CUDA out of memory. Tried",
        State.FAILED,
        "out of memory: torch.OutOfMemoryError: CUDA out of memory. Tried",
    ),
    (End(trouble="the node is gone"), "", State.FAILED, "the node is gone"),
    (End(2), "error: corpus 'x' has no reviews", State.REFUSED, "corpus 'x' has no reviews"),
    (End(6), "error: another process works on y", State.HELD, "another process works on y"),
    (End(0), "  HR@5 1", State.FAILED, "exited with 0, but its result is not in this workspace"),
]


@pytest.mark.parametrize(("end", "said", "state", "reason"), ENDS, ids=[reason for *_, reason in ENDS])
def test_exit_codes_map_to_states_and_reasons(
    cells_of: Callable[..., list[Cell]], workspace: Workspace, end: End, said: str, state: State, reason: str
) -> None:
    (cell,) = cells_of(["popularity"])
    log = log_of(cell, workspace)
    log.parent.mkdir(parents=True)
    log.write_text(said)
    assert judged(cell, workspace, end, 3.0) == Event(cell, state, reason, 3.0)


def test_a_cell_with_its_result_is_done(cells_of: Callable[..., list[Cell]], workspace: Workspace) -> None:
    (cell,) = cells_of(["popularity"])
    log_of(cell, workspace).parent.mkdir(parents=True)
    (workspace.runs / cell.key / "result.json").write_text("{}")
    assert judged(cell, workspace, End(0), 1.0) == Event(cell, State.DONE, "", 1.0)


def test_the_last_line_of_a_long_log_is_found_at_its_end(workspace: Workspace) -> None:
    log = workspace.root / "log.txt"
    log.write_bytes(b"\xff" * 100_000 + b"\nlast words\n \n")
    assert last_line(log) == "last words"
    assert last_line(workspace.root / "none.txt") == ""
