"""Streaming of raw lines: truncation, damage, overlong lines, and the share of bad lines."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import pytest

from data_prep import raw_files as lines
from data_prep.raw_files import INVALID_JSON, LINE_TOO_LONG, TRUNCATED, BadRecords, read_lines
from unimp_bench.errors import DataError

TEXT = [f"line {number} {random.Random(number).random()}".encode() for number in range(5000)]


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("last", [b"\n", b""])
def test_lines_are_numbered_from_one(tmp_path: Path, packed: bool, last: bytes) -> None:
    content = b"\n".join([*TEXT[:10], b"", *TEXT[10:]]) + last
    path = _write(tmp_path / ("x.json.gz" if packed else "x.json"), gzip.compress(content) if packed else content)
    read = list(read_lines(path, BadRecords()))
    assert [line for _, line in read] == TEXT
    assert [number for number, _ in read] == [number for number in range(1, 5002) if number != 11]


def test_two_gzip_members_are_one_file(tmp_path: Path) -> None:
    path = _write(tmp_path / "x.gz", gzip.compress(b"a\nb") + gzip.compress(b"c\nd\n"))
    assert [line for _, line in read_lines(path, BadRecords())] == [b"a", b"bc", b"d"]


@pytest.mark.parametrize("share", [0.001, 0.5, 0.9999])
def test_a_truncated_gzip_is_an_error(tmp_path: Path, share: float) -> None:
    packed = gzip.compress(b"\n".join(TEXT))
    path = _write(tmp_path / "x.json.gz", packed[: int(len(packed) * share)])
    with pytest.raises(DataError, match=r"x\.json\.gz is truncated in line \d+; .* --partial"):
        list(read_lines(path, BadRecords()))


def test_an_empty_file_is_not_a_gzip(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"x\.gz is truncated"):
        list(read_lines(_write(tmp_path / "x.gz", b""), BadRecords()))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(("end", "cut"), [(b"", True), (b"\n", False)])
def test_a_bad_unterminated_last_line_is_a_truncation(tmp_path: Path, packed: bool, end: bytes, cut: bool) -> None:
    content = b"\n".join(TEXT) + end
    path = _write(tmp_path / ("x.json.gz" if packed else "x.json"), gzip.compress(content) if packed else content)

    def read(bad: BadRecords) -> BadRecords:
        for number, _ in read_lines(path, bad):
            if number == len(TEXT):
                bad.add(INVALID_JSON, path, number)
        return bad

    if cut:
        with pytest.raises(DataError, match="is truncated in line 5000"):
            read(BadRecords())
    assert read(BadRecords(partial=True)).to_manifest()[INVALID_JSON].count == 1
    if not cut:
        assert read(BadRecords()).to_manifest()[INVALID_JSON].count == 1


@pytest.mark.parametrize("packed", [False, True])
def test_a_byte_order_mark_is_not_part_of_the_first_line(tmp_path: Path, packed: bool) -> None:
    content = "\ufeffone\n\ufefftwo\n".encode()
    path = _write(tmp_path / ("x.gz" if packed else "x"), gzip.compress(content) if packed else content)
    assert [line.decode() for _, line in read_lines(path, BadRecords())] == ["one", "\ufefftwo"]


def test_utf_16_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"x\.inter is encoded in UTF-16; save it as UTF-8"):
        list(read_lines(_write(tmp_path / "x.inter", "user_id:token\n".encode("utf-16")), BadRecords()))


def test_partial_reading_gives_the_complete_lines_of_a_truncated_gzip(tmp_path: Path) -> None:
    packed = gzip.compress(b"\n".join(TEXT))
    path = _write(tmp_path / "x.json.gz", packed[: len(packed) // 2])
    bad = BadRecords(partial=True)
    read = [line for _, line in read_lines(path, bad)]
    assert 1000 < len(read) < 4000
    assert read == TEXT[: len(read)]
    counted = bad.to_manifest()[TRUNCATED]
    assert (counted.count, counted.first) == (1, (f"x.json.gz:{len(read) + 1}",))


def test_a_gzip_truncated_near_its_start_is_an_error(tmp_path: Path) -> None:
    path = _write(tmp_path / "x.json.gz", gzip.compress(b"\n".join(TEXT))[:40])
    with pytest.raises(DataError, match=r"x\.json\.gz: 1 of 1 lines are bad \(1 x truncated gzip\)"):
        list(read_lines(path, BadRecords(partial=True)))


@pytest.mark.parametrize("damage", ["flipped", "no gzip", "checksum"])
def test_a_damaged_gzip_is_unreadable(tmp_path: Path, damage: str) -> None:
    content = bytearray(gzip.compress(b"\n".join(TEXT)))
    if damage == "no gzip":
        content = bytearray(b"\n".join(TEXT))
    elif damage == "flipped":
        content[5000:5400] = b"\xff" * 400
    else:
        content[-6] ^= 1
    path = _write(tmp_path / "x.json.gz", bytes(content))
    with pytest.raises(DataError, match=r"x\.json\.gz cannot be read"):
        list(read_lines(path, BadRecords()))


def test_an_overlong_line_is_skipped_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "BLOCK", 64)
    monkeypatch.setattr(lines, "MAX_LINE", 1000)
    path = _write(tmp_path / "x.json", b"\n".join([*TEXT[:30], b"y" * 5000, *TEXT[30:60]]))
    bad = BadRecords()
    assert [line for _, line in read_lines(path, bad)] == TEXT[:60]
    assert bad.to_manifest()[LINE_TOO_LONG].first == ("x.json:31",)


def test_bad_lines_added_by_the_caller_count(tmp_path: Path) -> None:
    path = _write(tmp_path / "x.json", b"\n".join(TEXT[:100]))

    def read(share: int) -> BadRecords:
        bad = BadRecords()
        for number, _ in read_lines(path, bad):
            if number <= share:
                bad.add("ugly", path, number)
        return bad

    assert read(5).to_manifest()["ugly"].count == 5
    with pytest.raises(
        DataError, match=r"6 of 100 lines are bad \(6 x ugly\), more than 5%, first in line 1, 2, 3, 4, 5;"
    ):
        read(6)
    assert read(5).to_manifest()["ugly"].first == tuple(f"x.json:{number}" for number in range(1, 6))
