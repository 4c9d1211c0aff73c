"""Shared n-grams and longest common subsequences against plain counting."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from unimp_bench.metrics.text.grams import TokenPairs
from unimp_bench.metrics.text.rouge import longest_common_subsequence

text = st.lists(st.sampled_from("abcd"), max_size=9)
pairs = st.lists(st.tuples(text, text), min_size=1, max_size=6)


def grams(tokens: list[str], order: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(tokens[start : start + order]) for start in range(len(tokens) - order + 1))


@settings(deadline=None)
@given(pairs)
def test_matches_and_totals_of_plain_counters(texts: list[tuple[list[str], list[str]]]) -> None:
    predictions, references = zip(*texts, strict=True)
    counted = TokenPairs.of(predictions, references)
    matches = counted.matches(4)
    assert matches.shape == (len(texts), 4)
    for order in range(1, 5):
        totals = counted.totals(order)
        for place, (prediction, reference) in enumerate(texts):
            ours, theirs = grams(prediction, order), grams(reference, order)
            assert matches[place, order - 1] == (ours & theirs).total()
            assert (totals[0][place], totals[1][place]) == (ours.total(), theirs.total())


def table(first: list[int], second: list[int]) -> int:
    row = [0] * (len(first) + 1)
    for token in second:
        above = row
        row = [0]
        for place, other in enumerate(first):
            row.append(above[place] + 1 if token == other else max(row[place], above[place + 1]))
    return row[-1]


numbers = st.lists(st.integers(0, 4), max_size=90)


@settings(deadline=None)
@given(numbers, numbers)
def test_subsequence_of_the_plain_table(first: list[int], second: list[int]) -> None:
    assert longest_common_subsequence(first, second) == table(first, second)
    assert longest_common_subsequence(first, first) == len(first)
