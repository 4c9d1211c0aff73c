"""HEM: its equations in plain loops, its epochs, and learning of group preferences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from baselines.search.hem import Batch, HEMConfig, HEMNetwork, windows
from baselines.search.learned import NO_REVIEWS, TrainingExamples
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
from unimp_bench.errors import UsageError

CONFIG = HEMConfig(width=3, negatives=5, query_weight=0.3, batch_size=4)
QUERY_OF_ITEM = np.array([0, 1, 0, 2, 1])


def network(config: HEMConfig = CONFIG) -> HEMNetwork:
    made: HEMNetwork = shaken(HEMNetwork(artifacts(), config))
    return made


def batch() -> Batch:
    """Four words of reviews of items 0, 1, 3 and 1, and pools of two negatives."""
    items = torch.tensor([0, 1, 3, 1])
    queries = words_of([query_rows(text) for text in QUERIES[:3]])
    pools = torch.tensor([1, 1]), torch.tensor([3, 0]), torch.tensor([4, 2])
    asked = torch.from_numpy(QUERY_OF_ITEM)[items]
    return Batch(queries, asked, torch.tensor([0, 0, 1, 2]), items, torch.tensor([0, 3, 2, 2]), *pools)


def intent(parts: dict[str, np.ndarray], user: int, query: str, weight: float = 0.3) -> np.ndarray:
    mixed: np.ndarray = weight * query_vector(parts, query_rows(query)) + (1 - weight) * parts["users.weight"][user]
    return mixed


def scores(model: HEMNetwork, users: list[int], queries: list[int]) -> np.ndarray:
    with torch.no_grad():
        return np.asarray(model.score(query_examples(users, queries)))


def test_scores_are_those_of_the_equation() -> None:
    """Also of a query without a known word, and of an empty one."""
    model = network()
    parts = plain(model)
    asked = [(0, 0), (1, 1), (2, 2), (0, 3), (2, 0)]
    expected = [
        [sum(parts["items.weight"][item] * intent(parts, user, QUERIES[query])) for item in range(5)]
        for user, query in asked
    ]
    found = np.concatenate([scores(model, [2 * user + 1], [query]) for user, query in asked])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("l2", [0.0, 0.7])
def test_the_loss_is_that_of_the_equation(l2: float) -> None:
    model, words = network(replace(CONFIG, l2=l2)), batch()
    parts, total = plain(model), 0.0
    squares = float(np.sum(parts["project.weight"] ** 2))
    word_table, user_table, item_table = (parts[f"{name}.weight"] for name in ("words", "users", "items"))
    word_biases, item_biases = parts["word_biases"], parts["item_biases"]
    for user, item, word in zip(words.users.tolist(), words.items.tolist(), words.words.tolist(), strict=True):
        u, i, w, query = user_table[user], item_table[item], word_table[word], QUERIES[QUERY_OF_ITEM[item]]
        for state, pool in ((i, (1, 1)), (u, (3, 0))):
            negatives = [state @ word_table[n] + word_biases[n] for n in pool]
            total += sampled(state @ w + word_biases[word], negatives, 5)
        wanted = intent(parts, user, query)
        negatives = [wanted @ item_table[n] + item_biases[n] for n in (4, 2)]
        total += sampled(wanted @ i + item_biases[item], negatives, 5)
        squares += u @ u + i @ i + w @ w + sum(word_table[row] @ word_table[row] for row in query_rows(query))
    squares += sum(word_table[n] @ word_table[n] for n in (1, 1, 3, 0))
    squares += sum(item_table[n] @ item_table[n] for n in (4, 2))
    assert model.loss(words).item() == pytest.approx((total + l2 / 2 * squares) / 4, rel=1e-5)


def test_the_loss_at_zero_weights_is_18_ln_2_per_word() -> None:
    """Three terms, each of one positive and five negatives, whatever the size of the pool."""
    assert zeroed(network()).loss(batch()).item() == pytest.approx(3 * 6 * np.log(2))


def test_query_weight_1_ignores_the_user() -> None:
    found = scores(network(replace(CONFIG, query_weight=1.0)), [1, 3, 5], [0, 0, 0])
    np.testing.assert_allclose(found, found[[0, 0, 0]])


def test_query_weight_0_ignores_the_query() -> None:
    model = network(replace(CONFIG, query_weight=0.0))
    np.testing.assert_allclose(scores(model, [1], [0]), scores(model, [1], [3]))


def test_item_biases_are_not_used_for_ranking() -> None:
    model = network()
    before = scores(model, [1, 5], [0, 1])
    with torch.no_grad():
        model.item_biases.fill_(3)
    assert np.array_equal(scores(model, [1, 5], [0, 1]), before)


def test_a_user_without_a_training_interaction_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot score new users"):
        scores(network(), [2], [0])


def test_an_epoch_reads_a_window_of_every_review() -> None:
    documents = words_of([[1, 2, 3, 4], [], [5], [6, 7]])
    rng, seen = np.random.default_rng(0), set()
    for _ in range(50):
        owners, places = windows(documents, 2, rng)
        assert owners.tolist() == [0, 0, 2, 3, 3] and places[2:].tolist() == [4, 5, 6]
        assert places[1] == places[0] + 1
        seen.add(int(places[0]))
    assert seen == {0, 1, 2}


def test_a_batch_joins_each_word_to_its_user_item_and_query() -> None:
    model = network()
    lengths = [2, 0, 1, 3, 1, 2, 1]
    documents = words_of([[row % 4] * length for row, length in enumerate(lengths)])
    queries = words_of([query_rows(text) for text in QUERIES[:3]])
    model.examples = TrainingExamples(documents, queries, QUERY_OF_ITEM)
    found = []
    for part in model.batches(np.random.default_rng(0)):
        assert len(part.words) <= 4 and len(part.others) == CONFIG.pool and part.others.max() < 5
        asked = [tuple(part.queries[row]) for row in part.query_rows.tolist()]
        found += list(zip(part.users.tolist(), part.items.tolist(), part.words.tolist(), asked, strict=True))
    sequence, owners = artifacts().interactions.sequences.values, artifacts().interactions.owners
    expected = [
        (int(owners[row]), int(sequence[row]), row % 4, tuple(query_rows(QUERIES[QUERY_OF_ITEM[sequence[row]]])))
        for row, length in enumerate(lengths)
        for _ in range(length)
    ]
    assert sorted(found) == sorted(expected)


def test_negative_words_are_drawn_by_their_frequency() -> None:
    model, rng = network(), np.random.default_rng(0)
    drawn = np.concatenate([model.draw_words(rng) for _ in range(300)])
    shares = np.bincount(drawn, minlength=4) / len(drawn)
    weights = np.array([5, 3, 2, 2]) ** 0.75
    np.testing.assert_allclose(shares, weights / weights.sum(), atol=0.02)


def test_learns_the_preferences_of_groups(make_corpus: Callable[..., Corpus], tmp_path: Path) -> None:
    """Three of twelve items per category: HR is 0.25 by chance and by popularity, at most 7/8."""
    corpus = store_of_crowds(make_corpus)
    settings = {"epochs": 20, "validate_every": 5, "learning_rate": 0.02, "batch_size": 512, "width": 16, "pool": 64}
    model = fitted("hem", corpus, tmp_path / "hem", **settings)
    floor = hit_rate(fitted("query-popularity", corpus, tmp_path / "floor"), corpus)
    assert hit_rate(model, corpus) > floor + 0.25
    assert model.remarks()[0] == NO_REVIEWS


def test_reads_reviews_if_the_corpus_has_them(planted: Corpus, tmp_path: Path) -> None:
    model = fitted("hem", planted, tmp_path / "hem", epochs=1)
    assert {"look", "love", "dull"} <= set(
        model.artifacts.vocabulary.counts
    ) and "thing" not in model.artifacts.vocabulary.counts
    assert NO_REVIEWS not in model.remarks()
