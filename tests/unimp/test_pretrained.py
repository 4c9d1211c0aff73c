"""What comes in the folder of a pre-trained backbone: its tokens beside ours, and what is refused of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.unimp import weights
from tests.unimp.small import SMALL
from unimp_bench.errors import BenchError, DataError, UsageError
from unimp_bench.generative.item_ids import ItemIds
from unimp_bench.unimp.config import UniMPConfig
from unimp_bench.unimp.network.backbone import Backbone
from unimp_bench.unimp.network.pretrained import read_tokenizer
from unimp_bench.unimp.sentence.tokens import Vocabulary


def test_a_vocabulary_comes_with_the_backbone(tmp_path: Path) -> None:
    tokenizer = read_tokenizer(str(weights.save(tmp_path / "weights", "llama")))
    brought = tokenizer.get_vocab_size()
    vocabulary = Vocabulary.pretrained(tokenizer, ItemIds.atomic(5), ["rate_1", "rate_2.5", "[END]"])
    assert vocabulary.words == brought + 5 + 3 and len(vocabulary) == vocabulary.words + 5
    assert vocabulary.texts.tolist() == list(range(2, brought)), "neither its special tokens nor ours are text"
    assert min(vocabulary.pad, vocabulary.cls, *vocabulary.named(["rate_1", "[END]"])) >= brought
    assert vocabulary.ratings == (1.0, 2.5)
    said = "Which item will the user buy next? <|endoftext|> [EOC] naïve"
    (tokens,) = vocabulary.encode([said])
    assert vocabulary.text(tokens) == said and set(tokens) <= set(vocabulary.texts.tolist())
    assert vocabulary.phrase("Title") == vocabulary.encode(["Title"])[0], "a phrase is text that the decoder can read"
    together = [*vocabulary.phrase("Title"), *vocabulary.encode(["warm"])[0]]
    assert vocabulary.text(together) == "Title warm"
    assert vocabulary.decode([vocabulary.cls, *together, vocabulary.words + 3]) == "[CLS] Title warm item_3"
    vocabulary.save(tmp_path / "tokenizer.json")
    again = Vocabulary.load(tmp_path / "tokenizer.json", ItemIds.atomic(5))
    assert again.encode([said]) == [tokens] and again.words == vocabulary.words and again.pad == vocabulary.pad
    assert again.texts.tolist() == vocabulary.texts.tolist()


def spoil_nothing(folder: Path) -> None:
    """Leave the folder as it is."""


def no_tokenizer(folder: Path) -> None:
    for path in folder.glob("tokenizer*"):
        path.unlink()


def code_of_others(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "mine", "auto_map": {"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text("raise SystemExit('code of a folder was run')")


def objects_in_pickle(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({"gpt_neox.embed_in.weight": Path("/")}, folder / "pytorch_model.bin")


def one_tensor_less(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    del tensors["gpt_neox.layers.1.mlp.dense_4h_to_h.weight"]
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def tables_too_small(folder: Path) -> None:
    weights.decoder("gpt_neox", 100).save_pretrained(folder)


@pytest.mark.parametrize(
    ("spoil", "family", "error", "complaint"),
    [
        (no_tokenizer, "gpt_neox", UsageError, "cannot be read"),
        (code_of_others, "gpt_neox", UsageError, "cannot be read"),
        (objects_in_pickle, "gpt_neox", UsageError, "cannot be read"),
        (one_tensor_less, "gpt_neox", DataError, "dense_4h_to_h"),
        (tables_too_small, "gpt_neox", UsageError, "table of 100 x 16"),
        (spoil_nothing, "bloom", UsageError, "masks or positions in a way of its own"),
    ],
)
def test_a_folder_that_does_not_do_is_one_clear_line(
    spoil: Any, family: str, error: type[BenchError], complaint: str, tmp_path: Path
) -> None:
    folder = weights.save(tmp_path / "weights", family)
    spoil(folder)
    with pytest.raises(error, match=complaint) as caught:
        Backbone(replace(SMALL, backbone=str(folder)), 500)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


def test_a_name_that_nobody_has_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UsageError, match=r"'gptneox' cannot be read .*; give what lies on this machine") as caught:
        Backbone(UniMPConfig(backbone="gptneox"), 500)
    assert "\n" not in str(caught.value)
