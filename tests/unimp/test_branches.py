"""Prompts and answers of every kind: their words, their labels, and whose picture a token sees."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
import torch

from tests.unimp.small import CODES, SMALL, TASKS, Parts, fused
from unimp_bench.errors import UsageError
from unimp_bench.records import Examples, Shown
from unimp_bench.unimp.batches import Batch, TrainingExamples, collate, drawn_examples, drawn_starts
from unimp_bench.unimp.config import Fusion
from unimp_bench.unimp.model import PictureFusion, UniMPModel
from unimp_bench.unimp.objective import Objective
from unimp_bench.unimp.pieces import answer_names, kind_of, ratings_of
from unimp_bench.unimp.sentences import Sentences, answered, last_starts, sentences
from unimp_bench.unimp.tokens import attribute_values


def learnt(parts: Parts, *tasks: Examples, seed: int | None = None, shared: bool = False) -> Sentences:
    """Sentences with their answers."""
    pieces, branches = answered(tasks, parts.pieces, parts.vocabulary)
    starts = [last_starts(task, 5) if seed is None else drawn_starts(task, 5, seed) for task in tasks]
    return sentences(pieces, branches, starts, parts.vocabulary, shared=shared)


def collated(parts: Parts, source: Sentences) -> Batch:
    return collate(source, np.arange(len(source)), parts.features, parts.vocabulary)


def words(parts: Parts, item: int) -> str:
    """An item as a sentence says it."""
    category, price, brand, title = (attribute_values(parts.corpus.items, name, 20)[item] for name in SMALL.attributes)
    seen = "[IMG] " if parts.corpus.items.has_picture[item] else ""
    text = f"Category {category} Price {price} Brand {brand} Title {title}"
    return f"{seen}{text} <answer> item_{item} [EOC]"


def expected(parts: Parts, examples: Any) -> tuple[str, str]:
    """Prompt and answer of the first example in words."""
    target = int(examples.targets[0])
    shown = [] if examples.shown is None else examples.shown.items[: examples.shown.offsets[1]].tolist()
    query = "" if examples.queries is None else examples.query_texts[examples.queries[0]].replace(" > ", " ")
    match TASKS[examples.task].kind:
        case "ranking":
            said, items = f"item_{target}", ""
        case "rating":
            said, items = f"rate_{examples.ratings[0]:g}", words(parts, target)
        case "text":
            said, items = f"{examples.texts.read()[0]} [END]", words(parts, target)
        case "selection":
            items = " ".join(f"s_{place} {words(parts, item)}" for place, item in enumerate(shown))
            places = np.flatnonzero(examples.suits[: len(shown)])
            said = " ".join([*(f"s_{place}" for place in places), "[END]"])
        case "picture":
            codes = {item: examples.pictures.codes[examples.pictures.rows[item]].tolist() for item in (*shown, target)}
            drawn = {item: " ".join(f"img_{code}" for code in row) for item, row in codes.items()}
            said, items = drawn[target], " ".join(f"{words(parts, item)} {drawn[item]}" for item in shown)
    return " ".join(examples.instruction.replace("{query}", query).replace("{items}", items).split()), said


@pytest.mark.parametrize("task", TASKS)
def test_prompt_and_answer_read_as_they_should(six: Parts, task: str) -> None:
    examples = six.examples(task).select(slice(40, 41))
    batch = collated(six, learnt(six, examples))
    prompt, said = expected(six, examples)
    ratings = examples.histories.ratings[examples.starts()[0] : examples.ends[0]]
    bought = zip(examples.history(0)[-5:], ratings[-5:], strict=True)
    history = " ".join(f"{words(six, item)} <answer> rate_{rating:g}" for item, rating in bought)
    labels = batch.labels[batch.is_task]
    assert six.vocabulary.decode(labels) == said
    read = six.vocabulary.decode([*batch.tokens[0].tolist(), int(labels[-1])])
    assert read.replace(" ,", ",") == f"[CLS] {history} {prompt} <answer> {said}".replace(" ,", ",")
    places = batch.answer_rows[batch.is_task]
    assert batch.tokens[0, places[0]] == six.vocabulary.answer
    assert torch.equal(batch.tokens[0, places[1:]], labels[:-1]), "each token is asked for at the one before it"
    assert int(places[-1]) == int(batch.lengths[0]) - 1


def test_the_kind_follows_from_the_class_of_examples(six: Parts) -> None:
    for name, task in TASKS.items():
        assert kind_of(six.examples(name)) == task.kind


def test_half_stars_keep_their_scale(six: Parts) -> None:
    examples = replace(six.examples("preference"), scale=(0.5, 5.0, 0.5))
    assert ratings_of((0.5, 5.0, 0.5)) == [0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0]
    assert answer_names([examples])[:3] == ["rate_0.5", "rate_1", "rate_1.5"]


def test_an_unrated_history_item_has_no_rating_token(six: Parts) -> None:
    examples = six.examples("preference").select(slice(40, 41))
    rated = collated(six, learnt(six, examples))
    histories = replace(examples.histories, ratings=np.full(len(examples.histories), np.nan, dtype=np.float32))
    unrated = collated(six, learnt(six, replace(examples, histories=histories)))
    read = min(5, len(examples.history(0)))
    assert int(rated.lengths[0] - unrated.lengths[0]) == 2 * read
    assert int((~rated.is_task).sum() - (~unrated.is_task).sum()) == read


def test_shown_items_are_no_context(six: Parts) -> None:
    """The context loss asks for what stands in the history, and for nothing in a prompt."""
    examples = six.examples("selection").select(slice(40, 41))
    batch = collated(six, learnt(six, examples))
    last = int(batch.answer_rows[~batch.is_task].max())
    prompt = int((batch.tokens[0] == six.vocabulary.phrase("Given")[0]).nonzero()[0, 0])
    assert last < prompt


@pytest.mark.parametrize("fusion", get_args(Fusion))
def test_sharing_all_six_tasks_changes_no_logit(six: Parts, fusion: Fusion) -> None:
    """Branches are independent: among those of other tasks each reads what it reads alone."""
    six = six if fusion == "exclusive" else fused(six, fusion)
    tasks = [six.examples(name).select(slice(0, 12)) for name in TASKS]
    shared, apart = (learnt(six, *tasks, seed=1, shared=shared) for shared in (True, False))
    assert len(shared) < len(apart) / 6
    losses, answers = [], []
    with torch.no_grad():
        for source in (shared, apart):
            batch = collated(six, source)
            logits = six.model.logits(six.model(batch), batch.naming)
            losses.append(Objective(six.model, replace(SMALL, gamma=2.0, context_weight=0.5))(batch).whole)
            order = batch.examples[batch.is_task].argsort(stable=True)
            answers.append((logits[batch.is_task][order], batch.labels[batch.is_task][order]))
    assert torch.equal(answers[0][1], answers[1][1])
    torch.testing.assert_close(answers[0][0], answers[1][0])
    torch.testing.assert_close(losses[0], losses[1])


def test_logits_by_chunks_give_the_same_loss_and_gradients(six: Parts) -> None:
    """With fewer rows at a time than there are labels, those that name candidates among them."""
    batch = collated(six, learnt(six, *(six.examples(name).select(slice(0, 12)) for name in TASKS)))
    assert batch.naming.shape[1]
    losses, gradients = [], []
    for rows in (10_000, 7):
        six.model.zero_grad()
        loss = Objective(six.model, replace(SMALL, logit_rows=rows))(batch).whole
        loss.backward()
        losses.append(loss.detach())
        gradients.append([p.grad.clone() for p in six.model.parameters() if p.grad is not None])
    six.model.zero_grad()
    torch.testing.assert_close(losses[0], losses[1])
    for one, two in zip(*gradients, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-6)


@torch.no_grad()
def test_the_token_of_a_place_names_its_candidate(six: Parts) -> None:
    """Its logit is that of its own output row and of its candidate's; no other logit is touched."""
    examples = six.examples("selection").select(slice(40, 42))
    batch = collated(six, learnt(six, examples))
    rows = six.model.decoder.model.get_output_embeddings().weight
    states = six.model.hidden(batch).flatten(0, 1)[batch.answer_rows]
    expected = states @ rows.T
    assert examples.shown is not None
    for label, example in enumerate(batch.examples.tolist()):
        if example >= 0:
            shown = examples.shown.items[examples.shown.offsets[example] : examples.shown.offsets[example + 1]]
            for place, item in enumerate(shown.tolist()):
                (token,) = six.vocabulary.named([f"s_{place}"])
                expected[label, token] += rows[six.vocabulary.words + item] @ states[label]
    torch.testing.assert_close(six.model.logits(six.model(batch), batch.naming), expected)


@torch.no_grad()
def test_a_shown_picture_moves_its_own_item_alone(six: Parts) -> None:
    """In the cross-attention a candidate's words see its picture; the others and the history do not."""
    examples = six.examples("selection").select(slice(40, 41))
    batch = collated(six, learnt(six, examples))
    hidden = torch.randn(*batch.tokens.shape, SMALL.width)
    items = [int(token) - six.vocabulary.words for token in batch.tokens[0] if token >= six.vocabulary.words]
    assert examples.shown is not None
    candidate = next(int(item) for item in examples.shown.items if six.corpus.items.has_picture[item])
    distinct = sorted({item for item in items if six.corpus.items.has_picture[item]})
    pictures = batch.pictures.clone()
    pictures[distinct.index(candidate)] += 1.0
    layer = six.model.decoder.layers[1].fusion
    moved = _fused(six.model, layer, batch, hidden) != _fused(
        six.model, layer, replace(batch, pictures=pictures), hidden
    )
    where = moved.any(dim=-1)[0].nonzero()[:, 0]
    assert six.vocabulary.decode(batch.tokens[0, where]) == words(six, candidate)
    assert torch.equal(where, torch.arange(int(where[0]), int(where[-1]) + 1))


def _fused(model: UniMPModel, layer: torch.nn.Module, batch: Batch, hidden: torch.Tensor) -> torch.Tensor:
    assert model.resampler is not None
    media = PictureFusion().media(model.resampler(batch.pictures), batch)
    fused: torch.Tensor = layer(hidden, media)
    return fused


def test_a_picture_task_may_show_nothing(six: Parts) -> None:
    """Codes and query are enough; an item without a picture is shown without codes."""
    examples = six.examples("image_generation").select(slice(0, 3))
    alone = replace(examples, shown=None)
    assert collated(six, learnt(six, alone)).is_task.sum() == 9
    bare = int(np.flatnonzero(~six.corpus.items.has_picture)[0])
    batch = collated(six, learnt(six, replace(examples, shown=Shown.single(np.full(3, bare)))))
    shown = six.vocabulary.decode(batch.tokens[0])
    assert f"item_{bare} [EOC]" in shown and "img_" not in shown.split("<answer>")[-2]
    assert len([name for name in answer_names([examples]) if name.startswith("img_")]) == CODES


def test_tokens_that_were_never_learnt_are_refused(parts: Parts, six: Parts) -> None:
    for name in ("preference", "explanation", "selection", "image_generation"):
        with pytest.raises(UsageError, match="was not fitted on a task with answer token"):
            learnt(parts, six.examples(name).select(slice(0, 2)))


def test_draws_are_some_examples_of_each_user(six: Parts) -> None:
    examples = six.examples("selection")
    _, (branches,) = answered([examples], six.pieces, six.vocabulary)
    first, again, other = (drawn_examples(branches, 2, seed) for seed in (0, 0, 1))
    users, counts = np.unique(first.examples.users, return_counts=True)
    assert np.array_equal(users, np.unique(examples.users)) and counts.max() == 2
    assert np.array_equal(first.examples.ends, again.examples.ends)
    assert not np.array_equal(first.examples.ends, other.examples.ends)
    everything = drawn_examples(branches, 99, 0)
    assert np.array_equal(everything.runs, branches.runs) and len(everything) == len(examples)


def test_an_example_of_recommendation_has_a_weight_of_its_own(parts: Parts) -> None:
    tasks = [parts.examples("recommendation"), parts.examples("search")]
    pieces, branches = answered(tasks, parts.pieces, parts.vocabulary)
    lessons = TrainingExamples(pieces, branches, parts.vocabulary, replace(SMALL, recommendation_weight=3.0), ())
    drawn = lessons.draw(0)
    asked = drawn.examples >= 0
    expected = np.where(drawn.examples[asked] < len(tasks[0]), 3.0, 1.0)
    assert drawn.weights[asked].tolist() == expected.tolist() and {1.0, 3.0} == set(expected)
