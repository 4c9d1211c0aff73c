"""What an installed package holds beside its modules."""

from __future__ import annotations

from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("name", ["unimp_bench", "baselines", "tasks", "data_prep"])
def test_every_data_file_is_installed(name: str) -> None:
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    package = ROOT / name
    patterns = [pattern.strip() for pattern in config["options.package_data"].get(name, "").split(",") if pattern]
    installed = {pattern: set(package.glob(pattern)) for pattern in patterns}
    assert all(installed.values()), "a pattern that matches nothing"
    files = {path for path in package.rglob("*") if path.is_file() and path.suffix not in {".py", ".pyc"}}
    assert files == set().union(*installed.values())
