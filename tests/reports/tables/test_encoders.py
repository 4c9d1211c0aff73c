"""The page of encoders: which rows are compared, what the comparisons say, and how such rows are named elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.reports.pretended import make_result, place
from unimp_bench import registry
from unimp_bench.contracts import Training
from unimp_bench.metrics.paired import seeded_test
from unimp_bench.metrics.ranking import RankMetric
from unimp_bench.reports.pages.write import pages
from unimp_bench.reports.rows.labels import claims, encoders_of, label_of, only_in_topics
from unimp_bench.reports.rows.sections import Section, sections, topic_sections
from unimp_bench.reports.store import corpora_of, identity
from unimp_bench.runs.results import UNREAD, Result
from unimp_bench.runs.suites import SUITES

NDCG = RankMetric("NDCG", 10)
SUITE = SUITES["encoders"]
TEXT, PICTURES = "minilm", "efficientnet-lite0"
RANKS = np.random.default_rng(0).integers(1, 40, 400)
WORSE = np.minimum(RANKS + 6, 255)


def scored(model: str, ranks: Any = RANKS, seed: int = 0, pictures: int = 5, **features: str) -> Result:
    """A synthetic result of recommendation by a model that was given features."""
    config = {"encoder": "tiny", "text" if model.startswith("unisrec") else "text_encoder": "lsa"}
    settings = {f"features.{modality}": name for modality, name in features.items()}
    preset = registry.default_preset(model)
    result = make_result(
        model,
        ranks,
        task="recommendation",
        protocol="masked",
        settings=settings,
        config=config,
        seed=seed,
        preset=preset,
    )
    facts = result.corpus.model_copy(update={"pictures": pictures, "synthetic": False})
    return result.model_copy(update={"corpus": facts})


def seeds(model: str, ranks: Any = RANKS, **features: str) -> list[Result]:
    """Three seeds, whose ranks differ a little."""
    return [
        scored(model, np.where(np.arange(len(ranks)) % 97 == seed, 1, ranks), seed, **features) for seed in range(3)
    ]


def configured(result: Result, **settings: str) -> Result:
    """A result of ``unimp``, which has no setting ``text_encoder``, with further settings."""
    config = {key: value for key, value in result.spec.fit.config.items() if key != "text_encoder"} | settings
    fit = result.spec.fit.model_copy(update={"config": config})
    return result.model_copy(update={"spec": result.spec.model_copy(update={"fit": fit})})


def unread(result: Result, modality: str) -> Result:
    return result.model_copy(update={"remarks": (*result.remarks, f"{modality} features: x (y){UNREAD}")})


def exchanged(section: Section) -> list[tuple[str, str, str, str]]:
    return [(swap.group, swap.modality, swap.reads, swap.instead) for swap in section.swaps]


def rows_of(result: Result) -> list[str]:
    return [row.label for row in SUITE.rows if claims(SUITE, row, result)]


def test_results_belong_to_the_row_of_what_they_read() -> None:
    assert rows_of(scored("vbpr")) == ["VBPR"]
    assert rows_of(with_features(scored("vbpr"), pictures="none", text=TEXT)) == ["VBPR, MiniLM, no pictures"]
    looks = "VBPR, EfficientNet-Lite0, no text"
    for text in ({}, {"text": "none"}, {"text": TEXT}):  # which it does not read where there are pictures
        result = with_features(scored("vbpr"), pictures=PICTURES, **text)
        assert rows_of(unread(result, "text") if text else result) == [looks], text
    assert rows_of(scored("unisrec", text=TEXT)) == ["UniSRec, MiniLM"]
    assert rows_of(scored("unisrec", text="another")) == []


def test_encoders_of_a_result() -> None:
    assert encoders_of(scored("vbpr")) == {"pictures": "tiny"}
    assert encoders_of(scored("vbpr", pictures=0)) == {"text": "lsa"}
    assert encoders_of(scored("mmgcl")) == {"pictures": "tiny", "text": "lsa"}
    assert encoders_of(scored("mmgcl", text=TEXT)) == {"pictures": "tiny", "text": TEXT}
    assert encoders_of(scored("sasrec")) == {}
    blind = configured(scored("unimp", pictures=0))
    assert encoders_of(blind) == {}, "its words are no features"
    assert encoders_of(configured(blind, item_texts="lsa")) == {"text": "lsa"}
    assert encoders_of(with_features(blind, text=TEXT)) == {"text": TEXT}


def test_runs_that_read_the_same_are_one_row() -> None:
    one = with_features(scored("vbpr"), pictures=PICTURES)
    other = unread(with_features(scored("vbpr"), pictures=PICTURES, text=TEXT), "text")
    corpora = corpora_of([one, other])
    assert label_of(one) == label_of(other) and identity(one, corpora) == identity(other, corpora)
    third = with_features(scored("vbpr"), pictures="none", text=TEXT)
    assert identity(one, corpora) != identity(third, corpora)


def with_features(result: Result, **features: str) -> Result:
    named = {f"features.{modality}": name for modality, name in features.items()}
    fit = result.spec.fit.model_copy(update={"given": dict(features)})
    update = {"model": result.model.model_copy(update={"settings": named})}
    return result.model_copy(update={**update, "spec": result.spec.model_copy(update={"fit": fit})})


def test_pairs_differ_in_one_encoder() -> None:
    """Of a model of two modalities each is left out once; one that needs features is compared with another model."""
    features: list[dict[str, str]] = [
        {},
        {"text": TEXT, "pictures": PICTURES},
        {"text": "none", "pictures": PICTURES},
        {"text": TEXT, "pictures": "none"},
    ]
    results = [with_features(result, **each) for each in features for result in seeds("mmgcl")]
    results += [*seeds("unisrec", text=TEXT), *seeds("unisrec", WORSE), *seeds("sasrec", WORSE), *seeds("lightgcn")]
    (section,) = topic_sections(SUITE, results)
    assert exchanged(section) == [
        ("UniSRec", "text", "LSA", "none (SASRec)"),
        ("UniSRec", "text", "MiniLM", "LSA"),
        ("UniSRec", "text", "MiniLM", "none (SASRec)"),
        ("MMGCL", "both", "LSA, random", "none (LightGCN)"),
        ("MMGCL", "text", "MiniLM", "none"),
        ("MMGCL", "pictures", "EfficientNet-Lite0", "none"),
        ("MMGCL", "both", "MiniLM, EfficientNet-Lite0", "LSA, random"),
        ("MMGCL", "both", "MiniLM, EfficientNet-Lite0", "none (LightGCN)"),
        ("MMGCL", "pictures", "EfficientNet-Lite0", "none (LightGCN)"),
        ("MMGCL", "text", "MiniLM", "none (LightGCN)"),
    ]
    assert section.title == "toy, recommendation"
    assert {row.base for row in section.rows if row.label.startswith("UniSRec")} == {"UniSRec"}
    swap = next(each for each in section.swaps if (each.reads, each.instead) == ("MiniLM", "LSA"))
    mine, lsa = ([NDCG.values(result.target_ranks()) for result in rows] for rows in (results[12:15], results[15:18]))
    expected = seeded_test(np.array(mine), np.array(lsa))
    assert swap.test is not None and swap.test.difference == pytest.approx(expected.difference)
    assert swap.test.difference > 0.02 and expected.p_value <= swap.test.p_value < 0.01  # after Holm


def with_settings(results: list[Result], **settings: str) -> list[Result]:
    def changed(result: Result) -> Result:
        model = result.model.model_copy(update={"settings": {**result.model.settings, **settings}})
        return result.model_copy(update={"model": model})

    return [changed(result) for result in results]


def test_other_settings_are_compared_apart() -> None:
    tuned = with_settings(seeds("unisrec", WORSE), dropout="0.1")
    assert topic_sections(SUITE, [*seeds("unisrec", text=TEXT), *tuned]) == []
    (section,) = topic_sections(SUITE, [*seeds("unisrec", text=TEXT), *tuned, *seeds("unisrec")])
    assert [swap.base for swap in section.swaps] == ["UniSRec"]


def test_other_budgets_are_not_compared() -> None:
    """A default of epochs may have changed between the fits of two rows; the settings do not tell."""

    def limited(results: list[Result], epochs: int) -> list[Result]:
        fits = [
            each.spec.fit.model_copy(update={"config": each.spec.fit.config | {"epochs": epochs}}) for each in results
        ]
        return [
            each.model_copy(update={"spec": each.spec.model_copy(update={"fit": fit})})
            for each, fit in zip(results, fits, strict=True)
        ]

    longer = limited(seeds("unisrec", WORSE), 300)
    assert topic_sections(SUITE, [*limited(seeds("unisrec", text=TEXT), 100), *longer]) == []
    (section,) = topic_sections(SUITE, [*limited(seeds("unisrec", text=TEXT), 300), *longer])
    assert [swap.base for swap in section.swaps] == ["UniSRec"]


def test_an_encoder_replaces_the_models_own_also_where_the_other_modality_is_left_out() -> None:
    """UniMP without pictures reads LSA of the texts, MiniLM, or neither."""

    def blind(ranks: Any = RANKS, **text: str) -> list[Result]:
        results = seeds("unimp", ranks)
        return [with_features(configured(each, item_texts="lsa"), pictures="none", **text) for each in results]

    (section,) = topic_sections(SUITE, [*blind(), *blind(WORSE, text=TEXT), *blind(text="none")])
    assert exchanged(section) == [
        ("UniMP", "text", "LSA", "none"),
        ("UniMP", "text", "MiniLM", "LSA"),
        ("UniMP", "text", "MiniLM", "none"),
    ]


def test_the_model_without_features_has_the_same_settings_if_possible() -> None:
    looks = [with_features(result, pictures=PICTURES) for result in seeds("vbpr")]
    rows = [*looks, *with_settings(looks, patience="40"), *with_settings(looks, width="8")]
    models = [*seeds("mf"), *with_settings(seeds("mf"), patience="40")]
    (section,) = topic_sections(SUITE, [*rows, *models])
    row, base = "VBPR, EfficientNet-Lite0, no text", "VBPR without features: MF"
    assert [(swap.row, swap.instead, swap.base) for swap in section.swaps] == [
        (row, "none (MF)", base),
        (f"{row} (patience=40)", "none (MF)", f"{base} (patience=40)"),
        (f"{row} (width=8)", "none (MF)", base),
    ]


def test_of_models_with_other_settings_that_of_most_seeds_is_compared() -> None:
    """As UniSRec of one loss beside SASRec of both, whose first row has one seed."""
    models = [seeds("sasrec", WORSE)[0], *with_settings(seeds("sasrec", WORSE), width="8")]
    (section,) = topic_sections(SUITE, [*with_settings(seeds("unisrec"), form="sampled"), *models])
    assert [swap.base for swap in section.swaps] == ["UniSRec without features: SASRec (width=8)"]


def test_the_page(tmp_path: Path) -> None:
    for result in (
        *seeds("unisrec", text=TEXT),
        *seeds("unisrec", WORSE),
        *(with_features(result, pictures="none", text=TEXT) for result in seeds("vbpr")),
        *seeds("vbpr")[:1],
        *(
            with_features(result, pictures=PICTURES).model_copy(update={"training": Training(steps, 9, 5, "converged")})
            for steps, result in zip((1000, 3000, 5000), seeds("vbpr", WORSE), strict=True)
        ),
    ):
        place(tmp_path, result)
    made = pages(tmp_path)
    page, index, table = made["encoders.md"], made["README.md"], made["recommendation/toy.md"]
    (line,) = (line for line in page.splitlines() if line.startswith("| UniSRec | text: MiniLM | LSA |"))
    assert "(**<0.001**) | 3 |" in line
    (few,) = (line for line in page.splitlines() if line.startswith("| VBPR | pictures: EfficientNet-Lite0 | random |"))
    assert "| 3, 1 | 3,000; none | few seeds" in few and "**" not in few
    said = "MiniLM instead of LSA 1 / 0 / 0 (better: UniSRec on toy, recommendation)"
    assert said in page and said in index and "](encoders.md)" in index
    unsaid = "EfficientNet-Lite0 instead of random 0 / 0 / 1"
    assert unsaid in page
    assert "| UniSRec, MiniLM |" in table and "| VBPR, EfficientNet-Lite0 |" in table
    assert "no pictures" not in table, "what leaves a modality out is on the page of encoders alone"
    assert page.index("VBPR, MiniLM, no pictures") > 0


def test_rows_of_tasks_are_those_without_features() -> None:
    """A model is lacking on a task's page where only its rows with features have results."""
    (section,) = sections(seeds("unisrec", text=TEXT), registry.task_cards()["recommendation"])
    assert "UniSRec" in [row.label for row in section.empty]
    assert only_in_topics(with_features(scored("unimp"), pictures="none"))
    assert not only_in_topics(with_features(scored("unimp"), pictures=PICTURES))
