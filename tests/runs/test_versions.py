"""Versions of fits and results: those of an earlier version are never reused or mixed with new ones."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from tests.reports.pretended import make_result
from unimp_bench import registry
from unimp_bench.corpus import Corpus, features
from unimp_bench.files import Workspace
from unimp_bench.reports.rows.sections import sections
from unimp_bench.reports.tables.build import remarks_of
from unimp_bench.runs.results import Result
from unimp_bench.runs.runner import RunRequest, planned, run
from unimp_bench.runs.spec import FitSpec
from unimp_bench.runs.versions import outdated, versions_of


def with_card(monkeypatch: pytest.MonkeyPatch, name: str, **changes: Any) -> None:
    cards = {**registry.model_cards(), name: dataclasses.replace(registry.model_card(name), **changes)}
    monkeypatch.setattr(registry, "model_cards", lambda: cards)


def refitted(result: Result, **changes: Any) -> Result:
    return result.model_copy(
        update={"spec": result.spec.model_copy(update={"fit": result.spec.fit.model_copy(update=changes)})}
    )


def test_a_new_version_of_a_model_is_another_run(
    planted: Corpus, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace(tmp_path)
    request = RunRequest(task="recommendation", model="popularity", corpus=planted.folder)
    first, _ = run(request, workspace)
    assert run(request, workspace)[1], "found"
    with_card(monkeypatch, "popularity", version=2)
    second, found = run(request, workspace)
    assert not found and second.spec.key != first.spec.key and second.spec.fit.key != first.spec.fit.key
    assert outdated(first) == ("version 1 of the model, now 2",) and not outdated(second)


def test_specifications_hold_versions_of_features_and_selection_rules(
    planted: Corpus, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace(tmp_path)

    def key(model: str) -> str:
        return planned(RunRequest("recommendation", model, planted.folder), workspace).spec.fit.key

    before = {name: key(name) for name in ("vbpr", "popularity", "mf")}
    monkeypatch.setitem(features.VERSIONS, "pictures", features.VERSIONS["pictures"] + 1)
    after = {name: key(name) for name in before}
    assert {name for name in before if before[name] != after[name]} == {"vbpr"}
    assert versions_of(registry.model_card("mf"), ["recommendation"]).selection == {
        "ranking/masked": 3,
        "ranking/paper": 2,
    }
    assert versions_of(registry.model_card("popularity"), ["recommendation"]).selection == {}, "validates nothing"


def test_specifications_without_versions_are_those_of_version_1() -> None:
    fields: dict[str, Any] = {"tasks": (("search", 1),), "model": "bm25", "config": {}, "fingerprint": "f", "seed": 0}
    plain = FitSpec(**fields)
    assert plain.key == FitSpec(**fields, version=1, features={}, selection={}).key
    assert (
        len({plain.key, *(FitSpec(**fields, **each).key for each in ({"version": 2}, {"features": {"text": 2}}))}) == 3
    )


def test_a_selection_rule_outdates_only_results_of_its_protocol() -> None:
    result = make_result("mf", np.array([1, 2, 3]), task="recommendation", protocol="paper")
    result = refitted(result, selection={"ranking/paper": 2})
    assert outdated(result) == ()
    masked = result.model_copy(update={"spec": result.spec.model_copy(update={"protocol": "masked"})})
    assert outdated(masked) == ("version 1 of the selection rule, now 3",)
    assert outdated(refitted(masked, selection={"ranking/masked": 3})) == ()


def test_versions_never_share_a_row_and_older_ones_are_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    old = make_result("bm25", np.array([1, 2, 300]))
    with_card(monkeypatch, "bm25", version=2)
    new = make_result("bm25", np.array([1, 9, 300]), seed=1)
    (section,) = sections([old, new], registry.task_cards()["search"])
    assert [(row.label, len(row.results)) for row in section.filled] == [("bm25", 1), ("bm25 ‡", 1)]
    assert remarks_of(old)[-1] == (
        "result of an earlier version: version 1 of the model, now 2; the same command gives a new result"
    )
    assert remarks_of(new) == new.remarks
