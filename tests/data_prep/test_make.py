"""``make data``: the folders of raw files as arguments of the command."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).resolve().parents[2] / "Makefile"


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
@pytest.mark.parametrize(
    ("raw", "folders"),
    [
        ("one", ["one"]),
        ("my folder", ["my folder"]),
        ("not there", ["not there"]),
        ("it's mine", ["it's mine"]),
        ("one two", ["one", "two"]),
        ("one two my folder", ["one two my folder"]),
        ("", []),
    ],
)
def test_raw_is_one_folder_or_several(tmp_path: Path, raw: str, folders: list[str]) -> None:
    for name in ("one", "two", "my folder", "it's mine"):
        (tmp_path / name).mkdir()
    arguments = ["-s", "-n", "-f", str(MAKEFILE), "-o", "install", "data", "CORPUS=atomic", f"RAW={raw}", "PARTIAL=1"]
    printed = subprocess.run(["make", *arguments], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    words = shlex.split(printed)
    words = words[words.index("data") - 1 :]  # behind what the shell sets
    assert words[1:4] == ["data", "--corpus", "atomic"]
    assert [after for word, after in pairwise(words) if word == "--raw"] == folders
    assert words[-1] == "--partial"
