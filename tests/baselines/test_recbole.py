"""RecBole's models on the splits of this benchmark: learning, absence of leaks, saving and resuming."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("recbole", reason="RecBole is not installed")

from baselines.learning.interactions import Interactions
from baselines.recbole.adapter import RecBole
from baselines.recbole.compat import datasets, model_packages
from baselines.recbole.config import REFUSED, SUPPORTED, RecBoleConfig, recbole_config
from baselines.recbole.dataset import training_dataset, training_loader
from unimp_bench.contracts import FitData, Ranker, TaskExamples
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.splits import catalogue, target_examples
from unimp_bench.errors import ModelError, UsageError
from unimp_bench.kinds.ranks import rank_examples
from unimp_bench.records import Examples, FloatArray, Histories, IntArray, Part, Protocol, Split
from unimp_bench.registry import make_model

TASK = "recommendation"
SIZES = {
    "hidden_size": 32,
    "inner_size": 32,
    "n_layers": 1,
    "hidden_dropout_prob": 0.1,
    "attn_dropout_prob": 0.1,
}
SMALL = RecBoleConfig(epochs=4, batch_size=128, learning_rate=5e-3, max_length=12, options=SIZES)
FAST = ("BPR", "ItemKNN", "LightGCN", "NeuMF", "EASE", "MultiVAE", "GRU4Rec", "HGN", "STAMP", "FPMC", "SASRecF")
TINY: dict[str, dict[str, Any]] = {
    "SASRec": {"hidden_size": 16, "inner_size": 32},
    "SASRecF": {"hidden_size": 16, "inner_size": 32},
    "RecVAE": {"hidden_dimension": 32, "latent_dimension": 16},
    "GRU4Rec": {"embedding_size": 16, "hidden_size": 16},
    "NeuMF": {"mf_embedding_size": 16, "mlp_embedding_size": 16, "mlp_hidden_size": [32, 16]},
}
SMALL_CATALOGUE_FAILS = ("GRU4RecCPR", "SASRecCPR")  # they rerank the best 100 items, and the corpus has 48


def part_of(corpus: Corpus, part: Part, split: Split = "loo") -> Examples:
    return target_examples(corpus, split, part, TASK)


def ndcg(ranks: IntArray) -> float:
    return float(np.where(ranks <= 5, 1 / np.log2(ranks + 1.0), 0.0).mean())


def hits(model: Ranker[Any], corpus: Corpus) -> float:
    ranks = rank_examples(model, part_of(corpus, "test"), catalogue(corpus, "loo"), "paper", top=0, label="test").ranks
    return float((ranks <= 5).mean())


def fit_data(
    corpus: Corpus,
    work: Path,
    seed: int = 1,
    validate: Callable[[Ranker[Any], str], dict[Protocol, float]] | None = None,
) -> FitData:
    examples = TaskExamples(part_of(corpus, "train"), part_of(corpus, "validation"))
    items = catalogue(corpus, "loo")

    def quality(model: Ranker[Any], task: str) -> dict[Protocol, float]:
        return {"paper": ndcg(rank_examples(model, examples.validation, items, "paper", top=0, label=task).ranks)}

    work.mkdir(exist_ok=True)
    return FitData(corpus.items, items, {TASK: examples}, seed, work, work, validate or quality)


def scores(model: Ranker[Any], corpus: Corpus, split: Split = "loo") -> FloatArray:
    return model.score(part_of(corpus, "test", split).hidden(), catalogue(corpus, "loo"))


def made_up(histories: list[list[int]]) -> Examples:
    """Test examples with the given histories, of users 0, 1, ..."""
    lengths = [len(history) for history in histories]
    items = np.array([item for history in histories for item in history], dtype=np.int32)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    rows = Histories(offsets, items, np.ones(len(items), dtype=np.float32), np.zeros(len(items), dtype=np.int64))
    return Examples(TASK, "loo", "test", rows, np.arange(len(histories), dtype=np.int32), offsets[1:], None)


@pytest.fixture(scope="module")
def sasrec(planted: Corpus, tmp_path_factory: pytest.TempPathFactory) -> RecBole:
    model = RecBole(SMALL)
    model.fit(fit_data(planted, tmp_path_factory.mktemp("work")))
    return model


def test_sasrec_learns_the_order_that_popularity_ignores(sasrec: RecBole, planted: Corpus) -> None:
    popularity = np.bincount(part_of(planted, "train").histories.items, minlength=72)
    favourites = np.argsort(-popularity)[:5]
    assert np.isin(part_of(planted, "test").targets, favourites).mean() < 0.25
    assert hits(sasrec, planted) > 0.6


def test_the_order_of_the_history_decides(sasrec: RecBole, planted: Corpus) -> None:
    forward, backward = sasrec.score(made_up([[3, 4, 5, 6], [6, 5, 4, 3]]), catalogue(planted, "loo"))
    assert np.sum(forward >= forward[7]) <= 5 < np.sum(backward >= backward[7])


def test_later_items_do_not_change_earlier_states(sasrec: RecBole, planted: Corpus) -> None:
    """Causality: editing the item at position t + 1 leaves h_1 .. h_t as they were, and changes h_(t + 1)."""
    captured = []
    encoder = sasrec.built.model.trm_encoder
    hook = encoder.register_forward_hook(lambda module, inputs, layers: captured.append(layers[-1].numpy()))
    sasrec.score(made_up([[3, 4, 5, 6], [3, 4, 5, 20]]), catalogue(planted, "loo"))
    hook.remove()
    ((first, second),) = captured
    np.testing.assert_allclose(first[:3], second[:3], atol=1e-6)
    assert np.abs(first[3] - second[3]).max() > 1e-2


def test_only_the_last_items_of_a_long_history_count(sasrec: RecBole, planted: Corpus) -> None:
    recent = list(range(12))
    short, long = sasrec.score(made_up([recent, [40, 41, *recent]]), catalogue(planted, "loo"))
    np.testing.assert_allclose(short, long, atol=1e-6)


def test_a_test_history_ends_with_the_validation_item(sasrec: RecBole, planted: Corpus) -> None:
    test = part_of(planted, "test").select(slice(0, 5))
    for row in range(5):
        alone = sasrec.score(made_up([test.history(row).tolist()]), catalogue(planted, "loo"))
        np.testing.assert_allclose(alone[0], scores(sasrec, planted)[row], rtol=1e-4, atol=1e-5)


def test_new_users_are_scored_by_their_history(sasrec: RecBole, planted: Corpus) -> None:
    new = part_of(planted, "test", "new-user")
    assert not np.isin(new.users, part_of(planted, "train").users).any()
    known = made_up([new.history(0).tolist()])
    items = catalogue(planted, "loo")
    np.testing.assert_allclose(sasrec.score(new, items)[0], sasrec.score(known, items)[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["SASRec", "BPR"])
def test_scores_depend_on_the_seed(name: str, planted: Corpus, tmp_path: Path) -> None:
    config = RecBoleConfig(model=name, epochs=1, batch_size=256, max_length=12, options=TINY.get(name, {}))
    results = []
    for number, seed in enumerate((1, 1, 2)):
        model = RecBole(config)
        model.fit(fit_data(planted, tmp_path / str(number), seed))
        results.append(scores(model, planted))
    assert np.array_equal(results[0], results[1])
    assert not np.allclose(results[0], results[2])


@pytest.mark.parametrize("name", FAST)
def test_a_model_of_the_family_scores_the_same_after_loading(name: str, planted: Corpus, tmp_path: Path) -> None:
    check_round_trip(name, planted, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(name for name, package in model_packages().items() if package in SUPPORTED))
def test_every_sequential_and_general_model_runs_or_is_refused_with_a_reason(
    name: str, planted: Corpus, tmp_path: Path
) -> None:
    if name in REFUSED:
        with pytest.raises(UsageError, match=f"recbole:{name} does not run here"):
            RecBole(RecBoleConfig(model=name))
    elif name in SMALL_CATALOGUE_FAILS:
        with pytest.raises(ModelError, match="try other settings"):
            check_round_trip(name, planted, tmp_path)
    else:
        check_round_trip(name, planted, tmp_path)


def check_round_trip(name: str, planted: Corpus, tmp_path: Path) -> None:
    """Fit an epoch, score, save and load."""
    model = RecBole(RecBoleConfig(model=name, epochs=1, batch_size=128, max_length=12, options=TINY.get(name, {})))
    model.fit(fit_data(planted, tmp_path / "work"))
    fitted = scores(model, planted)
    assert fitted.shape == (len(part_of(planted, "test")), len(catalogue(planted, "loo")))
    assert np.isfinite(fitted).all() and np.ptp(fitted) > 0
    assert np.array_equal(fitted, scores(model, planted)), "scoring twice gives two answers"
    folder = tmp_path / "model"
    folder.mkdir()
    model.save(folder)
    assert {path.suffix for path in folder.iterdir()} <= {".safetensors", ".json"}
    loaded = RecBole(model.config)
    loaded.load(folder, planted.items, tmp_path)
    assert np.array_equal(fitted, scores(loaded, planted))
    assert loaded.parameters() == model.parameters()


@pytest.mark.parametrize("batch_size", [1, 64, 2048])
def test_pop_of_recbole_counts_training_interactions(batch_size: int, planted: Corpus, tmp_path: Path) -> None:
    model = RecBole(RecBoleConfig(model="Pop", batch_size=batch_size))
    model.fit(fit_data(planted, tmp_path / "work"))
    counts = np.bincount(part_of(planted, "train").histories.items, minlength=72)[catalogue(planted, "loo")]
    np.testing.assert_allclose(scores(model, planted)[0], counts / counts.max())


@pytest.mark.parametrize("name", ["SASRec", "BPR", "MultiVAE", "RecVAE"])
def test_an_interrupted_fit_resumes_with_the_same_result(name: str, planted: Corpus, tmp_path: Path) -> None:
    config = RecBoleConfig(model=name, epochs=3, batch_size=256, max_length=12, options=TINY.get(name, {}))
    whole = RecBole(config)
    whole.fit(fit_data(planted, tmp_path / "whole"))

    interrupted = fit_data(planted, tmp_path / "parts")
    calls = iter([interrupted.validate])

    def stops_in_the_second_epoch(model: Ranker[Any], task: str) -> float:
        for validate in calls:
            return validate(model, task)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        RecBole(config).fit(replace(interrupted, validate=stops_in_the_second_epoch))
    np.random.seed(5)  # noqa: NPY002 - what else the process draws makes no difference
    resumed = RecBole(config)
    epochs = []
    resumed.fit(replace(interrupted, validate=lambda *call: epochs.append(1) or interrupted.validate(*call)))
    assert len(epochs) == 2
    assert np.array_equal(scores(whole, planted), scores(resumed, planted))


def test_the_best_epoch_is_kept_and_patience_stops_training(planted: Corpus, tmp_path: Path) -> None:
    quality = iter([0.1, 0.5, 0.2, 0.5, 0.3, 0.9])
    after = []

    def validate(model: Ranker[Any], task: str) -> dict[Protocol, float]:
        after.append(scores(model, planted))
        return {"paper": next(quality)}

    model = RecBole(RecBoleConfig(model="BPR", epochs=20, patience=3))
    model.fit(fit_data(planted, tmp_path / "work", validate=validate))
    assert len(after) == 5, "three epochs that are not better end it; an equal one is not better"
    assert np.array_equal(scores(model, planted), after[1])
    assert not np.array_equal(after[1], after[4])


@pytest.fixture
def by_hand(planted: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Any]]:
    """RecBole's own (dataset, training loader) of whole sequences under its leave-one-out."""
    from recbole.config import Config
    from recbole.data import create_dataset, data_preparation

    histories = planted.histories
    members = np.flatnonzero(part_of(planted, "train").histories.lengths())
    lines = ["user_id:token\titem_id:token\ttimestamp:float"]
    for user in members:
        rows = histories.items[histories.offsets[user] : histories.offsets[user + 1]]
        lines += [f"{user}\t{item}\t{position}" for position, item in enumerate(rows)]
    (tmp_path / "whole").mkdir()
    (tmp_path / "whole" / "whole.inter").write_text("\n".join(lines) + "\n")
    monkeypatch.setattr(sys, "argv", ["test"])
    monkeypatch.chdir(tmp_path)
    config = Config(
        "SASRec",
        "whole",
        config_dict={
            "data_path": str(tmp_path),
            "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
            "train_neg_sample_args": None,
            "MAX_ITEM_LIST_LENGTH": 5,
            "use_gpu": False,
        },
    )
    dataset = create_dataset(config)
    yield dataset, data_preparation(config, dataset)[0].dataset


def samples(dataset: Any, names: Any) -> set[tuple[int, tuple[int, ...], int]]:
    """(user, items before, target) of every training sample, in corpus numbers."""
    table = dataset.inter_feat
    users = names.field2id_token["user_id"][table["user_id"].numpy()]
    targets = names.field2id_token["item_id"][table["item_id"].numpy()]
    before = names.field2id_token["item_id"][table["item_id_list"].numpy()]
    rows = zip(users, before, table["item_length"].tolist(), targets, strict=True)
    return {(int(user), tuple(map(int, items[:length])), int(target)) for user, items, length, target in rows}


def test_training_samples_equal_those_of_recbole(by_hand: tuple[Any, Any], planted: Corpus, tmp_path: Path) -> None:
    interactions = Interactions.of(part_of(planted, "train"), catalogue(planted, "loo"))
    config = recbole_config(RecBoleConfig(max_length=5), 1, tmp_path)
    ours = training_dataset(config, interactions)
    names, theirs = by_hand
    assert isinstance(ours, datasets.SequentialDataset)
    assert len(ours.inter_feat) == len(theirs.inter_feat) == len(part_of(planted, "train"))
    assert samples(ours, ours) == samples(theirs, names)
    batches = [batch["item_id"].tolist() for batch in training_loader(config, ours)]
    assert sorted(itertools.chain(*batches)) == sorted(ours.inter_feat["item_id"].tolist())


def test_numbering_is_explicit_and_covers_items_never_seen_in_training(planted: Corpus, tmp_path: Path) -> None:
    data = fit_data(planted, tmp_path / "work")
    train = data.examples[TASK].train
    keep = train.histories.items != 30
    cold = replace(train, histories=train.histories.take(keep), users=train.users[:0], ends=train.ends[:0])
    model = RecBole(RecBoleConfig(model="GRU4Rec", epochs=1))
    model.fit(replace(data, examples={TASK: replace(data.examples[TASK], train=cold)}))
    built = model.built
    assert 30 not in built.interactions.items[built.interactions.sequences.values]
    assert built.model.n_items == len(data.catalogue) + 1
    for item in (0, 30, 47):
        assert built.dataset.field2token_id["item_id"][str(item)] == built.ids(np.array([item]), "catalogue")[0]
    assert np.isfinite(scores(model, planted)[:, 30]).all()


def test_columns_of_the_scores_are_the_requested_items(sasrec: RecBole, planted: Corpus) -> None:
    whole = scores(sasrec, planted)
    some = np.array([2, 11, 40])
    np.testing.assert_allclose(sasrec.score(part_of(planted, "test"), some), whole[:, some], rtol=1e-4, atol=1e-5)


def test_no_files_are_left_and_the_command_line_is_not_read(
    planted: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(sys, "argv", ["unimp-bench", "--embedding_size=7", "--seed=__import__('os').getpid()"])
    model = RecBole(RecBoleConfig(model="MultiVAE", epochs=1))
    model.fit(fit_data(planted, tmp_path / "work"))
    assert model.built.config["embedding_size"] is None or model.built.config["embedding_size"] != 7
    assert model.built.config["seed"] == 1
    assert not list((tmp_path / "here").iterdir())
    assert {path.name for path in (tmp_path / "work").iterdir()} == {"training", "log"}
    out, err = capfd.readouterr()
    assert out == "" and re.fullmatch(r"recbole:MultiVAE: epoch 1 of 1, loss \d.*\n", err), "no word of RecBole's own"


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("SASrec", "unknown model of RecBole 'SASrec'; did you mean 'SASRec'?"),
        ("LightGNC", "did you mean 'LightGCN'?"),
        ("DeepFM", "recbole:DeepFM is a context-aware model; only sequential and general models run here"),
        ("KGAT", "recbole:KGAT is a knowledge-aware model"),
        ("xgboost", "recbole:xgboost is a decision-tree model"),
        ("S3Rec", "recbole:S3Rec does not run here: its pre-training"),
    ],
)
def test_models_that_do_not_run_are_refused_at_once(model: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        make_model(f"recbole:{model}")
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden_sise": 8}, "recbole:SASRec has no option 'hidden_sise'; did you mean 'hidden_size'?"),
        ({"epochs": 3}, "set 'epochs' instead of the option 'epochs'"),
        ({"train_batch_size": 3}, "set 'batch_size' instead of the option 'train_batch_size'"),
        ({"mf_pretrain_path": "x.pth"}, "option 'mf_pretrain_path' reads a pickled checkpoint"),
        ({"loss_type": "HINGE"}, "recbole:SASRec: Make sure 'loss_type' in ['BPR', 'CE']"),
    ],
)
def test_unknown_options_are_refused(options: dict[str, Any], message: str, planted: Corpus, tmp_path: Path) -> None:
    model = RecBole(RecBoleConfig(options=options))
    with pytest.raises(UsageError) as error:
        model.fit(fit_data(planted, tmp_path / "work"))
    assert message in str(error.value)


def test_options_reach_the_model_as_mapping_and_as_json(planted: Corpus, tmp_path: Path) -> None:
    settings = {"epochs": "1", "max_length": "12", "options": '{"hidden_size": 16, "loss_type": "BPR"}'}
    model = make_model("recbole:SASRec", settings=settings)
    assert isinstance(model, RecBole)
    model.fit(fit_data(planted, tmp_path / "work"))
    assert model.built.model.item_embedding.weight.shape == (49, 16)
    with pytest.raises(UsageError, match="options"):
        make_model("recbole:SASRec", settings={"options": "{not json"})


def test_unknown_users_and_items_are_refused_where_a_model_needs_them(
    sasrec: RecBole, planted: Corpus, tmp_path: Path
) -> None:
    for name in ("BPR", "FPMC"):
        model = RecBole(RecBoleConfig(model=name, epochs=1, max_length=12))
        model.fit(fit_data(planted, tmp_path / name))
        with pytest.raises(UsageError, match=f"recbole:{name} knows only the users of its training part"):
            scores(model, planted, "new-user")
    with pytest.raises(UsageError, match="recbole:SASRec cannot score new items"):
        sasrec.score(part_of(planted, "test", "new-domain"), catalogue(planted, "new-domain"))


def test_importing_recbole_leaves_torch_as_it_was() -> None:
    script = (
        "import torch, baselines.recbole.adapter\n"
        "from recbole.model.sequential_recommender import SINE\n"
        "assert not torch.is_anomaly_enabled()"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
