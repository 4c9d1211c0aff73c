"""Comparison of counts with the paper's."""

from __future__ import annotations

from pathlib import Path

import pytest

from data_prep.build import BuildOptions, build_corpus
from data_prep.table5 import PAPER, Size, domain_sizes, table5
from tests.data_prep.raw_sets import review, reviews, write_style
from unimp_bench.corpus import Corpus

ALL = BuildOptions(user_core=0, item_core=0, held_out=0)


def _corpus(tmp_path: Path, kind: str, **domains: int) -> Corpus:
    for domain, users in domains.items():
        write_style(kind, tmp_path / "raw", domain, reviews(users=users))
    build_corpus(kind, tmp_path / "corpus", tmp_path / "raw", ALL)
    return Corpus.open(tmp_path / "corpus")


def test_sizes_are_per_domain(tmp_path: Path) -> None:
    """Both domains have the same twelve items and users of the same names; each counts its own."""
    corpus = _corpus(tmp_path, "amazon-2014", Beauty=30, Baby=10)
    assert domain_sizes(corpus) == {"Baby": Size(10, 12, 80), "Beauty": Size(30, 12, 240)}


def test_an_item_counts_in_every_domain_with_a_purchase(tmp_path: Path) -> None:
    write_style("amazon-2014", tmp_path / "raw", "Beauty", [review("U1", "I000"), review("U1", "I001")])
    write_style("amazon-2014", tmp_path / "raw", "Toys_and_Games", [review("U1", "I001")])
    build_corpus("amazon-2014", tmp_path / "corpus", tmp_path / "raw", ALL)
    sizes = domain_sizes(Corpus.open(tmp_path / "corpus"))
    assert sizes == {"Beauty": Size(1, 2, 2), "Toys_and_Games": Size(1, 1, 1)}


def test_the_table(tmp_path: Path) -> None:
    table = table5(_corpus(tmp_path, "amazon-2018", All_Beauty=30, Gift_Cards=10))
    assert table is not None
    lines = [line.split() for line in table.splitlines()]
    assert lines[0] == ["domain", "users", "paper", "items", "paper", "interactions", "paper"]
    assert lines[1] == ["All_Beauty", "30", "25,837", "-99.9%", "12", "16,893", "-99.9%", "240", "227,920", "-99.9%"]
    assert lines[2] == ["Gift_Cards", "10", "-", "12", "-", "80", "-"]
    assert len({len(line) for line in table.splitlines()}) == 1


def test_no_table_without_a_domain_of_the_paper(tmp_path: Path) -> None:
    assert table5(_corpus(tmp_path, "amazon-2018", Gift_Cards=10)) is None


@pytest.mark.parametrize(
    ("domain", "sparsity"),
    zip(PAPER, (99.89, 99.95, 99.98, 99.91, 99.97, 99.95, 99.79), strict=True),
)
def test_the_papers_counts_agree_with_its_sparsity(domain: str, sparsity: float) -> None:
    """The fourth column of the paper's table, within the last digit that it prints."""
    size = PAPER[domain]
    assert abs(100 * (1 - size.interactions / size.users / size.items) - sparsity) < 0.01
