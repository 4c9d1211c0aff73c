"""A fit depends on the parts of a corpus that its model and tasks read, and a result says what its corpus is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data_prep.build import build_corpus
from tests.reports.pretended import make_result
from tests.runs.test_versions import with_card
from unimp_bench import registry
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.fingerprints import fingerprint_of
from unimp_bench.corpus.splits import target_examples
from unimp_bench.corpus.views import View, view_of
from unimp_bench.errors import DataError, ModelError
from unimp_bench.files import Workspace
from unimp_bench.reports.store import corpora_of, on_one_corpus
from unimp_bench.runs.identity import fit_fingerprint, parts_read
from unimp_bench.runs.reproduction import request_of
from unimp_bench.runs.results import CorpusFacts, Queries, Result
from unimp_bench.runs.runner import RunRequest, planned, run
from unimp_bench.runs.scoring import queries_of, repeated
from unimp_bench.settings import specified
from unimp_bench.unimp.config import UniMPConfig


def _atomic(folder: Path, *columns: str) -> Corpus:
    """Nine users of twelve items; each column is an attribute of the items."""
    raw = folder / "raw"
    raw.mkdir(parents=True)
    lines = [f"u{user}\ti{(user * 5 + place) % 12}\t{place}" for user in range(9) for place in range(7)]
    (raw / "x.inter").write_text("\n".join(["user_id:token\titem_id:token\ttimestamp:float", *lines]))
    if columns:
        heads = "\t".join(["item_id:token", *(f"{column}:token_seq" for column in columns)])
        rows = ["\t".join([f"i{item}", *(f"{column} {item}" for column in columns)]) for item in range(12)]
        (raw / "x.item").write_text("\n".join([heads, *rows]))
    build_corpus("atomic", folder / "corpus", raw)
    return Corpus.open(folder / "corpus")


def _key(corpus: Corpus, model: str, views: tuple[str, ...] = ()) -> str:
    request = RunRequest(registry.model_card(model).tasks[0], model, corpus.folder, views=views)
    return planned(request, Workspace(corpus.folder)).spec.fit.key


def test_titles_leave_the_fits_of_models_that_read_the_order_alone(tmp_path: Path) -> None:
    bare, told = _atomic(tmp_path / "bare"), _atomic(tmp_path / "told", "title")
    assert bare.fingerprint != told.fingerprint
    assert _key(bare, "sasrec") == _key(told, "sasrec")
    assert _key(bare, "dense") != _key(told, "dense")
    more = _atomic(tmp_path / "more", "title", "brand")
    assert _key(told, "dense") != _key(more, "dense")
    parts = [corpus.part_fingerprints for corpus in (bare, told, more)]
    assert [len({each[name] for each in parts}) for name in ("interactions", "texts", "pictures")] == [1, 3, 1]


def test_a_model_that_reads_more_than_it_declares_is_refused(
    planted: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else its fit would be taken for that of a corpus with other texts."""
    with_card(monkeypatch, "s3rec", reads=("order",))
    settings = {"epochs": 1, "pretraining_epochs": 1}
    with pytest.raises(ModelError, match="s3rec read the texts of planted; its card must declare 'text'"):
        run(RunRequest("recommendation", "s3rec", planted.folder, settings=settings), Workspace(tmp_path))


def test_a_view_changes_the_fits_that_read_what_it_changes(planted: Corpus) -> None:
    plain = planted.part_fingerprints
    for view, changed in (("NT", "texts"), ("NV", "pictures")):
        seen = view_of(planted, View.parse(view)).part_fingerprints
        assert {name for name in plain if seen[name] != plain[name]} == {changed}
        assert _key(planted, "sasrec", (view,)) == _key(planted, "sasrec")
    assert _key(planted, "dense", ("NT",)) != _key(planted, "dense")
    assert _key(planted, "dense", ("NV",)) == _key(planted, "dense")


def test_runs_on_views_are_apart_though_they_share_a_fit(planted: Corpus, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    found = [
        run(RunRequest("recommendation", "popularity", planted.folder, views=views), workspace)[0]
        for views in ((), ("NV",), ("NT:0.4",))
    ]
    assert [result.corpus.name for result in found] == ["planted", "planted+NV", "planted+NT-0.4"]
    assert len({result.spec.key for result in found}) == 3 and len({result.corpus_id for result in found}) == 3
    assert len(list(workspace.fits.iterdir())) == 1


def test_the_parts_that_cards_name() -> None:
    assert parts_read(("order",), ("recommendation",)) == ("interactions",)
    assert parts_read(("order",), ("search",)) == ("interactions", "texts")
    assert parts_read(("order",), ("explanation", "recommendation")) == ("interactions", "texts")
    assert parts_read(("pictures",), ("preference",)) == ("interactions", "pictures")
    everything = ("interactions", "texts", "pictures")
    assert parts_read((), ("image_generation",)) == parts_read(("truth",), ("recommendation",)) == everything
    assert parts_read(("order",), ("selection",), options=True) == everything


def test_early_manifests_get_the_same_parts_when_opened(planted: Corpus) -> None:
    early = Corpus(planted.folder, planted.manifest.model_copy(update={"parts": {}}))
    assert planted.manifest.parts and early.part_fingerprints == planted.part_fingerprints
    reads = ("order", "text")
    assert fit_fingerprint(early, reads, ()) == fit_fingerprint(planted, reads, ())
    parts = planted.part_fingerprints
    assert fingerprint_of(parts, ("texts", "interactions")) == fingerprint_of(parts, ("interactions", "texts"))


@pytest.mark.parametrize("views", [(), ("NT:0.4:7",)])
def test_results_that_name_the_whole_corpus_are_reproduced(
    planted: Corpus, tmp_path: Path, views: tuple[str, ...]
) -> None:
    """And those that name the parts on a corpus with the same parts, but on no other."""
    workspace = Workspace(tmp_path)
    now, _ = run(RunRequest("recommendation", "popularity", planted.folder, views=views), workspace)
    spec = planned(request_of(now, planted.folder, workspace), workspace).spec
    assert spec == now.spec
    fit = now.spec.fit.model_copy(update={"fingerprint": now.corpus.fingerprint})
    earlier = now.model_copy(
        update={
            "spec": now.spec.model_copy(update={"fit": fit, "views": ()}),
            "corpus": now.corpus.model_copy(update={"fingerprint": "", "parts": {}}),
        }
    )
    earlier = Result.model_validate_json(earlier.model_dump_json())
    assert planned(request_of(earlier, planted.folder, workspace), workspace).spec == now.spec
    assert earlier.corpus_id == now.corpus_id
    other = _atomic(tmp_path / "other", "title")
    facts = now.corpus.model_copy(update={"name": "other" + now.corpus.name.removeprefix("planted")})
    with pytest.raises(DataError, match="is not the corpus of"):
        request_of(now.model_copy(update={"corpus": facts}), other.folder, workspace)


def test_a_result_names_the_parts_the_clock_and_the_repeats(planted: Corpus, tmp_path: Path) -> None:
    result, _ = run(RunRequest("search", "popularity", planted.folder), Workspace(tmp_path))
    facts = result.corpus
    assert (facts.fingerprint, facts.parts) == (planted.fingerprint, planted.part_fingerprints)
    assert facts.has_clock is planted.has_clock
    test = registry.make_task("search").examples(planted, "loo", "test")
    assert test.targets is not None
    held = [target in test.history(number) for number, target in enumerate(test.targets)]
    assert facts.repeats == pytest.approx(np.mean(held))
    texts = planted.items.text("category")
    own = [texts[target] for target in test.targets]
    assert result.queries == Queries(
        distinct=len(set(own)),
        commonest=max(map(own.count, own)) / len(own),
        items=float(np.median([texts.count(text) for text in own])),
    )
    assert CorpusFacts.model_validate(facts.model_dump()) == facts


def test_repeats_count_the_own_history_alone(planted: Corpus) -> None:
    """Targets replaced by the first item of each history are all repeats; training targets are none before the end."""
    test = target_examples(planted, "loo", "test", "t")
    firsts = test.histories.items[test.starts()]
    assert repeated(replace(test, targets=firsts)) == 1.0
    train = target_examples(planted, "loo", "train", "t")
    assert train.targets is not None
    held = [target in train.history(number) for number, target in enumerate(train.targets)]
    assert repeated(train) == pytest.approx(np.mean(held)) and queries_of(train) is None


def test_earlier_results_are_of_the_corpus_that_their_fit_names() -> None:
    result = make_result("walks", np.arange(1, 9), fingerprint="a" * 64)
    assert result.corpus_id == "a" * 64


def _told(texts: str, time: str, model: str, task: str = "recommendation", seed: int = 0) -> Result:
    """A result on a corpus ``toy`` whose texts are as named; of nothing, one of before parts were kept."""
    result = make_result(model, np.arange(1, 9), task=task, fingerprint="f" * 64, time=time, seed=seed)
    parts = {"interactions": "i", "texts": texts, "pictures": "p"} if texts else {}
    whole = texts * 8 if texts else ""
    return result.model_copy(update={"corpus": result.corpus.model_copy(update={"fingerprint": whole, "parts": parts})})


def test_corpora_that_differ_in_texts_alone_are_one_where_texts_do_not_matter() -> None:
    bare, told = _told("a", "1", "sasrec"), _told("b", "2", "unisrec")
    corpora = corpora_of([bare, told])
    assert corpora(bare) == corpora(told) == told.corpus_id
    assert {result.corpus_id for result in on_one_corpus([bare, told])} == {told.corpus_id}
    searches = [_told("a", "1", "bm25", "search"), _told("b", "2", "bm25", "search")]
    assert len({result.corpus_id for result in on_one_corpus(searches)}) == 2


def test_earlier_results_are_of_the_corpus_whose_whole_fingerprint_their_fit_names() -> None:
    earlier, told = _told("", "1", "sasrec"), _told("f" * 8, "2", "unisrec")
    assert earlier.corpus_id == "f" * 64 == told.corpus_id
    again = _told("g", "3", "dense")
    assert {result.corpus_id for result in on_one_corpus([earlier, told, again])} == {again.corpus_id}


def test_a_field_added_to_a_configuration_leaves_earlier_keys() -> None:
    """At its default it is no part of a specification; else two settings would share a key."""
    usual = specified(UniMPConfig())
    assert "checkpointing" not in usual and usual["epochs"] == UniMPConfig().epochs
    assert specified(UniMPConfig(checkpointing=True)) == {**usual, "checkpointing": True}
