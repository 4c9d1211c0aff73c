"""Decoders of three families, from scratch and pre-trained: masks, positions, caches, and the rows of the tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.unimp import weights
from tests.unimp.small import SMALL, Parts, fit_data, scores
from unimp_bench.corpus import Corpus
from unimp_bench.generative.item_ids import ItemIds
from unimp_bench.torch_setup import seed_everything
from unimp_bench.unimp.adaptation import set_trained
from unimp_bench.unimp.backbones import Backbone
from unimp_bench.unimp.batches import collate
from unimp_bench.unimp.fusions import build_model
from unimp_bench.unimp.model import UniMPModel
from unimp_bench.unimp.pieces import catalogue_pieces
from unimp_bench.unimp.published import Table, alibi_bias, read_tokenizer
from unimp_bench.unimp.sentences import last_starts, sentences, unanswered
from unimp_bench.unimp.tokens import Vocabulary
from unimp_bench.unimp.unimp import UniMP

NEW = 9
ONCE: Any = {"epochs": 1, "learning_rate": 1e-2, "history": 2, "attributes": ("category",), "attribute_words": 3}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder of weights for each family; MPT's are tied, as the published ones are."""
    root = tmp_path_factory.mktemp("weights")
    return {family: weights.save(root / family, family, tied=family == "mpt") for family in weights.FAMILIES}


def pretrained(folder: Path, new: int = NEW) -> tuple[Backbone, int]:
    """The backbone of a folder, and how many tokens its tokenizer has."""
    brought = read_tokenizer(str(folder)).get_vocab_size()
    return Backbone(replace(SMALL, backbone=str(folder)), brought + new).eval(), brought


def causal(length: int, lengths: list[int] | None = None) -> tuple[Tensor, Tensor]:
    """Mask and positions of plain sentences; of padded ones with their lengths, what pads attend to is their own."""
    attends = torch.ones(length, length, dtype=torch.bool).tril()
    sentences = len(lengths or [length])
    return attends.expand(sentences, 1, -1, -1), torch.arange(length).expand(sentences, -1)


@pytest.mark.parametrize("family", weights.FAMILIES)
@torch.no_grad()
def test_old_tokens_have_the_logits_of_the_plain_model(folders: dict[str, Path], family: str) -> None:
    backbone, brought = pretrained(folders[family])
    plain = weights.decoder(family, brought + weights.PADDING, tied=family == "mpt")
    tokens = torch.randint(brought, (3, 12), generator=torch.Generator().manual_seed(0))
    states = backbone(backbone.input_rows(tokens), *causal(12, [12] * 3))
    expected = plain(input_ids=tokens).logits[..., :brought]
    torch.testing.assert_close(backbone.logits(states)[..., :brought], expected, rtol=1e-4, atol=1e-5)
    assert expected.std() > 0.1


def reading(family: str, folders: dict[str, Path], scratch: bool) -> Backbone:
    if scratch:
        seed_everything(1)
        return Backbone(replace(SMALL, backbone=family), 300).eval()
    return pretrained(folders[family])[0]


@pytest.mark.parametrize("scratch", [True, False])
@pytest.mark.parametrize("family", weights.FAMILIES)
@torch.no_grad()
def test_branches_equal_separate_sentences(folders: dict[str, Path], family: str, scratch: bool) -> None:
    """A trunk of five tokens, branches of two and three behind it, and padding: no more and no less than alone."""
    backbone = reading(family, folders, scratch)
    embedded = backbone.input_rows(torch.arange(100, 112)[None])
    branch = torch.tensor([0] * 5 + [1] * 2 + [2] * 3 + [-1] * 2)
    attends = ((branch == 0) | (branch == branch[:, None])).tril()[None, None]
    positions = torch.tensor([[0, 1, 2, 3, 4, 5, 6, 5, 6, 7, 0, 0]])
    together = backbone(embedded, attends, positions)[0]
    for number in (1, 2):
        rows = torch.nonzero((branch == 0) | (branch == number)).flatten()
        alone = backbone(embedded[:, rows], *causal(len(rows)))[0]
        torch.testing.assert_close(together[rows], alone, rtol=1e-4, atol=1e-5)
    moved = embedded.clone()
    moved[:, 6] += 1
    changed = (backbone(moved, attends, positions)[0] != together).any(dim=-1)
    assert changed.nonzero().flatten().tolist() == [6], "a token is seen by itself and what follows it in its branch"


@pytest.mark.parametrize("family", weights.FAMILIES)
@torch.no_grad()
def test_a_cache_changes_nothing(folders: dict[str, Path], family: str) -> None:
    """Sentences of three lengths, padded on the right, then three more tokens of each, one at a time."""
    from transformers import DynamicCache

    backbone, _ = pretrained(folders[family])
    lengths = torch.tensor([4, 7, 2])
    embedded = torch.randn(3, 7 + 3, backbone.width, generator=torch.Generator().manual_seed(0))
    cache = DynamicCache()
    attends, positions = causal(7, [7] * 3)
    backbone(embedded[:, :7], attends, positions, cache=cache)
    seen = torch.arange(7) < lengths[:, None]
    for step in range(3):
        seen = torch.cat([seen, seen.new_ones(3, 1)], dim=1)
        place = (lengths + step)[:, None]
        got = backbone(embedded[:, 7 + step :][:, :1], seen[:, None, None], place, cache=cache)[:, 0]
        for row, length in enumerate(lengths.tolist()):
            whole = torch.cat([embedded[row, :length], embedded[row, 7 : 7 + step + 1]])[None]
            expected = backbone(whole, *causal(length + step + 1))[0, -1]
            torch.testing.assert_close(got[row], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("heads", [4, 6])
def test_alibi_is_that_of_transformers(heads: int) -> None:
    from transformers.models.mpt.modeling_mpt import build_mpt_alibi_tensor

    attends, _ = causal(9)
    expected = build_mpt_alibi_tensor(heads, 9).expand(-1, 9, -1).masked_fill(~attends[0], -torch.inf)
    got = alibi_bias(attends, heads)[0]
    torch.testing.assert_close(got.softmax(dim=-1), expected.softmax(dim=-1))  # they differ by a constant of each row
    assert torch.isneginf(got).equal(~attends[0].expand(heads, -1, -1))


@pytest.mark.parametrize("family", weights.FAMILIES)
def test_one_from_scratch_has_the_sizes_and_the_spread_of_its_settings(family: str) -> None:
    seed_everything(0)
    config = replace(SMALL, backbone=family, width=64, heads=4, layers=3)
    backbone = Backbone(config, 300)
    assert len(backbone.layers) == 3 and backbone.width == 64
    for name, parameter in backbone.named_parameters():
        if parameter.ndim == 2:
            assert abs(float(parameter.detach().std()) * 64**0.5 - 1) < 0.1, name
    untied = sum(parameter.numel() for parameter in backbone.parameters())
    tied = Backbone(replace(config, tied=True), 300)
    assert sum(parameter.numel() for parameter in tied.parameters()) == untied - 300 * 64
    tokens = torch.tensor([3, 5])
    tied.set_output_rows(tokens, torch.ones(2, 64))
    assert torch.equal(tied.input_rows(tokens), torch.ones(2, 64))
    backbone.set_output_rows(tokens, torch.ones(2, 64))
    assert not torch.equal(backbone.input_rows(tokens), torch.ones(2, 64))


@pytest.mark.parametrize("family", weights.FAMILIES)
def test_new_rows_stand_behind_the_old_ones_and_begin_at_their_scale(folders: dict[str, Path], family: str) -> None:
    backbone, brought = pretrained(folders[family])
    plain = weights.decoder(family, brought + weights.PADDING, tied=family == "mpt")
    old, new = torch.arange(brought), torch.arange(brought, brought + NEW)
    for rows, table in (
        (backbone.input_rows, plain.get_input_embeddings().weight),
        (backbone.output_rows, plain.get_output_embeddings().weight),
    ):
        assert torch.equal(rows(old), table[:brought]), "and the padding behind them is gone"
        wide = Table.of(table[:brought], 10_000).new
        torch.testing.assert_close(wide.mean(dim=0), table[:brought].mean(dim=0), atol=0.02, rtol=0)
        torch.testing.assert_close(wide.std(dim=0), table[:brought].std(dim=0), rtol=0.05, atol=0)
        assert len(rows(new).unique(dim=0)) == NEW
    with pytest.raises(ValueError, match="cannot be overwritten"):
        backbone.set_input_rows(old[:1], torch.zeros(1, backbone.width))
    assert len(backbone.new_rows()) == (1 if family == "mpt" else 2)
    states = torch.randn(2, backbone.width)
    torch.testing.assert_close(backbone.logits(states), states @ backbone.output_rows(torch.cat([old, new])).T)


@pytest.mark.parametrize("family", weights.FAMILIES)
def test_training_moves_new_rows_and_no_old_one(folders: dict[str, Path], family: str, parts: Parts) -> None:
    """Two steps of a decaying optimizer over all that may move, with labels among old and new tokens."""
    tokenizer = read_tokenizer(str(folders[family]))
    brought = tokenizer.get_vocab_size()
    vocabulary = Vocabulary.pretrained(tokenizer, ItemIds.atomic(NEW))
    model = build_model(replace(SMALL, backbone=str(folders[family])), len(vocabulary), parts.features.width)
    set_trained(model, "fusion")
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    moving = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(moving, lr=0.01, weight_decay=0.5)
    tokens = torch.tensor([[1, 2, brought, brought + 1, 4]])
    for _ in range(2):
        states = model.decoder(model.decoder.input_rows(tokens), *causal(5))
        torch.nn.functional.cross_entropy(model.decoder.logits(states)[0], tokens[0]).backward()
        optimizer.step()
    moved = {
        name for name, parameter in model.decoder.named_parameters() if not parameter.equal(before[f"decoder.{name}"])
    }
    tables = {f"{name}.new" for name, module in model.decoder.named_modules() if isinstance(module, Table)}
    assert moved == tables & before_names(model)
    assert all(not p.requires_grad for n, p in model.decoder.model.named_parameters() if n.endswith(".old"))


def before_names(model: UniMPModel) -> set[str]:
    """The decoder's parameters, tied ones under one name."""
    return {name for name, _ in model.decoder.named_parameters()}


@pytest.mark.parametrize("family", weights.FAMILIES)
@torch.no_grad()
def test_a_sentence_of_words_reads_as_in_the_plain_model(folders: dict[str, Path], family: str, parts: Parts) -> None:
    """Through collate and UniMPModel: shut gates, no item in the sentence, and the plain model's own forward."""
    tokenizer = read_tokenizer(str(folders[family]))
    brought = tokenizer.get_vocab_size()
    vocabulary = Vocabulary.pretrained(tokenizer, ItemIds.atomic(len(parts.corpus.items)))
    config = replace(SMALL, backbone=str(folders[family]), gate=0.0)
    model = build_model(config, len(vocabulary), parts.features.width).eval()
    plain = weights.decoder(family, brought + weights.PADDING, tied=family == "mpt")
    examples = parts.examples("search", "test").select(slice(0, 4))
    pieces, branches = unanswered(
        examples, "ranking", catalogue_pieces(parts.corpus.items, vocabulary, config), vocabulary
    )
    asked = sentences(pieces, branches, [last_starts(examples, 5)], vocabulary, shared=False)
    batch = collate(asked, np.arange(4), parts.features, vocabulary)
    rows = model.decoder.input_rows(batch.tokens)
    states = model.hidden(batch)
    for row, length in enumerate(batch.lengths.tolist()):
        expected = plain(inputs_embeds=rows[row : row + 1, :length]).logits[..., :brought]
        got = model.decoder.logits(states[row : row + 1, :length])[..., :brought]
        torch.testing.assert_close(got, expected, rtol=1e-3, atol=1e-4)


def old_rows(backbone: Backbone) -> list[Tensor]:
    return [parameter for name, parameter in backbone.named_parameters() if name.endswith(".old")]


@pytest.mark.parametrize("family", weights.FAMILIES)
def test_it_fits_saves_loads_and_scores_the_same(
    folders: dict[str, Path], family: str, planted: Corpus, cache: Path, tmp_path: Path
) -> None:
    config = replace(SMALL, backbone=str(folders[family]), trained="fusion", **ONCE)
    model = UniMP(config)
    model.fit(fit_data(planted, tmp_path / "work", cache, "search"))
    old = [p for n, p in model._model.named_parameters() if n.endswith(".old")]
    fresh, _ = pretrained(folders[family], new=1)
    assert all(
        torch.equal(a, b)
        for a, b in zip(old, (p for n, p in fresh.named_parameters() if n.endswith(".old")), strict=True)
    )
    assert 0 < model.parameters().trained < model.parameters().total
    (tmp_path / "fit").mkdir()
    model.save(tmp_path / "fit")
    loaded = UniMP(config)
    loaded.load(tmp_path / "fit", planted.items, cache)
    got = scores(model, planted, "search")
    assert np.array_equal(got, scores(loaded, planted, "search")) and got.std() > 0
    assert loaded.parameters().total == model.parameters().total
