"""The folder of a gallery is replaced atomically, and other files are never touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from unimp_bench.errors import DataError
from unimp_bench.reports.gallery.page import RECORD_NAME, Record, check_free, filling


def fill(folder: Path, cache: Path, text: str) -> None:
    with filling(folder, cache) as partial:
        (partial / "a.png").write_text(text)
        record = Record(
            command="c", fit="f", fingerprint="p", query="q", users=(), retrieved=(), codes=(), files=("a.png",)
        )
        (partial / RECORD_NAME).write_text(record.model_dump_json())


def test_a_gallery_is_replaced_without_leftovers(tmp_path: Path) -> None:
    folder, cache = tmp_path / "new" / "gallery", tmp_path / "cache"
    fill(folder, cache, "first")
    fill(folder, cache, "second")
    assert (folder / "a.png").read_text() == "second"
    assert [path.name for path in folder.parent.iterdir()] == ["gallery"]


def test_a_failure_keeps_the_earlier_gallery(tmp_path: Path) -> None:
    folder, cache = tmp_path / "gallery", tmp_path / "cache"
    for _ in range(2):
        with pytest.raises(RuntimeError), filling(folder, cache) as partial:
            (partial / "b.png").write_text("half")
            raise RuntimeError
        assert not (folder / "b.png").exists()
        fill(folder, cache, "whole")
    assert {path.name for path in tmp_path.iterdir()} == {"gallery", "cache"}


def test_other_files_are_never_replaced(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    fill(tmp_path / "mixed", cache, "ours")
    (tmp_path / "mixed" / "mine.txt").write_text("mine")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "a.png").write_text("mine")
    (tmp_path / "false").mkdir()
    (tmp_path / "false" / RECORD_NAME).write_text('{"files": ["x"]}')
    (tmp_path / "file").write_text("mine")
    fill(tmp_path / "real", cache, "ours")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for name, message in (
        ("mixed", "mine.txt"),
        ("foreign", "a.png"),
        ("false", RECORD_NAME),
        ("file", "not a folder"),
        ("link", "not a folder"),
    ):
        with pytest.raises(DataError, match=message):
            check_free(tmp_path / name)
        with pytest.raises(DataError, match=message):
            fill(tmp_path / name, cache, "ours")
    assert (tmp_path / "mixed" / "mine.txt").read_text() == (tmp_path / "foreign" / "a.png").read_text() == "mine"
    assert (tmp_path / "file").read_text() == "mine" and (tmp_path / "link").is_symlink()
