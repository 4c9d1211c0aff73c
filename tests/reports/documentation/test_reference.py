"""The reference is complete, and every setting and metric is documented."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from unimp_bench import registry
from unimp_bench.kinds import kind_of, metric_cards
from unimp_bench.reports.documentation.docstrings import settings_of
from unimp_bench.reports.documentation.pages import Place, card_of, places, slug
from unimp_bench.reports.documentation.reference import CONTRACTS, write_reference
from unimp_bench.runs.suites import CATALOGUE as SUITES

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reference with an additional baseline ``newcomer``."""
    folder = tmp_path_factory.mktemp("reference")
    newcomer = dataclasses.replace(registry.model_cards()["popularity"], name="newcomer")
    cards = {**registry.model_cards(), "newcomer": newcomer}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "model_cards", lambda: cards)
        write_reference(folder, ROOT)
    return folder


def test_every_card_has_a_page(reference: Path) -> None:
    expected = {
        "tasks": list(registry.task_cards()),
        "models": [*registry.model_cards(), "newcomer"],
        "metrics": [slug(card.name) for card in metric_cards()],
        "corpora": list(registry.corpus_cards()),
        "suites": [suite.name for suite in SUITES],
        "contracts": list(CONTRACTS),
    }
    for section, names in expected.items():
        assert {path.stem for path in (reference / section).glob("*.md")} == {*names, "index"}
        index = (reference / section / "index.md").read_text()
        assert all(f"({name}.md)" in index and f"\n{name}\n" in index for name in names)
    assert {path.name for path in reference.iterdir()} == set(expected)


def test_a_model_page_has_equations_settings_presets_and_results(reference: Path) -> None:
    text = (reference / "models" / "sasrec.md").read_text()
    assert "x_t = LN(e_{i_t} + p_t)" in text, "the equations of its module"
    assert "* `form` (one of ce, original, sampled; default `ce`): ``ce``, RecBole's blocks and cross-entropy" in text
    assert "| `original` | `batch_size=128`" in text
    assert "(../suites/recommendation.md): SASRec" in text
    assert "leaderboards/recommendation/gift_cards_details.md#" in text
    assert "None yet." in (reference / "models" / "newcomer.md").read_text()


def test_a_task_page_has_options_metrics_and_an_example(reference: Path) -> None:
    text = (reference / "tasks" / "selection.md").read_text()
    assert "* `most` (int; default `7`)" in text
    assert "| [F1](../metrics/f1.md) | higher | main table | orders rows; significance test |" in text
    assert "selection/loo/test/" in text


def test_a_metric_page_has_its_equation_and_its_test(reference: Path) -> None:
    text = (reference / "metrics" / "ndcg.md").read_text()
    assert "$$\n" in text and "1, 3, 5, 10" in text and "tests/metrics/test_ranking.py" in text
    assert "| **better** | lower |" in (reference / "metrics" / "rmse.md").read_text()


def test_a_corpus_page_has_the_defaults_of_its_kind(reference: Path) -> None:
    assert "* `user_core` (int; default `5`)" in (reference / "corpora" / "amazon-2014.md").read_text()
    assert "* `user_core` (int; default `0`)" in (reference / "corpora" / "atomic.md").read_text()
    assert "| **licence** | H&M Group on Kaggle" in (reference / "corpora" / "hm.md").read_text()


def test_rewriting_keeps_unchanged_pages_and_removes_obsolete_ones(reference: Path) -> None:
    kept = {path: path.stat().st_mtime_ns for path in reference.rglob("*.md")}
    write_reference(reference, ROOT)
    assert not (reference / "models" / "newcomer.md").exists()
    changed = {
        path.relative_to(reference).as_posix()
        for path in kept
        if path.exists() and path.stat().st_mtime_ns != kept[path]
    }
    assert changed == {"models/index.md", "tasks/recommendation.md", "tasks/search.md"}


def test_metrics_of_tables_and_cards_agree() -> None:
    kinds = {card.kind for card in registry.task_cards().values()}
    shown = {card_of(column.name) for kind in kinds for column in kind_of(kind).columns}
    assert shown == set(metric_cards())


def _configurations() -> list[object]:
    models = [registry.load(card.factory).Config() for card in registry.model_cards().values()]
    return [*models, *(registry.make_task(name).config for name in registry.task_cards())]


@pytest.mark.parametrize("config", _configurations(), ids=lambda config: type(config).__name__)
def test_every_setting_is_documented(config: object) -> None:
    assert not [setting.name for setting in settings_of(config) if not setting.about]


def test_models_of_suite_rows_have_pages() -> None:
    rows = [row for suite in SUITES for row in suite.rows if row.model]
    assert {row.model.partition(":")[0] for row in rows} <= set(registry.model_cards())


def test_places_are_sections_with_a_command_of_the_model(tmp_path: Path) -> None:
    (tmp_path / "search.md").write_text(
        "# Search\n\n## sample, split loo, protocol paper\n\n```sh\n"
        "unimp-bench run --task search --model bm25 --corpus sample\n"
        "unimp-bench run --task search --model recbole:BPR --corpus sample\n```\n\n## other\n"
    )
    place = Place("search", "sample, split loo, protocol paper")
    assert places(tmp_path) == {"bm25": [place], "recbole": [place]}
    assert place.link.endswith("/search.md#sample-split-loo-protocol-paper")
