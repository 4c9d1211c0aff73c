"""Prediction files: valid JSONL and Parquet are equivalent; everything else is a one-line error."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.interchange.external.files import TASKS, ValidAnswers, write_jsonl, write_parquet
from unimp_bench import registry
from unimp_bench.corpus import Corpus
from unimp_bench.errors import BenchError, DataError
from unimp_bench.interchange.predictions import MAX_LINE, PredictionFile, read_predictions
from unimp_bench.kinds import Setting
from unimp_bench.kinds.ranking import RankingReader
from unimp_bench.kinds.rendering import example_ids

ValidAnswersOf = Callable[..., ValidAnswers]
Row = dict[str, Any]


def same(first: Any, second: Any) -> bool:
    """Whether two predictions of one kind are equal."""
    if isinstance(first, list):
        return bool(first == second)
    if isinstance(first, np.ndarray):
        return np.array_equal(first, second, equal_nan=first.dtype.kind == "f")
    return np.array_equal(first.ranks, second.ranks) and np.array_equal(first.top, second.top)


@pytest.mark.parametrize("task", TASKS)
def test_formats_and_orders_are_equivalent(valid_answers: ValidAnswersOf, tmp_path: Path, task: str) -> None:
    valid = valid_answers(task)
    lines = valid.read(write_jsonl(tmp_path / "p", valid.rows))
    assert same(lines, valid.read(write_parquet(tmp_path / "p", valid.rows)))
    assert same(lines, valid.read(write_jsonl(tmp_path / "p", valid.rows[::-1])))
    spaced = b"\r\n\n".join(orjson.dumps(row) for row in valid.rows)
    (tmp_path / "p").write_bytes(spaced)
    assert same(lines, valid.read(tmp_path / "p"))


def test_answers_reach_their_examples(valid_answers: ValidAnswersOf, tmp_path: Path) -> None:
    valid = valid_answers("preference")
    ratings = valid.read(write_jsonl(tmp_path / "p", valid.rows[::-1]))
    assert [None if np.isnan(rating) else rating for rating in ratings] == [row["rating"] for row in valid.rows]
    valid = valid_answers("selection")
    chosen = valid.read(write_parquet(tmp_path / "p", valid.rows))
    assert valid.examples.shown is not None
    firsts = np.zeros(len(chosen), dtype=bool)
    firsts[valid.examples.shown.offsets[:-1][np.arange(len(valid.rows)) % 3 > 0]] = True
    assert np.array_equal(chosen, firsts)


def test_additional_columns_of_a_run_are_ignored(valid_answers: ValidAnswersOf, tmp_path: Path) -> None:
    additional = {"recommendation": "target", "preference": "truth", "explanation": "truth", "selection": "candidates"}
    for task, column in additional.items():
        valid = valid_answers(task)
        rows = [{**row, column: {"anything": 1}} for row in valid.rows]
        plain = valid.read(write_jsonl(tmp_path / "p", valid.rows))
        assert same(plain, valid.read(write_jsonl(tmp_path / "p", rows)))
        assert same(plain, valid.read(write_parquet(tmp_path / "p", rows)))


def without(key: str) -> Callable[[Row], Row]:
    return lambda row: {name: value for name, value in row.items() if name != key}


def put(**cells: Any) -> Callable[[Row], Row]:
    return lambda row: {**row, **cells}


IN_A_ROW = [
    ("recommendation", without("id"), "missing column id"),
    ("recommendation", put(id=7), "the id is 7, not a string"),
    ("recommendation", put(id=None), "the id is None, not a string"),
    ("recommendation", put(score=1), "unknown column 'score'; predictions have id, items, scores, rank"),
    ("recommendation", put(truth=1), "unknown column 'truth'"),
    ("recommendation", without("items"), "neither items nor the target's rank"),
    ("recommendation", put(items=None), "neither items nor the target's rank"),
    ("recommendation", put(items="i1"), "items is 'i1', not a list"),
    ("recommendation", put(items=[1, 2]), "items holds 1; items are named by strings"),
    ("recommendation", put(items=["i1", "i2", "i1"]), "holds an item twice"),
    ("recommendation", put(items=["i1", "i99"]), "items holds 'i99', which is not in the catalogue of split loo"),
    ("recommendation", put(items=["i1", "i60"]), "items holds 'i60', which is not in the catalogue"),
    ("recommendation", put(items=["i1"] * 5000), "5,000 values, more than 4,096"),
    ("recommendation", put(scores=[1.0]), "has 1 scores for 12 items"),
    ("recommendation", put(scores=[1.0] * 11 + [2.0]), "increasing scores"),
    ("recommendation", put(scores=[1.0] * 11 + ["a"]), "a score is 'a', not a finite number"),
    ("recommendation", put(scores=[True] * 12), "a score is True, not a finite number"),
    ("recommendation", put(scores=[None] * 12), "a score is None, not a finite number"),
    ("recommendation", put(rank=0), "rank 0, outside 1..48"),
    ("recommendation", put(rank=49), "rank 49, outside 1..48"),
    ("recommendation", put(rank=2.5), "its rank is 2.5, not an integer"),
    ("recommendation", put(rank="2"), "its rank is '2', not a finite number"),
    ("recommendation", put(rank=1e300), "outside 1..48"),
    ("preference", without("rating"), "has no rating; an answer that could not be parsed is null"),
    ("preference", put(rating="4"), "its rating is '4', not a finite number"),
    ("preference", put(rating=[4]), r"its rating is \[4\], not a finite number"),
    ("preference", put(rating=True), "its rating is True"),
    ("explanation", without("text"), "its text is None, not a string"),
    ("explanation", put(text=None), "its text is None, not a string"),
    ("explanation", put(text=3), "its text is 3, not a string"),
    ("explanation", put(text="a" * 100_001), "100,001 characters, more than 100,000"),
    ("selection", without("chosen"), "chosen is None, not a list"),
    ("selection", put(chosen=["i99"]), "'i99', which is not among its candidates, or too often"),
    ("selection", put(chosen={"i1": True}), "not a list"),
    ("image_generation", without("codes"), "codes is None, not a list"),
    ("image_generation", put(codes=[0, 0, 0]), "has 3 codes; the tokenizer writes a picture in 4"),
    ("image_generation", put(codes=[0, 0, 0, 8]), r"outside 0\.\.7"),
    ("image_generation", put(codes=[0, -1, 0, 0]), r"outside 0\.\.7"),
    ("image_generation", put(codes=[0, 0.5, 0, 0]), "a code is 0.5, not an integer"),
]


@pytest.mark.parametrize(("task", "spoil", "message"), IN_A_ROW, ids=[f"{t}-{m}" for t, _, m in IN_A_ROW])
def test_invalid_rows_are_refused_by_line_and_id(
    valid_answers: ValidAnswersOf, tmp_path: Path, task: str, spoil: Callable[[Row], Row], message: str
) -> None:
    valid = valid_answers(task)
    rows = [spoil(valid.rows[0]), *valid.rows[1:]]
    with pytest.raises(DataError, match=message) as caught:
        valid.read(write_jsonl(tmp_path / "p.jsonl", rows))
    assert str(caught.value).startswith("p.jsonl, line 1") and "\n" not in str(caught.value)


def test_non_finite_numbers_are_refused_in_parquet(valid_answers: ValidAnswersOf, tmp_path: Path) -> None:
    for task, cell in (("recommendation", "scores"), ("preference", "rating")):
        for bad in (np.nan, np.inf, -np.inf):
            valid = valid_answers(task)
            values: list[Any] = [[5.0] * 12 if cell == "scores" else 3.0 for _ in valid.rows]
            values[1] = [bad] * 12 if cell == "scores" else bad
            rows = [{**row, cell: value} for row, value in zip(valid.rows, values, strict=True)]
            with pytest.raises(DataError, match=r"row 2 \(.*not a finite number"):
                valid.read(write_parquet(tmp_path / "p", rows))


def test_missing_duplicate_and_unknown_ids_are_counted(valid_answers: ValidAnswersOf, tmp_path: Path) -> None:
    valid = valid_answers("preference")
    first, second, *_ = valid.rows
    strange = [{"id": f"x{number}\n\x1b[31m", "rating": 1} for number in range(4)]
    with pytest.raises(DataError) as caught:
        valid.read(write_jsonl(tmp_path / "p", [first, first, first, *strange, *valid.rows[3:]]))
    message = str(caught.value)
    assert f"the 144 test examples of preference, split loo: 2 missing ('{second['id']}'" in message
    assert f"2 duplicate ('{first['id']}', '{first['id']}'); 4 unknown ('x0\\n\\x1b[31m', " in message
    assert message.endswith("'x2\\n\\x1b[31m', ...)") and message.isprintable()


def test_predictions_of_another_split_are_refused(valid_answers: ValidAnswersOf, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "p", valid_answers("preference", "new-user").rows)
    with pytest.raises(DataError, match=r"144 missing .* 16 unknown"):
        valid_answers("preference").read(path)


WHOLE_FILES = [
    (b"", "144 missing"),
    (b"\n\n", "144 missing"),
    (b"\x80\x04\x95", "line 1: not JSON"),
    (b"id,rating\na,1\n", "line 1: not JSON .* Parquet file or one JSON object per line"),
    (b"[1]\n", r"line 1: not a JSON object but \[1\]"),
    (b'{"id": "a", "rating": NaN}', "line 1: not JSON"),
    (b'{"id": "a", "rating": 1e999}', "line 1: not JSON"),
    (b'{"id": ' + b"[" * 3000 + b"]" * 3000 + b"}", "line 1: not JSON"),
    (b"\xef\xbb\xbf{}", "line 1: missing column id"),
    (b"{}\n\xef\xbb\xbf{}", "line 1: missing column id"),
    (b'{"id": "a", "__index_level_0__": 3}', r"'__index_level_0__' is the index of a pandas .* index=False"),
    (b'{"id": "' + b"a" * MAX_LINE + b'"}', "line 1: longer than 1,048,576 bytes"),
    (b"PAR1", "not readable as Parquet"),
    (b"PAR1" + b"\x00" * 100 + b"PAR1", "not readable as Parquet"),
]


@pytest.mark.parametrize(("content", "message"), WHOLE_FILES, ids=[message for _, message in WHOLE_FILES])
def test_other_files_are_refused(valid_answers: ValidAnswersOf, tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "p").write_bytes(content)
    with pytest.raises(DataError, match=message):
        valid_answers("preference").read(tmp_path / "p")


def test_invalid_paths_are_refused(valid_answers: ValidAnswersOf, tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(DataError, match=r"predictions file .* does not exist"):
            valid_answers("preference").read(path)
    (tmp_path / "a\nb").touch()
    with pytest.raises(DataError, match="unprintable characters"):
        valid_answers("preference").read(tmp_path / "a\nb")


def test_parquet_columns_of_other_types_are_refused(valid_answers: ValidAnswersOf, tmp_path: Path) -> None:
    valid, path = valid_answers("preference"), tmp_path / "p"
    ids = [row["id"] for row in valid.rows]
    for column in (pa.array([{"a": 1}] * len(ids)), pa.array([[[1]]] * len(ids)), pa.array([b"1"] * len(ids))):
        pq.write_table(pa.table({"id": ids, "rating": column}), path)
        with pytest.raises(DataError, match="column rating has the type"):
            valid.read(path)
    pq.write_table(pa.table([ids, ids, ids], names=["id", "rating", "rating"]), path)
    with pytest.raises(DataError, match="the column 'rating' twice"):
        valid.read(path)
    pq.write_table(pa.table({"id": ids, "rating": [[1.0] * 5000] * len(ids)}), path)
    with pytest.raises(DataError, match="rows 1 to 144: a list has more than 4,096 values"):
        valid.read(path)
    pq.write_table(pa.table({"id": ids, "rating": [1.0] * len(ids), "mood": ids}), path)
    with pytest.raises(DataError, match="unknown column 'mood'"):
        valid.read(path)
    pq.write_table(pa.table({"id": pa.array(ids).dictionary_encode(), "rating": pa.array([1] * len(ids))}), path)
    assert (valid.read(path) == 1).all()


CELLS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=12) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=15,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
@pytest.mark.parametrize("task", TASKS)
def test_generated_lines_give_no_traceback(
    valid_answers: ValidAnswersOf, tmp_path: Path, task: str, data: st.DataObject
) -> None:
    valid = valid_answers(task)
    names = st.sampled_from(["items", "scores", "rank", "rating", "text", "chosen", "codes", "truth", "target", "é"])
    cells = data.draw(st.dictionaries(names, CELLS, max_size=4))
    line = orjson.dumps({**valid.rows[0], **cells}) if data.draw(st.booleans()) else data.draw(st.binary(max_size=99))
    rest = [orjson.dumps(row) for row in valid.rows[1:]]
    (tmp_path / "p").write_bytes(b"\n".join([line, *rest]))
    try:
        valid.read(tmp_path / "p")
    except BenchError as error:
        assert str(error).isprintable() and len(str(error)) < 800


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1), values=st.binary(min_size=1, max_size=8))
def test_damaged_parquet_gives_no_traceback(
    valid_answers: ValidAnswersOf, tmp_path: Path, place: float, values: bytes
) -> None:
    valid = valid_answers("selection")
    path = write_parquet(tmp_path / "p", valid.rows)
    content = bytearray(path.read_bytes())
    start = int(place * (len(content) - len(values)))
    content[start : start + len(values)] = values
    path.write_bytes(content)
    try:
        valid.read(path)
    except BenchError as error:
        assert str(error).isprintable()


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_rows_are_streamed_in_bounded_memory(tmp_path: Path, form: str) -> None:
    """Thirty thousand lists are about 25 MB of objects; only one batch and the compressed file are in memory."""
    count = 30_000
    rows = [{"id": f"u{n}", "items": [f"i{n % 50 + place}" for place in range(10)]} for n in range(count)]
    path = (write_jsonl if form == "jsonl" else write_parquet)(tmp_path / "p", rows)
    with PredictionFile.open(path) as file:
        read = arrow = 0
        tracemalloc.start()
        for _ in file.rows(RankingReader):
            read, arrow = read + 1, max(arrow, pa.total_allocated_bytes())
        peak = tracemalloc.get_traced_memory()[1] + arrow
        tracemalloc.stop()
    assert read == count and peak < 4 << 20


@pytest.mark.slow
@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_a_hundred_thousand_rows_take_seconds(many: Corpus, tmp_path: Path, form: str) -> None:
    examples = registry.make_task("recommendation").examples(many, "loo", "test")
    setting = Setting(registry.make_task("recommendation"), many, "masked", tmp_path, label="external:test")
    rows = [
        {"id": name, "items": [f"i{(3 * number + 2 + place) % 100}" for place in range(10)]}
        for number, name in enumerate(example_ids(many, examples))
    ]
    path = (write_jsonl if form == "jsonl" else write_parquet)(tmp_path / "p", rows)
    started = time.perf_counter()
    with PredictionFile.open(path) as file:
        ranking = read_predictions(file, examples, setting)
    assert time.perf_counter() - started < 30
    assert len(ranking.ranks) == 100_000 and (ranking.ranks == 1).all()
