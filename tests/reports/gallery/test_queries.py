"""Selection of the users of a gallery, and their targets."""

from __future__ import annotations

import math
from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from unimp_bench.corpus import Corpus
from unimp_bench.errors import UsageError
from unimp_bench.kinds.rendering import item_words
from unimp_bench.records import Examples
from unimp_bench.reports.gallery.draw import most_different_users, queries_of, unknown_query
from unimp_bench.reports.gallery.page import HISTORY

QUERY = "Tools > blue square"


def test_targets_are_known_only_for_users_with_the_query(planted: Corpus, searches: Examples) -> None:
    assert searches.queries is not None and searches.targets is not None
    asks = np.array(searches.query_texts)[searches.queries] == QUERY
    one, other = int(np.flatnonzero(asks)[0]), int(np.flatnonzero(~asks)[0])
    names = [planted.users.names[searches.users[number]] for number in (other, one)]
    queries, bought = queries_of(planted, searches, QUERY, [*names, names[0]])
    assert queries.targets is None and [planted.users.names[user] for user in queries.users] == names
    assert bought.tolist() == [-1, searches.targets[one]]
    assert queries.queries is not None and {queries.query_texts[query] for query in queries.queries} == {QUERY}
    np.testing.assert_array_equal(queries.history(1), searches.history(one))


def test_any_text_is_a_query(planted: Corpus, searches: Examples) -> None:
    queries, bought = queries_of(planted, searches, "a scarf like mine", ["u1", "u2"])
    assert bought.tolist() == [-1, -1] and queries.query_texts == ("a scarf like mine",)
    assert unknown_query(searches, QUERY) is None
    remark = unknown_query(searches, "Tools > blue sqare")
    assert remark is not None and "did you mean 'Tools > blue square'" in remark and "no target picture" in remark


def test_errors_suggest_the_nearest_user_or_query(planted: Corpus, searches: Examples) -> None:
    with pytest.raises(UsageError, match=r"^unknown user with a test example 'u1o'; did you mean 'u1\d*'\?$"):
        queries_of(planted, searches, QUERY, ["u1o"])
    with pytest.raises(UsageError, match=r"^unknown user .* 'qqqq'; \d+ available, such as 'u1'$"):
        queries_of(planted, searches, QUERY, ["qqqq"])
    with pytest.raises(UsageError, match=r"unknown query of a test user .*; did you mean 'Tools > blue square'"):
        most_different_users(planted, searches, "tools > blue square")


def test_the_chosen_users_have_the_least_similar_histories(planted: Corpus, searches: Examples) -> None:
    """Against cosines of weighted word sets, pair by pair."""
    assert searches.queries is not None and searches.targets is not None
    words = item_words(planted)
    histories = {
        planted.users.names[searches.users[number]]: {
            word for item in searches.history(number)[-HISTORY:] for word in words[item].split()
        }
        for number in range(len(searches))
        if searches.query_texts[searches.queries[number]] == QUERY
        and planted.items.has_picture[searches.targets[number]]
    }
    counts = Counter(word for each in histories.values() for word in each)
    weight = {word: math.log(len(histories) / count) ** 2 for word, count in counts.items()}

    def similarity(one: str, other: str) -> float:
        size = [math.sqrt(sum(weight[word] for word in histories[name])) for name in (one, other)]
        return sum(weight[word] for word in histories[one] & histories[other]) / (size[0] * size[1])

    pairs = {pair: similarity(*pair) for pair in combinations(histories, 2)}
    chosen = most_different_users(planted, searches, QUERY)
    assert pairs[chosen] == pytest.approx(min(pairs.values()))
    assert len(pairs) > 3 and max(pairs.values()) > min(pairs.values()) + 0.1


def test_one_user_is_too_few(planted: Corpus, searches: Examples) -> None:
    assert searches.queries is not None
    only = searches.select(np.flatnonzero(searches.queries == searches.query_texts.index(QUERY))[:1])
    with pytest.raises(UsageError, match="fewer than two test users"):
        most_different_users(planted, only, QUERY)
