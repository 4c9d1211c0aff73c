"""OpenFlamingo's checkpoints, under its own names, and what becomes of each of their tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from tests.unimp import weights
from tests.unimp.small import SMALL, Parts, fit_data
from unimp_bench.corpus import Corpus
from unimp_bench.errors import DataError, UsageError
from unimp_bench.generative.item_ids import ItemIds
from unimp_bench.unimp.backbones import FusedLayer
from unimp_bench.unimp.config import UniMPConfig
from unimp_bench.unimp.fusions import build_model
from unimp_bench.unimp.model import UniMPModel
from unimp_bench.unimp.openflamingo import load_openflamingo
from unimp_bench.unimp.published import read_tokenizer
from unimp_bench.unimp.tokens import Vocabulary
from unimp_bench.unimp.unimp import UniMP

State = dict[str, Tensor]
PATHS = {"gpt_neox": ("gpt_neox.layers", "gpt_neox.embed_in"), "mpt": ("transformer.blocks", "transformer.wte")}
"""Where a decoder of each family keeps its layers and its input embeddings."""


@pytest.fixture(scope="module", params=sorted(PATHS))
def config(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> UniMPConfig:
    family: str = request.param
    folder = weights.save(tmp_path_factory.mktemp("weights") / family, family, tied=family == "mpt")
    return replace(SMALL, backbone=str(folder), resampler_layers=2, fusion_every=1 if family == "mpt" else 2, gate=0.0)


@pytest.fixture
def vocabulary(config: UniMPConfig) -> Vocabulary:
    return Vocabulary.pretrained(read_tokenizer(config.backbone), ItemIds.atomic(7))


@pytest.fixture
def model(config: UniMPConfig, vocabulary: Vocabulary, parts: Parts) -> UniMPModel:
    return build_model(config, len(vocabulary), parts.features.width).eval()


def family_of(config: UniMPConfig) -> str:
    return Path(config.backbone).name


def checkpoint(config: UniMPConfig, media_width: int, by_layer: bool) -> State:
    """What OpenFlamingo trained, by the names of its modules: of 64-wide heads, eight of them.

    Args:
        by_layer: name each cross-attention by its decoder layer, as training saves it, not by the list of all.
    """
    draw = torch.Generator().manual_seed(4)
    layers, embeddings = PATHS[family_of(config)]
    heads, width = 8 * 64, weights.WIDTH
    shapes: dict[str, tuple[int, ...]] = {"perceiver.latents": (config.latents, media_width)}
    for name in ("weight", "bias"):
        shapes[f"perceiver.norm.{name}"] = (media_width,)
    for number in range(config.resampler_layers):
        first, second = f"perceiver.layers.{number}.0", f"perceiver.layers.{number}.1"
        for name in ("weight", "bias"):
            shapes |= {f"{first}.norm_{whose}.{name}": (media_width,) for whose in ("media", "latents")}
            shapes[f"{second}.0.{name}"] = (media_width,)
        shapes |= {f"{first}.to_q.weight": (heads, media_width), f"{first}.to_kv.weight": (2 * heads, media_width)}
        shapes |= {f"{first}.to_out.weight": (media_width, heads)}
        shapes |= {
            f"{second}.1.weight": (4 * media_width, media_width),
            f"{second}.3.weight": (media_width, 4 * media_width),
        }
    for number in range(config.fusion_every - 1, weights.LAYERS, config.fusion_every):
        block = f"{layers}.{number}.gated_cross_attn_layer" if by_layer else f"gated_cross_attn_layers.{number}"
        block = f"lang_encoder.{block}"
        for name in ("weight", "bias"):
            shapes |= {f"{block}.attn.norm.{name}": (width,), f"{block}.ff.0.{name}": (width,)}
        shapes |= {f"{block}.attn_gate": (1,), f"{block}.ff_gate": (1,)}
        shapes |= {f"{block}.attn.to_q.weight": (heads, width), f"{block}.attn.to_kv.weight": (2 * heads, media_width)}
        shapes |= {f"{block}.attn.to_out.weight": (width, heads)}
        shapes |= {f"{block}.ff.1.weight": (4 * width, width), f"{block}.ff.3.weight": (width, 4 * width)}
    brought = read_tokenizer(config.backbone).get_vocab_size()
    shapes[f"lang_encoder.{embeddings}.weight"] = (brought + 3, width)
    return {name: torch.randn(shape, generator=draw) for name, shape in shapes.items()}


def heads_of(x: Tensor) -> Tensor:
    return x.unflatten(-1, (8, 64)).transpose(-3, -2)


def attended(state: State, name: str, queries: Tensor, media: Tensor) -> Tensor:
    """OpenFlamingo's attention written out: softmax(q k / 8) v over eight heads."""
    keys, values = (media @ state[f"{name}.to_kv.weight"].T).chunk(2, dim=-1)
    q, k, v = (heads_of(x) for x in (queries @ state[f"{name}.to_q.weight"].T, keys, values))
    out = (q @ k.transpose(-2, -1) / 8).softmax(dim=-1) @ v
    return out.transpose(-3, -2).flatten(-2) @ state[f"{name}.to_out.weight"].T


def normed(state: State, name: str, x: Tensor) -> Tensor:
    return torch.nn.functional.layer_norm(x, x.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"])


def fed(state: State, name: str, x: Tensor) -> Tensor:
    wide = torch.nn.functional.gelu(normed(state, f"{name}.0", x) @ state[f"{name}.1.weight"].T)
    return wide @ state[f"{name}.3.weight"].T


@pytest.mark.parametrize("by_layer", [False, True])
@torch.no_grad()
def test_the_modules_equal_those_of_openflamingo(
    config: UniMPConfig, model: UniMPModel, vocabulary: Vocabulary, parts: Parts, tmp_path: Path, by_layer: bool
) -> None:
    state = checkpoint(config, parts.features.width, by_layer)
    torch.save(state, tmp_path / "checkpoint.pt")
    load_openflamingo(model, str(tmp_path / "checkpoint.pt"), vocabulary)
    assert model.resampler is not None

    patches = torch.randn(3, 5, parts.features.width, generator=torch.Generator().manual_seed(0))
    latents = state["perceiver.latents"].expand(3, -1, -1)
    for number in range(config.resampler_layers):
        first = f"perceiver.layers.{number}.0"
        queries = normed(state, f"{first}.norm_latents", latents)
        media = torch.cat([normed(state, f"{first}.norm_media", patches), queries], dim=1)
        latents = latents + attended(state, first, queries, media)
        latents = latents + fed(state, f"perceiver.layers.{number}.1", latents)
    expected = normed(state, "perceiver.norm", latents)
    torch.testing.assert_close(model.resampler(patches), expected, rtol=1e-3, atol=1e-3)

    hidden = torch.randn(3, 4, weights.WIDTH, generator=torch.Generator().manual_seed(1))
    fused = [(n, layer.fusion) for n, layer in enumerate(model.decoder.layers) if isinstance(layer, FusedLayer)]
    assert len(fused) == weights.LAYERS // config.fusion_every
    for number, fusion in fused:
        blocks = {key.rsplit(".attn_gate")[0] for key in state if key.endswith(".attn_gate")}
        (block,) = (each for each in blocks if f".{number}" in each)
        attention = attended(state, f"{block}.attn", normed(state, f"{block}.attn.norm", hidden), expected)
        through = hidden + state[f"{block}.attn_gate"].tanh() * attention
        through = through + state[f"{block}.ff_gate"].tanh() * fed(state, f"{block}.ff", through)
        ours = fusion.attention(fusion.norm(hidden), expected)
        got = hidden + fusion.attention_gate.tanh() * ours
        got = got + fusion.feed_forward_gate.tanh() * fusion.feed_forward(got)
        torch.testing.assert_close(got, through, rtol=1e-3, atol=1e-3)

    table = state[f"lang_encoder.{PATHS[family_of(config)][1]}.weight"]
    marks = model.decoder.input_rows(torch.tensor([vocabulary.eoc, vocabulary.img]))
    assert torch.equal(marks, table[-3:-1]), "<|endofchunk|>, <image>, and the padding token behind them"


def as_training_saves_it(state: State, path: Path) -> None:
    wrapped = {f"module.{name}": tensor for name, tensor in state.items()}
    torch.save({"epoch": 3, "model_state_dict": wrapped, "lr_scheduler_state_dict": {"last_epoch": 7}}, path)


def as_tensors_alone(state: State, path: Path) -> None:
    save_file(state, path)


def with_all_of_the_backbone(state: State, path: Path) -> None:
    more = {
        "vision_encoder.class_embedding": torch.zeros(4),
        "lang_encoder.old_decoder_blocks.0.attention.bias": torch.zeros(1, 1, 8, 8),
    }
    layers = next(path for path, table in PATHS.values() if f"lang_encoder.{table}.weight" in state)
    more[f"lang_encoder.{layers}.1.decoder_layer.attn.Wqkv.weight"] = torch.zeros(2, 2)
    head = {"gpt_neox.layers": "embed_out", "transformer.blocks": "lm_head"}[layers]
    norm = {"gpt_neox.layers": "gpt_neox.final_layer_norm", "transformer.blocks": "transformer.norm_f"}[layers]
    more |= {
        f"lang_encoder.{head}.weight": torch.zeros(9, 2),
        f"lang_encoder.{norm}.weight": torch.zeros(weights.WIDTH),
    }
    torch.save(state | more, path)


@pytest.mark.parametrize(
    ("write", "name"),
    [
        (as_training_saves_it, "checkpoint_3.pt"),
        (as_tensors_alone, "model.safetensors"),
        (with_all_of_the_backbone, "checkpoint.pt"),
    ],
)
@torch.no_grad()
def test_every_form_that_it_is_saved_in_is_read(
    config: UniMPConfig,
    model: UniMPModel,
    vocabulary: Vocabulary,
    parts: Parts,
    tmp_path: Path,
    write: Callable[[State, Path], None],
    name: str,
) -> None:
    state = checkpoint(config, parts.features.width, by_layer=True)
    write(state, tmp_path / name)
    before = {key: parameter.clone() for key, parameter in model.decoder.model.base_model.named_parameters()}
    load_openflamingo(model, str(tmp_path / name), vocabulary)
    assert model.resampler is not None
    assert torch.equal(model.resampler.latents, state["perceiver.latents"])
    after = dict(model.decoder.model.base_model.named_parameters())
    changed = {key for key, parameter in after.items() if not torch.equal(parameter, before[key])}
    assert changed and all(".fusion." in key or key.endswith(".new") for key in changed), "the backbone stays as it is"


def less(state: State) -> State:
    return {name: tensor for name, tensor in state.items() if name != "perceiver.layers.1.0.to_kv.weight"}


def more(state: State) -> State:
    return state | {"perceiver.layers.2.0.to_q.weight": torch.zeros(2, 2)}


def other_latents(state: State) -> State:
    return state | {"perceiver.latents": torch.zeros(64, 3)}


def another_backbone(state: State) -> State:
    return {
        name: tensor[:50] if name.endswith(("wte.weight", "embed_in.weight")) else tensor
        for name, tensor in state.items()
    }


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (less, r"missing tensor perceiver\.layers\.1\.0\.to_kv\.weight; set fusion_every and resampler_layers"),
        (more, r"unexpected tensor perceiver\.layers\.2\.0\.to_q\.weight; set fusion_every and resampler_layers"),
        (other_latents, r"perceiver\.latents is \(64, 3\), not \(2, \d+\); set backbone, encoder and latents"),
        (another_backbone, r"input embeddings of 50 x 16.* another backbone"),
    ],
)
def test_a_tensor_of_another_shape_is_a_one_line_error(
    config: UniMPConfig,
    model: UniMPModel,
    vocabulary: Vocabulary,
    parts: Parts,
    tmp_path: Path,
    spoil: Callable[[State], State],
    complaint: str,
) -> None:
    torch.save(spoil(checkpoint(config, parts.features.width, by_layer=False)), tmp_path / "checkpoint.pt")
    with pytest.raises(DataError, match=complaint) as caught:
        load_openflamingo(model, str(tmp_path / "checkpoint.pt"), vocabulary)
    assert "\n" not in str(caught.value)


class Bomb:
    """Unpickling it would be noticed."""

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return pytest.fail, ("an object was unpickled",)


@pytest.mark.parametrize("held", [{"perceiver.latents": Bomb()}, [1, 2], {"perceiver.latents": "words"}])
def test_a_file_of_anything_but_tensors_is_refused(
    model: UniMPModel, vocabulary: Vocabulary, tmp_path: Path, held: object
) -> None:
    torch.save(held, tmp_path / "checkpoint.pt")
    with pytest.raises(UsageError, match=r"OpenFlamingo checkpoint .* cannot be read") as caught:
        load_openflamingo(model, str(tmp_path / "checkpoint.pt"), vocabulary)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("settings", "width"), [({"fusion": "sum"}, 48), ({}, None)])
def test_without_cross_attention_there_is_nothing_to_begin(
    config: UniMPConfig, vocabulary: Vocabulary, settings: dict[str, str], width: int | None
) -> None:
    model = build_model(replace(config, **settings), len(vocabulary), width)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="does not use"):
        load_openflamingo(model, "none.pt", vocabulary)


def test_a_fit_begins_with_it(config: UniMPConfig, planted: Corpus, parts: Parts, cache: Path, tmp_path: Path) -> None:
    """After a fit that hardly moves, the model is where the checkpoint put it."""
    state = checkpoint(config, parts.features.width, by_layer=True)
    torch.save(state, tmp_path / "checkpoint.pt")
    once: Any = {"epochs": 1, "history": 1, "attributes": (), "learning_rate": 1e-9, "weight_decay": 0.0}
    model = UniMP(replace(config, flamingo=str(tmp_path / "checkpoint.pt"), trained="fusion", **once))
    model.fit(fit_data(planted, tmp_path / "work", cache, "search", validate=lambda *_: {"paper": 0.5}))
    assert model._model.resampler is not None
    torch.testing.assert_close(model._model.resampler.latents.detach(), state["perceiver.latents"])
    table = state[f"lang_encoder.{PATHS[family_of(config)][1]}.weight"]
    (mark,) = model._model.decoder.input_rows(torch.tensor([model._vocabulary.img])).detach()
    torch.testing.assert_close(mark, table[-2])
