"""BERTScore against the bert-score package, on tiny encoders and on a real one where a folder is named."""

from __future__ import annotations

import importlib
import json
import os
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.metrics.small_resources import SENTENCES, write_bert
from unimp_bench.errors import DependencyError
from unimp_bench.metrics.resources import Encoder
from unimp_bench.metrics.text import bertscore
from unimp_bench.metrics.text.bertscore import bertscore_values
from unimp_bench.torch_setup import make_torchvision_importable

WORDS = " ".join(SENTENCES).split()
REAL = "UNIMP_BENCH_TEST_ENCODER"


def draw_pairs(count: int) -> tuple[list[str], list[str]]:
    draw = random.Random(0)
    texts = [" ".join(draw.choices(WORDS, k=draw.randrange(1, 25))) for _ in range(2 * count)]
    return [draw.choice(texts[:count]) for _ in range(count)], texts[count:]


def by_package(predictions: list[str], references: list[str], folder: Path, layers: int, batch: int) -> list[float]:
    make_torchvision_importable()
    from bert_score import score

    scores = score(predictions, references, model_type=str(folder), num_layers=layers, batch_size=batch, device="cpu")
    return [float(value) for value in scores[2]]


# The package pads the texts of a batch with cosines of 0, which beat negative ones, and an untrained encoder has
# many: alone in its batch, a pair has no padding.
@pytest.mark.parametrize("layers", [1, 3])
def test_package_on_a_tiny_bert(bert: Path, layers: int) -> None:
    predictions, references = draw_pairs(40)
    found = bertscore_values(predictions, references, Encoder("tiny", bert, layers))
    assert found == pytest.approx(by_package(predictions, references, bert, layers, batch=1), abs=1e-4)
    assert found.std() > 0.01


def test_package_on_a_tiny_roberta(roberta: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_torchvision_importable()
    from transformers import AutoTokenizer

    # With transformers 5 the package neither marks the first word nor takes a tokenizer without a length.
    tokenizer = AutoTokenizer.from_pretrained(roberta, add_prefix_space=True, model_max_length=64)
    module = importlib.import_module("bert_score.score")
    monkeypatch.setattr(module, "get_tokenizer", lambda *_: tokenizer)
    predictions, references = draw_pairs(40)
    found = bertscore_values(predictions, references, Encoder("tiny", roberta, 2))
    assert found == pytest.approx(by_package(predictions, references, roberta, 2, batch=1), abs=1e-4)


@pytest.mark.slow
def test_package_on_a_real_encoder() -> None:
    if not os.environ.get(REAL):
        pytest.skip(f"no real encoder: name the folder of one in {REAL}")
    folder = Path(os.environ[REAL])
    layers = json.loads((folder / "config.json").read_text())["num_hidden_layers"] - 1
    predictions, references = draw_pairs(200)
    found = bertscore_values(predictions, references, Encoder("real", folder, layers))
    assert found == pytest.approx(by_package(predictions, references, folder, layers, batch=64), abs=1e-4)


def test_blocks_and_batches_change_nothing(bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    predictions, references = draw_pairs(30)
    encoder = Encoder("tiny", bert, None)
    whole = bertscore_values(predictions, references, encoder)
    monkeypatch.setattr(bertscore, "PAIRS_AT_ONCE", 4)
    monkeypatch.setattr(bertscore, "TOKENS_AT_ONCE", 1)
    assert bertscore_values(predictions, references, encoder) == pytest.approx(whole, abs=1e-5)


def test_each_distinct_text_is_embedded_once(bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    embed = bertscore._Embedder._batch

    def spy(self: Any, batch: list[tuple[list[int], str]]) -> Any:
        seen.extend(text for _, text in batch)
        return embed(self, batch)

    monkeypatch.setattr(bertscore._Embedder, "_batch", spy)
    values = bertscore_values(["a dog", " a dog ", "a film"], ["a film", "a box", "a film"], Encoder("t", bert, None))
    assert sorted(seen) == ["a box", "a dog", "a film"]
    assert values[2] == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("pair", [("", "a dog"), ("a dog", " \n"), ("", ""), ("\x00", "a dog")])
def test_nothing_scores_nothing(pair: tuple[str, str], bert: Path, roberta: Path) -> None:
    assert bertscore_values([pair[0]], [pair[1]], Encoder("tiny", bert, None)) == [0]
    if "\x00" not in pair[0]:  # a byte-level tokenizer has a token for it
        assert bertscore_values([pair[0]], [pair[1]], Encoder("tiny", roberta, None)) == [0]


def test_odd_and_long_texts(bert: Path, roberta: Path) -> None:
    texts = ["\ud800 漢字 e\u0301 🐕", "a dog " * 3_000, "x" * 5_000]
    for folder in (bert, roberta):
        assert bertscore_values(texts, texts, Encoder("tiny", folder, None)) == pytest.approx([1, 1, 1], abs=1e-5)


def test_no_more_layers_than_there_are(bert: Path) -> None:
    """A folder that merely bears the name of a deeper model is not filled up with untrained layers."""
    predictions, references = draw_pairs(5)
    all_layers = bertscore_values(predictions, references, Encoder("roberta-large", bert, None))
    assert bertscore_values(predictions, references, Encoder("roberta-large", bert, 17)) == pytest.approx(all_layers)


def test_refuses_damaged_encoders(bert: Path, tmp_path: Path) -> None:
    cut = shutil.copytree(bert, tmp_path / "cut")
    weights = cut / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5_000])
    deeper = shutil.copytree(bert, tmp_path / "deeper")
    config = json.loads((deeper / "config.json").read_text())
    (deeper / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 4}))
    for folder, reason in ((cut, "cannot be read"), (deeper, "are not those of its config")):
        with pytest.raises(DependencyError, match=reason):
            bertscore_values(["a"], ["a"], Encoder("tiny", folder, None))


def test_another_encoder_gives_another_score(bert: Path, tmp_path: Path) -> None:
    predictions, references = draw_pairs(10)
    other = write_bert(tmp_path / "other", seed=5)
    ours = bertscore_values(predictions, references, Encoder("tiny", bert, None))
    assert abs(ours - bertscore_values(predictions, references, Encoder("tiny", other, None))).max() > 1e-3
