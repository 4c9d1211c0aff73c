"""Small files of published corpora."""

from __future__ import annotations

import zipfile
from pathlib import Path

from data_prep.build import BuildOptions
from data_prep.pipeline import run_pipeline
from data_prep.public import PublicCorpus
from data_prep.source import Source
from unimp_bench import registry
from unimp_bench.corpus import Corpus

ALL = BuildOptions(user_core=0, item_core=0, held_out=0)


def public(name: str) -> PublicCorpus:
    corpus: PublicCorpus = registry.public_corpora()[name]
    return corpus


def built(source: Source, folder: Path) -> Corpus:
    """The corpus of all interactions of a source."""
    run_pipeline(source, folder, ALL)
    return Corpus.open(folder)


NAMED = "u1 b a c\nu2 c a\nu3 a b\n"
"""IDGenRec: users and items by name; TiCoSeRec's ranks are a 1, b 2, c 3."""


def papers_files(
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


def movielens_archive(folder: Path, ratings: str, movies: str, tags: str) -> None:
    with zipfile.ZipFile(folder / "ml-latest-small.zip", "w") as archive:
        archive.writestr("ml-latest-small/ratings.csv", ratings)
        archive.writestr("ml-latest-small/movies.csv", "movieId,title,genres\n" + movies)
        archive.writestr("ml-latest-small/tags.csv", "userId,movieId,tag,timestamp\n" + tags)
