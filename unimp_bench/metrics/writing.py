"""Whether texts say what their own example is about, and differ from each other (Table 2a, beside overlap).

Overlap with a reference rewards the words that most references share, so one constant sentence can lead a table.
``Identification`` cannot be led by one. All test examples are put into random groups of ten. A text is compared with
the ten references of its group, by the cosine of TF-IDF vectors of stemmed words (fitted on all references), and
scores 1 if its own reference is the nearest, ``1 / k`` if that is one of ``k`` nearest ones, else 0. In each group
one constant text gets 1 in all, so its score is 10%, and so is that of an empty text.

``Distinct sentences`` is the share of different texts (USR; Li, Zhang and Chen, CIKM 2020), ``Distinct-2`` that of
different bigrams among the bigrams of all texts (Li et al., NAACL 2016). ``Feature matching`` (FMR) is the share of the
texts that name a feature of their reference, and ``Feature coverage`` (FCR) the number of different features that the
texts name, of those that the references name (Li, Zhang and Chen, ACL 2021). ``Feature overlap`` (DIV, ibid.) is the
mean number of features that two texts share, lower is better; texts without features share none, so read it beside
coverage. ``Entropy`` is the mean over n = 1, 2, 3 of the entropy of the n-grams of all texts, in bits (MAPLE, 2024).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from unimp_bench.metrics.scores import TAILS, Missing, Score, Scores, mean_score, resampled
from unimp_bench.records import BoolArray, FloatArray, IntArray

GROUP = 10
"""References that a text is compared with, its own among them."""

DISTINCT_RESAMPLES = 1000
NO_FEATURES = Missing("the items of this corpus have no attribute 'keywords' or 'features'")

_WORD = re.compile(r"\w+")
_NGRAMS = (1, 2, 3)
_DIGITS = 12  # equal cosines differ in their last bits


def writing_scores(texts: Sequence[str], references: Sequence[str], features: Sequence[Sequence[str]] | None) -> Scores:
    """``Identification``, ``Distinct sentences``, ``Distinct-2``, ``Entropy``, and those of features.

    Args:
        texts: (n,) as written, n at least 1.
        references: (n,) the reference of each.
        features: (n,) what the items' attributes name as features; None where they name none.
    """
    scores: dict[str, Score | Missing] = {"Identification": Missing(f"there are fewer than {GROUP} test examples")}
    if len(texts) >= GROUP:
        scores["Identification"] = mean_score(identification(texts, references))
    entropy = {"Entropy": entropy_score(texts)}
    return {**scores, **distinct_scores(texts), **entropy, **feature_scores(texts, references, features)}


def identification(texts: Sequence[str], references: Sequence[str], *, seed: int = 0) -> FloatArray:
    """(n,) whether each text is nearest to its own reference among those of its group, n at least ``GROUP``."""
    vectors = _vectors(texts, references)
    if vectors is None:  # none is nearer than another
        return np.full(len(texts), 1 / GROUP)
    written, wanted = vectors
    groups = groups_of(len(texts), seed)
    near = np.stack([np.asarray(written.multiply(wanted[column]).sum(axis=1)).ravel() for column in groups.T], axis=1)
    near = near.round(_DIGITS)
    best = near == near.max(axis=1, keepdims=True)
    values: FloatArray = best[:, 0] / best.sum(axis=1)
    return values


def margin(texts: Sequence[str], references: Sequence[str]) -> float:
    """The mean cosine of texts with their own reference minus that with the other ones, n texts, n at least 1.

    The cosines are those of ``identification``, whose hits it replaces by a continuous score: a constant text has 0
    exactly, and so has an empty one. Between -1 and 1.
    """
    vectors = _vectors(texts, references)
    if vectors is None:
        return 0.0
    written, wanted = vectors
    own = np.asarray(written.multiply(wanted).sum(axis=1)).ravel()
    every = np.asarray(written @ wanted.sum(axis=0).T).ravel()
    return round(float(np.mean(own - (every - own) / max(1, len(texts) - 1))), _DIGITS)


def _vectors(texts: Sequence[str], references: Sequence[str]) -> tuple[Any, Any] | None:
    """TF-IDF vectors of texts and of references, sparse (n, stems) each; None where no reference has a word."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(analyzer=stems)
    try:
        wanted = vectorizer.fit_transform(references)
    except ValueError:
        return None
    return vectorizer.transform(texts), wanted


def groups_of(count: int, seed: int) -> IntArray:
    """(count, GROUP) for each example the members of its group, itself first.

    Where the number of examples is no multiple of the size, the last ones get random others that are not among them.
    """
    generator = np.random.default_rng(seed)
    order = generator.permutation(count)
    whole = count // GROUP * GROUP
    groups = np.empty((count, GROUP), dtype=np.int64)
    for start in range(0, whole, GROUP):
        group = order[start : start + GROUP]
        for place, example in enumerate(group):
            groups[example] = np.roll(group, -place)
    for example in order[whole:]:
        groups[example] = [example, *generator.choice(order[:whole], GROUP - 1, replace=False)]
    return groups


def distinct_scores(texts: Sequence[str]) -> dict[str, Score]:
    """``Distinct sentences`` and ``Distinct-2`` of n texts, n at least 1; 0 where there is no bigram.

    Intervals are by resamples of the texts. A resample repeats texts, so it has fewer different ones: the difference
    between the mean of the resamples and the value is taken off.
    """
    return {
        "Distinct sentences": _distinct([[" ".join(text.split())] for text in texts]),
        "Distinct-2": _distinct([list(pairwise(_WORD.findall(text.lower()))) for text in texts]),
    }


def entropy_score(texts: Sequence[str]) -> Score:
    """``Entropy`` of n texts, n at least 1, in bits: H_n = -sum_g p_g log2 p_g, 0 without n-grams.

    Its interval is by resamples of the texts, moved by the bias of the resamples as in ``distinct_scores``.
    """
    words = [_WORD.findall(text.lower()) for text in texts]
    tables = [
        _counted([list(zip(*(row[start:] for start in range(size)), strict=False)) for row in words])
        for size in _NGRAMS
    ]

    def entropy(weights: FloatArray) -> FloatArray:
        found = np.zeros(len(weights))
        for table in tables:
            counts = weights @ table
            shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
            logs = np.log2(shares, out=np.zeros_like(shares), where=shares > 0)
            found -= (shares * logs).sum(axis=1)
        return found / len(tables)

    return _resampled_score(len(texts), entropy, np.inf)


def feature_scores(texts: Sequence[str], references: Sequence[str], features: Sequence[Sequence[str]] | None) -> Scores:
    """``Feature matching``, ``coverage`` and ``overlap``; a text names a feature that has all its stems in one run.

    Examples whose reference names none of their features do not count.
    """
    names = ("Feature matching", "Feature coverage", "Feature overlap")
    if features is None:
        return dict.fromkeys(names, NO_FEATURES)
    known = [{tuple(stems(name)) for name in each} - {()} for each in features]
    wanted = [_named(stems(text), each) for text, each in zip(references, known, strict=True)]
    rows = [row for row, each in enumerate(wanted) if each]
    if not rows:
        return dict.fromkeys(names, Missing("no reference names a feature of its item"))
    every = set().union(*wanted)
    matched: BoolArray = np.array([bool(_named(stems(texts[row]), wanted[row])) for row in rows])
    covered = [sorted(_named(stems(texts[row]), every)) for row in rows]
    return {
        "Feature matching": mean_score(matched.astype(np.float64)),
        "Feature coverage": _distinct(covered, len(every)),
        "Feature overlap": _overlap(covered),
    }


def stems(text: str) -> list[str]:
    """The words of a text in lower case, each by its Porter stem."""
    stem = _stemmer()
    return [stem(word) for word in _WORD.findall(text.lower())]


@cache
def _stemmer() -> Any:
    from nltk.stem.porter import PorterStemmer

    return cache(PorterStemmer().stem)


def _named(words: Sequence[str], features: Iterable[tuple[str, ...]]) -> set[tuple[str, ...]]:
    """Those of the features, each in stems, that some words in stems hold as a run."""
    wanted = set(features)
    lengths = {len(feature) for feature in wanted}
    runs = {tuple(words[start : start + length]) for length in lengths for start in range(len(words) - length + 1)}
    return wanted & runs


def _distinct(rows: Sequence[Sequence[Any]], total: int | None = None) -> Score:
    """Number of different values of all rows, divided by ``total``; by the number of values where that is None."""
    from scipy.sparse import csr_array

    codes: dict[Any, int] = {}
    columns = [codes.setdefault(value, len(codes)) for row in rows for value in row]
    lengths = np.array([len(row) for row in rows])
    if not columns:
        return Score(0.0, 0.0, 0.0, None)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    present = csr_array((np.ones(len(columns)), columns, offsets), shape=(len(rows), len(codes)))

    def share(weights: FloatArray) -> FloatArray:
        values = weights @ lengths if total is None else np.full(len(weights), total)
        found: FloatArray = ((weights @ present) > 0).sum(axis=1) / np.maximum(values, 1)
        return found

    return _resampled_score(len(rows), share, 1.0)


def _overlap(rows: Sequence[Sequence[Any]]) -> Score | Missing:
    """Mean number of values that two rows share: sum_f C(c_f, 2) / C(n, 2), with c_f the rows that have f."""
    if len(rows) < 2:
        return Missing("fewer than two references name a feature of their item")
    table = _counted(rows)

    def shared(weights: FloatArray) -> FloatArray:
        counts = weights @ table
        found: FloatArray = (counts * (counts - 1)).sum(axis=1) / (len(rows) * (len(rows) - 1))
        return found

    return _resampled_score(len(rows), shared, np.inf)


def _counted(rows: Sequence[Sequence[Any]]) -> Any:
    """(rows, different values) sparse, how often each row has each value."""
    from scipy.sparse import coo_array

    codes: dict[Any, int] = {}
    columns = [codes.setdefault(value, len(codes)) for row in rows for value in row]
    owners = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    return coo_array((np.ones(len(columns)), (owners, columns)), shape=(len(rows), max(1, len(codes)))).tocsr()


def _resampled_score(count: int, statistic: Callable[[FloatArray], FloatArray], most: float) -> Score:
    """A statistic of ``count`` rows, given how often each is drawn, with the interval of its recentred resamples."""
    value = float(statistic(np.ones((1, count)))[0])
    drawn = np.concatenate([statistic(weights) for weights in resampled(count, DISTINCT_RESAMPLES)])
    low, high = np.quantile(drawn - drawn.mean() + value, TAILS).clip(0, most)
    return Score(value, float(low), float(high), None)
