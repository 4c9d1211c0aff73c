"""Pickles are read as plain data or refused in one line; nothing in them is called."""

from __future__ import annotations

import builtins
import collections
import copyreg
import datetime
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_prep.explanations.sentires import MAX_DEPTH, MAX_STRING, read_records
from unimp_bench.errors import DataError

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec="utf-8"))
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.tuples(inner) | st.dictionaries(st.text("abc"), inner),
    max_leaves=12,
)
RECORDS: list[Any] = [
    {"user": "A", "item": "B", "rating": 4.0, "sentence": [("colour", "nice", "a nice colour", 1)], "n": None},
    {"user": "A", "item": "C", "rating": 5, "template": ("a", "b", "c", -1), "yes": True, "empty": ((), [], {})},
]


def write(folder: Path, content: bytes) -> Path:
    path = folder / "reviews_Beauty.pickle"
    path.write_bytes(content)
    return path


def refusal(folder: Path, content: bytes) -> str:
    with pytest.raises(DataError) as caught:
        list(read_records(write(folder, content)))
    message = str(caught.value)
    assert "reviews_Beauty.pickle" in message and "\n" not in message and len(message) < 500
    return message


def depth(value: Any) -> int:
    children = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return isinstance(value, (list, dict, tuple)) + max(map(depth, children), default=0)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_records_are_read_in_every_protocol(tmp_path: Path, protocol: int) -> None:
    many = RECORDS * 1_501  # more than a batch, and the same objects again and again
    distinct = pickle.loads(pickle.dumps([dict(record) for record in many]))
    assert list(read_records(write(tmp_path, pickle.dumps(RECORDS, protocol)))) == RECORDS
    copies = [record | {"number": number} for number, record in enumerate(distinct)]
    for record in copies:
        record.pop("sentence", None), record.pop("empty", None)
    assert list(read_records(write(tmp_path, pickle.dumps(copies, protocol)))) == copies
    assert list(read_records(write(tmp_path, pickle.dumps([], protocol)))) == []


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.lists(values), protocol=st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_generated_plain_data_are_read_unchanged(tmp_path: Path, data: list[Any], protocol: int) -> None:
    content = pickle.dumps(data, protocol)
    if depth(data) > MAX_DEPTH:
        assert "deep" in refusal(tmp_path, content)
        return
    read = list(read_records(write(tmp_path, content)))
    assert read == data and repr(read) == repr(data)


def test_a_tuple_may_be_referenced_twice(tmp_path: Path) -> None:
    shared = ("colour", "nice", "a nice colour", 1)
    data = [{"template": shared, "sentence": [shared, shared]}]
    assert list(read_records(write(tmp_path, pickle.dumps(data)))) == data


class Call:
    """Pickles as a call."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


class WithPersistentIds(pickle.Pickler):
    def persistent_id(self, obj: Any) -> str | None:
        return "id" if obj == "secret" else None


def persistent(folder: Path) -> bytes:
    with (folder / "persistent").open("wb") as stream:
        WithPersistentIds(stream).dump(["secret"])
    return (folder / "persistent").read_bytes()


def extension() -> bytes:
    copyreg.add_extension("collections", "OrderedDict", 240)
    try:
        return pickle.dumps([collections.OrderedDict()], 2)
    finally:
        copyreg.remove_extension("collections", "OrderedDict", 240)


HOSTILE: dict[str, Any] = {
    "os.system": [Call(os.system, "touch pwned")],
    "eval": [Call(builtins.eval, "open('pwned', 'w')")],
    "exec in a dict key": [{Call(builtins.exec, "open('pwned', 'w')"): 1}],
    "getattr": [Call(getattr, "x", "upper")],
    "numpy array": [np.arange(3)],
    "numpy number": [np.float64(1.0)],
    "a class": [dict],
    "a date": [datetime.date(2020, 1, 1)],
    "a counter": [collections.Counter("aab")],
    "a set": [{1, 2}],
    "bytes": [b"raw"],
}


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("kind", HOSTILE)
def test_anything_but_plain_data_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, protocol: int
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "is refused" in refusal(tmp_path, pickle.dumps(HOSTILE[kind], protocol))
    assert not (tmp_path / "pwned").exists()


def test_unpickling_the_examples_would_run_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for kind in ("os.system", "eval"):
        pickle.loads(pickle.dumps(HOSTILE[kind]))
        (tmp_path / "pwned").unlink()


def test_persistent_ids_and_extension_codes_are_refused(tmp_path: Path) -> None:
    assert "BINPERSID" in refusal(tmp_path, persistent(tmp_path))
    assert "EXT1" in refusal(tmp_path, extension())


HANDMADE: dict[str, tuple[bytes, str]] = {
    "global of protocol 0": (b"(lp0\ncos\nsystem\np1\n(S'id'\ntRa.", "GLOBAL"),
    "instance of protocol 0": (b"(S'id'\nios\nsystem\n.", "INST"),
    "build": (b"\x80\x02]}b.", "BUILD"),
    "dup": (b"\x80\x02]2a.", "DUP"),
    "pop": (b"\x80\x02]]0.", "POP"),
    "list in itself": (b"\x80\x02]q\x00h\x00a.", "referenced twice"),
    "dict in itself": (b"\x80\x02]}q\x00X\x01\x00\x00\x00ah\x00sa.", "referenced twice"),
    "missing memo entry": (b"\x80\x02]h\x07a.", "missing object"),
    "mark missing": (b"\x80\x02]e.", "refused|not a complete pickle"),
    "value missing": (b"\x80\x02](a.", "refused|not a complete pickle"),
    "append to a dict": (b"\x80\x02}K\x01a.", "refused|not a complete pickle"),
    "entry in a list": (b"\x80\x02]K\x01K\x02s.", "refused|not a complete pickle"),
    "keys that are no strings": (b"\x80\x02]}K\x01K\x02sa.", "keys"),
    "no list": (b"\x80\x02}.", "other contents than one list"),
    "a string alone": (b"\x80\x02X\x01\x00\x00\x00a.", "other contents than one list"),
    "a mark left": (b"\x80\x02](.", "other contents than one list"),
    "a deep list": (b"\x80\x02" + b"]" * 10**4 + b"a" * (10**4 - 1) + b".", "deep"),
    "a deep tuple": (b"\x80\x02])" + b"\x85" * 10**4 + b"a.", "deep"),
    "nothing": (b"", "not a complete pickle"),
    "text": (b"user,item,rating\nA,B,5\n", "refused|not a complete pickle"),
    "a huge string announced": (b"\x80\x04]\x8d" + struct.pack("<Q", 1 << 62) + b"x.", "not a complete pickle"),
    "a huge memory number": (b"\x80\x02]K\x01r\xff\xff\xff\xffa.", ""),
    "a huge number": (b"\x80\x02](L" + b"9" * 10**5 + b"L\ne.", "not a complete pickle"),
}


@pytest.mark.parametrize("kind", [kind for kind in HANDMADE if HANDMADE[kind][1]])
def test_malformed_pickles_are_refused(tmp_path: Path, kind: str) -> None:
    content, reason = HANDMADE[kind]
    message = refusal(tmp_path, content)
    assert any(part in message for part in reason.split("|")), message


def test_a_huge_memo_index_allocates_nothing(tmp_path: Path) -> None:
    assert list(read_records(write(tmp_path, HANDMADE["a huge memory number"][0]))) == [1]


def test_a_long_string_is_refused(tmp_path: Path) -> None:
    assert list(read_records(write(tmp_path, pickle.dumps(["x" * MAX_STRING])))) == ["x" * MAX_STRING]
    assert "characters" in refusal(tmp_path, pickle.dumps(["x" * (MAX_STRING + 1)]))


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_every_truncation_is_detected(tmp_path: Path, protocol: int) -> None:
    content = pickle.dumps(RECORDS, protocol)
    for length in range(len(content)):
        refusal(tmp_path, content[:length])


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 10_000), value=st.integers(0, 255), protocol=st.sampled_from([0, 2, 4]))
def test_a_changed_byte_is_read_or_refused(tmp_path: Path, place: int, value: int, protocol: int) -> None:
    content = bytearray(pickle.dumps(RECORDS, protocol))
    content[place % len(content)] = value
    try:
        for record in read_records(write(tmp_path, bytes(content))):
            assert record is None or type(record) in (bool, int, float, str, list, dict, tuple)
    except DataError as refused:
        assert "\n" not in str(refused)
