"""Published corpora by name: their catalogue, what is built from their files, and commands."""

from __future__ import annotations

import csv
import gzip
import re
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from data_prep.build import build_public
from data_prep.formats.microlens import MicroLens
from data_prep.public.movielens import MovieLens
from tests.data_prep.conftest import Command
from tests.data_prep.public_files import built, movielens_archive, papers_files, public
from unimp_bench import registry
from unimp_bench.corpus import Corpus
from unimp_bench.runs.results import Result

ROOT = Path(__file__).resolve().parents[2]

# The catalogue


def test_every_published_real_corpus_is_registered() -> None:
    for folder in sorted((ROOT / "leaderboards" / "results").glob("*/*")):
        facts = Result.read(next(folder.glob("*.json"))).corpus
        if facts.synthetic:
            continue
        corpus = public(facts.name)
        assert (corpus.users, corpus.items, corpus.interactions) == (facts.users, facts.items, facts.interactions)
        assert {part.part: part.fingerprint for part in corpus.parts} == facts.parts


@pytest.mark.parametrize("name", registry.public_corpora())
def test_files_have_versions_and_hashes(name: str) -> None:
    corpus = public(name)
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
    corpus = public(name)
    rebuilt = Corpus.open(tmp_path / "data" / name)
    assert (rebuilt.manifest.counts.users, rebuilt.manifest.counts.items) == (corpus.users, corpus.items)
    for part in corpus.parts:
        assert (rebuilt.part_fingerprints[part.part] == part.fingerprint) == part.same
    texts = "as published" if name.endswith("-s3rec") else "not as published"
    assert "interactions: as published" in out and f"texts: {texts}" in out
    assert rebuilt.manifest.described == {"keywords": corpus.items}


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


def test_ratings_of_movielens_follow_from_themovielens_archive(realdata: Path, tmp_path: Path) -> None:
    """The atomic file of the published corpus, written as in GroupLens' archive, has its interactions."""
    source = realdata / "movielens" / "movielens.inter.gz"
    if not source.is_file():
        pytest.skip(f"no {source}")
    lines = gzip.decompress(source.read_bytes()).decode().splitlines()[1:]
    ratings = "".join(f"{line}\r\n" for line in ["userId,movieId,rating,timestamp", *lines]).replace("\t", ",")
    assert sha256(ratings.encode()).hexdigest() == "aa289ca83157595d0df6aea1be6a4ded676ddc4385472e8313a8ed9805352646"
    movielens_archive(tmp_path, ratings, "1,Toy Story (1995),Adventure\n", "")
    corpus = built(MovieLens(tmp_path), tmp_path / "movielens")
    assert corpus.part_fingerprints["interactions"] == public("movielens").parts[0].fingerprint


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
    corpus = built(MicroLens(tmp_path), tmp_path / "microlens")
    for part in public("microlens").parts:
        assert corpus.part_fingerprints[part.part] == part.fingerprint


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
    for file in public("gift_cards").files:
        assert file.sha256 is not None and file.sha256 in out
        assert all(url in out for url in file.urls)
    assert "not built; build it with: make data CORPUS=gift_cards" in out


def test_other_files_of_the_same_name_are_not_the_published_corpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unimp_bench: Command
) -> None:
    """A build whose interactions differ, as after a change of a reader, is an error."""
    monkeypatch.setenv("UNIMP_BENCH_HOME", str(tmp_path))
    raw = papers_files(tmp_path / "raw")
    corpus = public("beauty")
    files = tuple(replace(file, sha256=None, size=None) for file in corpus.files)
    monkeypatch.setitem(registry.public_corpora(), "beauty", replace(corpus, files=files))
    code, _, err = unimp_bench("data", "--corpus", "beauty", "--raw", raw)
    assert code == 3
    assert "interactions of " in err and "differ from those of the published corpus" in err
    assert build_public(corpus, tmp_path / "again", raw).counts.users == 3
