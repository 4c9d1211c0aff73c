"""Published audits on pages: slices of rows, links, index and pages of audits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.reports.pretended import make_result, place
from unimp_bench import registry
from unimp_bench.errors import DataError
from unimp_bench.kinds import kind_of
from unimp_bench.records import BoolArray, Split
from unimp_bench.reports.audit.corpus.cuts import CUTS
from unimp_bench.reports.audit.corpus.record import CorpusAudit, ExampleSet, FileOrder, pack_mask, published_path
from unimp_bench.reports.pages.html import html_page
from unimp_bench.reports.pages.write import pages, show
from unimp_bench.reports.rows.sections import Section, sections, topic_sections
from unimp_bench.reports.store import Contents, load_results
from unimp_bench.reports.tables.build import order_words, slices_of
from unimp_bench.reports.tables.table import MIN_MEAN, Slices
from unimp_bench.runs.suites import SUITES

pytestmark = pytest.mark.usefixtures("small")

N = 100
COLD = np.arange(N) < MIN_MEAN - 1
EVEN = np.arange(N) % 2 == 0


def audit(
    masks: dict[str, BoolArray] | None = None, *, fingerprint: str = "f" * 64, split: Split = "loo", name: str = "toy"
) -> CorpusAudit:
    """An audit of the corpus of pretended results."""
    made = {"transition": EVEN, "cold_item": COLD} if masks is None else masks
    tasks = ("recommendation", "search")
    packed = {cut: pack_mask(mask) for cut, mask in made.items()}
    found = ExampleSet(tasks=tasks, split=split, examples=N, masks=packed)
    return CorpusAudit(name=name, fingerprint=fingerprint, synthetic=True, sets=(found,))


def ranks_where(hit: BoolArray) -> np.ndarray:
    """Ranks whose NDCG@10 is ``hit``."""
    return np.where(hit, 1, 99)


def section_of(folder: Path) -> Section:
    """The single section of search."""
    (section,) = sections(load_results(folder), registry.task_cards()["search"])
    return section


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Leaderboards with a model that finds the targets one transition away, and one that finds some targets."""
    place(tmp_path, make_result("walks", ranks_where(EVEN)))
    for seed in range(2):
        place(tmp_path, make_result("half", ranks_where(np.arange(N) // 2 % 2 == seed), seed=seed))
    return tmp_path


def sliced(section: Section, *audits: CorpusAudit) -> Slices:
    """The slices, which must be there."""
    found = slices_of(section, audits)
    assert found is not None
    return found


def test_rows_are_averaged_on_both_sides_and_over_seeds(folder: Path) -> None:
    slices = sliced(section_of(folder), audit(fingerprint="0" * 64), audit())
    assert slices.labels == ("half", "walks") and slices.metric == "NDCG@10"
    transition = slices.cuts[0]
    assert (transition.name, transition.yes.examples, transition.no.examples) == ("transition", 50, 50)
    assert transition.yes.means == pytest.approx([0.5, 1.0])
    assert transition.no.means == pytest.approx([0.5, 0.0])


def test_cuts_are_in_order_without_absent_ones(folder: Path) -> None:
    slices = sliced(section_of(folder), audit({"head": EVEN, "transition": EVEN, "tied": EVEN}))
    assert [each.name for each in slices.cuts] == ["transition", "tied", "head"]
    assert slices_of(section_of(folder), [audit({})]) is None


def test_too_few_examples_give_no_mean(folder: Path) -> None:
    cold = sliced(section_of(folder), audit()).cuts[1]
    assert (cold.yes.examples, cold.yes.means) == (MIN_MEAN - 1, ())
    assert cold.no.means
    page = pages_with(folder, audit())["search/toy_details.md"]
    assert "* cold items: 19 examples are too few for a mean" in page
    row = next(line for line in page.splitlines() if line.startswith("| walks | 1.0000 | 0.0000 |"))
    assert row == "| walks | 1.0000 | 0.0000 |  | 0.4938 |"


def test_a_cut_with_all_examples_on_one_side_has_no_columns(folder: Path) -> None:
    page = pages_with(folder, audit({"transition": EVEN, "repeat": np.zeros(N, dtype=np.bool_)}))[
        "search/toy_details.md"
    ]
    assert "| Model | one transition away (50) | further away (50) |\n" in page
    assert "* new to the user: all examples, so this cut is omitted" in page


def test_classes_have_one_column_each(folder: Path) -> None:
    """The other side of a class has no column, and an empty class none at all."""
    rest = np.logical_not(EVEN | COLD)
    masks = {"memorised": EVEN, "symmetric": ~EVEN & COLD, "transitive": np.zeros(N, dtype=np.bool_), "none": rest}
    page = pages_with(folder, audit(masks))["search/toy_details.md"]
    assert f"| Model | memorised (50) | symmetric (9) | no logic ({rest.sum()}) |\n" in page
    assert "| walks | 1.0000 |  | 0.0000 |\n" in page
    assert "* *memorised*: a training sequence" in page and "* symmetric: 9 examples are too few" in page
    assert "transitive:" not in page
    assert html_page(Contents.published(folder)).count("memorised") > 1


@pytest.mark.parametrize("other", [audit(fingerprint="0" * 64), audit(split="new-user")])
def test_audits_of_other_corpora_or_splits_are_ignored(folder: Path, other: CorpusAudit) -> None:
    assert slices_of(section_of(folder), [other]) is None


def test_audits_of_other_examples_are_ignored(tmp_path: Path) -> None:
    place(tmp_path, make_result("short", ranks_where(EVEN)[:-1]))
    assert slices_of(section_of(tmp_path), [audit()]) is None


def test_sections_with_task_options_are_not_sliced(tmp_path: Path) -> None:
    result = make_result("asked", ranks_where(EVEN))
    place(tmp_path, result.model_copy(update={"spec": result.spec.model_copy(update={"options": {"count": 3}})}))
    assert slices_of(section_of(tmp_path), [audit()]) is None


ORDER = FileOrder(
    ids="text",
    pairs=10_000,
    ascending=0.7,
    expected=0.5,
    last=0.7,
    tied=None,
    untied=None,
    frequent=9,
    one_way=0.4,
    by_chance=0.03,
    one_way_ascending=0.9,
)


@pytest.mark.parametrize(
    ("order", "expected"),
    [(ORDER, True), (ORDER.model_copy(update={"ascending": 0.528}), False), (None, False)],
)
def test_a_file_order_artefact_has_a_banner_on_every_page(
    folder: Path, order: FileOrder | None, expected: bool
) -> None:
    """Earlier audits without the measure have no banner."""
    ablation = {"task": "recommendation", "preset": "tiny"}
    place(folder, make_result("unimp", ranks_where(EVEN), **ablation))
    place(folder, make_result("unimp", ranks_where(~EVEN), settings={"fusion": "late"}, **ablation))
    found = pages_with(folder, audit({"file_order": EVEN}).model_copy(update={"order": order}))
    banner = "> **File-order artefact.** 70.0% of the neighbouring interactions of a user ascend by item id"
    for name in ("search/toy_details.md", "recommendation/toy_details.md", "fusion.md"):
        assert (banner in found[name]) == expected, name
        assert "| with the file's order (50) | against the file's order (50) |" in found[name], name
    assert ("**File-order artefact.**" in found["search/toy.md"]) == expected
    title = show(Contents.published(folder), registry.task_cards()["search"]).splitlines()[0]
    assert ("(file-order artefact" in title) == expected
    page = html_page(Contents.published(folder))
    assert page.count("<strong>File-order artefact.</strong> 70.0%") == (3 if expected else 0)


def test_tasks_without_rankings_have_no_banner(folder: Path) -> None:
    section = replace(section_of(folder), kind=kind_of("rating"))
    assert order_words(section, [audit().model_copy(update={"order": ORDER})]) == ""
    assert order_words(section_of(folder), [audit().model_copy(update={"order": ORDER})])
    assert order_words(section_of(folder), [audit(fingerprint="0" * 64).model_copy(update={"order": ORDER})]) == ""


def test_slices_of_topics_omit_empty_rows(tmp_path: Path) -> None:
    for settings, hit in (({}, EVEN), ({"fusion": "late"}, ~EVEN)):
        place(tmp_path, make_result("unimp", ranks_where(hit), task="recommendation", preset="tiny", settings=settings))
    (section,) = topic_sections(SUITES["fusion"], load_results(tmp_path))
    slices = sliced(section, audit())
    assert len(slices.labels) == 2 < len(section.rows)
    assert slices.cuts[0].yes.means == (1.0, 0.0)
    assert "one transition away (50)" in pages_with(tmp_path, audit())["fusion.md"]


def pages_with(folder: Path, *audits: CorpusAudit) -> dict[str, str]:
    """The pages with published audits."""
    for each in audits:
        each.write(published_path(folder, each.name))
    return pages(folder)


def test_pages_define_cuts_and_link_the_audit(folder: Path) -> None:
    without = pages(folder)
    assert not any("audit_" in content for content in without.values())
    assert "Where the rows differ" not in without["search/toy_details.md"]
    made = pages_with(folder, audit())
    page = made["search/toy_details.md"]
    transition = next(cut for cut in CUTS if cut.name == "transition")
    assert f"* *one transition away*, else *further away*: {transition.about}" in page
    assert "| Model | one transition away (50) | further away (50) | cold items (19) | warm items (81) |" in page
    assert "Shortcut audit: [toy](../audit_toy.md)" in page
    assert "[about the corpus](../audit_toy.md)" in made["search/toy.md"]
    assert "| [toy](audit_toy.md) | 100 | 50.0% |  |  |  |  | 19.0% |" in made["corpora.md"]
    assert set(made) - set(without) == {"audit_toy.md", "corpora.md"}
    assert "toy" in made["audit_toy.md"]


def test_an_audit_cannot_leave_its_folder(folder: Path) -> None:
    audit(name="../evil").write(folder / "audits" / "a.json")
    with pytest.raises(DataError, match="not a plain name"):
        pages(folder)


def test_details_give_the_keys_of_reproducible_rows(tmp_path: Path) -> None:
    ran, scored = make_result("a", np.array([1])), make_result("external:b", np.array([2]))
    place(tmp_path, ran)
    place(tmp_path, scored.model_copy(update={"cost": None}))
    page = pages(tmp_path)["search/toy_details.md"]
    assert f"c  # commit abc, reproduce {ran.spec.key[:12]}\n" in page
    assert page.count("reproduce") == 1
