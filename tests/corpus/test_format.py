"""The corpus on disk: what was written is read back; what is damaged, half-written or foreign is refused."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from unimp_bench.corpus import Corpus, CorpusWriter, Manifest
from unimp_bench.corpus.manifest import MANIFEST_NAME, rating_scale
from unimp_bench.corpus.reader import take_rows
from unimp_bench.errors import DataError
from unimp_bench.records import Histories
from unimp_bench.testing.planted import write_planted_corpus

ROOT = Path(__file__).resolve().parents[2]


def _write(folder: Path, rating: float = 4.0) -> Manifest:
    """Two users, two items, three interactions with reviews."""
    with CorpusWriter(folder) as writer:
        writer.users(["ann", "bob"], ["Books", "Books"], np.array([False, True]))
        writer.items(
            ["x", "y"],
            ["Books", "Books"],
            {
                "title": pa.array(["an X", None]),
                "category": pa.array([["a", "b"], None], pa.list_(pa.string())),
                "price": pa.array([1.5, None]),
            },
        )
        writer.histories(
            Histories(
                offsets=np.array([0, 2, 3]),
                items=np.array([1, 0, 0]),
                ratings=np.array([rating, np.nan, 5.0]),
                times=np.array([10, 20, 15]),
            )
        )
        writer.parts(np.array([0, 2, 1], dtype=np.uint8))
        writer.reviews([(["s0", "s1"], ["t0", "t1"]), (["s2"], ["t2"])])
        writer.explanations([(np.array([0]), ["e0"]), (np.array([], np.int64), []), (np.array([2]), ["e2"])])
        (writer.extra_folder("truth") / "extra.txt").write_text("known", encoding="utf-8")
        return writer.finish(
            source="test",
            licence="none",
            synthetic=True,
            options={"k": 1},
            inputs={},
            domains=("Books",),
            new_domains=(),
            bad_lines={},
        )


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "data" / "corpus"
    _write(folder)
    return folder


def test_writing_and_reading_preserve_the_corpus(corpus: Path) -> None:
    opened = Corpus.open(corpus)
    opened.verify()
    assert (opened.users.names, opened.users.held_out.tolist()) == (["ann", "bob"], [False, True])
    assert opened.items.text("title") == ["an X", ""]
    assert opened.items.text("category") == ["a > b", ""]
    assert opened.items.text("price") == ["1.50", ""]
    assert isinstance(opened.histories.items, np.memmap)
    assert opened.histories.items.tolist() == [1, 0, 0]
    assert opened.histories.ratings.dtype == np.float32
    assert opened.reviews is not None
    assert opened.reviews.take(np.array([2, 0])) == (["s2", "s0"], ["t2", "t0"])
    assert opened.explanations is not None
    assert opened.explanations.rows.tolist() == [0, 2]
    assert opened.explanations.take(np.array([1, 0, 1])) == ["e2", "e0", "e2"]
    assert opened.explanations.take(np.array([], np.int64)) == []
    assert opened.parts is not None and opened.parts.dtype == np.uint8
    assert opened.parts.tolist() == [0, 2, 1]
    assert opened.rating_scale == (4.0, 5.0, 1.0)
    counts = opened.manifest.counts
    assert counts.explanations == 2
    assert (counts.users, counts.held_out_users, counts.items, counts.interactions, counts.reviews) == (2, 1, 2, 3, 3)
    assert (corpus / "truth" / "extra.txt").read_text(encoding="utf-8") == "known"
    assert "truth/extra.txt" in opened.manifest.files


def test_the_fingerprint_is_of_the_data_alone(tmp_path: Path) -> None:
    one, same, other = (_write(tmp_path / name, rating) for name, rating in (("a", 4.0), ("b", 4.0), ("c", 3.0)))
    assert one.fingerprint == same.fingerprint
    assert one.fingerprint != other.fingerprint
    assert one.name == "a"


def test_missing_parts_of_a_corpus_are_none(planted: Corpus) -> None:
    assert planted.parts is None
    assert planted.rating_scale == (1.0, 5.0, 1.0)


def test_a_manifest_of_before_explanations_and_scales_is_read(corpus: Path) -> None:
    path = corpus / MANIFEST_NAME
    manifest = json.loads(path.read_text(encoding="utf-8"))
    del manifest["rating_scale"], manifest["counts"]["explanations"]
    path.write_text(json.dumps(manifest), encoding="utf-8")
    opened = Corpus.open(corpus)
    assert opened.manifest.counts.explanations == 0
    assert opened.rating_scale == (4.0, 5.0, 1.0)


@pytest.mark.parametrize(
    ("ratings", "scale"),
    [
        ([5, 1, np.nan, 3, 4], (1.0, 5.0, 1.0)),
        ([0.5, 5.0, 4.5, 2.0], (0.5, 5.0, 0.5)),
        ([0.1, 0.3, 0.9], (0.1, 0.9, 0.2)),
        ([4.0, 4.0, np.nan], None),
        ([np.nan], None),
        ([], None),
    ],
)
def test_the_rating_scale_is_of_the_distinct_ratings(
    ratings: list[float], scale: tuple[float, float, float] | None
) -> None:
    assert rating_scale(np.array(ratings, dtype=np.float32)) == scale


def test_text_is_read_across_row_groups_in_any_order(tmp_path: Path) -> None:
    path = tmp_path / "texts.parquet"
    with pq.ParquetWriter(path, pa.schema([("text", pa.string())])) as writer:
        for rows in (range(3), range(3, 4), range(4, 9)):
            writer.write_table(pa.table({"text": [f"t{row}" for row in rows]}))
    for rows in ([8, 0, 8, 3], [3], [7, 5], list(range(9)), []):
        taken = take_rows(path, np.array(rows, dtype=np.int64)).column("text").to_pylist()
        assert taken == [f"t{row}" for row in rows]


def test_explanations_out_of_order_and_parts_of_another_length_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="distinct rows"), CorpusWriter(tmp_path / "corpus") as writer:
        writer.histories(Histories(np.array([0, 2]), np.array([0, 1]), np.array([1.0, 2.0]), np.array([0, 1])))
        with pytest.raises(ValueError, match="one for each"):
            writer.parts(np.array([0], dtype=np.uint8))
        writer.explanations([(np.array([1]), ["late"]), (np.array([0]), ["early"])])


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing file": (lambda folder: (folder / "items.parquet").unlink(), r"items\.parquet is missing"),
    "cut file": (lambda folder: _cut(folder / "reviews.parquet"), r"reviews\.parquet has \d+ bytes, the manifest says"),
    "cut array": (lambda folder: _cut(folder / "interactions" / "items.npy"), r"interactions/items\.npy has"),
    "missing extra": (lambda folder: shutil.rmtree(folder / "truth"), r"truth/extra\.txt is missing"),
    "no manifest": (lambda folder: (folder / MANIFEST_NAME).unlink(), r"is no corpus: it has no manifest\.json"),
    "cut manifest": (lambda folder: _cut_half(folder / MANIFEST_NAME), "not a corpus manifest"),
    "other manifest": (lambda folder: (folder / MANIFEST_NAME).write_text('{"name": "web app"}'), "not a corpus"),
    "later version": (lambda folder: _edit(folder, version=2), r"not a corpus manifest this version reads \(version"),
    "unknown field": (lambda folder: _edit(folder, surprise=1), r"\(surprise"),
    "path outside": (
        lambda folder: _edit(folder, files={"../../x": {"bytes": 1, "sha256": "0"}}),
        "names ../../x, outside its folder",
    ),
}


def _cut_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:200])


def _edit(folder: Path, **fields: object) -> None:
    path = folder / MANIFEST_NAME
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | fields), encoding="utf-8")


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_corpus_does_not_open(corpus: Path, kind: str) -> None:
    damage, message = DAMAGE[kind]
    damage(corpus)
    with pytest.raises(DataError, match=message):
        Corpus.open(corpus)


def test_a_missing_corpus_says_how_to_build_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no corpus at .*; build one with 'make data'"):
        Corpus.open(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["users.parquet", "interactions/ratings.npy", "truth/extra.txt"])
def test_verify_finds_a_flipped_bit(corpus: Path, name: str) -> None:
    content = bytearray((corpus / name).read_bytes())
    content[-1] ^= 1
    (corpus / name).write_bytes(content)
    opened = Corpus.open(corpus)
    with pytest.raises(DataError, match=f"{name} differs from its hash"):
        opened.verify()


def test_verify_finds_a_changed_picture(tmp_path: Path) -> None:
    folder = tmp_path / "planted"
    write_planted_corpus(folder)
    corpus = Corpus.open(folder)
    corpus.verify()
    (folder / "pictures" / "0000000.png").unlink()
    with pytest.raises(DataError, match="pictures differ"):
        corpus.verify()


@pytest.mark.parametrize("name", ["users.parquet", "interactions/items.npy"])
def test_a_file_of_the_right_size_and_the_wrong_kind_is_an_error(corpus: Path, name: str) -> None:
    path = corpus / name
    path.write_bytes(b"\0" * path.stat().st_size)
    opened = Corpus.open(corpus)
    with pytest.raises(DataError, match="cannot be read"):
        _ = opened.users.names, opened.histories.items


def test_an_array_of_objects_is_refused(corpus: Path) -> None:
    path = corpus / "interactions" / "items.npy"
    np.save(path, np.array([{"a": 1}, None, 3], dtype=object), allow_pickle=True)
    entries = {name: entry.model_dump() for name, entry in Manifest.read(corpus).files.items()}
    entries["interactions/items.npy"]["bytes"] = path.stat().st_size
    _edit(corpus, files=entries)
    with pytest.raises(DataError, match=r"items\.npy cannot be read"):
        _ = Corpus.open(corpus).histories


def test_a_foreign_folder_is_never_touched(tmp_path: Path) -> None:
    folder = tmp_path / "thesis"
    folder.mkdir()
    (folder / "chapter.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(DataError, match="exists and is not a corpus"):
        _write(folder)
    with pytest.raises(DataError, match="is no corpus"):
        Corpus.open(folder)
    assert (folder / "chapter.txt").read_text(encoding="utf-8") == "years of work"


def test_a_new_build_replaces_the_old_one_whole(corpus: Path) -> None:
    opened = Corpus.open(corpus)
    held = opened.histories
    second = _write(corpus, rating=1.0)
    assert held.ratings[0] == 4.0
    assert Corpus.open(corpus).fingerprint == second.fingerprint != opened.fingerprint
    assert Corpus.open(corpus).histories.ratings[0] == 1.0
    assert [path.name for path in corpus.parent.iterdir()] == ["corpus"]


def test_an_error_inside_leaves_the_old_one(corpus: Path) -> None:
    before = Corpus.open(corpus).fingerprint
    with pytest.raises(KeyboardInterrupt), CorpusWriter(corpus) as writer:
        writer.users(["eve"], ["Books"], np.array([False]))
        raise KeyboardInterrupt
    assert Corpus.open(corpus).fingerprint == before
    assert [path.name for path in corpus.parent.iterdir()] == ["corpus"]


def test_a_writer_without_finish_leaves_nothing(tmp_path: Path) -> None:
    with CorpusWriter(tmp_path / "data" / "corpus") as writer:
        writer.users(["eve"], ["Books"], np.array([False]))
    assert list((tmp_path / "data").iterdir()) == []


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from unimp_bench.corpus import CorpusWriter
with CorpusWriter(Path(sys.argv[1])) as writer:
    writer.users(["eve"], ["Books"], np.array([False]))
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_build_leaves_no_corpus_and_the_next_one_clears_up(tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    run = subprocess.run([sys.executable, "-c", KILLED, str(folder)], cwd=ROOT, check=False)
    assert run.returncode == -signal.SIGKILL
    leftovers = list(tmp_path.iterdir())
    assert len(leftovers) == 1
    assert leftovers[0].name.startswith(".corpus.building-")
    for place in (folder, *leftovers):
        with pytest.raises(DataError):
            Corpus.open(place)
    _write(folder)
    assert list(tmp_path.iterdir()) == [folder]
    Corpus.open(folder).verify()


def test_a_swap_that_fails_puts_the_old_one_back(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = Corpus.open(corpus).fingerprint
    rename = Path.rename

    def fail(path: Path, target: Path) -> Path:
        if path.name.startswith(".corpus.building-"):
            raise OSError("no room")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OSError, match="no room"):
        _write(corpus, rating=1.0)
    assert Corpus.open(corpus).fingerprint == before
    assert [path.name for path in corpus.parent.iterdir()] == ["corpus"]


def test_leftovers_of_a_kill_between_the_renames_are_removed(corpus: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    corpus.rename(corpus.parent / f".corpus.old-{dead.pid}")
    _write(corpus)
    assert [path.name for path in corpus.parent.iterdir()] == ["corpus"]


def test_a_build_that_is_alive_elsewhere_is_left_alone(tmp_path: Path) -> None:
    other = tmp_path / f".corpus.building-{os.getppid()}"
    similar = tmp_path / ".corpus.building-notes"
    for folder in (other, similar):
        folder.mkdir()
    _write(tmp_path / "corpus")
    assert sorted(tmp_path.iterdir()) == sorted([other, similar, tmp_path / "corpus"])


def test_a_picture_must_be_jpeg_or_png(tmp_path: Path) -> None:
    picture = tmp_path / "x.gif"
    picture.write_bytes(b"GIF89a")
    with pytest.raises(DataError, match="neither JPEG nor PNG"), CorpusWriter(tmp_path / "corpus") as writer:
        writer.add_picture(0, picture)
