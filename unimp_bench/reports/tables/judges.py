"""Scores of judges beside the rows of a table, what they are worth, and whether two judges agree.

A judge orders nothing unless its own test says that it tells texts apart (``unimp_bench.metrics.judging``), and never
decides the place of a row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np

from unimp_bench.kinds.base import spaced
from unimp_bench.kinds.judging import Control
from unimp_bench.metrics.judging import FEWEST, rank_correlation
from unimp_bench.metrics.scores import Score, mean_score
from unimp_bench.records import FloatArray
from unimp_bench.runs.judged import Judgement
from unimp_bench.runs.packed import scores_of
from unimp_bench.runs.results import Estimate, Result

_ABOVE: dict[Control, str] = {
    "other": "that of another user with the same rating",
    "constant": "a constant sentence",
    "shuffled": "its own words in another order",
}
Key = tuple[str, int]
"""Of judgements whose scores are comparable."""

_FEWEST_ROWS = 3
"""Rows whose means have a correlation that says anything."""


@dataclass(frozen=True)
class JudgeColumn:
    """One judge of some rows.

    Attributes:
        name: of the judge and its rubric, unique within the table.
        words: what its test says, as a sentence.
        able: whether it tells texts apart by its test in every row.
        scores: means over examples and seeds, by the label of the row, for rows of which it judged every seed.
    """

    name: str
    words: str
    able: bool
    scores: Mapping[str, Estimate]

    @property
    def head(self) -> str:
        """Of its column in a table."""
        return f"Judge {self.name}" if self.able else f"Judge {self.name} (unable to tell)"


@dataclass(frozen=True)
class Judging:
    """All judges of some rows; ``words`` are sentences on the judges, each of them and then in pairs."""

    columns: tuple[JudgeColumn, ...] = ()
    words: tuple[str, ...] = ()


NOBODY = Judging()
"""Rows that no judge has scored."""


def judging_of(rows: Mapping[str, Sequence[Result]]) -> Judging:
    """The judges of rows about the same examples; ``rows`` has the results of each row, one per seed, by its label."""
    found: dict[Key, dict[str, list[Judgement]]] = {}
    for label, results in rows.items():
        for result in results:
            for judgement in result.judgements:
                found.setdefault(judgement.key, {}).setdefault(label, []).append(judgement)
    plain = {key: _plain_name(next(iter(judged.values()))[0]) for key, judged in found.items()}
    keys, counts = sorted(found, key=lambda key: (plain[key], key)), Counter(plain.values())
    names = {
        key: name if counts[name] == 1 else f"{name} [{key[0]}, {key[1]:,} examples]" for key, name in plain.items()
    }
    seeds = {label: len(results) for label, results in rows.items()}
    columns = [_column(names[key], found[key], seeds) for key in keys]
    pairs = [line for one, other in combinations(keys, 2) for line in _correlated(rows, (one, other), names)]
    return Judging(tuple(columns), (*(column.words for column in columns), *pairs))


def _plain_name(judgement: Judgement) -> str:
    return f"{judgement.judge.name}, {judgement.judge.rubric}"


def _column(name: str, judged: Mapping[str, Sequence[Judgement]], seeds: Mapping[str, int]) -> JudgeColumn:
    whole = {label: each for label, each in judged.items() if len(each) == seeds[label]}
    scores = {label: _mean(tuple(judgement.scores for judgement in each)) for label, each in whole.items()}
    every = [judgement for each in judged.values() for judgement in each]
    unable = next((judgement for judgement in every if not judgement.tells), None)
    return JudgeColumn(name, _words(name, unable or every[0], every, scores), unable is None, scores)


@lru_cache(maxsize=256)
def _mean(seeds: tuple[str, ...]) -> Estimate:
    """Of packed scores per example, one set per seed; cached, since a row may be on several pages."""
    score = mean_score(np.mean([scores_of(packed) for packed in seeds], axis=0))
    return Estimate(value=score.value, low=score.low, high=score.high)


def _words(name: str, shown: Judgement, every: Sequence[Judgement], scores: Mapping[str, Estimate]) -> str:
    """What the test of a judge says, and which order of rows follows where it may say one."""
    agreement, unread = shown.agreement(), sum(each.unread for each in every)
    shares = "; ".join(f"{words} {_share(agreement[control])}" for control, words in _ABOVE.items())
    parts = [
        f"Judge {name} ({shown.judge.mode}, {shown.examples:,} examples): share of examples in which the user's own "
        f"sentence scores above another text, 0.5 for a blind judge: {shares}."
    ]
    parts += [f"{unread:,} answers without a score count as the lowest."] if unread else []
    if not shown.tells:
        parts.append(
            "Unable to tell sentences apart: the first interval must be above 0.5, over at least "
            f"{FEWEST} examples; its scores order nothing."
        )
    elif len(scores) > 1:
        order = sorted(scores, key=lambda label: -scores[label].value)
        parts.append(f"Rows by its mean, highest first: {', '.join(order)}.")
    return " ".join(parts)


def _share(score: Score | None) -> str:
    if score is None or score.values is None:
        return "no example"
    return f"{score.value:.3f} [{score.low:.3f}, {score.high:.3f}] of {len(score.values):,}"


def _correlated(rows: Mapping[str, Sequence[Result]], keys: tuple[Key, Key], names: Mapping[Key, str]) -> Iterator[str]:
    """A sentence on the rank correlation of two judges over the texts that both judged; none where there are none."""
    texts: list[tuple[FloatArray, FloatArray]] = []
    means: list[tuple[FloatArray, FloatArray]] = []
    for results in rows.values():
        found = [both for result in results if (both := _both(result, keys))]
        texts += found
        if found:
            means.append(np.mean([(one.mean(), other.mean()) for one, other in found], axis=0))
    if not texts:
        return
    one, other = (np.concatenate(each) for each in zip(*texts, strict=True))
    value = rank_correlation(one, other)
    said = "undefined, as one of them gives all the same score," if value is None else f"{value:.3f}"
    of_rows = rank_correlation(*np.array(means).T) if len(means) >= _FEWEST_ROWS else None
    ending = "" if of_rows is None else f", {of_rows:.3f} over the means of {len(means)} rows"
    yield f"Rank correlation of {names[keys[0]]} and {names[keys[1]]}: {said} over {len(one):,} texts{ending}."


def _both(result: Result, keys: tuple[Key, Key]) -> tuple[FloatArray, FloatArray] | None:
    """The scores of two judges for the texts of a result that both judged."""
    found = {each.key: each for each in result.judgements}
    if not all(key in found for key in keys):
        return None
    judged = [spaced(result.examples, found[key].examples) for key in keys]
    common = np.intersect1d(judged[0], judged[1])
    first, second = (found[key].values()[np.searchsorted(rows, common)] for key, rows in zip(keys, judged, strict=True))
    return first, second
