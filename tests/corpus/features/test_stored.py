"""Stored features: computed once, resumed after a kill, refused where the corpus changed; files of other programs."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.workloads import write_corpus
from unimp_bench.corpus import Corpus, CorpusWriter
from unimp_bench.corpus.features import computing
from unimp_bench.corpus.features.computing import Encode, Job, compute, picture_job, text_job
from unimp_bench.corpus.features.formats import Export, placed, read, write
from unimp_bench.corpus.features.pictures import picture_features, picture_vectors
from unimp_bench.corpus.features.stored import (
    FeatureSet,
    Recipe,
    all_sets,
    chosen_sets,
    computed_key,
    open_set,
    use,
    write_set,
)
from unimp_bench.corpus.features.text import encoded_texts, item_texts, text_encoder, text_vectors
from unimp_bench.corpus.views import View, view_of
from unimp_bench.errors import BenchError, DataError, UsageError
from unimp_bench.records import FloatArray, Histories, IntArray
from unimp_bench.testing.planted import write_planted_corpus


@pytest.fixture
def corpus(planted: Corpus, tmp_path: Path) -> Corpus:
    """A copy with features of its own."""
    shutil.copytree(planted.folder, tmp_path / "planted")
    return Corpus.open(tmp_path / "planted")


def never() -> Encode:
    raise AssertionError("an encoder was loaded")


def imported(corpus: Corpus, name: str = "given", modality: str = "text", width: int = 3) -> FeatureSet:
    values = np.random.default_rng(0).normal(size=(len(corpus.items), width))
    known = np.arange(len(corpus.items)) % 5 > 0
    return write_set(corpus.folder, corpus.items.names, name, modality, values, known, "made")


def test_a_set_is_what_models_read(corpus: Corpus, tmp_path: Path) -> None:
    """LSA through a stored set is LSA."""
    record, there = compute(corpus, "words", text_job(corpus.items, "lsa"))
    assert not there and record.known == len(corpus.items) and record.words.startswith("lsa; ")
    own = encoded_texts(corpus.items, "lsa", tmp_path)
    use(corpus.items, chosen_sets(corpus, {"text": "words"}))
    given = text_vectors(corpus.items, "nothing that exists", tmp_path)
    assert own is not None and given is not None and given.name == "words" and corpus.items.features_read == {"text"}
    np.testing.assert_allclose(given.values, own.values, atol=1e-5)
    use(corpus.items, chosen_sets(corpus, {"text": "none"}))
    assert text_vectors(corpus.items, "lsa", tmp_path) is None


def test_the_attributes_of_a_text_are_chosen(corpus: Corpus) -> None:
    usual, _ = compute(corpus, "usual", text_job(corpus.items, "lsa"))
    titles, _ = compute(corpus, "titles", text_job(corpus.items, "lsa", attributes=("title",)))
    assert titles.words.startswith("lsa, of title; ") and titles.key != usual.key
    first = lsa_of([text for text in item_texts(corpus.items, ("title",)) if text])
    np.testing.assert_allclose(open_set(corpus, "titles").values, first, atol=1e-5)
    with pytest.raises(UsageError, match=r"no attribute 'titel'; its items have .*title"):
        text_job(corpus.items, "lsa", attributes=("titel",))


def lsa_of(texts: list[str]) -> FloatArray:
    return text_encoder("lsa", texts)(texts)


def test_keys_of_usual_texts_are_those_of_before_attributes_could_be_chosen() -> None:
    assert computed_key(Recipe(encoder="lsa", library="lsa"), "part", "names") == "ff057928abcb8791"


def test_a_corpus_of_other_attributes_says_how_to_read_them(tmp_path: Path) -> None:
    histories = Histories(np.array([0, 2]), np.array([0, 1]), np.array([1.0, 2.0]), np.array([0, 1]))
    words = pa.array([["red", "shoe"], ["red", "hat"]])
    items = write_corpus(tmp_path / "corpus", histories, ["a", "b"], {"words": words}).items
    with pytest.raises(UsageError, match=r"no item .* has a title, category, brand or description; --attributes words"):
        text_job(items, "lsa")
    assert len(text_job(items, "lsa", attributes=("words",)).order) == 2


def test_pictures_of_a_set_are_tokens_and_vectors(corpus: Corpus, tmp_path: Path) -> None:
    compute(corpus, "whole", picture_job(corpus.items, "tiny"))
    compute(corpus, "parts", picture_job(corpus.items, "tiny", regions=2))
    own, tokens = (read(corpus.items, "tiny", "", tmp_path) for read in (picture_vectors, picture_features))
    use(corpus.items, chosen_sets(corpus, {"pictures": "whole"}))
    given, one = (read(corpus.items, "", "", tmp_path) for read in (picture_vectors, picture_features))
    assert own is not None and given is not None and np.array_equal(own.known, given.known)
    np.testing.assert_allclose(given.values, own.values, atol=5e-3)  # its own tokens are of 16 bits
    use(corpus.items, chosen_sets(corpus, {"pictures": "parts"}))
    four = picture_features(corpus.items, "", "", tmp_path)
    assert one is not None and four is not None and tokens is not None
    assert one.tokens.shape[1:] == (1, 256) and four.tokens.shape[1:] == (4, tokens.width)
    assert np.array_equal(four.rows, tokens.rows)
    seen = four.of(np.flatnonzero(four.rows >= 0))
    np.testing.assert_allclose(seen.mean((0, 1)), 0, atol=0.01)
    told = tokens.tokens[:, :].astype(np.float32).reshape(len(tokens.tokens), 2, 2, 2, 2, -1).mean((2, 4))
    expected = (told.reshape(len(told), 4, -1) - told.mean((0, 1, 2))) / told.std((0, 1, 2))
    varied = told.std((0, 1, 2)) > 1e-3
    np.testing.assert_allclose(seen[:, :, varied], expected[:, :, varied], atol=0.05)


def test_the_second_call_loads_no_encoder(corpus: Corpus) -> None:
    job = text_job(corpus.items, "lsa")
    first, _ = compute(corpus, "words", job)
    again, there = compute(corpus, "words", dataclasses.replace(job, start=never))
    assert there and again == first
    other = dataclasses.replace(job, recipe=job.recipe.model_copy(update={"prefix": "x "}))
    with pytest.raises(UsageError, match="there are other features 'words'"):
        compute(corpus, "words", other)
    replaced, there = compute(corpus, "words", other, fresh=True)
    assert not there and replaced.key != first.key


def test_a_killed_computation_goes_on_where_it_was(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(computing._CHUNKS, "pictures", 10)
    job, asked = picture_job(corpus.items, "tiny"), list[IntArray]()

    def start(limit: int) -> Job:
        encode = job.start()

        def counted(rows: IntArray) -> np.ndarray:
            if len(asked) == limit:
                raise KeyboardInterrupt
            asked.append(rows)
            return np.asarray(encode(rows))

        return dataclasses.replace(job, start=lambda: counted)

    with pytest.raises(KeyboardInterrupt):
        compute(corpus, "looks", start(3))
    assert not all_sets(corpus.folder)
    compute(corpus, "looks", start(-1))
    assert np.array_equal(np.concatenate(asked), job.order), "each item once"
    whole, _ = compute(corpus, "again", job)
    stored = [open_set(corpus, name) for name in ("looks", "again")]
    assert np.array_equal(stored[0].values, stored[1].values) and np.array_equal(stored[0].known, stored[1].known)
    assert whole.key == stored[0].record.key
    assert sorted(path.name for path in (corpus.folder / "features").iterdir()) == ["again", "looks"]


def test_sets_of_another_corpus_or_modality_are_refused(corpus: Corpus, tmp_path: Path) -> None:
    compute(corpus, "words", text_job(corpus.items, "lsa"))
    imported(corpus, "sounds", "audio")
    for names, error in (
        ({"pictures": "words"}, "are of text, not of pictures: text=words"),
        ({"text": "wrods"}, "did you mean 'words'"),
        ({"text": "../words"}, "unknown features"),
    ):
        with pytest.raises(UsageError, match=error):
            chosen_sets(corpus, names)
    assert chosen_sets(view_of(corpus, View("NV", 0.5)), {"text": "words"})["text"] is not None
    with pytest.raises(UsageError, match="which view NT changes"):
        chosen_sets(view_of(corpus, View("NT", 0.2)), {"text": "words"})
    parts = {**corpus.part_fingerprints, "texts": "0" * 64}
    changed = Corpus(corpus.folder, corpus.manifest.model_copy(update={"parts": parts}))
    with pytest.raises(UsageError, match=r"the text of .* changed since"):
        chosen_sets(changed, {"text": "words"})
    assert chosen_sets(changed, {"audio": "sounds"})["audio"] is not None
    shutil.copytree(corpus.folder / "features", tmp_path / "features")
    (corpus.folder / "features" / "words" / "known.npy").write_bytes(b"")
    with pytest.raises(DataError, match=r"features .*words cannot be read"):
        chosen_sets(corpus, {"text": "words"})


def test_features_are_kept_when_a_corpus_is_built_again(corpus: Corpus) -> None:
    """And are no part of its identity, also where a build brings some."""
    compute(corpus, "words", text_job(corpus.items, "lsa"))
    imported(corpus)
    manifest = write_planted_corpus(corpus.folder)
    assert manifest.parts == corpus.manifest.parts and sorted(all_sets(corpus.folder)) == ["given", "words"]
    assert open_set(Corpus.open(corpus.folder), "words").record.known == len(corpus.items)
    with CorpusWriter(corpus.folder.parent / "other") as writer:
        before = set(writer._hash_files())
        write_set(writer.work, ["a"], "given", "text", np.ones((1, 2)), np.ones(1, dtype=np.bool_), "made")
        assert set(writer._hash_files()) == before and set(all_sets(writer.work)) == {"given"}


def test_names_and_values_are_checked(corpus: Corpus) -> None:
    imported(corpus)
    for name, modality, error in (
        ("given", "text", "already"),
        ("none", "text", "no name"),
        ("../x", "text", "no name"),
        ("x", "Bad Word", "no modality"),
    ):
        with pytest.raises(UsageError, match=error):
            imported(corpus, name, modality)
    values, known = np.full((len(corpus.items), 2), np.nan), np.ones(len(corpus.items), dtype=np.bool_)
    with pytest.raises(DataError, match=r"the features of item '.*' are not finite"):
        write_set(corpus.folder, corpus.items.names, "broken", "text", values, known, "made")
    assert sorted(path.name for path in (corpus.folder / "features").iterdir()) == ["given"]


@pytest.mark.parametrize(
    ("form", "file"),
    [("npy", "x.npy"), ("parquet", "x.parquet"), ("mmrec", "image_feat.npy"), ("unisrec", "x.feat1CLS")],
)
def test_features_round_trip_through_every_format(corpus: Corpus, tmp_path: Path, form: Export, file: str) -> None:
    imported(corpus)
    stored, names = open_set(corpus, "given"), corpus.items.names
    write(stored, names, tmp_path / file, form)
    found = read(tmp_path / file, width=3)
    rows, known, how = placed(found, names[::-1])  # names decide, not the order
    write_set(corpus.folder, names, "back", "text", found.values, known[::-1], found.source, rows[::-1])
    again = open_set(corpus, "back")
    assert how == "by name" and np.array_equal(again.values, stored.values)
    if form in ("npy", "parquet"):  # the other formats have rows of zeros
        assert np.array_equal(again.known, stored.known)
    assert again.record.source.startswith(file)


def test_cnn_features_of_mcauley(corpus: Corpus, tmp_path: Path) -> None:
    path, rows = tmp_path / "image_features_X.b", np.zeros(2, dtype=[("item", "S10"), ("vector", "<f4", 4096)])
    rows["item"], rows["vector"][1] = [b"B000000001", b"B000000002"], np.arange(4096)
    path.write_bytes(rows.tobytes())
    found = read(path)
    order, known, _ = placed(found, ["B000000003", "B000000002"])
    assert known.tolist() == [False, True] and np.array_equal(found.values[order[1]], np.arange(4096))
    path.write_bytes(rows.tobytes()[:-1])
    with pytest.raises(DataError, match="no whole number of rows"):
        read(path)


def test_rows_without_names_follow_numbers_or_the_order(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.eye(4))
    found = read(tmp_path / "a.npy")
    assert placed(found, ["3", "0"])[0].tolist() == [3, 0]
    assert placed(found, ["w", "x", "y", "z"])[2] == "in the order of the corpus"
    with pytest.raises(DataError, match="4 rows without names, the corpus 2 items; --items names"):
        placed(found, ["x", "y"])


def _bad_files(folder: Path) -> dict[str, str]:
    """Damaged or hostile files, and what is said of them."""
    np.save(folder / "object.npy", np.array([{"a": 1}], dtype=object))
    np.save(folder / "flat.npy", np.zeros(3))
    np.save(folder / "words.npy", np.array([["a"]]))
    (folder / "cut.npy").write_bytes(b"\x93NUMPY")
    (folder / "x.pkl").write_bytes(b"")
    (folder / "odd.feat1CLS").write_bytes(b"123")
    pq.write_table(pa.table({"item": ["a", "b"], "vector": [[1.0], [1.0, 2.0]]}), folder / "ragged.parquet")
    pq.write_table(pa.table({"item": ["a", "a"], "vector": [[1.0], [2.0]]}), folder / "twice.parquet")
    pq.write_table(pa.table({"item": ["a"], "vectors": [[1.0]]}), folder / "column.parquet")
    np.save(folder / "few.npy", np.zeros((3, 2)))
    (folder / "few.items.txt").write_text("a\nb\n")
    return {
        "object.npy": "cannot be read",
        "flat.npy": "no table of numbers",
        "words.npy": "no table of numbers",
        "cut.npy": "cannot be read",
        "x.pkl": "none of .npy, .parquet",
        "odd.feat1CLS": "no whole number of rows",
        "ragged.parquet": "2 different lengths",
        "twice.parquet": "names item 'a' twice",
        "column.parquet": "'vector'; did you mean 'vectors'",
        "few.npy": "names 2 items, the features have 3 rows",
        "absent.npy": "there is no file",
    }


def test_a_bad_file_is_one_line(tmp_path: Path) -> None:
    for name, error in _bad_files(tmp_path).items():
        with pytest.raises(BenchError, match=error) as caught:
            read(tmp_path / name)
        assert "\n" not in str(caught.value)
