"""What an installed package holds beside its modules."""

from __future__ import annotations

from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_every_data_file_is_installed() -> None:
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    package = ROOT / "unimp_bench"
    patterns = [pattern.strip() for pattern in config["options.package_data"]["unimp_bench"].split(",")]
    installed = {pattern: set(package.glob(pattern)) for pattern in patterns}
    assert all(installed.values()), "a pattern that matches nothing"
    files = {path for path in package.rglob("*") if path.is_file() and path.suffix not in {".py", ".pyc"}}
    assert files == set().union(*installed.values())
