"""What moves in a fit, low-rank updates, and trained tokens in front of the sentences."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.unimp.small import SMALL, Parts, fit_data, scores
from unimp_bench.corpus import Corpus
from unimp_bench.errors import UsageError
from unimp_bench.low_rank import merged
from unimp_bench.torch_setup import seed_everything
from unimp_bench.unimp.adaptation import adapt, base_name, set_trained
from unimp_bench.unimp.batches import Batch, collate
from unimp_bench.unimp.config import Trained, UniMPConfig
from unimp_bench.unimp.decoding import EncodedQueries, Free, generate
from unimp_bench.unimp.fusions import build_model
from unimp_bench.unimp.model import ExclusiveMedia, UniMPModel
from unimp_bench.unimp.objective import Objective
from unimp_bench.unimp.pieces import Pieces
from unimp_bench.unimp.published import extend_tables
from unimp_bench.unimp.sentences import answered, last_starts, sentences, unanswered
from unimp_bench.unimp.training import parameter_groups
from unimp_bench.unimp.unimp import UniMP

ONCE = replace(SMALL, epochs=1, learning_rate=1e-2, lora_rank=2, prompt_tokens=3)
SETTINGS: tuple[Trained, ...] = get_args(Trained)

TABLES = {"decoder.model.gpt_neox.embed_in.weight", "decoder.model.lm_head.weight"}


def named_to_move(name: str, trained: Trained) -> bool:
    """The settings' meaning, told by the names of GPT-NeoX."""
    fusion = name.startswith("resampler.") or ".fusion." in name or name in TABLES
    match trained:
        case "all":
            return True
        case "fusion":
            return fusion
        case "output":
            return name == "decoder.model.lm_head.weight"
        case "lora":
            return fusion or ".attention.query_key_value.lora_" in name
        case "prompt":
            return fusion or name.startswith("decoder.prompt.")


def adapted(parts: Parts, trained: Trained, **settings: Any) -> UniMPModel:
    """The room's model, adapted, its additions at random so that they matter."""
    config = replace(ONCE, trained=trained, **settings)
    model = deepcopy(parts.model)
    seed_everything(1)
    adapt(model, config)
    set_trained(model, trained)
    return model


def stirred(model: UniMPModel) -> UniMPModel:
    """With low-rank updates and trained tokens as a training would leave them: not where they begin."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if base_name(name) is None:
                parameter.normal_(std=0.2)
    return model.eval()


def batch_of(parts: Parts, count: int = 12) -> Batch:
    """Answered sentences of a task, items shared."""
    pieces, branches = answered([parts.examples("search")], parts.pieces, parts.vocabulary)
    starts = [last_starts(branches[0].examples, 5)]
    drawn = sentences(pieces, branches, starts, parts.vocabulary)
    return collate(drawn, np.arange(min(count, len(drawn))), parts.features, parts.vocabulary)


@pytest.fixture(scope="module", params=SETTINGS)
def fit(
    request: pytest.FixtureRequest, planted: Corpus, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[UniMP, dict[str, Tensor]]:
    """A model after an epoch, and its parameters before the first step."""
    before: dict[str, Tensor] = {}
    model = UniMP(replace(ONCE, trained=request.param))
    describe = UniMPModel.initialise_items

    def noted(network: UniMPModel, *args: Any) -> None:
        describe(network, *args)
        before.update({name: parameter.clone() for name, parameter in network.named_parameters()})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(UniMPModel, "initialise_items", noted)
        model.fit(
            fit_data(planted, tmp_path_factory.mktemp("work"), cache, "search", validate=lambda *_: {"paper": 0.5})
        )
    return model, before


def test_a_fit_changes_exactly_the_parameters_of_its_setting(fit: tuple[UniMP, dict[str, Tensor]]) -> None:
    model, before = fit
    after = dict(model._model.named_parameters())
    assert before.keys() == after.keys()
    moved = {name for name in after if not torch.equal(before[name], after[name])}
    expected = {name for name in after if named_to_move(name, model.config.trained)}
    assert expected and moved == expected
    assert model.parameters().trained == sum(after[name].numel() for name in expected)
    assert model.parameters().total == sum(parameter.numel() for parameter in after.values())


def test_a_saved_model_answers_as_it_did(
    fit: tuple[UniMP, dict[str, Tensor]], planted: Corpus, cache: Path, tmp_path: Path
) -> None:
    model = fit[0]
    model.save(tmp_path)
    loaded = UniMP(model.config)
    loaded.load(tmp_path, planted.items, cache)
    assert np.array_equal(scores(loaded, planted, "search"), scores(model, planted, "search"))
    assert loaded.parameters() == model.parameters()


def test_the_optimizer_has_the_trained_parameters(parts: Parts) -> None:
    for trained in SETTINGS:
        model = adapted(parts, trained)
        taken = [id(p) for group in parameter_groups(model, 0.1) for p in group["params"]]  # type: ignore[attr-defined]
        moving = [id(p) for name, p in model.named_parameters() if named_to_move(name, trained)]
        assert sorted(taken) == sorted(moving)


@pytest.mark.parametrize("trained", SETTINGS)
def test_rows_of_item_tokens_are_learnt(parts: Parts, trained: Trained) -> None:
    """Low-rank updates or trained tokens alone could not make a decoder say an item that it never said."""
    model = adapted(parts, trained)
    batch = batch_of(parts)
    Objective(model, ONCE)(batch).whole.backward()
    decoder = model.decoder.model
    asked = batch.labels[batch.labels >= parts.vocabulary.words]
    rows = decoder.get_output_embeddings().weight.grad[asked]
    assert (rows.norm(dim=1) > 0).all()
    read = decoder.get_input_embeddings().weight.grad
    if trained == "output":
        assert read is None
    else:
        assert read[parts.vocabulary.words :].norm() > 0


def test_rows_that_a_backbone_brought_stay(parts: Parts) -> None:
    """Rows of a pre-trained backbone move where everything does, or its whole output layer."""
    brought = {
        "all": {"get_input_embeddings", "get_output_embeddings"},
        "output": {"get_output_embeddings"},
    }
    for trained in SETTINGS:
        model = deepcopy(parts.model)
        decoder = model.decoder.model
        extend_tables(decoder, parts.vocabulary.words, parts.vocabulary.items)
        adapt(model, replace(ONCE, trained=trained))
        set_trained(model, trained)
        for table in ("get_input_embeddings", "get_output_embeddings"):
            rows = getattr(decoder, table)()
            assert rows.old.requires_grad == (table in brought.get(trained, ()))
            assert rows.new.requires_grad == (trained != "output" or table == "get_output_embeddings")


def test_tied_tables_have_no_output_layer_to_move_alone(parts: Parts) -> None:
    model = deepcopy(parts.model)
    decoder = model.decoder.model
    decoder.get_output_embeddings().weight = decoder.get_input_embeddings().weight
    with pytest.raises(UsageError, match="tied=true"):
        set_trained(model, "output")
    set_trained(model, "fusion")
    assert decoder.get_output_embeddings().weight.requires_grad


@torch.no_grad()
def test_low_rank_updates_begin_at_the_base_and_merge_into_it(parts: Parts) -> None:
    batch = batch_of(parts)
    model = adapted(parts, "lora")
    assert torch.equal(model(batch), parts.model(batch)), "the update begins at zero"
    updated = stirred(model)(batch)
    assert not torch.allclose(updated, parts.model(batch), atol=1e-2)
    plain = deepcopy(parts.model)
    plain.load_state_dict(merged(dict(model.named_parameters())))
    torch.testing.assert_close(plain(batch), updated, rtol=1e-5, atol=1e-5)


def test_names_of_an_adapted_model_lead_back_to_its_base(parts: Parts) -> None:
    for trained in ("lora", "prompt"):
        model = adapted(parts, trained)
        found = {base_name(name) for name, _ in model.named_parameters()}
        assert found - {None} == {name for name, _ in parts.model.named_parameters()}
        assert None in found


LLAMA = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2, "num_hidden_layers": 2}
MPT = {"d_model": 16, "n_heads": 2, "n_layers": 2}


@pytest.mark.parametrize(
    ("kind", "sizes", "projections"), [("llama", LLAMA, {"q_proj", "v_proj"}), ("mpt", MPT, {"Wqkv"})]
)
def test_attention_projections_of_other_backbones(
    kind: str, sizes: dict[str, int], projections: set[str], parts: Parts
) -> None:
    from transformers import AutoConfig, AutoModelForCausalLM

    model = deepcopy(parts.model)
    model.decoder.model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, vocab_size=32, **sizes))
    adapt(model, replace(ONCE, trained="lora"))
    assert {name.split(".")[-4] for name, _ in model.named_parameters() if ".lora_A." in name} == projections


def test_an_unknown_backbone_is_a_one_line_error(parts: Parts) -> None:
    model = deepcopy(parts.model)
    model.decoder.model.config = SimpleNamespace(model_type="something")
    with pytest.raises(UsageError, match="unknown attention projections of a 'something' backbone"):
        adapt(model, UniMPConfig(trained="lora"))


@pytest.mark.parametrize("backbone", ["gpt_neox", "llama", "mpt"])
@torch.no_grad()
def test_trained_tokens_are_tokens_in_front_of_the_sentence(parts: Parts, backbone: str) -> None:
    """Against a plain forward pass over the vectors and the sentence, one at a time."""
    config = replace(ONCE, trained="prompt", backbone=backbone)
    seed_everything(0)
    model = build_model(config, len(parts.vocabulary), parts.features.width)
    adapt(model, config)
    model = stirred(model)
    asked = parts.asked(parts.examples("search", "test").select(slice(0, 6)))
    decoder = model.decoder
    assert decoder.prompt is not None
    vectors = decoder.prompt.vectors.embedding.weight
    whole = collate(asked, np.arange(6), None, parts.vocabulary)
    states = model.hidden(whole)
    for number in range(6):
        tokens = whole.tokens[number, : whole.lengths[number]]
        joined = torch.cat([vectors, decoder.input_rows(tokens)])[None]
        place = torch.arange(joined.shape[1])
        causal = (place[:, None] >= place)[None, None]
        expected = reading_alone(model, joined, causal, place[None])[0, len(vectors) :]
        torch.testing.assert_close(states[number, : len(tokens)], expected, rtol=1e-4, atol=1e-5)


def reading_alone(model: UniMPModel, embedded: Tensor, attends: Tensor, positions: Tensor) -> Tensor:
    bare = deepcopy(model)
    bare.decoder.prompt = None
    embeddings = torch.empty(0, 1, 1)
    nothing = torch.empty(0, 1, dtype=torch.int64)
    states: Tensor = bare.decoder(
        embedded, attends, positions, ExclusiveMedia(embeddings, nothing[:, 0], nothing, nothing[:, 0])
    )
    return states


@torch.no_grad()
def test_behind_trained_tokens_a_shared_trunk_is_as_good_as_sentences_apart(parts: Parts) -> None:
    model = stirred(adapted(parts, "prompt"))
    examples = parts.examples("search").select(slice(0, 60))
    pieces, branches = unanswered(examples, "ranking", parts.pieces, parts.vocabulary)
    starts = [examples.starts()]

    def answers(shared: bool) -> Tensor:
        drawn = sentences(pieces, branches, starts, parts.vocabulary, shared)
        batch = collate(drawn, np.arange(len(drawn)), parts.features, parts.vocabulary)
        hidden = model.hidden(batch).flatten(0, 1)
        ends = batch.tokens.flatten() == parts.vocabulary.answer
        # The answer of an example is asked for at the last token of its branch.
        numbers, rows = [], []
        for sentence in range(len(drawn)):
            here = slice(drawn.offsets[sentence], drawn.offsets[sentence + 1])
            size = drawn.pieces.lengths()[drawn.runs[here]]
            last = np.cumsum(size) - 1
            example = drawn.examples[here]
            for number in np.unique(example[example >= 0]):
                numbers.append(number)
                rows.append(sentence * batch.tokens.shape[1] + last[example == number][-1])
        assert ends[rows].all()
        return hidden[rows][np.argsort(numbers)]

    torch.testing.assert_close(answers(shared=True), answers(shared=False), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_writing_behind_trained_tokens_equals_reading_everything_anew(parts: Parts) -> None:
    model = stirred(adapted(parts, "prompt"))
    vocabulary = parts.vocabulary
    examples = parts.examples("search", "test").select(slice(0, 8))
    asked = parts.asked(examples)
    grammar = Free(vocabulary.texts, 4)
    got = generate(model, EncodedQueries(asked, parts.features, vocabulary, 2048), grammar)
    for number in range(len(examples)):
        answer: list[int] = []
        while len(answer) < grammar.steps:
            so_far = Pieces.of([[vocabulary.answer, *grammar.tokens[answer].tolist()]])
            sentence = replace(asked, pieces=asked.pieces.followed_by(so_far), runs=asked.runs.copy())
            sentence.runs[sentence.offsets[number + 1] - 1] = len(asked.pieces)
            batch = collate(sentence, np.array([number]), parts.features, vocabulary)
            logits = model.logits(model.hidden(batch)[:, -1])[0, grammar.tokens]
            answer.append(int(logits.argmax()))
        assert got[number].tolist() == answer
    assert len(np.unique(got)) > 1, "the answers differ, or the test could not fail"
