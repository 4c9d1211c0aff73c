"""Results with shuffled ties are shown only with the same rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.reports.pretended import make_result, place
from unimp_bench import registry
from unimp_bench.corpus.views import View, viewed
from unimp_bench.reports.pages.write import pages
from unimp_bench.reports.rows.sections import Section, sections
from unimp_bench.reports.store import load_results
from unimp_bench.runs.results import Result

pytestmark = pytest.mark.usefixtures("small")

STORED, BY_CHANCE = np.array([1, 1, 1, 90]), np.array([1, 90, 91, 92])
NAME, FINGERPRINT = viewed("toy", "f" * 64, View.parse("ST"))


def found(folder: Path) -> list[Section]:
    """The sections of search."""
    return sections(load_results(folder), registry.task_cards()["search"])


def test_rows_with_both_results_show_the_shift(tmp_path: Path) -> None:
    place(tmp_path, make_result("walks", STORED))
    place(tmp_path, make_result("walks", STORED, settings={"window": "2"}))
    place(tmp_path, make_result("walks", BY_CHANCE, corpus=NAME, fingerprint=FINGERPRINT))
    (section,) = found(tmp_path)
    assert [row.label for row in section.filled] == ["walks", "walks (window=2)"]
    (row,) = section.shuffled
    assert (row.label, len(row.results)) == ("walks", 1)
    assert (row.stored.value, row.shuffled.value) == (0.75, 0.25)
    page = pages(tmp_path)["search/toy_details.md"]
    assert "| walks | 1 | 0.7500 [0.0000, 1.0000] | 0.2500 [0.0000, 1.0000] | -0.5000 |" in page
    assert "+ST" not in page
    assert f"reproduce {row.results[0].spec.key[:12]}" in page


def test_only_common_seeds_are_compared(tmp_path: Path) -> None:
    place(tmp_path, make_result("walks", STORED, seed=0))
    place(tmp_path, make_result("walks", np.ones(4, dtype=int), seed=1))
    for seed in (1, 2):
        place(tmp_path, make_result("walks", BY_CHANCE, seed=seed, corpus=NAME, fingerprint=FINGERPRINT))
    (section,) = found(tmp_path)
    (row,) = section.shuffled
    assert (len(row.results), row.stored.value, row.shuffled.value) == (1, 1.0, 0.25)


@pytest.mark.parametrize(
    "other",
    [
        make_result("walks", BY_CHANCE, corpus=NAME, fingerprint="0" * 64),
        make_result("walks", BY_CHANCE, corpus=NAME, fingerprint=FINGERPRINT, split="new-user"),
        make_result("walks", BY_CHANCE, corpus=NAME, fingerprint=FINGERPRINT, preset="tuned"),
        make_result("walks", BY_CHANCE, corpus=NAME, fingerprint=FINGERPRINT, settings={"window": "2"}),
        make_result("walks", BY_CHANCE, corpus=NAME, fingerprint=FINGERPRINT, task="recommendation"),
        make_result("stands", BY_CHANCE, corpus=NAME, fingerprint=FINGERPRINT),
    ],
)
def test_results_of_other_rows_or_tasks_are_not_matched(tmp_path: Path, other: Result) -> None:
    place(tmp_path, make_result("walks", STORED))
    place(tmp_path, other)
    (section,) = found(tmp_path)
    assert section.shuffled == ()
    assert "ties" not in pages(tmp_path)["search/toy_details.md"]


def test_views_with_noise_have_a_separate_section(tmp_path: Path) -> None:
    name, fingerprint = viewed("toy", "f" * 64, View.parse("NT"))
    place(tmp_path, make_result("walks", STORED))
    place(tmp_path, make_result("walks", BY_CHANCE, corpus=name, fingerprint=fingerprint))
    assert [section.corpus.name for section in found(tmp_path)] == ["toy", "toy+NT"]
