"""User sentences: items, prompts, answers and batches; and the options for long histories."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.unimp.small import SMALL, Parts, fit_data, reloaded, scores, validator
from unimp_bench.corpus import Corpus
from unimp_bench.errors import DataError, UsageError
from unimp_bench.generative.item_ids import ItemIds
from unimp_bench.unimp.batches import Batch, TrainingExamples, collate, drawn_starts, plan_batches
from unimp_bench.unimp.config import Context, UniMPConfig
from unimp_bench.unimp.objective import Objective
from unimp_bench.unimp.pieces import catalogue_pieces
from unimp_bench.unimp.sentences import Sentences, answered, last_starts, sentences
from unimp_bench.unimp.tokens import Vocabulary, attribute_values, phrases, segments
from unimp_bench.unimp.unimp import UniMP


def collated(parts: Parts, source: Sentences, chosen: np.ndarray) -> Batch:
    return collate(source, chosen, parts.features, parts.vocabulary)


def test_a_sentence_reads_as_the_paper_says(parts: Parts) -> None:
    examples = parts.examples("search").select(slice(1, 2))
    pieces, branches = answered([examples], parts.pieces, parts.vocabulary)
    alone = sentences(pieces, branches, [last_starts(examples, 5)], parts.vocabulary, shared=False)
    batch = collated(parts, alone, np.array([0]))
    chunks = []
    for item in examples.history(0):
        values = [attribute_values(parts.corpus.items, name, 20)[item] for name in SMALL.attributes]
        category, price, brand, title = values
        seen = "[IMG] " if parts.corpus.items.has_picture[item] else ""
        text = f"Category {category} Price {price} Brand {brand} Title {title}"
        chunks.append(f"{seen}{text} <answer> item_{item} [EOC]")
    assert len(chunks) == 2
    assert examples.queries is not None and examples.targets is not None
    query = examples.query_texts[examples.queries[0]].replace(" > ", " ")
    expected = f"[CLS] {' '.join(chunks)} {query} {phrases(examples.instruction, 'search')[0]} <answer>"
    assert parts.vocabulary.decode(batch.tokens[0]) == expected
    assert batch.labels[batch.is_task].tolist() == [parts.vocabulary.words + examples.targets[0]]


def test_an_instruction_is_read_in_its_order() -> None:
    assert segments("Given {items}, why? {query}", "any") == ["Given", "{items}", ", why?", "{query}"]
    assert phrases("Given {items}, why? {query}", "any") == ["Given", ", why?"]
    with pytest.raises(UsageError, match="examples of 'dancing' have none"):
        segments(" ", "dancing")


def test_attributes_are_cut_and_missing_ones_unknown(parts: Parts) -> None:
    items = parts.corpus.items
    assert attribute_values(items, "brand", 20)[0] == "Unknown"
    assert attribute_values(items, "title", 2)[1] == "blue square"
    assert attribute_values(items, "category", 20)[1] == "Books blue square"


def test_only_the_last_items_are_read(parts: Parts) -> None:
    examples = parts.examples("recommendation", "test").select(slice(0, 8))
    asked = parts.asked(examples, history=3)
    for number in range(len(examples)):
        runs = asked.runs[asked.offsets[number] : asked.offsets[number + 1]]
        assert (runs[1:-2] - 1).tolist() == examples.history(number)[-3:].tolist()


def test_text_that_spells_a_special_token_stays_text(parts: Parts) -> None:
    vocabulary = parts.vocabulary
    (tokens,) = vocabulary.encode(["see [CLS] <answer> item_3 naïve 漢字"])
    assert not {vocabulary.cls, vocabulary.answer} & set(tokens) and max(tokens) < vocabulary.words
    assert vocabulary.decode(tokens) == "see [CLS] <answer> item_3 naïve 漢字"


def test_the_vocabulary_is_the_same_every_time_and_survives_saving(parts: Parts, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    texts = [f"word{number % 7} other{number % 11} {number}" for number in range(300)]
    first, again = (Vocabulary.train(texts, ItemIds.atomic(5), 400) for _ in range(2))
    first.save(path)
    loaded = Vocabulary.load(path, ItemIds.atomic(5))
    assert first.encode(texts) == again.encode(texts) == loaded.encode(texts)
    path.write_text("{}")
    with pytest.raises(DataError, match="cannot be read"):
        Vocabulary.load(path, ItemIds.atomic(5))


VALUES = "Books blue square 1.50 brand1 blue square thing number1"


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ((), ""),
        (("picture",), "item_1"),
        (("item",), "item_1"),
        (("attributes",), VALUES),
        (("picture", "item", "attributes"), f"item_1 {VALUES} item_1"),
    ],
)
def test_context_labels(parts: Parts, context: tuple[Context, ...], expected: str) -> None:
    pieces = catalogue_pieces(parts.corpus.items, parts.vocabulary, replace(SMALL, context=context))
    rows = slice(pieces.offsets[2], pieces.offsets[3])
    tokens, labels = pieces.tokens[rows], pieces.labels[rows]
    assert parts.vocabulary.decode(labels[labels >= 0]) == expected
    for place in np.flatnonzero(labels >= 0):
        assert labels[place] == tokens[place + 1] or (place == 0 and tokens[0] == parts.vocabulary.img)
    without_picture = slice(pieces.offsets[10], pieces.offsets[11])
    assert (pieces.labels[without_picture] >= 0).sum() == len(expected.split()) - ("picture" in context)


def test_shared_sentences_give_the_loss_of_separate_ones(parts: Parts) -> None:
    """A tree of examples is a way to compute, not another objective: same logits, same loss."""
    tasks = [parts.examples("search").select(slice(0, 40)), parts.examples("recommendation").select(slice(0, 40))]
    starts = [drawn_starts(part, 5, seed=1) for part in tasks]
    pieces, branches = answered(tasks, parts.pieces, parts.vocabulary)
    shared = sentences(pieces, branches, starts, parts.vocabulary, task_weights=[1.0, 2.0])
    apart = sentences(pieces, branches, starts, parts.vocabulary, shared=False, task_weights=[1.0, 2.0])
    assert len(shared) < 30 < len(apart) == 80
    losses, answers = [], []
    with torch.no_grad():
        for source in (shared, apart):
            batch = collated(parts, source, np.arange(len(source)))
            logits = parts.model.logits(parts.model(batch), batch.naming)
            losses.append(Objective(parts.model, replace(SMALL, gamma=2.0, context_weight=0.5))(batch).whole)
            order = batch.examples[batch.is_task].argsort()
            answers.append(logits[batch.is_task][order])
            assert (
                batch.labels[batch.is_task][order].tolist()
                == (
                    parts.vocabulary.words + np.concatenate([part.targets for part in tasks])  # type: ignore[misc]
                ).tolist()
            )
    torch.testing.assert_close(answers[0], answers[1])
    torch.testing.assert_close(losses[0], losses[1])


def test_drawn_windows_cut_each_history_somewhere_within_its_last_items(parts: Parts) -> None:
    examples = parts.examples("search")
    draws = np.stack([drawn_starts(examples, 5, seed) for seed in range(40)])
    lengths = examples.ends - draws
    assert lengths.min() == 1 and lengths.max() == 5
    assert (draws >= examples.starts()).all()
    deep = examples.ends - examples.starts() >= 5
    shares = [np.mean(lengths[:, deep] == length) for length in range(1, 6)]
    assert shares == pytest.approx([0.2] * 5, abs=0.05)
    assert np.array_equal(draws[3], drawn_starts(examples, 5, 3))


def test_batches_hold_every_sentence_once_within_their_budget(parts: Parts) -> None:
    examples = parts.examples("search")
    pieces, branches = answered([examples], parts.pieces, parts.vocabulary)
    source = sentences(pieces, branches, [drawn_starts(examples, 5, seed=0)], parts.vocabulary)
    lengths = source.lengths()
    plan = list(plan_batches(source, 1024, seed=3))
    assert np.array_equal(np.sort(np.concatenate(plan)), np.arange(len(source)))
    assert all(len(chosen) * lengths[chosen].max() <= 1024 for chosen in plan)
    assert [chosen.tolist() for chosen in plan] == [chosen.tolist() for chosen in plan_batches(source, 1024, seed=3)]
    assert [chosen.tolist() for chosen in plan] != [chosen.tolist() for chosen in plan_batches(source, 1024, seed=4)]


LONG = replace(SMALL, items="token", next_item=True, context=(), history=20)


def lessons(parts: Parts, config: UniMPConfig, *tasks: str) -> TrainingExamples:
    told = catalogue_pieces(parts.corpus.items, parts.vocabulary, config)
    pieces, branches = answered([parts.examples(task) for task in tasks], told, parts.vocabulary)
    return TrainingExamples(pieces, branches, parts.vocabulary, config, ())


def test_an_item_is_its_token_behind_its_picture(parts: Parts) -> None:
    told = catalogue_pieces(parts.corpus.items, parts.vocabulary, LONG)
    for item in (0, 5):
        piece = told.tokens[told.offsets[1 + item] : told.offsets[2 + item]].tolist()
        shown = [parts.vocabulary.img] if parts.corpus.items.has_picture[item] else []
        assert piece == [*shown, parts.vocabulary.words + item]
    with pytest.raises(ValueError, match="no context to reconstruct"):
        replace(LONG, context=("item",))


def test_every_item_of_a_window_asks_for_the_next(parts: Parts) -> None:
    """The labels of a sentence are its items from the second on and the one that follows, in a user's own order."""
    drawn = lessons(parts, LONG, "recommendation").draw(3)
    histories = parts.examples("recommendation").histories
    walks = [histories.items[begin:end].tolist() for begin, end in pairwise(histories.offsets)]
    runs = {tuple(walk[i:j]) for walk in walks for i in range(len(walk)) for j in range(i + 2, len(walk) + 1)}
    batch = collate(drawn, np.arange(len(drawn)), None, parts.vocabulary)
    assert bool(batch.is_task.all()) and len(torch.unique(batch.readers)) == 1
    rows = batch.answer_rows // batch.tokens.shape[1]
    for sentence, tokens in enumerate(batch.tokens):
        read = tokens[tokens >= parts.vocabulary.words] - parts.vocabulary.words
        here = rows == sentence
        asked = (batch.labels[here] - parts.vocabulary.words)[batch.answer_rows[here].argsort()]
        assert torch.equal(asked[:-1], read[1:])
        assert (int(read[0]), *asked.tolist()) in runs


def _kept(examples: object) -> np.ndarray:
    from unimp_bench.unimp.batches import drawn_starts, window_ends

    starts = drawn_starts(examples, LONG.history, 3)  # type: ignore[arg-type]
    return window_ends(starts, examples.users, examples.ends)  # type: ignore[attr-defined]


def test_other_tasks_keep_their_prompts(parts: Parts) -> None:
    both = lessons(parts, LONG, "recommendation", "search").draw(3)
    alone = lessons(parts, replace(LONG, next_item=False), "search").draw(3)
    asked = len(np.unique(both.examples[both.examples >= 0]))
    ends = len(_kept(parts.examples("recommendation")))
    assert asked == ends + len(np.unique(alone.examples[alone.examples >= 0]))


def test_codes_have_no_next_token() -> None:
    with pytest.raises(ValueError, match="next_item predicts an item in one token"):
        replace(SMALL, next_item=True, ids="semantic")


@pytest.mark.slow
def test_it_learns_and_comes_back(planted: Corpus, cache: Path, tmp_path: Path) -> None:
    """Popularity reaches an NDCG@5 of about 0.05 there; the next item follows from the last one."""
    model = UniMP(replace(LONG, width=32, epochs=8, learning_rate=5e-3, batch_tokens=128, tied=True, gamma=0.0))
    model.fit(fit_data(planted, tmp_path / "work", cache, "recommendation"))
    assert validator(planted)(model, "recommendation")["paper"] > 0.3
    assert np.array_equal(scores(reloaded(model, tmp_path / "model", planted, cache), planted), scores(model, planted))
