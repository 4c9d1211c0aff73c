"""Published corpora by name: their catalogue, their files, and what is built from them."""

from __future__ import annotations

import csv
import gzip
import re
import zipfile
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from data_prep.build import BuildOptions, build_public
from data_prep.formats.microlens import MicroLens
from data_prep.pipeline import run_pipeline
from data_prep.public import PublicCorpus, PublicFile, papers
from data_prep.public.files import check_files, gather
from data_prep.public.movielens import MovieLens, title_and_year
from data_prep.public.ratings import SplitRatings
from data_prep.source import Source
from tests.data_prep.conftest import HASTY, Command
from tests.data_prep.misbehaving_server import Server, status, whole
from unimp_bench import registry
from unimp_bench.corpus import Corpus
from unimp_bench.errors import DataError, UsageError
from unimp_bench.runs.results import Result

ROOT = Path(__file__).resolve().parents[2]
ALL = BuildOptions(user_core=0, item_core=0, held_out=0)


def _public(name: str) -> PublicCorpus:
    corpus: PublicCorpus = registry.public_corpora()[name]
    return corpus


def _build(source: Source, folder: Path) -> Corpus:
    run_pipeline(source, folder, ALL)
    return Corpus.open(folder)


# The catalogue


def test_every_published_real_corpus_is_registered() -> None:
    for folder in sorted((ROOT / "leaderboards" / "results").glob("*/*")):
        facts = Result.read(next(folder.glob("*.json"))).corpus
        if facts.synthetic:
            continue
        corpus = _public(facts.name)
        assert (corpus.users, corpus.items, corpus.interactions) == (facts.users, facts.items, facts.interactions)
        assert {part.part: part.fingerprint for part in corpus.parts} == facts.parts


@pytest.mark.parametrize("name", registry.public_corpora())
def test_files_have_versions_and_hashes(name: str) -> None:
    corpus = _public(name)
    assert name not in registry.corpus_cards()
    assert f"`{name}`" in (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    assert len({file.name for file in corpus.files}) == len(corpus.files)
    assert callable(registry.load(corpus.reader))
    for file in corpus.files:
        checked = all(part.same for part in corpus.parts)  # then the fingerprints find any other file
        assert re.fullmatch(r"[0-9a-f]{64}", file.sha256 or "") or file.optional or checked
        assert bool(file.urls) != bool(file.obtain)
        for url in file.urls:
            assert url.startswith("https://") and url.endswith(f"/{file.name}")
            if "github" in url:
                assert re.match(r"https://raw\.githubusercontent\.com/[^/]+/[^/]+/[0-9a-f]{40}/", url)


# From public files to the published corpora


@pytest.mark.parametrize("name", ["beauty", "beauty-s3rec", "sports", "sports-s3rec"])
def test_papers_sets_follow_from_public_files(
    realdata: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unimp_bench: Command, name: str
) -> None:
    if not (realdata / "public").is_dir():
        pytest.skip(f"no {realdata / 'public'}")
    monkeypatch.setenv("UNIMP_BENCH_HOME", str(tmp_path))
    code, out, err = unimp_bench("data", "--corpus", name, "--mirror", realdata / "public")
    assert (code, err) == (0, "")
    corpus = _public(name)
    built = Corpus.open(tmp_path / "data" / name)
    assert (built.manifest.counts.users, built.manifest.counts.items) == (corpus.users, corpus.items)
    for part in corpus.parts:
        assert (built.part_fingerprints[part.part] == part.fingerprint) == part.same
    assert "interactions: as published" in out and "texts: not as published" in out
    assert built.manifest.described == {"keywords": corpus.items}


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("gift_cards", "gift_cards_raw_2018"),
        ("musical_instruments", "musical_instruments_raw_2014"),
        ("grocery", "grocery"),
    ],
)
def test_sets_in_a_folder_are_as_published(
    realdata: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    unimp_bench: Command,
    name: str,
    folder: str,
) -> None:
    if not (realdata / folder).is_dir():
        pytest.skip(f"no {realdata / folder}")
    monkeypatch.setenv("UNIMP_BENCH_HOME", str(tmp_path))
    code, out, err = unimp_bench("data", "--corpus", name, "--raw", realdata / folder)
    assert (code, err) == (0, "")
    assert out.count(": as published") == 3


def test_ratings_of_movielens_follow_from_the_archive(realdata: Path, tmp_path: Path) -> None:
    """The atomic file of the published corpus, written as in GroupLens' archive, has its interactions."""
    source = realdata / "movielens" / "movielens.inter.gz"
    if not source.is_file():
        pytest.skip(f"no {source}")
    lines = gzip.decompress(source.read_bytes()).decode().splitlines()[1:]
    ratings = "".join(f"{line}\r\n" for line in ["userId,movieId,rating,timestamp", *lines]).replace("\t", ",")
    assert sha256(ratings.encode()).hexdigest() == "aa289ca83157595d0df6aea1be6a4ded676ddc4385472e8313a8ed9805352646"
    _archive(tmp_path, ratings, "1,Toy Story (1995),Adventure\n", "")
    corpus = _build(MovieLens(tmp_path), tmp_path / "movielens")
    assert corpus.part_fingerprints["interactions"] == _public("movielens").parts[0].fingerprint


# The readers, on small files

NAMED = "u1 b a c\nu2 c a\nu3 a b\n"
"""IDGenRec: users and items by name; TiCoSeRec's ranks are a 1, b 2, c 3."""


def _papers(
    folder: Path, times: str = "1 86400 0 86400\n2 0 0\n3 5 6\n", ranks: str = "1 1 2 3\n2 3 1\n3 1 2\n"
) -> Path:
    folder.mkdir(exist_ok=True)
    files = {
        "user_sequence.txt": NAMED,
        "Beauty_item_org_rank.txt": ranks,
        "Beauty_time_org_rank.txt": times,
        "sequential.txt": "1 1 2 3\n2 1 3\n3 1 2\n",
        "datamaps.json": '{"id2user": {"1": "u1", "2": "u2", "3": "u3"}, "id2item": {"1": "a", "2": "b", "3": "c"}}',
        "sequential_data.txt": "7 30 10\n8 30 20\n9 30 20 10\n",
        "beauty_item_id2tid.json": '{"10": ["x", "y"], "20": ["z"], "30": ["w"]}',
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def test_times_are_joined_by_names(tmp_path: Path) -> None:
    corpus = _build(papers.beauty(_papers(tmp_path / "raw")), tmp_path / "beauty")
    assert corpus.manifest.domains == ("beauty",)
    names = corpus.items.names
    first = range(*corpus.histories.offsets[:2])
    found = {names[corpus.histories.items[row]]: int(corpus.histories.times[row]) for row in first}
    assert found == {"a": 86_400, "b": 0, "c": 86_400}
    assert names[corpus.histories.items[0]] == "b"


def test_the_order_of_the_papers_is_kept_without_times(tmp_path: Path) -> None:
    corpus = _build(papers.beauty_s3rec(_papers(tmp_path / "raw")), tmp_path / "beauty")
    assert [corpus.items.names[item] for item in corpus.histories.items[:3]] == ["a", "b", "c"]
    assert corpus.histories.times[:3].tolist() == [0, 1, 2]


def test_keywords_follow_from_how_often_items_occur(tmp_path: Path) -> None:
    """Item 30 occurs three times, as a does; 20 and 10 twice: only the longest sequence tells b from c."""
    corpus = _build(papers.beauty(_papers(tmp_path / "raw")), tmp_path / "beauty")
    assert corpus.items.column("keywords").to_pylist() == [["w"], ["z"], ["x", "y"]]


def test_brands_and_categories_come_from_optional_metadata(tmp_path: Path) -> None:
    raw = _papers(tmp_path / "raw")
    expected = _build(papers.beauty(raw), tmp_path / "beauty")
    metadata = "{'asin': 'b', 'brand': 'B', 'title': 't', 'categories': [['Beauty', 'Hair']]}\n{'asin': 'x'}\n"
    (raw / "meta_Beauty.json.gz").write_bytes(gzip.compress(metadata.encode()))
    corpus = _build(papers.beauty(raw), tmp_path / "described")
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
    raw = _papers(tmp_path / "raw", **change)
    with pytest.raises(DataError, match=problem):
        _build(papers.beauty(raw), tmp_path / "beauty")
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
    raw = _papers(tmp_path / "raw")
    (raw / name).write_text(content)
    with pytest.raises(DataError, match=problem) as caught:
        _build(papers.beauty(raw), tmp_path / "beauty")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    (_papers(tmp_path / "raw") / "sequential_data.txt").unlink()
    with pytest.raises(DataError, match=r"has no sequential_data\.txt"):
        papers.beauty(tmp_path / "raw")


def test_split_ratings_keep_parts_and_order(tmp_path: Path) -> None:
    lines = {"train": "u\ta\t5.0\nu\tb\t4.0\n", "val": "u\tc\t3.0\n", "test": "v\ta\t1.0\nu\td\t6\nv\n"}
    lines["train"] += "".join(f"w\t{item}\t5.0\n" for item in "abcdefghijklmnopqrstuvwxyz")
    for part, text in lines.items():
        (tmp_path / f"{part}.tsv").write_text(text)
    with pytest.raises(DataError, match=r"test\.tsv: 2 of 3 lines are bad"):
        _build(SplitRatings(tmp_path, "small"), tmp_path / "corpus")
    (tmp_path / "test.tsv").write_text("v\ta\t1.0\nu\td\t2.0\n")
    corpus = _build(SplitRatings(tmp_path, "small"), tmp_path / "corpus")
    assert corpus.parts is not None
    start, end = corpus.histories.offsets[:2]
    assert corpus.parts[start:end].tolist() == [0, 0, 1, 2]
    assert corpus.histories.times[start:end].tolist() == [2, 3, 30, 32], "lines of one table with a header"


def test_microlens_keeps_order_and_titles(tmp_path: Path) -> None:
    (tmp_path / "MicroLens-50k_pairs.tsv").write_text("1\t7 3 5\n2\t5 7\n")
    (tmp_path / "MicroLens-50k_titles.csv").write_text('item,title\r\n3,"one,  two "\r\n7,three\r\n')
    corpus = _build(MicroLens(tmp_path), tmp_path / "corpus")
    assert [corpus.items.names[item] for item in corpus.histories.items] == ["7", "3", "5", "5", "7"]
    assert corpus.histories.times.tolist() == [0, 1, 2, 0, 1]
    assert corpus.items.column("title").to_pylist() == ["one, two", None, "three"]
    (tmp_path / "MicroLens-50k_pairs.tsv").write_text("1 7 3 5\n")
    with pytest.raises(DataError, match="1 of 1 lines are bad"):
        _build(MicroLens(tmp_path), tmp_path / "corpus")


def test_microlens_is_the_set_that_is_known(realdata: Path, tmp_path: Path) -> None:
    """Pairs and titles written from the atomic files give the corpus of those files."""
    source = realdata / "microlens_50k"
    if not source.is_dir():
        pytest.skip(f"no {source}")
    videos: dict[str, list[str]] = {}
    for line in gzip.decompress((source / "microlens_50k.inter.gz").read_bytes()).decode().splitlines()[1:]:
        user, video, _ = line.split("\t")
        videos.setdefault(user, []).append(video)
    pairs = "".join(f"{user}\t{' '.join(own)}\n" for user, own in videos.items())
    (tmp_path / "MicroLens-50k_pairs.tsv").write_text(pairs)
    with (tmp_path / "MicroLens-50k_titles.csv").open("w", newline="") as stream:
        lines = gzip.decompress((source / "microlens_50k.item.gz").read_bytes()).decode().splitlines()[1:]
        csv.writer(stream).writerows([("item", "title"), *(line.split("\t") for line in lines)])
    corpus = _build(MicroLens(tmp_path), tmp_path / "microlens")
    for part in _public("microlens").parts:
        assert corpus.part_fingerprints[part.part] == part.fingerprint


def _archive(folder: Path, ratings: str, movies: str, tags: str) -> None:
    with zipfile.ZipFile(folder / "ml-latest-small.zip", "w") as archive:
        archive.writestr("ml-latest-small/ratings.csv", ratings)
        archive.writestr("ml-latest-small/movies.csv", "movieId,title,genres\n" + movies)
        archive.writestr("ml-latest-small/tags.csv", "userId,movieId,tag,timestamp\n" + tags)


def test_movielens_archive(tmp_path: Path) -> None:
    ratings = "userId,movieId,rating,timestamp\r\n1,11,4.0,964982703\r\n1,3,0.5,964981247\r\n2,3,5.0,7\r\n"
    movies = '11,"American President, The (1995)",Comedy|Drama\n3,Nosferatu,(no genres listed)\n'
    _archive(tmp_path, ratings, movies, "1,11,politics,1\n2,11,politics,2\n2,11, love ,3\n")
    corpus = _build(MovieLens(tmp_path), tmp_path / "movielens")
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
        _build(MovieLens(tmp_path), tmp_path / "corpus")
    _archive(tmp_path, "userId,rating\n", "", "")
    with pytest.raises(DataError, match="lacks a column"):
        _build(MovieLens(tmp_path), tmp_path / "corpus")
    with zipfile.ZipFile(tmp_path / "ml-latest-small.zip", "w") as archive:
        archive.writestr("other.csv", "")
    with pytest.raises(DataError, match=r"has no ml-latest-small/ratings\.csv"):
        _build(MovieLens(tmp_path), tmp_path / "corpus")


# Bringing files


def _small(hosts: Server, content: bytes = b"content", **changes: object) -> PublicCorpus:
    file = PublicFile(
        "x.txt", "all", (hosts.url("/one/x.txt"), hosts.url("/two/x.txt")), sha256(content).hexdigest(), len(content)
    )
    return replace(_public("beauty"), name="small", files=(replace(file, **changes),))  # type: ignore[arg-type]


def test_files_come_from_the_first_host_that_works(hosts: Server, tmp_path: Path) -> None:
    hosts.answer(whole(b"content", ETag='"1"'), path="/two/x.txt")
    gather(_small(hosts), tmp_path)
    assert (tmp_path / "x.txt").read_bytes() == b"content"
    requested = len(hosts.requests)
    gather(_small(hosts), tmp_path)
    assert len(hosts.requests) == requested


def test_a_failed_download_names_the_alternatives(hosts: Server, tmp_path: Path) -> None:
    hosts.answer(status(503), path="/one/x.txt")
    with pytest.raises(DataError) as caught:
        gather(_small(hosts), tmp_path, policy=HASTY)
    message = str(caught.value)
    assert "/one/x.txt" in message and "/two/x.txt" in message and "\n" not in message
    assert "--mirror <address>" in message and str(tmp_path) in message


@pytest.mark.parametrize("content", [b"another", b"longer than announced"])
def test_another_file_is_refused_and_nothing_remains(hosts: Server, tmp_path: Path, content: bytes) -> None:
    for host in ("one", "two"):
        hosts.answer(whole(content, ETag='"1"'), path=f"/{host}/x.txt")
    with pytest.raises(DataError, match=r"not the expected|more than the expected 7 bytes"):
        gather(_small(hosts), tmp_path, policy=HASTY)
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_a_folder_is_a_mirror(hosts: Server, tmp_path: Path) -> None:
    mirror, raw = tmp_path / "mirror", tmp_path / "raw"
    (mirror / "two").mkdir(parents=True)
    (mirror / "two" / "x.txt").write_bytes(b"content")
    gather(_small(hosts), raw, str(mirror))
    assert (raw / "x.txt").read_bytes() == b"content"
    assert not hosts.requests
    (raw / "x.txt").unlink()
    (mirror / "two" / "x.txt").write_bytes(b"other")
    with pytest.raises(DataError, match=r"there is no .*/one/x\.txt; x\.txt has SHA-256 .*, not the expected"):
        gather(_small(hosts), raw, str(mirror))
    assert not (raw / "x.txt").exists()
    with pytest.raises(UsageError, match="not a folder"):
        gather(_small(hosts), raw, str(tmp_path / "nowhere"))


def test_optional_files_come_on_request(hosts: Server, tmp_path: Path) -> None:
    hosts.answer(whole(b"content", ETag='"1"'), path="/two/x.txt")
    corpus = _small(hosts, optional=True)
    gather(corpus, tmp_path)
    assert not (tmp_path / "x.txt").exists()
    gather(corpus, tmp_path, optional=True)
    assert (tmp_path / "x.txt").is_file()
    (tmp_path / "x.txt").write_bytes(b"changed")
    with pytest.raises(DataError, match="as for the published corpus"):
        gather(corpus, tmp_path)


def test_a_replaced_file_is_found(hosts: Server, tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_bytes(b"changed")
    with pytest.raises(DataError, match=r"x\.txt has SHA-256 .*, not .* as for the published corpus; remove it"):
        gather(_small(hosts), tmp_path)
    (tmp_path / "x.txt").unlink()
    with pytest.raises(DataError, match=r"has no x\.txt; corpus small is built from these files"):
        check_files(_small(hosts), tmp_path)


# Commands


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ("data --corpus beauty --ties file", "beauty is built as published: omit --ties"),
        ("data --corpus beauty --core 3", "omit --core"),
        ("data --corpus beauty --raw nowhere", "raw folder nowhere does not exist"),
        ("data --corpus sample --optional", "--optional is for published corpora"),
        ("data --corpus grocery", "no public address is known"),
        ("data --corpus beauti", "did you mean 'beauty'"),
        ("data --corpus beauty --mirror nowhere", "not a folder"),
        ("run --task search --model bm25 --corpus beauty", "build it with: make data CORPUS=beauty"),
        ("run --task search --model bm25 --corpus beaty", "did you mean 'beauty'"),
        ("describe corpus beauty --verify", "build it with: make data CORPUS=beauty"),
    ],
)
def test_one_line_errors(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    unimp_bench: Command,
    arguments: str,
    problem: str,
) -> None:
    monkeypatch.setenv("UNIMP_BENCH_HOME", str(tmp_path))
    monkeypatch.delenv("UNIMP_BENCH_MIRROR", raising=False)
    code, _, err = unimp_bench(*arguments.split())
    assert code == 2
    assert problem in err
    assert err.count("\n") == 1


def test_reproduce_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unimp_bench: Command) -> None:
    monkeypatch.setenv("UNIMP_BENCH_HOME", str(tmp_path))
    (tmp_path / "leaderboards").symlink_to(ROOT / "leaderboards")
    row = next((ROOT / "leaderboards" / "results" / "recommendation" / "beauty").glob("*.json"))
    code, _, err = unimp_bench("reproduce", row)
    assert (code, err) == (2, "error: no corpus is called 'beauty'; build it with: make data CORPUS=beauty\n")


def test_reproduce_says_what_public_files_lack(
    realdata: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unimp_bench: Command
) -> None:
    """A search row on Beauty reads categories, which the public files alone do not have."""
    if not (realdata / "public").is_dir():
        pytest.skip(f"no {realdata / 'public'}")
    monkeypatch.setenv("UNIMP_BENCH_HOME", str(tmp_path))
    (tmp_path / "leaderboards").symlink_to(ROOT / "leaderboards")
    rows = sorted((ROOT / "leaderboards" / "results" / "search" / "beauty").glob("*.json"))
    if not rows:
        pytest.skip("no published search row on beauty")
    assert unimp_bench("data", "--corpus", "beauty", "--mirror", realdata / "public")[0] == 0
    code, _, err = unimp_bench("reproduce", rows[0])
    assert code == 3 and err.count("\n") == 1
    assert "public files do not give the published texts ('unimp-bench describe corpus beauty')" in err


def test_lists_and_descriptions_show_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unimp_bench: Command
) -> None:
    monkeypatch.setenv("UNIMP_BENCH_HOME", str(tmp_path))
    assert "make data CORPUS=grocery RAW=<folder>" in unimp_bench("list", "corpora")[1]
    code, out, err = unimp_bench("describe", "corpus", "gift_cards")
    assert (code, err) == (0, "")
    for file in _public("gift_cards").files:
        assert file.sha256 is not None and file.sha256 in out
        assert all(url in out for url in file.urls)
    assert "not built; build it with: make data CORPUS=gift_cards" in out


def test_other_files_of_the_same_name_are_not_the_published_corpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unimp_bench: Command
) -> None:
    """A build whose interactions differ, as after a change of a reader, is an error."""
    monkeypatch.setenv("UNIMP_BENCH_HOME", str(tmp_path))
    raw = _papers(tmp_path / "raw")
    corpus = _public("beauty")
    files = tuple(replace(file, sha256=None, size=None) for file in corpus.files)
    monkeypatch.setitem(registry.public_corpora(), "beauty", replace(corpus, files=files))
    code, _, err = unimp_bench("data", "--corpus", "beauty", "--raw", raw)
    assert code == 3
    assert "interactions of " in err and "differ from those of the published corpus" in err
    assert build_public(corpus, tmp_path / "again", raw).counts.users == 3
