"""Suites of fast rows, and a workspace to run them in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from unimp_bench.corpus import Corpus
from unimp_bench.files import Workspace
from unimp_bench.runs.plan import Budget, Cell, cells
from unimp_bench.runs.suite import Suite, SuiteRow


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """An empty workspace for this process and its children."""
    monkeypatch.setenv("UNIMP_BENCH_HOME", str(tmp_path))
    return Workspace(tmp_path)


@pytest.fixture
def cells_of(planted: Corpus) -> Callable[..., list[Cell]]:
    """The cells of models without settings on the planted corpus."""

    def of(models: Sequence[str], seeds: int = 1) -> list[Cell]:
        rows = tuple(SuiteRow(model, model=model) for model in models)
        suite = Suite("cheap", "Cheap", "none", "", ("recommendation",), rows)
        return cells(suite, planted.folder, suite.tasks, seeds, Budget(), Workspace(Path("nowhere")))

    return of
