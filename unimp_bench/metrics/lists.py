"""What is recommended, beside whether it is right: coverage, concentration, popularity, novelty and diversity of lists.

All are of the first 10 items of each list. ``Coverage`` is the share of the catalogue that is in any list (Ge et al.,
RecSys 2010). ``Gini`` is the Gini index of how often each catalogue item is listed, 0 where all are listed equally
often and towards 1 where few items fill all lists (Fleder and Hosanagar, 2009). ``Popularity`` is the mean number of
training interactions of the listed items (Yin et al., VLDB 2012), as a multiple of the mean over the catalogue.
``Tail`` is the share of listed items outside the head, the most popular items that have 80% of the training
interactions (Abdollahpouri et al., RecSys 2017). ``Novelty`` is the mean self-information ``-log2 p`` of the listed
items, ``p`` an item's share of the training interactions with one added to each item (Vargas and Castells, RecSys
2011). ``Category diversity`` and ``Text diversity`` are the mean distance of two items of a list (Ziegler et al., WWW
2005): 1 less the Jaccard index of their category paths, and 1 less the cosine of their LSA vectors.

Means are over lists, and pairs with an item of unknown category or text are left out. Intervals are by 1,000 resamples
of the lists, the same for all metrics. Fewer distinct lists cover less and are less equal, so a resample is biased:
the difference between the mean of the resamples and the value is taken off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from unimp_bench.corpus import Corpus
from unimp_bench.corpus.splits import catalogue, target_examples
from unimp_bench.errors import UsageError
from unimp_bench.metrics.scores import TAILS, Missing, Score, resampled
from unimp_bench.records import BoolArray, FloatArray, IntArray, Split, learned_from

LIST_CUTOFF = 10
LIST_RESAMPLES = 1000
HEAD_SHARE = 0.8
"""Of the training interactions, what the most popular items of the head have."""

LIST_MEASURES = ("Coverage", "Gini", "Popularity", "Tail", "Novelty", "Category diversity", "Text diversity")
LIST_NAMES = tuple(f"{measure}@{LIST_CUTOFF}" for measure in LIST_MEASURES)

_BLOCK = 2048
_NO_LISTS = Missing("the predictions have no lists")


@dataclass(frozen=True)
class ListFacts:
    """What is known of the items that may be listed.

    Attributes:
        catalogue: sorted item numbers.
        popularity: (items,) number of training interactions.
        categories: (items, labels) scipy CSR of 0 and 1, the labels on each item's category path; None without any.
        texts: (items, width) float32 LSA vectors, of length 1, 0 for an item without text; None without any.
    """

    catalogue: IntArray
    popularity: IntArray
    categories: Any = None
    texts: FloatArray | None = None


def list_facts(corpus: Corpus, split: Split, cache: Path) -> ListFacts:
    """The facts of a split's catalogue; popularity is in what models learn from, of a new domain in its own part.

    Args:
        cache: folder that keeps the text vectors of the corpus.
    """
    return ListFacts(catalogue(corpus, split), popularity_of(corpus, split), _categories(corpus), _texts(corpus, cache))


def popularity_of(corpus: Corpus, split: Split) -> IntArray:
    """(items,) number of interactions of each item in what models evaluated on a split learn from."""
    train = target_examples(corpus, split if split == "new-domain" else learned_from(split), "train", "lists")
    return np.bincount(train.histories.items, minlength=len(corpus.items))


def list_scores(top: IntArray, facts: ListFacts | None) -> dict[str, Score | Missing]:
    """All of ``LIST_NAMES``.

    Args:
        top: (n, k) item numbers of the lists, best first, -1 for no item; k may be 0.
        facts: of the items; None where there are no lists.
    """
    top = top[:, :LIST_CUTOFF]
    if facts is None or not (top >= 0).any():
        return dict.fromkeys(LIST_NAMES, _NO_LISTS)
    known = top >= 0
    found: dict[str, Score | Missing] = dict.fromkeys(LIST_NAMES, _NO_LISTS)
    means = _of_popularity(top, known, facts)
    if facts.categories is None:
        found[LIST_NAMES[5]] = Missing("the items of this corpus have no categories")
    else:
        means[LIST_NAMES[5]] = category_diversity(top, facts.categories)
    if facts.texts is None:
        found[LIST_NAMES[6]] = Missing("the items of this corpus have no texts to compare")
    else:
        means[LIST_NAMES[6]] = text_diversity(top, facts.texts)
    for name, values in list(means.items()):
        if np.isnan(values).all():
            del means[name]
            found[name] = Missing("no list has two items to compare")
    return {**found, **_resampled_scores(_exposures(top, facts.catalogue), means)}


def gini(exposures: FloatArray) -> FloatArray:
    """Gini index of each row of non-negative ``exposures`` (rows, items), (rows,): ``sum_i (2 i - n - 1) x_i / (n sum
    x)`` with the ``x_i`` of a row in rising order, items with none included."""
    ordered = np.sort(exposures, axis=1)
    size = ordered.shape[1]
    indices: FloatArray = ordered @ (2.0 * np.arange(1, size + 1) - size - 1) / (size * ordered.sum(axis=1))
    return indices


def head_of(popularity: IntArray) -> BoolArray:
    """(items,) bool: the items that have ``HEAD_SHARE`` of all interactions, the most popular first.

    Items as popular as the last one of them belong to the head.
    """
    ordered = np.sort(popularity)[::-1]
    last = np.searchsorted(np.cumsum(ordered), HEAD_SHARE * popularity.sum())
    head: BoolArray = popularity >= max(1, ordered[min(last, len(ordered) - 1)])
    return head


def category_diversity(top: IntArray, categories: Any) -> FloatArray:
    """(n,) mean of 1 less the Jaccard index over the pairs of each list; NaN for a list without a pair to compare."""
    sizes = np.asarray(categories.sum(axis=1)).ravel()
    total, pairs = np.zeros(len(top)), np.zeros(len(top))
    for first, second in combinations(range(top.shape[1]), 2):
        left, right = top[:, first], top[:, second]
        rows = np.flatnonzero((left >= 0) & (right >= 0) & (sizes[left] > 0) & (sizes[right] > 0))
        left, right = left[rows], right[rows]
        shared = np.asarray(categories[left].multiply(categories[right]).sum(axis=1)).ravel()
        total[rows] += 1 - shared / (sizes[left] + sizes[right] - shared)
        pairs[rows] += 1
    return np.where(pairs > 0, total / np.maximum(pairs, 1), np.nan)


def text_diversity(top: IntArray, texts: FloatArray) -> FloatArray:
    """(n,) mean of 1 less the cosine over the pairs of each list; NaN for a list without a pair to compare."""
    values = np.full(len(top), np.nan)
    known: BoolArray = np.asarray(texts.any(axis=1))
    for start in range(0, len(top), _BLOCK):
        block = top[start : start + _BLOCK]
        mask = (block >= 0) & known[block]
        vectors = np.where(mask[:, :, None], texts[block], 0)
        # The sum of all cosines of a list, those of items with themselves included, is the square of the vectors' sum.
        squares = (vectors.sum(axis=1, dtype=np.float64) ** 2).sum(axis=1)
        count = mask.sum(axis=1)
        several = count > 1
        ordered = np.maximum(count * (count - 1), 1)
        values[start : start + len(block)] = np.where(several, 1 - (squares - count) / ordered, np.nan)
    return values


def _of_popularity(top: IntArray, known: BoolArray, facts: ListFacts) -> dict[str, FloatArray]:
    """Means over each list, (n,), NaN for an empty one."""
    of_catalogue = facts.popularity[facts.catalogue]
    share = (facts.popularity + 1) / (of_catalogue.sum() + len(facts.catalogue))
    head = np.zeros(len(facts.popularity), dtype=np.bool_)
    head[facts.catalogue] = head_of(of_catalogue)
    by_item = {
        LIST_NAMES[2]: facts.popularity / max(of_catalogue.mean(), 1e-12),
        LIST_NAMES[3]: np.where(head, 0.0, 1.0),
        LIST_NAMES[4]: -np.log2(share),
    }
    count = known.sum(axis=1)
    return {
        name: np.where(count > 0, np.where(known, values[top], 0).sum(axis=1) / np.maximum(count, 1), np.nan)
        for name, values in by_item.items()
    }


def _exposures(top: IntArray, items: IntArray) -> Any:
    """(n, catalogue) scipy CSR, 1 for each item of each list."""
    from scipy.sparse import csr_array

    rows, columns = np.nonzero(top >= 0)
    places = np.searchsorted(items, top[rows, columns])
    return csr_array((np.ones(len(rows)), (rows, places)), shape=(len(top), len(items)))


def _resampled_scores(lists: Any, means: Mapping[str, FloatArray]) -> dict[str, Score]:
    """Coverage and Gini of the lists, and the means over lists of values (n,), NaN for lists that do not count."""
    columns = np.stack(list(means.values()), axis=1)
    values, counts = np.nan_to_num(columns), (~np.isnan(columns)).astype(np.float64)

    def measured(weights: FloatArray) -> FloatArray:
        exposures = np.asarray(weights @ lists)
        ends = exposures.sum(axis=1) > 0
        with np.errstate(invalid="ignore", divide="ignore"):
            index = np.where(ends, gini(exposures), np.nan)
            average = (weights @ values) / (weights @ counts)
        return np.column_stack([(exposures > 0).mean(axis=1), index, average])

    (value,) = measured(np.ones((1, lists.shape[0])))
    drawn = np.concatenate([measured(weights) for weights in resampled(lists.shape[0], LIST_RESAMPLES)])
    low, high = np.nanquantile(drawn - np.nanmean(drawn, axis=0) + value, TAILS, axis=0)
    names = (*LIST_NAMES[:2], *means)
    low[:2], high[:2] = np.clip(low[:2], 0, 1), np.clip(high[:2], 0, 1)
    ends = zip(names, value.tolist(), low.tolist(), high.tolist(), strict=True)
    return {name: Score(middle, left, right, None) for name, middle, left, right in ends}


def _categories(corpus: Corpus) -> Any:
    from scipy.sparse import csr_array

    if "category" not in corpus.items.attributes:
        return None
    labels: dict[str, int] = {}
    rows, columns = [], []
    for item, path in enumerate(corpus.items.column("category").to_pylist()):
        for label in set(path if isinstance(path, list) else [path]) - {None, ""}:
            rows.append(item)
            columns.append(labels.setdefault(str(label), len(labels)))
    return csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(corpus.items), len(labels))) if labels else None


def _texts(corpus: Corpus, cache: Path) -> FloatArray | None:
    from unimp_bench.corpus.features.text import LSA, encoded_texts

    try:
        vectors = encoded_texts(corpus.items, LSA, cache)
    except UsageError:  # items share no words
        return None
    if vectors is None:
        return None
    lengths = np.linalg.norm(vectors.values, axis=1, keepdims=True)
    unit: FloatArray = vectors.values / np.where(lengths > 0, lengths, 1)
    return unit
