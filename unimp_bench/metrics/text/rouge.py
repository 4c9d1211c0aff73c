"""ROUGE-1, ROUGE-2 and ROUGE-L (Lin, 2004): F1 of shared n-grams and of the longest common subsequence.

The definitions are those of the ``rouge_score`` package as ``evaluate`` calls it: lower case, runs of a-z and 0-9
are the tokens, no stemming, one reference.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from unimp_bench.metrics.scores import Scores, mean_score
from unimp_bench.metrics.text.grams import TokenPairs
from unimp_bench.records import FloatArray, IntArray

_WORD = re.compile(r"[a-z0-9]+")


def rouge_scores(predictions: Sequence[str], references: Sequence[str]) -> Scores:
    """``ROUGE-1``, ``ROUGE-2`` and ``ROUGE-L`` of n predictions against one reference each, n at least 1."""
    pairs = TokenPairs.of(
        [_WORD.findall(text.lower()) for text in predictions], [_WORD.findall(text.lower()) for text in references]
    )
    matches = pairs.matches(2)
    return {
        "ROUGE-1": mean_score(_f1(matches[:, 0], *pairs.totals(1))),
        "ROUGE-2": mean_score(_f1(matches[:, 1], *pairs.totals(2))),
        "ROUGE-L": mean_score(_f1(_subsequences(pairs), *pairs.totals(1))),
    }


def _f1(shared: IntArray, predicted: IntArray, wanted: IntArray) -> FloatArray:
    """Harmonic mean of shared / predicted and shared / wanted, (n,); 0 where nothing is shared."""
    f1: FloatArray = 2 * shared / np.maximum(predicted + wanted, 1)
    return f1


def _subsequences(pairs: TokenPairs) -> IntArray:
    tokens, offsets = pairs.tokens.tolist(), pairs.offsets.tolist()
    texts = [tokens[start:end] for start, end in pairwise(offsets)]
    return np.array([longest_common_subsequence(texts[e], texts[len(pairs) + e]) for e in range(len(pairs))])


def longest_common_subsequence(first: Sequence[int], second: Sequence[int]) -> int:
    """Length of the longest common subsequence, one row of the usual table at a time as bits (Hyyrö, 2004).

    Bit ``i`` of the row is 0 where the table's value grows from ``first[:i]`` to ``first[:i + 1]``.
    """
    places: dict[int, int] = {}
    for place, token in enumerate(first):
        places[token] = places.get(token, 0) | 1 << place
    full = (1 << len(first)) - 1
    row = full
    for token in second:
        if token in places:
            matched = row & places[token]
            row = (row + matched | row - matched) & full
    return len(first) - row.bit_count()
