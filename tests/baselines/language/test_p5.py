"""P5 in the harness: learning, saving, starting from a pre-trained T5, and leaks through ids."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from baselines.language.artifacts import LanguageArtifacts, read_pretrained
from baselines.language.ids import Ids, Scheme
from baselines.language.p5 import P5, P5Config
from unimp_bench import registry
from unimp_bench.contracts import FitData
from unimp_bench.corpus import Corpus
from unimp_bench.errors import UsageError
from unimp_bench.kinds import Setting
from unimp_bench.kinds.ranks import rank_examples
from unimp_bench.kinds.rating import RatingKind
from unimp_bench.metrics.scores import Score
from unimp_bench.torch_setup import make_torchvision_importable

SMALL: dict[str, Any] = {"width": 16, "inner": 32, "layers": 1, "heads": 2, "vocabulary": 500, "epochs": 1}
LEARNING: dict[str, Any] = {"vocabulary": 500, "history": 5, "draws": 20}


def _reciprocal_ranks(model: Any, corpus: Corpus, items: np.ndarray) -> float:
    examples = registry.make_task("recommendation").examples(corpus, "loo", "test")
    ranks = rank_examples(model, examples, items, "paper", label="p5").ranks
    return float(np.mean(1 / ranks))


def _only(data: FitData, work: Path, *tasks: str) -> FitData:
    return replace(data, examples={task: data.examples[task] for task in tasks}, work=work, cache=work)


def test_learns_ratings_from_a_word(fit: Callable[..., P5], make_corpus: Callable[..., Corpus]) -> None:
    """A word of the title determines the rating, good or bad; any constant has an error of 2 stars."""
    rng = np.random.default_rng(0)
    users, common, seen = 80, 40, 6
    good = rng.permutation(np.arange(common + users) % 2 == 0)
    histories = [[*rng.choice(common, seen, replace=False).tolist(), common + user] for user in range(users)]
    stars = [5.0 if good[item] else 1.0 for history in histories for item in history]
    titles = pa.array([f"{'lovely' if fine else 'dreadful'} thing" for fine in good])
    corpus = make_corpus(histories, {"title": titles}, ratings=stars)
    model = fit(
        "p5", corpus, "preference", jitter=False, history=3, epochs=8, draws=4, vocabulary=300, validate_every=8
    )
    asked = registry.make_task("preference").examples(corpus, "loo", "test")
    assert np.abs(model.rate(asked.hidden()) - asked.ratings).mean() < 0.5


@pytest.mark.slow
def test_learns_the_order(planted: Corpus, planted_data: FitData, tmp_path: Path) -> None:
    """The last item determines the next one, independent of popularity."""
    model = P5(P5Config(**LEARNING, epochs=9, validate_every=9))
    model.fit(_only(planted_data, tmp_path, "recommendation"))
    floor = registry.make_model("popularity")
    floor.fit(planted_data)
    learned, popular = (_reciprocal_ranks(each, planted, planted_data.catalogue) for each in (model, floor))
    assert learned > 3 * popular


def test_a_saved_model_predicts_the_same(untrained: P5, planted: Corpus, planted_data: FitData, tmp_path: Path) -> None:
    untrained.save(tmp_path)
    loaded = P5(untrained.config)
    loaded.load(tmp_path, planted.items, tmp_path)
    asked = {name: part.validation.select(slice(0, 8)).hidden() for name, part in planted_data.examples.items()}
    items = planted_data.catalogue
    assert np.array_equal(*(model.score(asked["search"], items) for model in (untrained, loaded)))
    ratings = [model.rate(asked["preference"]) for model in (untrained, loaded)]
    assert np.array_equal(*ratings, equal_nan=True)
    assert np.array_equal(*(model.choose(asked["selection"]) for model in (untrained, loaded)))
    assert untrained.write(asked["explanation"]) == loaded.write(asked["explanation"])


def test_other_texts_are_unparsable(untrained: P5, planted: Corpus, planted_data: FitData, tmp_path: Path) -> None:
    """An untrained network generates no numbers: there is no fallback, and each answer counts as unparsable."""
    examples = planted_data.examples["preference"].validation
    setting = Setting(registry.make_task("preference"), planted, "paper", tmp_path, "p5")
    given = RatingKind().predict(untrained, examples, setting)
    assert np.isnan(given).mean() > 0.5
    unparsable = RatingKind().scores(given, examples, setting)["Unparsable"]
    assert isinstance(unparsable, Score) and unparsable.value == np.isnan(given).mean()


@pytest.fixture
def t5_folder(tmp_path: Path) -> Path:
    """A small T5 as transformers publishes it: configuration, safetensors and a unigram tokenizer."""
    make_torchvision_importable()
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from tokenizers.decoders import Metaspace
    from transformers import PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

    folder = tmp_path / "t5"
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Metaspace(), Metaspace()
    special = ["<pad>", "</s>", "<unk>", "<extra_id_0>"]
    trainer = trainers.UnigramTrainer(vocab_size=120, special_tokens=special, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator([f"item_{n} user_{n} thing yes no" for n in range(200)], trainer)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder)
    torch.manual_seed(1)
    shape = T5Config(vocab_size=128, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2, decoder_start_token_id=0)
    T5ForConditionalGeneration(shape).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("ids", ["random", "own"])
def test_starts_from_a_t5_in_a_folder(
    ids: Scheme, t5_folder: Path, planted: Corpus, planted_data: FitData, tmp_path: Path
) -> None:
    from transformers import T5ForConditionalGeneration

    data = _only(planted_data, tmp_path / "work", "recommendation", "preference")
    data.work.mkdir()
    model = P5(P5Config(backbone=str(t5_folder), ids=ids, epochs=1, beams=4))
    artifacts = model.gather(data)
    original = T5ForConditionalGeneration.from_pretrained(t5_folder).state_dict()
    begun = artifacts.t5().state_dict()
    assert all(torch.equal(begun[name][: len(weight)], weight) for name, weight in original.items())
    model.fit(data)
    saved = tmp_path / "saved"
    saved.mkdir()
    model.save(saved)
    for file in t5_folder.iterdir():
        file.unlink()
    loaded = P5(model.config)
    loaded.load(saved, planted.items, tmp_path)
    examples = data.examples["recommendation"].validation.select(slice(0, 6)).hidden()
    scores = model.score(examples, data.catalogue)
    assert np.array_equal(loaded.score(examples, data.catalogue), scores) and (np.diff(scores) != 0).any()
    names = artifacts.ids.item_names()
    decoded = artifacts.tokenizer.decode(artifacts.tokenizer.encode(names).padded().tokens)
    assert np.array_equal(artifacts.ids.named(decoded)[1], np.arange(len(names)))


def test_a_folder_without_a_t5_is_a_one_line_error(t5_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_pretrained(str(tmp_path))
    tokenizer, shape = read_pretrained(str(t5_folder))
    ids = Ids(np.array([1]), np.array([1]), np.array([1]))
    (t5_folder / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(UsageError, match="cannot be read"):
        LanguageArtifacts(tokenizer, ids, shape, str(t5_folder)).t5()


def test_ids_by_scheme(planted: Corpus, planted_data: FitData) -> None:
    """All are numberings of the catalogue; walks number items as they are met, the leaky one in held-out parts too."""
    train = planted_data.examples["recommendation"].train.histories
    for scheme, walked in (("sequential", train.items), ("leaky", planted.histories.items)):
        ids = Ids.of(replace(planted_data, leak=lambda: planted), scheme)
        called = dict(zip(ids.catalogue.tolist(), ids.items.tolist(), strict=True))
        met = [item for item in dict.fromkeys(np.asarray(walked).tolist()) if item in called]
        assert [called[item] for item in met] == list(range(1, len(met) + 1))
    drawn = [Ids.of(replace(planted_data, seed=seed), "random").items for seed in (0, 0, 1)]
    assert np.array_equal(drawn[0], drawn[1]) and not np.array_equal(drawn[0], drawn[2])
    assert all(np.array_equal(np.sort(items), np.arange(1, len(items) + 1)) for items in drawn)


def test_own_ids_are_single_tokens(planted_data: FitData) -> None:
    artifacts = LanguageArtifacts.of(planted_data, P5Config(**SMALL, ids="own"))
    names = artifacts.ids.item_names()
    phrases = artifacts.tokenizer.encode(names)
    assert (phrases.lengths() == 1).all() and len(np.unique(phrases.tokens.values)) == len(names)
    assert phrases.tokens.values.max() < artifacts.shape["vocab_size"] == len(artifacts.tokenizer)
    assert artifacts.tokenizer.encode(["item_12x"]).lengths()[0] > 1, "a longer word is no item"
    listed = artifacts.tokenizer.encode([" ".join(names[:5])]).padded().tokens
    assert artifacts.ids.named(artifacts.tokenizer.decode(listed))[1].tolist() == [0, 1, 2, 3, 4]


@pytest.fixture
def own_items(make_corpus: Callable[..., Corpus]) -> Corpus:
    """Users with disjoint random items: only adjacent numbers can predict a target."""
    histories = np.random.default_rng(0).permutation(60 * 8).reshape(60, 8)
    return make_corpus(histories.tolist(), {"price": pa.array([1.0] * histories.size)})


@pytest.mark.slow
def test_only_leaky_ids_reveal_targets(own_items: Corpus, tmp_path: Path) -> None:
    from unimp_bench.contracts import TaskExamples
    from unimp_bench.corpus.splits import catalogue

    task, items = registry.make_task("recommendation"), catalogue(own_items, "loo")
    examples = TaskExamples(*(task.examples(own_items, "loo", part) for part in ("train", "validation")))
    found = {}
    for scheme, seed in (("random", 0), ("random", 1), ("leaky", 0)):
        work = tmp_path / f"{scheme}{seed}"
        work.mkdir()
        model = P5(P5Config(**LEARNING, ids=scheme, epochs=12, validate_every=12))
        data = FitData(own_items.items, items, {task.name: examples}, seed, work, work, lambda *_: {"paper": 0.0})
        model.fit(replace(data, leak=lambda: own_items))
        found[scheme, seed] = _reciprocal_ranks(model, own_items, items)
    assert found["leaky", 0] > 3 * max(found["random", 0], found["random", 1])
    assert abs(found["random", 0] - found["random", 1]) < 0.03
