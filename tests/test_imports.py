"""The packages import each other in one direction, at any place of a module."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

LAYERS = (
    {"unimp_bench.*"},  # errors, files, records, ragged: what everything stands on
    {"unimp_bench.corpus", "unimp_bench.generative", "unimp_bench.metrics"},
    {"unimp_bench.kinds", "unimp_bench.contracts"},
    {"unimp_bench.unimp", "tasks", "baselines"},
    {"unimp_bench.registry"},
    {"unimp_bench.runs"},
    {"unimp_bench.interchange", "unimp_bench.reports", "unimp_bench.testing"},
    {"data_prep"},
    {"unimp_bench.cli"},
)
"""A package imports from its own layer and those above it in this list."""

REPORTS = ("rows", "tables", "store", "pages")
"""Within ``unimp_bench.reports`` the same: results become rows, rows tables, and tables pages."""

MODULES = [path for top in ("unimp_bench", "tasks", "baselines", "data_prep") for path in (ROOT / top).rglob("*.py")]


def layer(module: str) -> int | None:
    """The layer of a module; None for one that is not of the project."""
    top, _, rest = module.partition(".")
    if top not in {"unimp_bench", "tasks", "baselines", "data_prep"}:
        return None
    package = f"{top}.{rest.partition('.')[0]}" if top == "unimp_bench" else top
    return next((number for number, names in enumerate(LAYERS) if package in names), 0)


def imported(path: Path) -> set[str]:
    """Modules that a module imports, in functions and for type checking too."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path: Path) -> None:
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    own = layer(module)
    assert own is not None
    if module == "unimp_bench.__main__":  # starts the command line
        return
    allowed = set()
    if module.startswith("data_prep"):  # the command line starts it; it knows no runs
        own, allowed = LAYERS.index({"unimp_bench.registry"}), {"data_prep"}
    above = [name for name in imported(path) if own < (layer(name) or 0) and name.partition(".")[0] not in allowed]
    assert not above, f"{module} imports {', '.join(above)}"


@pytest.mark.parametrize("place", range(len(REPORTS)), ids=REPORTS)
def test_reports_import_one_way(place: int) -> None:
    top = ROOT / "unimp_bench" / "reports"
    own = [top / f"{REPORTS[place]}.py", *(top / REPORTS[place]).rglob("*.py")]
    names = {name for path in own if path.exists() for name in imported(path)}
    assert any(name.startswith("unimp_bench.runs.") for name in names)
    later = tuple(f"unimp_bench.reports.{name}." for name in REPORTS[place + 1 :])
    assert not [name for name in names if name.startswith(later)]
