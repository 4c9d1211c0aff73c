"""ZAM: attention with a zero vector, its equations in plain loops, and learning of group preferences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from baselines.search.learned import NO_REVIEWS, TrainingExamples
from baselines.search.zam import Batch, ZAMConfig, ZAMNetwork
from tests.baselines.search.store import (
    QUERIES,
    artifacts,
    fitted,
    hit_rate,
    plain,
    query_examples,
    query_rows,
    query_vector,
    sampled,
    shaken,
    store_of_crowds,
    words_of,
    zeroed,
)
from unimp_bench.corpus import Corpus

CONFIG = ZAMConfig(width=3, negatives=5, heads=2, history=2, batch_size=3)
QUERY_OF_ITEM = np.array([0, 1, 0, 2, 1])
NOTHING = 5


def network(config: ZAMConfig = CONFIG) -> ZAMNetwork:
    made: ZAMNetwork = shaken(ZAMNetwork(artifacts(), config))
    return made


def batch() -> Batch:
    """Three interactions with two, one and no item before them; their items have two, no and one word."""
    histories, items = torch.tensor([[4, 2], [3, NOTHING], [NOTHING, NOTHING]]), torch.tensor([0, 1, 3])
    queries = words_of([query_rows(text) for text in QUERIES[:3]])
    pools = torch.tensor([3, 0]), torch.tensor([4, 2])
    return Batch(
        queries, torch.tensor([0, 1, 2]), histories, items, torch.tensor([0, 0, 2]), torch.tensor([1, 2, 2]), *pools
    )


def logit(parts: dict[str, np.ndarray], query: np.ndarray, item: np.ndarray) -> float:
    """``f(q, i)`` for two heads, entry by entry."""
    weights = parts["attend.weight"].reshape(2, 3, 3)
    bias = parts["attend.bias"].reshape(2, 3)
    total = 0.0
    for head in range(2):
        column = [np.tanh(sum(weights[head, j, k] * query[k] for k in range(3)) + bias[head, j]) for j in range(3)]
        total += sum(item[j] * column[j] for j in range(3)) * parts["mix"][head]
    return float(total)


def intent(parts: dict[str, np.ndarray], history: list[int], query: str, zero: bool = True) -> np.ndarray:
    """``q + u``."""
    vector = query_vector(parts, query_rows(query))
    items = [parts["items.weight"][row] for row in history]
    shares = [np.exp(logit(parts, vector, item)) for item in items]
    below = sum(shares) + (1.0 if zero else 0.0)
    return np.array(
        vector + sum((share / below * item for share, item in zip(shares, items, strict=True)), np.zeros(3))
    )


def scores(model: ZAMNetwork, histories: list[list[int]], queries: list[int]) -> np.ndarray:
    """Of users with histories of item rows."""
    numbers = [[2 * row + 1 for row in history] for history in histories]
    with torch.no_grad():
        return np.asarray(model.score(query_examples(range(len(histories)), queries, numbers)))


@pytest.mark.parametrize("zero", [True, False])
def test_scores_are_those_of_the_equation(zero: bool) -> None:
    """The last two items of a history count; queries without a known word and users of no history too."""
    model = network(replace(CONFIG, zero=zero))
    parts = plain(model)
    histories, queries = [[0, 1, 2], [3], [], [4, 4], [1, 0]], [0, 1, 0, 2, 3]
    wanted = [intent(parts, line[-2:], QUERIES[query], zero) for line, query in zip(histories, queries, strict=True)]
    expected = [[sum(parts["items.weight"][item] * vector) for item in range(5)] for vector in wanted]
    np.testing.assert_allclose(scores(model, histories, queries), expected, rtol=1e-4, atol=1e-5)


def test_the_loss_is_that_of_the_equation() -> None:
    model = network()
    parts, total = plain(model), 0.0
    words, items = parts["words.weight"], parts["items.weight"]
    for item, history, query, own in ((0, [4, 2], 0, (1, 2)), (1, [3], 1, ()), (3, [], 2, (2,))):
        for word in own:
            total += sampled(items[item] @ words[word], [items[item] @ words[n] for n in (3, 0)], 5)
        wanted = intent(parts, history, QUERIES[query])
        total += sampled(wanted @ items[item], [wanted @ items[n] for n in (4, 2)], 5)
    assert model.loss(batch()).item() == pytest.approx(total / 3, rel=1e-5)


def test_the_loss_at_zero_weights_is_6_ln_2_per_term() -> None:
    """Three terms of words and three of items, over three interactions."""
    assert zeroed(network()).loss(batch()).item() == pytest.approx((3 + 3) / 3 * 6 * np.log(2))


def test_an_empty_history_is_scored_by_the_query() -> None:
    for zero in (True, False):
        model = network(replace(CONFIG, zero=zero))
        alone = model.encode(words_of([query_rows(QUERIES[0])])) @ model.items.weight.T
        np.testing.assert_allclose(scores(model, [[], [1]], [0, 0])[:1], alone.detach(), rtol=1e-5)


def test_uniform_attention_is_a_mean_with_one_more_item() -> None:
    """All f = 0: u is the sum of n items divided by n + 1, and by n without the zero vector."""
    model = network(replace(CONFIG, history=3))
    items, real = torch.randn(1, 3, 3), torch.tensor([[True, True, False]])
    with torch.no_grad():
        model.mix.zero_()
        np.testing.assert_allclose(model.attention(torch.randn(1, 3), items, real), [[1 / 3, 1 / 3, 0]], rtol=1e-6)
        model.zero = False
        np.testing.assert_allclose(model.attention(torch.randn(1, 3), items, real), [[1 / 2, 1 / 2, 0]], rtol=1e-6)


def test_infinite_attention_selects_one_item() -> None:
    model = network()
    queries, real = torch.randn(1, 3), torch.tensor([[True, True]])
    with torch.no_grad():
        heads = torch.tanh(model.attend(queries)).view(2, 3)
        direction = model.mix @ heads
        items = torch.stack([1e4 * direction, -direction])[None]
        np.testing.assert_allclose(model.attention(queries, items, real), [[1, 0]])
        items = -1e4 * torch.stack([direction, direction])[None]
        np.testing.assert_allclose(model.attention(queries, items, real), [[0, 0]])


def test_padding_changes_no_intent() -> None:
    model, queries = network(), torch.randn(1, 3)
    short, long = torch.tensor([[1, 4]]), torch.tensor([[1, 4, NOTHING, NOTHING]])
    np.testing.assert_allclose(
        model.intents(queries, short).detach(), model.intents(queries, long).detach(), rtol=1e-5, atol=1e-6
    )


def test_a_batch_has_the_history_and_words_of_each_target() -> None:
    """An epoch has each interaction once; the history excludes the target and later items."""
    model = network()
    lengths = [2, 0, 1, 3, 1, 2, 1]
    documents = words_of([[row % 4] * length for row, length in enumerate(lengths)])
    model.examples = TrainingExamples(documents, words_of([query_rows(text) for text in QUERIES[:3]]), QUERY_OF_ITEM)
    found = []
    for part in model.batches(np.random.default_rng(0)):
        for row, (history, item) in enumerate(zip(part.histories.tolist(), part.items.tolist(), strict=True)):
            query = tuple(part.queries[int(part.query_rows[row])])
            words = tuple(part.words[part.owners == row].tolist())
            found.append((tuple(other for other in history if other != NOTHING), item, query, words))
    histories: list[tuple[int, ...]] = [(), (0,), (0, 1), (), (3,), (), (4,)]
    expected = [
        (history, int(item), tuple(query_rows(QUERIES[QUERY_OF_ITEM[item]])), (row % 4,) * length)
        for row, (history, item, length) in enumerate(
            zip(histories, artifacts().interactions.sequences.values, lengths, strict=True)
        )
    ]
    assert sorted(found) == sorted(expected)


@pytest.mark.parametrize("zero", [True, False])
def test_learns_the_preferences_of_groups(make_corpus: Callable[..., Corpus], tmp_path: Path, zero: bool) -> None:
    """Three of twelve items per category: HR is 0.25 by chance and by popularity, at most 7/8."""
    corpus = store_of_crowds(make_corpus)
    settings = {"epochs": 20, "validate_every": 5, "learning_rate": 0.01, "batch_size": 64, "width": 16, "pool": 64}
    model = fitted("zam", corpus, tmp_path / "zam", zero=zero, **settings)
    floor = hit_rate(fitted("query-popularity", corpus, tmp_path / "floor"), corpus)
    assert hit_rate(model, corpus) > floor + 0.25


def test_words_are_those_of_the_item_or_of_the_review(
    planted: Corpus, make_corpus: Callable[..., Corpus], tmp_path: Path
) -> None:
    of_items = fitted("zam", planted, tmp_path / "items", epochs=1)
    assert not of_items.artifacts.vocabulary.reviewed and NO_REVIEWS not in of_items.remarks()
    assert "thing" in of_items.artifacts.vocabulary.counts and "look" not in of_items.artifacts.vocabulary.counts
    of_reviews = fitted("zam", planted, tmp_path / "reviews", epochs=1, words_of="review")
    assert "look" in of_reviews.artifacts.vocabulary.counts and NO_REVIEWS not in of_reviews.remarks()
    without = fitted("zam", store_of_crowds(make_corpus), tmp_path / "none", epochs=1, words_of="review")
    assert without.remarks()[0] == NO_REVIEWS
