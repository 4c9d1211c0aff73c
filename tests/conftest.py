"""Fixtures that many tests share: the place of the real data, and a small corpus with a planted order."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from data_prep.build import build_corpus
from tests.slow_days import pytest_addoption, pytest_collection_modifyitems, pytest_terminal_summary  # noqa: F401
from unimp_bench import cards, registry
from unimp_bench.corpus import Corpus
from unimp_bench.kinds import kind_cards, kind_of
from unimp_bench.testing.planted import write_planted_corpus

ROOT = Path(__file__).resolve().parents[1]

for _name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):  # of the make that runs the tests; tests run make themselves
    os.environ.pop(_name, None)
os.environ["COLUMNS"] = "120"  # a worker of pytest-xdist has no terminal of which a width could be read


@pytest.fixture(scope="session")
def realdata() -> Path:
    """The folder of real data; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("UNIMP_BENCH_REALDATA", ROOT / ".." / "shared" / "realdata"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set UNIMP_BENCH_REALDATA")
    return folder


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """A corpus of 240 users and 72 items in which the next item follows from the last one."""
    folder = tmp_path_factory.mktemp("corpora") / "planted"
    write_planted_corpus(folder)
    return Corpus.open(folder)


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """The built-in sample, built once a session as 'make data' builds it."""
    folder = tmp_path_factory.mktemp("corpora") / "sample"
    build_corpus("sample", folder, None)
    return Corpus.open(folder)


def forget_cards() -> None:
    """Make the registry look for cards and entry points again."""
    for found in (cards._points, kind_cards, kind_of, registry.task_cards, registry.model_cards, registry.corpus_cards):
        found.cache_clear()
