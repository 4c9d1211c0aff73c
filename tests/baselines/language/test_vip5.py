"""VIP5: text after a mention, inputs in plain loops, trained parameters, and learning from pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image

from baselines.language.ids import item_descriptions
from baselines.language.tokens import SubwordTokenizer
from baselines.learning.adapters import Adapter
from tasks.preference import Preference
from tests.corpora import finish
from unimp_bench import registry
from unimp_bench.corpus import Corpus, CorpusWriter
from unimp_bench.corpus.splits import catalogue
from unimp_bench.errors import UsageError
from unimp_bench.records import Examples, Histories
from unimp_bench.torch_setup import make_torchvision_importable

Fit = Callable[..., Any]

SMALL: dict[str, Any] = {
    **{"epochs": 1, "width": 16, "heads": 2, "inner": 16, "layers": 1, "history": 3, "title_words": 3},
    **{"attribute_words": 2, "beams": 8, "whole_words": 64},
}


def asked(corpus: Corpus, task: str, size: int = 12) -> Examples:
    """Some test examples, without their answers."""
    return registry.make_task(task).examples(corpus, "loo", "test").select(slice(0, size)).hidden()


def mentioned(model: Any, examples: Examples, example: int) -> list[int]:
    """Item rows in the order in which the first prompt of the task names them."""
    items = examples.history(example)[-model.config.history :].tolist()
    if examples.shown is not None:
        items += examples.shown.items[examples.shown.offsets[example] : examples.shown.offsets[example + 1]].tolist()
    found: list[int] = model.artifacts.ids.rows(np.array(items)).tolist()
    return found


@pytest.mark.parametrize("task", ["recommendation", "selection"])
def test_two_placeholders_follow_each_mention_as_separate_words(fit: Fit, planted: Corpus, task: str) -> None:
    model = fit("vip5", planted, task, **SMALL)
    examples = asked(planted, task)
    prompts = model.prompts(examples)
    placeholder = model.artifacts.tokenizer.placeholder
    for example, prompt in enumerate(prompts.rows.rows()):
        tokens, words, marks = prompt.T
        items = mentioned(model, examples, example)
        assert marks[marks >= 0].tolist() == [row for row in items for _ in range(2)]
        assert (tokens == placeholder).tolist() == (marks >= 0).tolist()
        places = np.flatnonzero(marks >= 0)
        for place in places:
            assert (words == words[place]).sum() == 1
        name = model.artifacts.tokenizer.encode([model.artifacts.ids.item_names()[items[0]]]).tokens.values
        np.testing.assert_array_equal(tokens[places[0] - len(name) : places[0]], name)


def test_attributes_follow_a_mention(planted: Corpus) -> None:
    """Title, narrowest category, brand and price; item 7 has no brand, item 6 no price."""
    said = item_descriptions(planted.items, np.array([8, 7, 6]), 3)
    assert said[0] == "red round thing red round brand3 12.00"
    assert said[1] == "black flat thing black flat 10.50"
    assert said[2] == "green long thing green long brand1"
    assert item_descriptions(planted.items, np.array([8]), 1) == ["red red brand3 12.00"]


def test_inputs_are_the_sum_of_the_equation(fit: Fit, planted: Corpus) -> None:
    model = fit("vip5", planted, "selection", **SMALL)
    network = model.prepared()
    source = network.batch(model.prompts(asked(planted, "selection", size=3)))
    with torch.no_grad():
        found = network.embed(source).numpy()
        looks = network.visual.of(torch.arange(len(model.artifacts.ids.catalogue))).numpy()
    tables = (network.t5.shared, network.whole_words, network.categories)
    tokens_of, words_of, kinds_of = (table.weight.detach().numpy() for table in tables)
    assert source.items.max() >= 0
    for example in range(3):
        seen: dict[int, int] = {}
        for place in range(source.tokens.shape[1]):
            token, word, mark = (int(part[example, place]) for part in (source.tokens, source.words, source.items))
            expected = words_of[min(word, 63)] + kinds_of[int(mark >= 0)]
            if mark >= 0:
                expected = expected + looks[mark][seen.get(mark, 0) % 2]
                seen[mark] = seen.get(mark, 0) + 1
            else:
                expected = expected + tokens_of[token]
            np.testing.assert_allclose(found[example, place], expected, rtol=1e-4, atol=1e-5)


@pytest.fixture
def backbone(tmp_path: Path) -> Path:
    """A T5 with its tokenizer, in the format of published ones."""
    make_torchvision_importable()
    from transformers import PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

    folder = tmp_path / "backbone"
    vocabulary = SubwordTokenizer.train(["item user red round thing"], 300)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=vocabulary._tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="</s>"
    )
    tokenizer.save_pretrained(folder)
    shape = T5Config(vocab_size=320, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2, decoder_start_token_id=0)
    T5ForConditionalGeneration(shape).save_pretrained(folder)
    return folder


def test_only_adapters_and_norms_of_a_pretrained_t5_are_trained(
    fit: Fit, reload: Callable[[Any, Corpus], Any], planted: Corpus, backbone: Path
) -> None:
    from safetensors.torch import load_file

    model = fit("vip5", planted, "recommendation", backbone=str(backbone), trained="adapters", **SMALL)
    weights = dict(model.network.t5.named_parameters())
    published = load_file(backbone / "model.safetensors")
    new = {name for name in weights if "dropout.0." in name}
    kept = {name for name in published if name in weights and torch.equal(weights[name], published[name])}
    assert kept == {name for name in weights if "layer_norm" not in name} - new
    assert all(adapter.up.weight.any() for adapter in model.network.modules() if isinstance(adapter, Adapter))
    still = {name for name, weight in model.network.named_parameters() if not weight.requires_grad}
    assert still == {f"t5.{name}" for name in kept}
    counted = model.parameters()
    assert counted.total - counted.trained == sum(weights[name].numel() for name in kept)
    again = reload(model, planted)
    assert again.parameters() == counted
    items, examples = catalogue(planted, "loo"), asked(planted, "recommendation")
    np.testing.assert_array_equal(again.score(examples, items), model.score(examples, items))


def test_random_weights_are_not_frozen() -> None:
    with pytest.raises(UsageError, match="name a backbone"):
        registry.make_model("vip5", settings={"trained": "adapters"})


def test_a_new_picture_changes_the_answers_that_mention_its_item(fit: Fit, planted: Corpus) -> None:
    model = fit("vip5", planted, "recommendation", **SMALL)
    examples = asked(planted, "recommendation", size=40)
    items = catalogue(planted, "loo")
    before = model.score(examples, items)
    visual = model.network.visual
    told = [mentioned(model, examples, example) for example in range(len(examples))]
    row = next(row for row in told[0] if visual.known[row])
    names = np.array([row in rows for rows in told])
    assert 0 < names.sum() < len(names)
    visual.features[row] = -visual.features[row]
    after = model.score(examples, items)
    np.testing.assert_array_equal((before != after).any(axis=1), names)


def test_learns_ratings_from_pictures(fit: Fit, store: Corpus) -> None:
    """Red gets one star and blue five, and no test item occurs in the training part."""
    course: dict[str, Any] = {"epochs": 6, "validate_every": 6, "draws": 4, "batch_size": 16}
    model = fit("vip5", store, "preference", **SMALL | course, jitter=False, dropout=0.0, learning_rate=1e-2)
    examples = Preference().examples(store, "loo", "test")
    assert examples.targets is not None
    assert not np.isin(examples.targets, examples.histories.items).any()
    assert np.abs(model.rate(examples.hidden()) - examples.ratings).mean() < 0.5  # any constant has 2
    model.network.visual.known[:] = False
    assert np.abs(model.rate(examples.hidden()) - examples.ratings).mean() > 1.5  # without pictures


def test_without_pictures_it_uses_texts_with_a_remark(fit: Fit, make_corpus: Callable[..., Corpus]) -> None:
    words = pa.array([f"{colour} thing" for colour in ("crimson", "azure", "golden", "azure", "crimson")])
    model = fit("vip5", make_corpus([[0, 1, 2, 3], [4, 1, 2, 0]], {"title": words}), "recommendation", **SMALL)
    assert "no pictures in this corpus: text features alone" in model.remarks()
    assert model.network.visual.known.all()


def test_a_corpus_without_pictures_and_texts_is_refused(fit: Fit, make_corpus: Callable[..., Corpus]) -> None:
    corpus = make_corpus([[0, 1, 2, 3]] * 3, {"price": pa.array([1.0] * 5)})
    with pytest.raises(UsageError, match="neither pictures nor text"):
        fit("vip5", corpus, "recommendation", **SMALL)


@pytest.fixture
def store(tmp_path: Path) -> Corpus:
    """80 users who rate 40 items by colour, the last one an item without other users; items have no text."""
    rng = np.random.default_rng(0)
    users, common, seen = 80, 40, 6
    size = common + users
    red = rng.permutation(np.arange(size) % 2 == 0)
    histories = [[*rng.choice(common, seen, replace=False).tolist(), common + user] for user in range(users)]
    items = np.array([item for history in histories for item in history])
    with CorpusWriter(tmp_path / "store") as writer:
        for item in range(size):
            Image.new("RGB", (32, 32), (220, 40, 40) if red[item] else (40, 40, 220)).save(tmp_path / "picture.png")
            writer.add_picture(item, tmp_path / "picture.png")
        writer.users([f"u{n}" for n in range(users)], ["all"] * users, np.zeros(users, bool))
        writer.items([f"i{n}" for n in range(size)], ["all"] * size, {"price": pa.array([1.0] * size)})
        writer.histories(
            Histories(
                offsets=np.arange(users + 1) * (seen + 1),
                items=items.astype(np.int32),
                ratings=np.where(red[items], 1, 5).astype(np.float32),
                times=np.arange(len(items)),
            )
        )
        finish(writer)
    return Corpus.open(tmp_path / "store")
