"""Published decoders and tokenizers: files that are read and refused, MPT-1B, and outlines of the presets."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.footprint import Footprint
from tests.unimp import weights
from tests.unimp.small import SMALL
from unimp_bench.errors import BenchError, DataError, UsageError
from unimp_bench.generative.item_ids import ItemIds
from unimp_bench.registry import make_model
from unimp_bench.unimp.adaptation import meta_model
from unimp_bench.unimp.backbones import Backbone, FusedLayer
from unimp_bench.unimp.config import PRESETS, UniMPConfig
from unimp_bench.unimp.published import NEOX_TOKENS, outlined, read_tokenizer
from unimp_bench.unimp.tokens import Vocabulary


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
        (spoil_nothing, "bloom", UsageError, "does not use the masks or positions"),
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
    with pytest.raises(UsageError, match=r"'gptneox' cannot be read .*; pass a local path") as caught:
        Backbone(UniMPConfig(backbone="gptneox"), 500)
    assert "\n" not in str(caught.value)


CLIP_WIDTH = 1024
State = dict[str, Tensor]
SETTINGS: dict[str, Any] = {
    "model_type": "mosaic_gpt", "d_model": 16, "n_heads": 2, "n_layers": 2, "mlp_ratio": 4, "max_seq_len": 64,
    "attn_qk_ln": True, "attn_clip_qkv": None, "softmax_scale": None, "alibi": True, "alibi_bias_max": 8,
    "no_bias": True, "prefix_lm": False, "logit_scale": None, "attn_impl": "torch",
    "auto_map": {"AutoConfig": "mosaic_gpt.MosaicGPTConfig", "AutoModelForCausalLM": "mosaic_gpt.MosaicGPT"},
}  # fmt: skip


def mosaic_state(rows: int) -> State:
    """The tensors of an MPT-1B by their published names."""
    draw = torch.Generator().manual_seed(3)
    width = SETTINGS["d_model"]
    shapes: dict[str, tuple[int, ...]] = {"transformer.wte.weight": (rows, width), "transformer.ln_f.weight": (width,)}
    for number in range(SETTINGS["n_layers"]):
        block = f"transformer.blocks.{number}"
        shapes |= {f"{block}.{norm}.weight": (width,) for norm in ("ln_1", "ln_2", "attn.q_ln", "attn.k_ln")}
        shapes |= {f"{block}.attn.Wqkv.weight": (3 * width, width), f"{block}.attn.out_proj.weight": (width, width)}
        shapes |= {f"{block}.mlp.mlp_up.weight": (4 * width, width), f"{block}.mlp.mlp_down.weight": (width, 4 * width)}
    return {name: 0.5 * torch.randn(shape, generator=draw) for name, shape in shapes.items()}


def mosaic_folder(folder: Path, **settings: Any) -> tuple[Path, State]:
    """A folder as it was published: weights in half precision as a state dict of torch, code of its own."""
    words = weights.tokenizer()
    words.save_pretrained(folder)
    rows = len(words) + weights.PADDING
    (folder / "config.json").write_text(json.dumps({**SETTINGS, "vocab_size": rows, **settings}))
    (folder / "mosaic_gpt.py").write_text("raise SystemExit('code of a folder was run')")
    state = mosaic_state(rows)
    torch.save({name: tensor.bfloat16() for name, tensor in state.items()}, folder / "pytorch_model.bin")
    return folder, {name: tensor.bfloat16().float() for name, tensor in state.items()}


def mosaic_forward(state: State, tokens: Tensor) -> Tensor:
    """Logits of an MPT-1B, its equations written out."""
    x = state["transformer.wte.weight"][tokens]
    length, width = x.shape
    heads = SETTINGS["n_heads"]
    slopes = torch.tensor([2.0 ** (-8 * (head + 1) / heads) for head in range(heads)])
    distance = torch.arange(length) - torch.arange(length)[:, None]
    bias = (slopes[:, None, None] * distance).masked_fill(distance > 0, -torch.inf)

    def norm(name: str, x: Tensor) -> Tensor:
        return functional.layer_norm(x, (width,), state[f"{name}.weight"])

    for number in range(SETTINGS["n_layers"]):
        block = f"transformer.blocks.{number}"
        q, k, v = (norm(f"{block}.ln_1", x) @ state[f"{block}.attn.Wqkv.weight"].T).split(width, dim=-1)
        q, k = norm(f"{block}.attn.q_ln", q), norm(f"{block}.attn.k_ln", k)
        q, k, v = (each.unflatten(-1, (heads, -1)).transpose(0, 1) for each in (q, k, v))
        attended = (q @ k.transpose(1, 2) / (width // heads) ** 0.5 + bias).softmax(dim=-1) @ v
        x = x + attended.transpose(0, 1).flatten(1) @ state[f"{block}.attn.out_proj.weight"].T
        up = norm(f"{block}.ln_2", x) @ state[f"{block}.mlp.mlp_up.weight"].T
        x = x + functional.gelu(up) @ state[f"{block}.mlp.mlp_down.weight"].T
    return norm("transformer.ln_f", x) @ state["transformer.wte.weight"].T


def backbone_of(folder: Path) -> Backbone:
    brought = read_tokenizer(str(folder)).get_vocab_size()
    return Backbone(replace(SMALL, backbone=str(folder)), brought + 4).eval()


@torch.no_grad()
def test_mpt_1b_computes_what_it_was_published_to_compute(tmp_path: Path) -> None:
    folder, state = mosaic_folder(tmp_path / "mpt-1b")
    backbone = backbone_of(folder)
    tokens = torch.randint(backbone.pretrained_tokens, (11,), generator=torch.Generator().manual_seed(0))
    attends = torch.ones(11, 11, dtype=torch.bool).tril()[None, None]
    states = backbone(backbone.input_rows(tokens)[None], attends, torch.arange(11)[None])
    expected = mosaic_forward(state, tokens)[:, : backbone.pretrained_tokens]
    got = backbone.logits(states)[0, :, : backbone.pretrained_tokens]
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)
    assert len(backbone.new_rows()) == 1, "its output layer is its input embeddings"


def lack_a_norm(folder: Path) -> None:
    state = torch.load(folder / "pytorch_model.bin", weights_only=True)
    del state["transformer.blocks.1.attn.q_ln.weight"]
    torch.save(state, folder / "pytorch_model.bin")


def lack_the_weights(folder: Path) -> None:
    (folder / "pytorch_model.bin").unlink()


def learn_positions(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"alibi": False}))


@pytest.mark.parametrize(
    ("spoil", "error", "complaint"),
    [
        (lack_a_norm, DataError, r"do not fit its config\.json, first at transformer\.blocks\.1\.attn\.q_ln\.weight"),
        (lack_the_weights, UsageError, r"no model\.safetensors or pytorch_model\.bin"),
        (learn_positions, UsageError, "is not MPT-1B: alibi is False"),
    ],
)
def test_another_mosaic_is_one_clear_line(spoil: Any, error: type[BenchError], complaint: str, tmp_path: Path) -> None:
    folder, _ = mosaic_folder(tmp_path / "mpt-1b")
    spoil(folder)
    with pytest.raises(error, match=complaint) as caught:
        backbone_of(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("preset", "published", "width", "layers", "fused"),
    [("paper", 2_775_864_320, 2560, 32, range(1, 32, 2)), ("small", 1_311_311_872, 2048, 24, range(24))],
)
def test_a_preset_has_the_sizes_of_its_publications(
    preset: str, published: int, width: int, layers: int, fused: range
) -> None:
    """On the meta device: the count of the published decoder, its layers, and what stands in front of which."""
    config = make_model("unimp", preset=preset).config
    assert config == PRESETS[preset]
    with torch.device("meta"):
        decoder, _ = outlined(config.backbone)
    assert sum(parameter.numel() for parameter in decoder.parameters()) == published

    new = 1000
    model = meta_model(config, NEOX_TOKENS + new, CLIP_WIDTH)
    assert all(parameter.is_meta for parameter in model.parameters())
    assert model.decoder.width == width and len(model.decoder.layers) == layers
    assert [n for n, layer in enumerate(model.decoder.layers) if isinstance(layer, FusedLayer)] == list(fused)
    assert model.resampler is not None and model.resampler.latents.shape == (64, CLIP_WIDTH)
    assert len(model.resampler.layers) == 6

    tables = 1 if preset == "small" else 2  # MPT's output layer is its input embeddings
    padding = (decoder.get_input_embeddings().weight.shape[0] - NEOX_TOKENS) * width * tables
    heads, feed_forward = 8 * 64, 8 * CLIP_WIDTH**2 + 2 * CLIP_WIDTH
    layer = 4 * CLIP_WIDTH + 4 * heads * CLIP_WIDTH + feed_forward
    resampler = 64 * CLIP_WIDTH + 6 * layer + 2 * CLIP_WIDTH
    gated = 2 * width + 2 * heads * width + 2 * heads * CLIP_WIDTH + 1 + 8 * width**2 + 2 * width + 1
    taken = Footprint.of(model)
    assert taken.frozen == published - padding, "the decoder as it is, without the rows that no token has"
    assert taken.trained == resampler + len(fused) * gated + new * width * tables


def test_memory_is_weights_gradients_and_two_moments() -> None:
    model = nn.Linear(10, 10)
    model.bias.requires_grad_(False)
    taken = Footprint.of(model)
    assert taken == Footprint(trained=100, frozen=10)
    assert taken.weights == 440 and taken.training == 440 + 1200
