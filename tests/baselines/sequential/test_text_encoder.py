"""Trained text encoders: their start, what is trained, the equation of an adapter, merged updates, and the cost."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

import baselines.sequential.text_encoder as module
from baselines.learning.adapters import Adapter
from baselines.sequential.text_encoder import EncoderSettings, PretrainedTexts, Trained, TrainedEncoder
from tests.baselines.sequential.plain import Values, gelu, linear, values
from tests.metrics.small_resources import write_bert, write_roberta
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.features.sentence import load_text_model, pooled
from unimp_bench.corpus.features.text import encoded_texts
from unimp_bench.corpus.views import View, view_of
from unimp_bench.errors import UsageError
from unimp_bench.low_rank import LORA, merged
from unimp_bench.records import FloatArray
from unimp_bench.torch_setup import make_torchvision_importable

WORDS = ("a red dog", "the large box", "", "a hound of glad movie", "the large box", "big dog", "love")
WIDTH, LAYERS, INNER = 32, 3, 6
TRAINED: tuple[Trained, ...] = ("adapters", "lora", "full")


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bert(tmp_path_factory.mktemp("encoders") / "bert")


@pytest.fixture
def corpus(make_corpus: Callable[..., Corpus]) -> Corpus:
    return make_corpus([list(range(len(WORDS)))] * 3, {"title": pa.array(WORDS)})


def read(corpus: Corpus, folder: Path, cache: Path, tokens: int = 32) -> PretrainedTexts:
    return PretrainedTexts.read(corpus.items, f"{folder}#mean", tokens, cache)


def made(texts: PretrainedTexts, trained: Trained, **settings: int) -> TrainedEncoder:
    torch.manual_seed(0)
    return TrainedEncoder(texts, EncoderSettings(trained=trained, bottleneck=INNER, rank=2, **settings)).train()


def stirred(encoder: TrainedEncoder) -> TrainedEncoder:
    """With other values for all that is trained, so that no update is zero."""
    torch.manual_seed(1)
    for weight in encoder.parameters():
        if weight.requires_grad:
            weight.data += 0.2 * torch.randn_like(weight)
    return encoder


def all_of(encoder: TrainedEncoder) -> torch.Tensor:
    found: torch.Tensor = encoder(torch.arange(-1, len(encoder.lengths)))
    return found


@pytest.mark.parametrize("write", [write_bert, write_roberta])
def test_every_variant_begins_at_the_features_of_the_frozen_encoder(
    write: Callable[[Path], Path], tmp_path: Path, corpus: Corpus
) -> None:
    folder = write(tmp_path / "encoder")
    texts = read(corpus, folder, tmp_path)
    vectors = encoded_texts(corpus.items, f"{folder}#mean", tmp_path)
    assert vectors is not None and len(texts.texts) == 5
    expected = vectors.values * math.sqrt(WIDTH)
    np.testing.assert_allclose(texts.features(), expected, rtol=1e-4, atol=1e-5)
    assert not expected[WORDS.index("")].any() and expected.std() > 0.5
    starts = [all_of(made(texts, trained)) for trained in TRAINED]
    np.testing.assert_allclose(starts[0].detach()[texts.of + 1], expected, rtol=1e-3, atol=1e-4)
    assert torch.equal(starts[0], starts[2]), "an adapter begins at the identity, bit by bit"
    torch.testing.assert_close(starts[1], starts[2], rtol=1e-4, atol=1e-5)
    assert all(not torch.allclose(all_of(stirred(made(texts, trained))), starts[2], atol=0.1) for trained in TRAINED)


def test_no_more_tokens_than_set_are_read(tmp_path: Path, bert: Path, corpus: Corpus) -> None:
    few, all_of_them = read(corpus, bert, tmp_path, 4), read(corpus, bert, tmp_path)
    assert not np.allclose(few.features(), all_of_them.features(), atol=0.1)
    assert made(few, "adapters").lengths.max() == 4
    np.testing.assert_allclose(all_of(made(few, "full")).detach()[few.of + 1], few.features(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("trained", "top_layers"), [(each, top) for each in TRAINED for top in (0, 1)])
def test_what_is_named_is_trained_and_nothing_else(
    trained: Trained, top_layers: int, tmp_path: Path, bert: Path, corpus: Corpus
) -> None:
    encoder = made(read(corpus, bert, tmp_path), trained, top_layers=top_layers)
    before = {name: weight.detach().clone() for name, weight in encoder.named_parameters()}
    optimizer = torch.optim.SGD([weight for weight in encoder.parameters() if weight.requires_grad], 0.5)
    for _ in range(2):  # the first step leaves the lower part of an update that begins at zero
        optimizer.zero_grad()
        all_of(encoder).square().sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    moved = {name for name, weight in encoder.named_parameters() if not torch.equal(weight, before[name])}
    layers = top_layers or LAYERS
    added = {name for name in before if LORA in name or ".dropout.0." in name}
    count = sum(weight.numel() for weight in encoder.parameters() if weight.requires_grad)
    if trained == "adapters":
        assert moved == added and count == layers * 2 * (2 * WIDTH * INNER + WIDTH + INNER)
    elif trained == "lora":
        assert moved == added and count == layers * 2 * (2 * WIDTH * 2), "of queries and values"
    else:
        assert moved >= {name for name in before if ".key.bias" not in name}  # which a softmax does not see
        assert (top_layers == 0) == any("word_embeddings" in name for name in moved)


def test_a_sub_layer_adapts_before_the_residual_add_and_its_norm(tmp_path: Path, bert: Path, corpus: Corpus) -> None:
    encoder = stirred(made(read(corpus, bert, tmp_path), "adapters"))
    adapters = [each for each in encoder.modules() if isinstance(each, Adapter)]
    assert len({id(each) for each in adapters}) == 2 * LAYERS
    layer = encoder.model.encoder.layer[1]
    rng = np.random.default_rng(0)
    for part, width in ((layer.attention.output, WIDTH), (layer.output, 48)):
        own = values(part)
        given, residual = rng.normal(size=width), rng.normal(size=WIDTH)
        expected = norm(residual + adapted(linear(given, own, "dense"), own), own)
        found = part(*(torch.tensor(each, dtype=torch.float32)[None, None] for each in (given, residual)))
        np.testing.assert_allclose(found[0, 0].detach(), expected, rtol=1e-4, atol=1e-4)


def adapted(row: FloatArray, own: Values) -> FloatArray:
    return row + linear(gelu(linear(row, own, "dropout.0.down")), own, "dropout.0.up")


def norm(row: FloatArray, own: Values) -> FloatArray:
    scaled: FloatArray = (row - row.mean()) / np.sqrt(row.var() + 1e-12)
    return scaled * own["LayerNorm.weight"] + own["LayerNorm.bias"]


@torch.no_grad()
def test_low_rank_updates_merge_into_the_encoder(tmp_path: Path, bert: Path, corpus: Corpus) -> None:
    texts = read(corpus, bert, tmp_path)
    encoder = stirred(made(texts, "lora"))
    tokenizer, plain = load_text_model(bert)
    plain.pooler = None
    plain.load_state_dict(merged(dict(encoder.model.state_dict())))
    batch = tokenizer(texts.texts, return_tensors="pt", padding=True)
    vectors = pooled(plain(**batch).last_hidden_state, batch["attention_mask"], texts.form)
    torch.testing.assert_close((vectors - encoder.mean) * encoder.gain, all_of(encoder)[1:], rtol=1e-3, atol=1e-4)


def test_parts_of_a_large_step_change_neither_vectors_nor_gradients(
    tmp_path: Path, bert: Path, corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = stirred(made(read(corpus, bert, tmp_path), "adapters"))

    def both() -> tuple[torch.Tensor, torch.Tensor]:
        encoder.zero_grad()
        found = all_of(encoder)
        found.square().sum().backward()  # type: ignore[no-untyped-call]
        gradient = encoder.model.encoder.layer[0].output.dropout[0].down.weight.grad
        return found.detach(), gradient.clone()

    at_once = both()
    monkeypatch.setattr(module, "_TOKENS", 20)
    assert len(encoder._parts(torch.arange(len(encoder.lengths)))) > 1
    for one, other in zip(at_once, both(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("trained", TRAINED)
@pytest.mark.parametrize("write", [write_bert, write_roberta])
def test_states_below_the_trained_layers_are_computed_once(
    write: Callable[[Path], Path], trained: Trained, tmp_path: Path, corpus: Corpus
) -> None:
    texts = read(corpus, write(tmp_path / "encoder"), tmp_path)
    whole, top = made(texts, trained), made(texts, trained, top_layers=2)
    assert top.inputs.shape == (int(top.lengths.sum()), WIDTH) and len(top.model.encoder.layer) == 2
    torch.testing.assert_close(all_of(top), all_of(whole), rtol=1e-4, atol=1e-5)
    with pytest.raises(UsageError, match=r"top_layers=4: the text encoder has 3 layers"):
        made(texts, trained, top_layers=4)


def test_texts_moved_by_a_view_at_test_are_on_the_scale_of_the_fit(tmp_path: Path, bert: Path, corpus: Corpus) -> None:
    moved = view_of(corpus, View.parse("XT@test"))
    fitted, tested = (
        PretrainedTexts.read(items, f"{bert}#mean", 32, tmp_path) for items in (corpus.items, moved.tested)
    )
    source = moved.tested.moved("texts")
    assert sorted(source) == list(range(len(WORDS))) and (source != np.arange(len(WORDS))).any()
    assert np.array_equal(tested.features(), fitted.features()[source])
    none = PretrainedTexts.read(view_of(corpus, View.parse("MT:1@test")).tested, f"{bert}#mean", 32, tmp_path)
    assert not none.features().any()


def test_an_encoder_of_other_layers_is_one_line(tmp_path: Path, corpus: Corpus) -> None:
    make_torchvision_importable()
    from transformers import DistilBertConfig, DistilBertModel

    folder = write_bert(tmp_path / "distil")
    sizes = {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 48, "max_position_embeddings": 64}
    torch.manual_seed(0)
    DistilBertModel(DistilBertConfig(vocab_size=200, **sizes)).save_pretrained(folder)
    texts = read(corpus, folder, tmp_path)
    for trained, top_layers in (("adapters", 0), ("full", 1)):
        with pytest.raises(UsageError, match=r"'distilbert' encoder are not BERT's.*set trained=frozen") as caught:
            made(texts, trained, top_layers=top_layers)  # type: ignore[arg-type]
        assert "\n" not in str(caught.value)
    np.testing.assert_allclose(
        all_of(made(texts, "full")).detach()[texts.of + 1], texts.features(), rtol=1e-3, atol=1e-3
    )


def test_texts_without_content_are_refused(tmp_path: Path, bert: Path, make_corpus: Any) -> None:
    for titles, reason in ((["same"] * 4, "have equal vectors"), ([""] * 4, "no item of this corpus has a text")):
        corpus = make_corpus([[0, 1, 2, 3]] * 3, {"title": pa.array(titles)})
        with pytest.raises(UsageError, match=reason):
            read(corpus, bert, tmp_path)
