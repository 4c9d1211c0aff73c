"""Corpus BLEU (Papineni et al., 2002), without smoothing, on the tokens of mteval-v13a.

``BLEU-1`` is the corpus's clipped unigram precision *without* the brevity penalty: the column that UniMP's Table 2a
calls BLEU is that, ``precisions[0]`` of ``evaluate``'s BLEU. ``BLEU-4`` is the metric commonly meant: the geometric
mean of the precisions of orders 1 to 4 times the brevity penalty, 0 where one of the four is 0. Both are fractions,
not percentages, and belong to the corpus: neither is a mean over examples.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from unimp_bench.metrics.scores import Score, Scores
from unimp_bench.metrics.text.grams import TokenPairs
from unimp_bench.records import FloatArray

ORDERS = 4
RESAMPLES = 1000

_ENTITIES = {"&quot;": '"', "&amp;": "&", "&lt;": "<", "&gt;": ">"}
_RULES = (
    (re.compile(r"([!-&(-+/:-@\[-`{-~])"), r" \1 "),  # punctuation but ' , - . is a token of its own
    (re.compile(r"([^0-9])([.,])"), r"\1 \2 "),  # a period or comma is, unless it stands between digits
    (re.compile(r"([.,])([^0-9])"), r" \1 \2"),
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),  # a dash is, after a digit
)


def tokenize_13a(texts: Sequence[str]) -> list[list[str]]:
    """Tokens of each text by the rules of mteval-v13a, which sacrebleu and ``evaluate`` use; case is kept.

    All texts go through the rules as lines of one. The spaces around a line keep the rules within it.
    """
    lines = [text.replace("<skipped>", "").replace("-\n", "").replace("\n", " ") for text in texts]
    whole = "".join(f" {line} \n" for line in lines)
    for entity, character in _ENTITIES.items():
        whole = whole.replace(entity, character)
    for rule, replacement in _RULES:
        whole = rule.sub(replacement, whole)
    return [line.split() for line in whole.split("\n")[:-1]]


def bleu_scores(predictions: Sequence[str], references: Sequence[str]) -> Scores:
    """``BLEU-1`` and ``BLEU-4`` of n predictions against one reference each, n at least 1.

    The interval resamples examples and computes the corpus's score anew from their counts (Koehn, 2004), 1,000
    times, as sacrebleu does. Per-example values are None: a sentence's BLEU is another metric.
    """
    pairs = TokenPairs.of(tokenize_13a(predictions), tokenize_13a(references))
    totals = [pairs.totals(order)[0] for order in range(1, ORDERS + 1)]
    counts = np.column_stack([pairs.matches(ORDERS), *totals, pairs.totals(1)[1]]).astype(np.float64)
    generator = np.random.default_rng(0)
    size = len(counts)
    times = (np.bincount(generator.integers(size, size=size), minlength=size) for _ in range(RESAMPLES))
    drawn = np.stack([drawn_times @ counts for drawn_times in times])
    scores = {}
    for name, score in {"BLEU-1": _unigram_precision, "BLEU-4": _bleu}.items():
        low, high = np.quantile(score(drawn), [0.025, 0.975])
        scores[name] = Score(float(score(counts.sum(axis=0))), float(low), float(high), None)
    return scores


def _unigram_precision(counts: FloatArray) -> FloatArray:
    return counts[..., 0] / np.maximum(counts[..., ORDERS], 1)


def _bleu(counts: FloatArray) -> FloatArray:
    """BLEU of summed counts (..., 9): matches by order, n-grams of predictions by order, tokens of references."""
    matches, totals, reference = counts[..., :ORDERS], counts[..., ORDERS:-1], counts[..., -1]
    precisions = matches / np.maximum(totals, 1)
    length = np.maximum(totals[..., 0], 1)
    brevity = np.exp(np.minimum(0.0, 1 - reference / length))
    found = np.all(matches > 0, axis=-1, keepdims=True)
    means = np.exp(np.log(np.where(found, precisions, 1.0)).mean(axis=-1))
    return np.where(found[..., 0], brevity * means, 0.0)
