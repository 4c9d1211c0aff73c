"""PEPLER: its loss against single sentences, decoding with a cache against without, stages, and learning."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from baselines.explanation.pepler import SPECIAL, PEPLERConfig, PEPLERNetwork, Pieces, small_decoder
from baselines.explanation.sentences import END, PAD, START, UNKNOWN, TrainingExamples
from baselines.learning.interactions import Interactions
from baselines.llm.local import _tiny as read_model_of_bytes
from unimp_bench import registry
from unimp_bench.corpus import Corpus
from unimp_bench.errors import UsageError
from unimp_bench.metrics.text import rouge_scores
from unimp_bench.ragged import Ragged

TASK = "explanation"
TOKENS = np.array([[5, 6, 7, END, PAD, PAD], [8, 5, 9, 10, 11, END]], dtype=np.int32)
WORDS = 20


def network(**settings: Any) -> PEPLERNetwork:
    """Two users and three items; the first of three interactions has no sentence."""
    interactions = Interactions(np.arange(2), np.arange(3), Ragged(np.array([0, 2, 3]), np.array([0, 1, 2])))
    config = PEPLERConfig(**({"width": 16, "inner": 32, "length": 8, "batch_size": 4} | settings))
    torch.manual_seed(0)
    made = PEPLERNetwork(interactions, small_decoder(WORDS + 2, config), WORDS, WORDS + 1, config)
    ratings = np.full(3, np.nan, dtype=np.float32)
    made.show(
        TrainingExamples(interactions.owners, interactions.sequences.values, ratings, np.array([-1, 0, 1]), TOKENS)
    )
    return made


def stirred(made: PEPLERNetwork) -> PEPLERNetwork:
    for weight in made.parameters():
        if weight.ndim > 1:
            torch.nn.init.normal_(weight, std=0.5)
    return made.eval()


def test_rows_are_tokens_of_the_model() -> None:
    rows = torch.tensor([PAD, START, END, UNKNOWN, SPECIAL, SPECIAL + 3])
    assert network().numbers(rows).tolist() == [WORDS + 1, WORDS, WORDS + 1, WORDS + 1, 0, 3]


def test_the_loss_is_the_mean_over_the_tokens_of_sentences_each_read_alone() -> None:
    made = stirred(network())
    (batch,) = made.batches(np.random.default_rng(0))
    assert len(batch.users) == 2
    with torch.no_grad():
        losses = []
        for user, item, tokens in zip(*batch, strict=True):
            words = [int(word) for word in tokens if word != PAD]
            numbers = made.numbers(torch.tensor([START, *words]))
            vectors = [made.users.weight[user], made.items.weight[item], *made.model.model.embed_tokens.weight[numbers]]
            likely = made.model(inputs_embeds=torch.stack(vectors)[None]).logits[0].log_softmax(dim=1)
            losses += [-float(likely[2 + place, number]) for place, number in enumerate(numbers[1:])]
        assert float(made.loss(batch)) == pytest.approx(np.mean(losses), rel=1e-4)
    assert len(losses) == 10


def test_decoding_reads_user_item_and_all_earlier_tokens() -> None:
    made = stirred(network())
    with torch.no_grad():
        for user, item in ((0, 1), (1, 2)):
            (written,) = made.write(np.array([user]), np.array([item]))
            read = [START]
            for row in written:
                prompt = made.prompt(torch.tensor([user]), torch.tensor([item]))
                logits = made.model(inputs_embeds=torch.cat([prompt, made.embed(torch.tensor([read]))], 1)).logits[
                    0, -1
                ]
                logits[WORDS] = -torch.inf
                best = int(logits.argmax())
                assert row == (END if best == WORDS + 1 else best + SPECIAL)
                read.append(row)
                if row == END:
                    break


def test_the_first_stage_changes_only_the_prompts() -> None:
    made = network(learning_rate=1e-2).train()
    for frozen in (True, False):
        before = {name: weight.detach().clone() for name, weight in made.named_parameters()}
        made.freeze(frozen)
        optimizers = made.optimizers(made.config)
        for batch in made.batches(np.random.default_rng(0)):
            made.step(batch, optimizers)
        changed = {name.split(".")[0] for name, weight in made.named_parameters() if not weight.equal(before[name])}
        assert changed == ({"users", "items"} if frozen else {"users", "items", "model"})


TOPICS = ("lamp", "rug", "chair", "clock", "vase")


@pytest.fixture
def topics(make_corpus: Callable[..., Corpus]) -> Corpus:
    """Items with a topic, which determines the explanation; purchases are random."""
    rng = np.random.default_rng(3)
    histories = [rng.permutation(20)[:9].tolist() for _ in range(60)]
    bought = [item for history in histories for item in history]
    told = {
        row: f"This {TOPICS[item % 5]} is made for {TOPICS[-1 - item % 5]} people" for row, item in enumerate(bought)
    }
    return make_corpus(histories, {"title": pa.array([f"thing {item}" for item in range(20)])}, sentences=told)


def test_learns_to_write(fit: Callable[..., Any], reload: Callable[..., Any], topics: Corpus) -> None:
    settings = {"epochs": 8, "validate_every": 8, "prompt_epochs": 1, "learning_rate": 5e-3, "width": 32, "inner": 64}
    model = fit("pepler", topics, TASK, batch_size=32, **settings)
    examples = registry.make_task(TASK).examples(topics, "loo", "test")
    wanted, written = examples.texts.read(), model.write(examples.hidden())
    constant = fit("constant-sentence", topics, TASK).write(examples.hidden())
    quality = [rouge_scores(texts, wanted)["ROUGE-L"].value for texts in (constant, written)]
    assert quality[0] < 0.8 and quality[1] > quality[0] + 0.15
    assert reload(model, topics).write(examples.hidden()) == written
    assert all(weight.requires_grad for weight in model.network.parameters())


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(UsageError, match="width=10 is not an even multiple of heads=4"):
        network(width=10, heads=4)


def test_a_pretrained_decoder_is_prompted_over_its_own_tokens(
    fit: Callable[..., Any], topics: Corpus, tmp_path: Path
) -> None:
    tokenizer, decoder, _ = read_model_of_bytes()
    for part in (tokenizer, decoder):
        part.save_pretrained(tmp_path / "decoder")
    backbone = str(tmp_path / "decoder")
    settings = {"epochs": 1, "validate_every": 1, "prompt_epochs": 1, "length": 12}
    model = fit("pepler", topics, TASK, backbone=backbone, **settings)
    pieces = model.wording()
    assert isinstance(pieces, Pieces)
    (rows,) = pieces.tokens(["A gift"], 9)
    assert rows.tolist()[6:] == [END, PAD, PAD] and pieces.sentence(rows) == "A gift"
    assert model.network.end == tokenizer.eos_token_id == model.network.start
    assert len(model.write(registry.make_task(TASK).examples(topics, "loo", "test").hidden())) == 60
