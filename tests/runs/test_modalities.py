"""Texts and pictures that are missing or exchanged, in the corpus or at test alone: features, fits and scores."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from unimp_bench.corpus import Corpus
from unimp_bench.corpus.features.pictures import picture_features, picture_vectors
from unimp_bench.corpus.features.stored import Stored, chosen_sets, write_set
from unimp_bench.corpus.features.text import text_vectors
from unimp_bench.corpus.views import View, view_of
from unimp_bench.errors import UsageError
from unimp_bench.files import Workspace
from unimp_bench.interchange.dataset import ExportRequest, export_datasets
from unimp_bench.reports.rows.labels import only_in_topics
from unimp_bench.runs.reproduction import request_of
from unimp_bench.runs.results import Result
from unimp_bench.runs.runner import RunRequest, planned, run

Ask = Callable[..., Result]
QUICK = {
    "unisrec-inductive": {"epochs": 15, "pretraining_epochs": 0, "width": 32},
    "vbpr": {"epochs": 10},
    "sasrec": {"epochs": 1},
}


@pytest.fixture(scope="module")
def workspace(planted: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """With stored texts ``kinds`` and pictures ``regions``, both without the first item."""
    root = tmp_path_factory.mktemp("modalities")
    shutil.copytree(planted.folder, root / "data" / "planted")
    names, folder = planted.items.names, root / "data" / "planted"
    known = np.arange(len(names)) > 0
    rng = np.random.default_rng(0)
    write_set(folder, names, "kinds", "text", np.eye(4)[np.arange(len(names)) % 4], known, "made")
    write_set(folder, names, "regions", "pictures", rng.normal(size=(len(names), 2, 3)), known, "made")
    return Workspace(root)


@pytest.fixture
def ask(workspace: Workspace) -> Ask:
    def asked(model: str, *views: str, **features: str) -> Result:
        folder = workspace.data / "planted"
        request = RunRequest(
            *("recommendation", model, folder), protocol="masked", settings=QUICK[model], views=views, features=features
        )
        return run(request, workspace)[0]

    return asked


@pytest.mark.parametrize(("view", "modality", "name"), [("XT", "text", "kinds"), ("MV:0.4:3", "pictures", "regions")])
def test_stored_features_move_with_what_they_are_of(workspace: Workspace, view: str, modality: str, name: str) -> None:
    corpus = Corpus.open(workspace.data / "planted")
    shown = view_of(corpus, View.parse(view))
    before, after = (chosen_sets(each, {modality: name})[modality] for each in (corpus, shown))
    assert isinstance(before, Stored) and isinstance(after, Stored)
    source = shown.items.sources["texts" if modality == "text" else "pictures"]
    for item, other in enumerate(source.tolist()):
        there = other >= 0 and bool(before.known[other])
        assert after.known[item] == there
        assert np.array_equal(after.values[item], before.values[other] if there else np.zeros(before.record.shape))
    assert after.record.known == after.known.sum() and after.record.key != before.record.key
    assert len(after.rows()) == after.known.sum()
    again = chosen_sets(view_of(corpus, View.parse(view)), {modality: name})[modality]
    assert isinstance(again, Stored) and again.record.key == after.record.key


def test_features_at_test_are_those_of_the_fit(workspace: Workspace, tmp_path: Path) -> None:
    """On the scale and in the space of the fit, moved: none is computed of what the test shows."""
    corpus = Corpus.open(workspace.data / "planted")
    tested = view_of(view_of(corpus, View.parse("XT@test")), View.parse("MV:1@test")).tested
    assert tested is not None
    texts, moved = (text_vectors(items, "lsa", tmp_path) for items in (corpus.items, tested))
    looks, gone = (picture_vectors(items, "tiny", "", tmp_path) for items in (corpus.items, tested))
    assert texts is not None and moved is not None and looks is not None and gone is not None
    assert np.array_equal(moved.values, texts.values[tested.sources["texts"]]) and not np.array_equal(
        moved.values, texts.values
    )
    assert looks.known.any() and not gone.known.any() and not gone.values.any()
    tokens = picture_features(tested, "tiny", "", tmp_path)
    assert tokens is not None and (tokens.rows == -1).all()
    assert tested.parts_read == {"texts", "pictures"}


@pytest.mark.parametrize(("model", "view"), [("unisrec-inductive", "XT"), ("vbpr", "XV")])
def test_a_model_that_reads_them_loses_by_exchange(ask: Ask, model: str, view: str) -> None:
    plain, fitted, tested = ask(model), ask(model, view), ask(model, f"{view}@test")
    value = {name: each.metrics["NDCG@10"].value for name, each in (("", plain), ("fit", fitted), ("test", tested))}
    assert value["fit"] < 0.85 * value[""] and value["test"] < 0.85 * value[""], value
    assert tested.spec.fit == plain.spec.fit != fitted.spec.fit
    assert len({plain.spec.key, fitted.spec.key, tested.spec.key}) == 3
    half, none = (ask(model, f"M{view[1]}:{share}@test").metrics["NDCG@10"].value for share in (0.5, 1))
    assert none < half < value[""], (none, half, value)


def test_a_model_that_reads_neither_is_unchanged(ask: Ask, workspace: Workspace) -> None:
    plain = ask("sasrec")
    for view in ("XT", "MV:1@test", "XT@test"):
        seen = ask("sasrec", view)
        assert seen.ranks == plain.ranks and seen.spec.fit == plain.spec.fit and seen.spec.key != plain.spec.key
        notes = [note for note in seen.remarks if note.startswith("view ")]
        part = {"MV:1@test": "pictures", "XT@test": "texts"}.get(view)
        assert notes == ([f"view {View.parse(view)}: sasrec reads no {part} after its fit"] if part else [])
    predictions = [workspace.runs / result.spec.key / "predictions.parquet" for result in (plain, seen)]
    assert predictions[0].read_bytes() == predictions[1].read_bytes()


def test_stored_features_at_test(ask: Ask, workspace: Workspace) -> None:
    """Their fit is that of the plain corpus, also with a view of the corpus below."""
    plain = ask("unisrec-inductive", text="kinds")
    moved, tested = (ask("unisrec-inductive", view, text="kinds") for view in ("XT", "XT@test"))
    assert tested.spec.fit == plain.spec.fit and moved.spec.fit.given != plain.spec.fit.given
    assert len({each.ranks for each in (plain, moved, tested)}) == 3
    both = ask("unisrec-inductive", "XT", "MT:1@test", text="kinds")
    assert both.spec.fit == moved.spec.fit and both.corpus.name == "planted+XT+MT-1.0@test"
    again = request_of(both, workspace.data / "planted", workspace)
    assert planned(again, workspace).spec == both.spec and again.views == ("XT", "MT:1.0@test")
    assert "--view XT --view MT:1@test" in both.provenance.command


def test_rows_of_the_suite_are_on_its_page_alone(ask: Ask) -> None:
    assert only_in_topics(ask("vbpr", "XV@test")) and not only_in_topics(ask("vbpr", "XV"))


def test_what_cannot_be_is_one_line(workspace: Workspace, tmp_path: Path) -> None:
    from tests.runs.test_identity import _atomic

    bare = _atomic(tmp_path, "title")
    for model, view, message in (
        ("vbpr", "MV@test", "view MV@test changes nothing: corpus corpus has no pictures"),
        ("vbpr", "MV", "view MV changes nothing: corpus corpus has no pictures"),
    ):
        with pytest.raises(UsageError, match=message):
            planned(RunRequest("recommendation", model, bare.folder, views=(view,)), workspace)
    folder = workspace.data / "planted"
    noisy = RunRequest("recommendation", "unisrec", folder, views=("NT",), features={"text": "kinds"})
    with pytest.raises(UsageError, match="features 'kinds' are of the text as stored, which view NT changes; omit one"):
        planned(noisy, workspace)
    with pytest.raises(UsageError, match="omit @test, and export both"):
        list(export_datasets(ExportRequest(("recommendation",), folder, tmp_path, views=("MT@test",)), workspace))
