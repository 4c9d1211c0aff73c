"""Options for long histories: items told by their tokens alone, and the next item asked for at every item."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.unimp.small import SMALL, Parts, fit_data, scores, validator
from unimp_bench.corpus import Corpus
from unimp_bench.unimp.config import UniMPConfig
from unimp_bench.unimp.learning.lessons import Lessons
from unimp_bench.unimp.sentence.batches import collate
from unimp_bench.unimp.sentence.branches import answered
from unimp_bench.unimp.sentence.pieces import catalogue_pieces
from unimp_bench.unimp.unimp import UniMP

LONG = replace(SMALL, items="token", next_item=True, context=(), history=20)


def lessons(parts: Parts, config: UniMPConfig, *tasks: str) -> Lessons:
    told = catalogue_pieces(parts.corpus.items, parts.vocabulary, config)
    pieces, branches = answered([parts.examples(task) for task in tasks], told, parts.vocabulary)
    return Lessons(pieces, branches, parts.vocabulary, config, ())


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
    from unimp_bench.unimp.sentence.sentences import drawn_starts, window_ends

    starts = drawn_starts(examples, LONG.history, 3)  # type: ignore[arg-type]
    return window_ends(starts, examples.users, examples.ends)  # type: ignore[attr-defined]


def test_other_tasks_keep_their_prompts(parts: Parts) -> None:
    both = lessons(parts, LONG, "recommendation", "search").draw(3)
    alone = lessons(parts, replace(LONG, next_item=False), "search").draw(3)
    asked = len(np.unique(both.examples[both.examples >= 0]))
    ends = len(_kept(parts.examples("recommendation")))
    assert asked == ends + len(np.unique(alone.examples[alone.examples >= 0]))


def test_codes_have_no_next_token() -> None:
    with pytest.raises(ValueError, match="next_item asks for an item in one token"):
        replace(SMALL, next_item=True, ids="semantic")


@pytest.mark.slow
def test_it_learns_and_comes_back(planted: Corpus, cache: Path, tmp_path: Path) -> None:
    """Popularity reaches an NDCG@5 of about 0.05 there; the next item follows from the last one."""
    model = UniMP(replace(LONG, width=32, epochs=8, learning_rate=5e-3, batch_tokens=128, tied=True, gamma=0.0))
    model.fit(fit_data(planted, tmp_path / "work", cache, "recommendation"))
    assert validator(planted)(model, "recommendation")["paper"] > 0.3
    (tmp_path / "model").mkdir()
    model.save(tmp_path / "model")
    again = UniMP(model.config)
    again.load(tmp_path / "model", planted.items, cache)
    assert np.array_equal(scores(again, planted), scores(model, planted))
