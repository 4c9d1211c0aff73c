"""Generation under a grammar against a plain computation, and sampled codes."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.unimp.small import CODES, SMALL, TASKS, Parts, answers, examples_of, fit_data, fused, validator
from unimp_bench.contracts import Sampling
from unimp_bench.corpus import Corpus
from unimp_bench.errors import UsageError
from unimp_bench.records import Examples, IntArray, Shown
from unimp_bench.unimp.batches import collate
from unimp_bench.unimp.config import Fusion
from unimp_bench.unimp.decoding import (
    EncodedQueries,
    Free,
    Grammar,
    Increasing,
    Sampler,
    generate,
    posterior,
    probabilities,
)
from unimp_bench.unimp.model import UniMPModel
from unimp_bench.unimp.pieces import END, Pieces, candidate_names, code_names, picture_position_names
from unimp_bench.unimp.unimp import UniMP


def grammar_of(parts: Parts, examples: Examples) -> Grammar:
    vocabulary = parts.vocabulary
    match TASKS[examples.task].kind:
        case "text":
            tokens = np.array([*vocabulary.texts, *vocabulary.named([END])])
            return Free(tokens, 6, end=len(tokens) - 1)
        case "selection":
            assert examples.shown is not None
            owner, place = examples.shown.owners(), examples.shown.positions()
            named = np.full((len(examples), int(place.max()) + 2, vocabulary.ids.levels), -1)
            named[owner, place] = vocabulary.item_tokens(examples.shown.items)
            return Increasing(np.array(vocabulary.named([*candidate_names(int(place.max()) + 1), END])), named)
    marks = np.array(vocabulary.named(picture_position_names(3)))
    return Free(np.array(vocabulary.named(code_names(CODES))), 3, marks=marks)


def restless(model: UniMPModel) -> UniMPModel:
    """A copy with weights so large that its answers follow from what it reads."""
    copy = deepcopy(model)
    for parameter in copy.decoder.layers.parameters():
        parameter.mul_(4.0)
    return copy


@pytest.mark.parametrize(
    ("task", "fusion"),
    [
        *product(["explanation", "selection", "image_generation"], ["exclusive"]),
        *product(["explanation"], ["inclusive", "sum", "early", "late", "none"]),
    ],
)
@torch.no_grad()
def test_writing_with_a_cache_equals_reading_everything_anew(six: Parts, task: str, fusion: Fusion) -> None:
    """Token for token: each is the likeliest allowed one after the whole sentence with all that was written."""
    six = six if fusion == "exclusive" else fused(six, fusion)
    examples = six.examples(task, "test").select(slice(0, 8))
    grammar = grammar_of(six, examples)
    asked = six.asked(examples)
    model = restless(six.model)
    got = generate(model, EncodedQueries(asked, six.features, six.vocabulary, 2048), grammar)
    for number in range(len(examples)):
        answer: list[int] = []
        while len(answer) < grammar.steps and grammar.end not in answer[-1:]:
            marks = [grammar.marks[: len(answer) + 1].tolist()]
            so_far = Pieces.of([[six.vocabulary.answer, *grammar.tokens[answer].tolist()]], marks=marks)
            sentence = replace(asked, pieces=asked.pieces.followed_by(so_far), runs=asked.runs.copy())
            sentence.runs[sentence.offsets[number + 1] - 1] = len(asked.pieces)
            batch = collate(sentence, np.array([number]), six.features, six.vocabulary)
            state, rows = model.hidden(batch)[0, -1], model.decoder.model.get_output_embeddings().weight
            logits = rows @ state
            if grammar.named is not None:
                for token, name in zip(grammar.tokens, grammar.named[number], strict=True):
                    for part in name[name >= 0]:
                        logits[token] += rows[part] @ state
            may = grammar.allowed(np.array([number]), np.array([answer], dtype=np.int64))[0]
            best = logits[torch.from_numpy(grammar.tokens)].masked_fill(torch.from_numpy(~may), -torch.inf)
            answer.append(int(best.argmax()))
        assert got[number].tolist() == answer + [grammar.end] * (grammar.steps - len(answer))
    assert len(np.unique(got, axis=0)) > 1, "the answers differ, or the test could not fail"


def test_candidates_come_in_increasing_order_and_at_least_one() -> None:
    grammar = Increasing(np.arange(5), np.array([[9, 9, 9, -1, -1], [9, 9, 9, 9, -1], [-1] * 5])[..., None])
    first = grammar.allowed(np.array([0, 1, 2]), np.empty((3, 0), dtype=np.int64))
    assert first.tolist() == [[True, True, True, False, False], [True] * 4 + [False], [False] * 4 + [True]]
    then = grammar.allowed(np.array([0, 1]), np.array([[1], [3]]))
    assert then.tolist() == [[False, False, True, False, True], [False] * 4 + [True]]
    ended = grammar.allowed(np.array([0]), np.array([[1, 4]]))
    assert ended.tolist() == [[False] * 4 + [True]]


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_the_posterior_is_where_the_focal_loss_is_least(gamma: float) -> None:
    """The probabilities that minimise the expected focal loss give the true ones back."""
    truth = torch.tensor([0.62, 0.2, 0.13, 0.05], dtype=torch.float64)
    logits = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([logits], max_iter=500, tolerance_grad=1e-12, tolerance_change=1e-15)

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        log_p = logits.log_softmax(dim=0)
        value = -(truth * (1 - log_p.exp()) ** gamma * log_p).sum()
        value.backward()
        return value

    optimizer.step(loss)
    focal = logits.detach().softmax(dim=0).numpy()[None]
    np.testing.assert_allclose(posterior(focal, gamma)[0], truth.numpy(), atol=1e-4)
    assert gamma == 0 or abs(focal[0, 0] - 0.62) > 0.02


def test_extreme_probabilities_stay_ratings() -> None:
    chances = posterior(np.array([[1.0, 0.0, 0.0], [1e-300, 1e-300, 1e-300]]), 2.0)
    assert np.isfinite(chances).all()
    np.testing.assert_allclose(chances.sum(axis=1), 1.0)
    np.testing.assert_allclose(chances[0], [1, 0, 0], atol=1e-6)


@torch.no_grad()
def test_probabilities_are_those_of_the_next_token(six: Parts) -> None:
    examples = six.examples("preference", "test").select(slice(0, 5))
    tokens = np.array(six.vocabulary.named(["rate_1", "rate_5"]))
    asked = six.asked(examples)
    got = probabilities(six.model, EncodedQueries(asked, six.features, six.vocabulary, 1024), tokens)
    for number in range(len(examples)):
        batch = collate(asked, np.array([number]), six.features, six.vocabulary)
        logits = six.model.decoder.model.get_output_embeddings()(six.model.hidden(batch))[0, -1]
        np.testing.assert_allclose(got[number], logits.softmax(dim=0)[torch.from_numpy(tokens)].numpy(), rtol=1e-4)


@pytest.fixture(scope="module")
def writer(planted: Corpus, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> UniMP:
    """Fitted for one epoch on the four tasks that do not rank."""
    model = UniMP(replace(SMALL, epochs=1))
    tasks = [name for name, task in TASKS.items() if task.kind != "ranking"]
    model.fit(fit_data(planted, tmp_path_factory.mktemp("work"), cache, *tasks))
    return model


def test_ratings_lie_on_the_scale(writer: UniMP, planted: Corpus) -> None:
    examples = examples_of(planted, "preference", "test")
    rated = answers(writer, examples, planted)
    assert rated.dtype == np.float64 and 1 < rated.min() < rated.max() < 5
    likeliest = UniMP(replace(writer.config, rating="likeliest"))
    likeliest.__dict__ |= {name: value for name, value in vars(writer).items() if name != "config"}
    assert set(answers(likeliest, examples, planted)) <= {1.0, 2.0, 3.0, 4.0, 5.0}
    with pytest.raises(UsageError, match=r"'rate_0\.5'"):
        writer.rate(replace(examples, scale=(0.5, 5.0, 0.5)).hidden())


def test_pictures_and_choices_are_within_bounds(writer: UniMP, planted: Corpus) -> None:
    drawn = answers(writer, examples_of(planted, "image_generation", "test"), planted)
    assert drawn.shape[1] == 3 and 0 <= drawn.min() <= drawn.max() < CODES
    examples = examples_of(planted, "selection", "test")
    assert examples.shown is not None
    chosen = answers(writer, examples, planted)
    assert chosen.dtype == np.bool_
    assert (np.add.reduceat(chosen.astype(int), examples.shown.offsets[:-1]) >= 1).all()


def test_an_item_never_trained_on_may_be_shown(writer: UniMP, planted: Corpus) -> None:
    """The third domain is held out whole: its items have their words, their pictures and untrained tokens."""
    examples = examples_of(planted, "preference", "test").hidden()
    unknown = replace(examples, shown=Shown.single(np.full(len(examples), 60)))
    assert np.isfinite(writer.rate(unknown)).all()
    spoken = replace(examples_of(planted, "explanation", "test").hidden(), shown=unknown.shown)
    assert len(writer.write(spoken)) == len(examples)


@pytest.mark.slow
@pytest.mark.parametrize(("task", "floor", "epochs"), [("explanation", 0.9, 12), ("image_generation", 0.8, 12)])
def test_it_learns_answers_that_follow_from_the_item(
    planted: Corpus, cache: Path, tmp_path: Path, task: str, floor: float, epochs: int
) -> None:
    """A sentence follows from the shown item's number; two of three codes from the query."""
    model = UniMP(replace(SMALL, width=32, epochs=epochs, draws=4, learning_rate=5e-3))
    model.fit(fit_data(planted, tmp_path / "work", cache, task))
    assert validator(planted)(model, task)["paper"] > floor


@torch.no_grad()
def painted(parts: Parts, sampling: Sampling | None, batch_tokens: int = 4096) -> IntArray:
    """Pictures of a model with weights so large that its codes are of uneven chances."""
    model = deepcopy(parts.model)
    for parameter in model.decoder.layers.parameters():
        parameter.mul_(4.0)
    tokens = np.array(parts.vocabulary.named(code_names(CODES)))
    grammar = Free(tokens, 3, marks=np.array(parts.vocabulary.named(picture_position_names(3))))
    asked = parts.asked(parts.examples("image_generation", "test").select(slice(0, 24)))
    return generate(model, EncodedQueries(asked, parts.features, parts.vocabulary, batch_tokens), grammar, sampling)


@pytest.mark.parametrize("sampling", [Sampling(temperature=1e-6), Sampling(temperature=5.0, top_k=1)])
def test_degenerate_sampling_gives_the_most_probable_codes(six: Parts, sampling: Sampling) -> None:
    likeliest = painted(six, None)
    assert (painted(six, sampling) == likeliest).all() and len(np.unique(likeliest)) > 1


def test_a_seed_gives_its_pictures_whatever_the_batch(six: Parts) -> None:
    first = painted(six, Sampling(seed=3))
    assert (painted(six, Sampling(seed=3), batch_tokens=300) == first).all()
    assert (painted(six, Sampling(seed=4)) != first).any()
    assert (painted(six, None) != first).any()


@pytest.mark.parametrize(("temperature", "top_k"), [(1.0, None), (0.5, None), (2.0, 3)])
def test_codes_are_drawn_by_their_probabilities(temperature: float, top_k: int | None) -> None:
    logits = torch.tensor([1.0, -0.5, 0.3, 2.0, -torch.inf])
    expected = (logits / temperature).double()
    if top_k is not None:
        expected[torch.argsort(logits)[:-top_k]] = -torch.inf
    chances = expected.softmax(dim=0).numpy()
    count = 8000
    dice = Sampler(Sampling(temperature, top_k, seed=1), np.arange(count))
    counted = np.bincount(dice.draw(logits.expand(count, -1)).numpy(), minlength=5)
    deviation = np.sqrt(count * chances * (1 - chances))
    assert (np.abs(counted - count * chances) <= 4 * deviation).all()
    assert counted[4] == 0
