"""Scores of ids: beam search keeps to the catalogue, follows the likeliest, and with all beams is exact."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.unimp.small import KINDS, SMALL, Parts, answers, examples_of, fit_data, scores, validator
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.splits import catalogue
from unimp_bench.errors import DataError
from unimp_bench.generative.item_ids import semantic_ids
from unimp_bench.records import IntArray
from unimp_bench.torch_setup import seed_everything
from unimp_bench.unimp import decoding
from unimp_bench.unimp.adaptation import adapt
from unimp_bench.unimp.batches import collate
from unimp_bench.unimp.config import UniMPConfig
from unimp_bench.unimp.decoding import EncodedQueries, catalogue_scores, id_scores, illegal_share
from unimp_bench.unimp.fusions import build_model
from unimp_bench.unimp.pieces import Pieces, catalogue_pieces
from unimp_bench.unimp.tokens import Vocabulary
from unimp_bench.unimp.unimp import UniMP

SEMANTIC = replace(SMALL, ids="semantic", id_levels=2, id_codes=6)


def semantic(parts: Parts, settings: Mapping[str, Any]) -> Parts:
    """The same with semantic ids, and weights so large that what is likely follows from what is read."""
    config: UniMPConfig = replace(SEMANTIC, **settings)
    vocabulary = Vocabulary(
        parts.vocabulary._tokenizer, semantic_ids(parts.corpus.items, parts.features, config.id_levels, 6, seed=0)
    )
    seed_everything(0)
    model = build_model(config, len(vocabulary), parts.features.width)
    adapt(model, config)
    with torch.no_grad():
        for parameter in model.decoder.layers.parameters():
            parameter.mul_(2.0)
    pieces = catalogue_pieces(parts.corpus.items, vocabulary, config)
    return replace(parts, vocabulary=vocabulary, pieces=pieces, model=model.eval())


@pytest.fixture(scope="module")
def coded(parts: Parts) -> Parts:
    return semantic(parts, {})


def asked(parts: Parts, examples: slice = slice(0, 12), budget: int = 1024) -> EncodedQueries:
    return EncodedQueries(
        parts.asked(parts.examples("search", "test").select(examples)), parts.features, parts.vocabulary, budget
    )


@torch.no_grad()
def state(parts: Parts, asked: EncodedQueries, sentence: int, written: list[int]) -> torch.Tensor:
    """The last state behind a sentence and what was written, (1, width), everything read anew."""
    source = asked.sentences
    so_far = source.pieces.followed_by(Pieces.of([[parts.vocabulary.answer, *written]]))
    runs = source.runs.copy()
    runs[source.offsets[sentence + 1] - 1] = len(source.pieces)
    batch = collate(replace(source, pieces=so_far, runs=runs), np.array([sentence]), parts.features, parts.vocabulary)
    return parts.model.hidden(batch)[0, -1:]


@torch.no_grad()
def next_token(parts: Parts, asked: EncodedQueries, sentence: int, written: list[int]) -> np.ndarray:
    """Log-probabilities of all tokens after that."""
    return parts.model.logits(state(parts, asked, sentence, written))[0].log_softmax(dim=0).numpy()


def plain_search(
    parts: Parts, asked: EncodedQueries, sentence: int, ids: list[tuple[int, ...]], beams: int
) -> dict[int, float]:
    """Places in ``ids`` that a textbook beam search finds, with their log-probabilities."""
    kept: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    for level in range(len(ids[0])):
        grown = []
        for score, begun in kept:
            following = next_token(parts, asked, sentence, list(begun))
            may = {each[level] for each in ids if each[:level] == begun}
            grown += [(score + float(following[token]), (*begun, token)) for token in may]
        kept = sorted(grown, reverse=True)[:beams]
    return {ids.index(whole): score for score, whole in kept}


def tuples(parts: Parts, items: IntArray) -> list[tuple[int, ...]]:
    return [tuple(each) for each in parts.vocabulary.item_tokens(items).tolist()]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"id_levels": 1},
        {"fusion": "inclusive"},
        {"fusion": "early"},
        {"fusion": "late"},
        {"backbone": "llama"},
        {"backbone": "mpt"},
        {"trained": "prompt", "prompt_tokens": 3},
    ],
    ids=str,
)
def test_a_score_is_the_log_probability_of_the_whole_id(parts: Parts, settings: dict[str, Any]) -> None:
    """Token by token, each among the whole vocabulary, by reading the whole sentence anew; and not by chance."""
    here = semantic(parts, settings)
    items = np.arange(0, 72, 3)
    got = id_scores(here.model, asked(here), items, beams=0)
    for sentence in (0, 7):
        truth = plain_search(here, asked(here), sentence, tuples(here, items), beams=len(items))
        np.testing.assert_allclose(got[sentence], [truth[place] for place in range(len(items))], rtol=1e-4)
    assert not np.array_equal(got[0].argsort(), got[7].argsort())


@torch.no_grad()
def inclined_to_ids(parts: Parts, ids: list[tuple[int, ...]]) -> Parts:
    """The same, where ids have a part of the probability: their output rows lie along the states before them."""
    model = copy.deepcopy(parts.model)
    for level in range(len(ids[0])):
        tokens = sorted({each[level] for each in ids})
        before = [state(parts, asked(parts), 0, list(begun)) for begun in sorted({each[:level] for each in ids})]
        along = torch.cat(before).mean(dim=0, keepdim=True)
        likely = parts.model.logits(along).logsumexp(dim=1) - np.log(len(tokens))
        rows = (along * (2 * likely) / along.square().sum()).expand(len(tokens), -1)
        model.decoder.set_output_rows(torch.tensor(tokens), rows)
    return replace(parts, model=model)


def test_what_is_no_id_has_the_probability_that_leaves_the_trie(coded: Parts) -> None:
    """Summed over all prefixes of ids: the probability of a prefix, times that of a token that continues no id."""
    items = np.arange(72)
    ids = tuples(coded, items)
    coded = inclined_to_ids(coded, ids)
    got = illegal_share(coded.model, asked(coded, slice(0, 1)), items)
    left, begun = 0.0, {(): 1.0}
    for level in range(len(ids[0])):
        grown: dict[tuple[int, ...], float] = {}
        for prefix, probability in begun.items():
            following = np.exp(next_token(coded, asked(coded), 0, list(prefix)).astype(np.float64))
            may = {each[level] for each in ids if each[:level] == prefix}
            left += probability * float(np.delete(following, list(may)).sum())
            grown |= {(*prefix, token): probability * float(following[token]) for token in may}
        begun = grown
    assert got.shape == (1,) and got[0] == pytest.approx(left, abs=1e-5) and 0.5 < left < 0.99


@pytest.mark.parametrize("beams", [1, 3, 7])
def test_beams_equal_a_textbook_search(coded: Parts, beams: int) -> None:
    items = np.arange(1, 72, 2)
    got = id_scores(coded.model, asked(coded), items, beams)
    assert np.isfinite(got).all()
    missed = 0
    for sentence in (0, 5, 9):
        found = plain_search(coded, asked(coded), sentence, tuples(coded, items), beams)
        order = np.argsort(-got[sentence])[: len(found)]
        assert order.tolist() == list(found)
        np.testing.assert_allclose(got[sentence][order], list(found.values()), rtol=1e-4)
        rest = np.delete(got[sentence], order)
        assert len(set(rest.tolist())) == 1 and rest[0] < got[sentence][order].min() - 0.5, "no order among the others"
        exact = plain_search(coded, asked(coded), sentence, tuples(coded, items), len(items))
        missed += list(exact)[:beams] != list(found)
    assert beams > 1 or missed, "a search that misses nothing shows nothing"


def test_as_many_beams_as_items_are_exact(coded: Parts) -> None:
    items = catalogue(coded.corpus, "loo")
    exact, wide = (id_scores(coded.model, asked(coded), items, beams) for beams in (0, len(items)))
    np.testing.assert_allclose(exact, wide, rtol=1e-5)
    assert np.isfinite(exact).all() and len(np.unique(exact[0])) == len(items)


def test_a_row_depends_on_neither_batch_mates_nor_what_is_searched_together(
    coded: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = np.arange(72)
    whole = {beams: id_scores(coded.model, asked(coded), items, beams) for beams in (0, 4)}
    for beams, expected in whole.items():
        alone = id_scores(coded.model, asked(coded, slice(5, 6)), items, beams)
        np.testing.assert_allclose(alone[0], expected[5], rtol=1e-4)
        small = id_scores(coded.model, asked(coded, budget=1), items, beams)
        np.testing.assert_allclose(small, expected, rtol=1e-4)
    monkeypatch.setattr(decoding, "_ITEMS_AT_ONCE", 5)
    monkeypatch.setattr(decoding, "_ROWS_AT_ONCE", 3)
    for beams, expected in whole.items():
        np.testing.assert_allclose(id_scores(coded.model, asked(coded), items, beams), expected, rtol=1e-4)


def test_one_pass_over_atomic_ids_equals_generating_them(parts: Parts) -> None:
    """The top ten of the one-pass scores are those of ten beams, and of the plain softmax over the whole vocabulary."""
    items = catalogue(parts.corpus, "loo")
    question = asked(parts, slice(0, 40))
    one_pass = catalogue_scores(parts.model, question, items)
    generated = id_scores(parts.model, question, items, beams=10)
    top = np.argsort(-one_pass, axis=1)[:, :10]
    assert np.array_equal(top, np.argsort(-generated, axis=1)[:, :10])
    for sentence in range(40):
        following = next_token(parts, question, sentence, [])
        ranked = np.argsort(-following)
        ranked = ranked[np.isin(ranked, parts.vocabulary.item_tokens(items))][:10] - parts.vocabulary.words
        assert np.array_equal(items[top[sentence]], ranked)
        np.testing.assert_allclose(
            generated[sentence, top[sentence]], following[parts.vocabulary.words + ranked], rtol=1e-4
        )


FITTED = ("recommendation", "search", "selection")
ONCE = replace(SEMANTIC, epochs=1, learning_rate=5e-3)


@pytest.fixture(scope="module")
def fitted(planted: Corpus, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> UniMP:
    model = UniMP(ONCE)
    model.fit(fit_data(planted, tmp_path_factory.mktemp("work"), cache, *FITTED))
    return model


def test_tasks_are_answered_and_saving_keeps_every_bit(
    fitted: UniMP, planted: Corpus, cache: Path, tmp_path: Path
) -> None:
    fitted.save(tmp_path)
    loaded = UniMP(ONCE)
    loaded.load(tmp_path, planted.items, cache)
    assert loaded.remarks() == fitted.remarks() and fitted.remarks()[0].startswith("ids of no item have ")
    for task in FITTED:
        given = scores(fitted, planted, task)
        assert np.array_equal(given, scores(loaded, planted, task))
        assert KINDS[task] != "ranking" or np.isfinite(given).all()
    (tmp_path / "ids.npy").unlink()
    with pytest.raises(DataError, match=r"ids\.npy"):
        UniMP(ONCE).load(tmp_path, planted.items, cache)


def test_all_items_of_the_catalogue_get_a_score(fitted: UniMP, planted: Corpus) -> None:
    examples = examples_of(planted, "recommendation", "test").hidden()
    for items in (catalogue(planted, "loo"), np.array([3, 40]), np.array([7])):
        scored = fitted.score(examples, items)
        assert scored.shape == (len(examples), len(items)) and np.isfinite(scored).all()


def test_a_model_without_pictures_has_none_in_its_ids(planted: Corpus, cache: Path, tmp_path: Path) -> None:
    blind = UniMP(replace(ONCE, fusion="none"))
    blind.fit(fit_data(planted, tmp_path, cache, "recommendation"))
    expected = semantic_ids(planted.items, None, 2, 6, seed=0)
    assert np.array_equal(blind._vocabulary.ids.codes, expected.codes)
    assert answers(blind, examples_of(planted, "recommendation", "test"), planted).shape[1] == len(
        catalogue(planted, "loo")
    )


@pytest.mark.slow
def test_it_learns(planted: Corpus, cache: Path, tmp_path: Path) -> None:
    """What follows in the ring, with semantic ids: chance gives 0.06."""
    model = UniMP(replace(SEMANTIC, id_codes=8, width=32, epochs=12, learning_rate=5e-3))
    model.fit(fit_data(planted, tmp_path / "work", cache, "recommendation"))
    assert validator(planted)(model, "recommendation")["paper"] > 0.35
