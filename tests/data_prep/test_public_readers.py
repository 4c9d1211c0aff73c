"""The readers of published corpora, on small files."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import pytest

from data_prep.formats.microlens import MicroLens
from data_prep.public import papers
from data_prep.public.movielens import MovieLens, title_and_year
from data_prep.public.ratings import SplitRatings
from tests.data_prep.public_files import built, movielens_archive, papers_files
from unimp_bench.errors import DataError


def test_times_are_joined_by_names(tmp_path: Path) -> None:
    corpus = built(papers.beauty(papers_files(tmp_path / "raw")), tmp_path / "beauty")
    assert corpus.manifest.domains == ("beauty",)
    names = corpus.items.names
    first = range(*corpus.histories.offsets[:2])
    found = {names[corpus.histories.items[row]]: int(corpus.histories.times[row]) for row in first}
    assert found == {"a": 86_400, "b": 0, "c": 86_400}
    assert names[corpus.histories.items[0]] == "b"


def test_the_order_of_the_papers_is_kept_without_times(tmp_path: Path) -> None:
    corpus = built(papers.beauty_s3rec(papers_files(tmp_path / "raw")), tmp_path / "beauty")
    assert [corpus.items.names[item] for item in corpus.histories.items[:3]] == ["a", "b", "c"]
    assert corpus.histories.times[:3].tolist() == [0, 1, 2]


def test_keywords_follow_from_how_often_items_occur(tmp_path: Path) -> None:
    """Item 30 occurs three times, as a does; 20 and 10 twice: only the longest sequence tells b from c."""
    corpus = built(papers.beauty(papers_files(tmp_path / "raw")), tmp_path / "beauty")
    assert corpus.items.column("keywords").to_pylist() == [["w"], ["z"], ["x", "y"]]


def test_brands_and_categories_come_from_optional_metadata(tmp_path: Path) -> None:
    raw = papers_files(tmp_path / "raw")
    expected = built(papers.beauty(raw), tmp_path / "beauty")
    metadata = "{'asin': 'b', 'brand': 'B', 'title': 't', 'categories': [['Beauty', 'Hair']]}\n{'asin': 'x'}\n"
    (raw / "meta_Beauty.json.gz").write_bytes(gzip.compress(metadata.encode()))
    corpus = built(papers.beauty(raw), tmp_path / "described")
    assert corpus.part_fingerprints["interactions"] == expected.part_fingerprints["interactions"]
    assert corpus.manifest.attributes == ("brand", "category", "keywords")
    assert corpus.items.column("brand").to_pylist() == [None, "B", None]
    assert corpus.items.column("category").to_pylist() == [None, ["Beauty", "Hair"], None]
    assert corpus.items.column("keywords").to_pylist() == [["w"], ["z"], ["x", "y"]]


def test_sequences_that_could_be_another_are_not_used() -> None:
    assert papers.translated([["1", "2"], ["3", "4"]], [["a", "b"], ["c", "d"]]) == {}
    assert papers.translated([["1", "2"], ["1"]], [["b"], ["b", "a"]]) == {"1": "b", "2": "a"}
    limited = papers.translated([["2", "1"], ["1", "3"]], [["a", "b", "a"], ["a", "c"]])
    assert limited == {"1": "a", "2": "b", "3": "c"}, "the first item of the longest is beyond the limit"


def test_contradictory_sequences_are_an_error() -> None:
    with pytest.raises(DataError, match="item 1 of the file of keywords could be a or b"):
        papers.translated([["1", "2"], ["1", "3", "3"]], [["a", "x"], ["b", "c", "c"], ["a"], ["b"]])


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"times": "1 1 2 3\n"}, "do not belong to the users"),
        ({"times": "1 1 2\n2 0 0\n3 5 6\n"}, "do not belong to the users"),
        ({"times": "1 x 2 3\n2 0 0\n3 5 6\n"}, "do not belong to the users"),
        ({"ranks": "1 1 2 9\n2 3 1\n3 1 2\n"}, "do not belong to the users"),
        ({"ranks": "1 1 2 2\n2 3 1\n3 1 2\n"}, "do not belong to the users"),
        ({"times": ""}, "is empty"),
    ],
)
def test_times_of_other_files_are_refused(tmp_path: Path, change: dict[str, str], problem: str) -> None:
    raw = papers_files(tmp_path / "raw", **change)
    with pytest.raises(DataError, match=problem):
        built(papers.beauty(raw), tmp_path / "beauty")
    assert not (tmp_path / "beauty").exists()


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("datamaps.json", '{"id2user": {}, "id2item": {}}', "does not name all users and items"),
        ("datamaps.json", '{"id2user": 1, "id2item": 2}', "does not name all users and items"),
        ("datamaps.json", "[]", "is not a JSON object"),
        ("datamaps.json", "{", "is not JSON"),
        ("sequential.txt", "1 1 2 3\n2 1 3\n3 1 2 3\n", "has no time of user 'u3' and item 'c'"),
    ],
)
def test_damaged_files_are_one_line_errors(tmp_path: Path, name: str, content: str, problem: str) -> None:
    raw = papers_files(tmp_path / "raw")
    (raw / name).write_text(content)
    with pytest.raises(DataError, match=problem) as caught:
        built(papers.beauty(raw), tmp_path / "beauty")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    (papers_files(tmp_path / "raw") / "sequential_data.txt").unlink()
    with pytest.raises(DataError, match=r"has no sequential_data\.txt"):
        papers.beauty(tmp_path / "raw")


def test_split_ratings_keep_parts_and_order(tmp_path: Path) -> None:
    lines = {"train": "u\ta\t5.0\nu\tb\t4.0\n", "val": "u\tc\t3.0\n", "test": "v\ta\t1.0\nu\td\t6\nv\n"}
    lines["train"] += "".join(f"w\t{item}\t5.0\n" for item in "abcdefghijklmnopqrstuvwxyz")
    for part, text in lines.items():
        (tmp_path / f"{part}.tsv").write_text(text)
    with pytest.raises(DataError, match=r"test\.tsv: 2 of 3 lines are bad"):
        built(SplitRatings(tmp_path, "small"), tmp_path / "corpus")
    (tmp_path / "test.tsv").write_text("v\ta\t1.0\nu\td\t2.0\n")
    corpus = built(SplitRatings(tmp_path, "small"), tmp_path / "corpus")
    assert corpus.parts is not None
    start, end = corpus.histories.offsets[:2]
    assert corpus.parts[start:end].tolist() == [0, 0, 1, 2]
    assert corpus.histories.times[start:end].tolist() == [2, 3, 30, 32], "lines of one table with a header"


def test_microlens_keeps_order_and_titles(tmp_path: Path) -> None:
    (tmp_path / "MicroLens-50k_pairs.tsv").write_text("1\t7 3 5\n2\t5 7\n")
    (tmp_path / "MicroLens-50k_titles.csv").write_text('item,title\r\n3,"one,  two "\r\n7,three\r\n')
    corpus = built(MicroLens(tmp_path), tmp_path / "corpus")
    assert [corpus.items.names[item] for item in corpus.histories.items] == ["7", "3", "5", "5", "7"]
    assert corpus.histories.times.tolist() == [0, 1, 2, 0, 1]
    assert corpus.items.column("title").to_pylist() == ["one, two", None, "three"]
    (tmp_path / "MicroLens-50k_pairs.tsv").write_text("1 7 3 5\n")
    with pytest.raises(DataError, match="1 of 1 lines are bad"):
        built(MicroLens(tmp_path), tmp_path / "corpus")


def test_movielensmovielens_archive(tmp_path: Path) -> None:
    ratings = "userId,movieId,rating,timestamp\r\n1,11,4.0,964982703\r\n1,3,0.5,964981247\r\n2,3,5.0,7\r\n"
    movies = '11,"American President, The (1995)",Comedy|Drama\n3,Nosferatu,(no genres listed)\n'
    movielens_archive(tmp_path, ratings, movies, "1,11,politics,1\n2,11,politics,2\n2,11, love ,3\n")
    corpus = built(MovieLens(tmp_path), tmp_path / "movielens")
    assert corpus.histories.times.tolist() == [964_981_247, 964_982_703, 7]
    assert corpus.items.column("title").to_pylist() == ["American President, The", "Nosferatu"]
    assert corpus.items.column("year").to_pylist() == ["1995", None]
    assert corpus.items.column("category").to_pylist() == [["Comedy", "Drama"], None]
    assert corpus.items.column("tags").to_pylist() == [["politics", "love"], None]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Toy Story (1995)", ("Toy Story", "1995")),
        ("Seven (a.k.a. Se7en) (1995) ", ("Seven (a.k.a. Se7en)", "1995")),
        ("Babylon 5", ("Babylon 5", None)),
    ],
)
def test_years_of_titles(text: str, expected: tuple[str, str | None]) -> None:
    assert title_and_year(text) == expected


def test_damaged_archives_are_one_line_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no ml-latest-small\.zip"):
        MovieLens(tmp_path)
    (tmp_path / "ml-latest-small.zip").write_bytes(b"no archive")
    with pytest.raises(DataError, match="cannot be read"):
        built(MovieLens(tmp_path), tmp_path / "corpus")
    movielens_archive(tmp_path, "userId,rating\n", "", "")
    with pytest.raises(DataError, match="lacks a column"):
        built(MovieLens(tmp_path), tmp_path / "corpus")
    with zipfile.ZipFile(tmp_path / "ml-latest-small.zip", "w") as archive:
        archive.writestr("other.csv", "")
    with pytest.raises(DataError, match=r"has no ml-latest-small/ratings\.csv"):
        built(MovieLens(tmp_path), tmp_path / "corpus")
