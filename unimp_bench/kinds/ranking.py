"""Rankings: the target's rank among the catalogue and the best items, per example."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from unimp_bench.contracts import ConfigT, Model
from unimp_bench.corpus.splits import catalogue
from unimp_bench.kinds.base import (
    AnswerError,
    AnswerReader,
    Column,
    Fields,
    Kind,
    MetricCard,
    Setting,
    listed,
    must_be,
    named,
    number,
    quoted,
    whole,
)
from unimp_bench.kinds.cold import ColdRanks, cold_ranks
from unimp_bench.kinds.ranks import Ranking, rank_under, seen_columns
from unimp_bench.metrics.lists import LIST_CUTOFF, LIST_NAMES, list_facts, list_scores, popularity_of
from unimp_bench.metrics.ranking import CUTOFFS, RANK_METRICS, RankMetric, rank_scores
from unimp_bench.metrics.scores import Missing
from unimp_bench.metrics.several import USER_CUTOFFS, USER_METRICS, UserMetric, target_counts, user_scores
from unimp_bench.ragged import offsets_of
from unimp_bench.records import PROTOCOLS, Examples, FloatArray, IntArray, Protocol

if TYPE_CHECKING:
    from unimp_bench.metrics.scores import Scores


class Ranker(Model[ConfigT]):
    """A model that scores a catalogue for each example."""

    @abstractmethod
    def score(self, examples: Examples, catalogue: IntArray) -> FloatArray:
        """Scores, higher is better, (examples, catalogue) float32 or float64; must be finite.

        ``catalogue`` holds sorted item numbers. ``examples`` have no targets, and their scores fit the byte budget of
        the evaluation. A row depends on its own example only. Ties count against the model.
        """


LISTED = 50
"""Items of a prediction's list, from which metrics of lists are computed without another run."""

SHORTEST = 10
"""Items that a list from elsewhere needs; metrics at larger cutoffs are then missing."""


@dataclass(frozen=True)
class Reach:
    """The range of target ranks compatible with a list, and the rank to use where none is given."""

    best: int
    worst: int
    given: int


def reach(place: int | None, length: int, scores: list[float] | None, whole_ranking: bool, worst: int) -> Reach:
    """The target ranks compatible with a list; see ``docs/external.md``.

    Args:
        place: position of the target in the list, from 1; None where it is absent.
        length: of the list.
        scores: of its items, non-increasing.
        whole_ranking: the list has all candidates.
        worst: the largest possible rank.
    """
    if place is None:
        return Reach(length + 1, worst, worst)
    if scores is None:
        return Reach(place, worst, place)
    tied = [score for score in scores if score == scores[place - 1]]
    reached = sum(score >= scores[place - 1] for score in scores)
    if reached < length or whole_ranking:
        return Reach(reached, reached, reached)
    return Reach(reached, worst, reached if len(tied) == 1 else worst)


class RankingReader(AnswerReader):
    """``items`` are the top ones, best first, with optional ``scores``; ``rank`` is that of the target."""

    columns = ("items", "scores", "rank")
    ignored = ("target",)

    def __init__(self, examples: Examples, setting: Setting) -> None:
        assert examples.targets is not None
        self._split = examples.split
        self._catalogue = catalogue(setting.corpus, examples.split)
        names = setting.corpus.items.names
        self._columns = {names[item]: column for column, item in enumerate(self._catalogue)}
        self._targets = np.searchsorted(self._catalogue, examples.targets)
        self._seen = seen_columns(examples, self._catalogue) if setting.protocol == "masked" else None
        hidden = self._seen.lengths() if self._seen is not None else np.zeros(len(examples), dtype=np.int64)
        self._whole = len(self._catalogue) - hidden
        self._lengths = np.zeros(len(examples), dtype=np.int64)
        self._ranks = np.zeros(len(examples), dtype=np.int64)
        self._top = np.full((len(examples), LISTED), -1, dtype=np.int64)
        self._given: tuple[str, ...] = ()

    def take(self, example: int, fields: Fields) -> None:
        self._check_given(tuple(name for name in self.columns if fields.get(name) is not None))
        seen = frozenset(self._seen[example].tolist()) if self._seen is not None else frozenset()
        target_seen = int(self._targets[example]) in seen
        worst = int(self._whole[example]) + target_seen
        allowed = Reach(1, worst, worst)
        if "items" in self._given:
            allowed = self._listed(example, fields, seen, worst)
        self._ranks[example] = allowed.given
        if "rank" in self._given:
            rank = whole(fields["rank"], "its rank")
            if not 1 <= rank <= worst:
                raise AnswerError(f"has rank {quoted(rank)}, outside 1..{worst}, the ranks of its catalogue")
            if not allowed.best <= rank <= allowed.worst and not target_seen:
                said = f"{allowed.best}" + ("" if allowed.best == allowed.worst else f" to {allowed.worst}")
                raise AnswerError(f"has rank {rank}, and by its items the target's rank is {said}")
            self._ranks[example] = rank

    def finish(self) -> Ranking:
        if "items" not in self._given:
            return Ranking(self._ranks, self._top[:, :0])
        longest = int(self._lengths.max())
        short = self._lengths < np.minimum(self._whole, max(longest, SHORTEST))
        if short.any() and longest < SHORTEST:
            raise AnswerError(
                f"its lists have at most {longest} items; give {SHORTEST} or more, and {LISTED} for all metrics"
            )
        if short.any():
            raise AnswerError(
                f"{int(short.sum()):,} of its {len(short):,} lists are shorter than the longest, which has {longest} "
                "items: give lists of one length"
            )
        cut = "rank" not in self._given and bool((self._lengths < self._whole).any())
        return Ranking(self._ranks, self._top[:, :longest], longest if cut else None)

    def _check_given(self, given: tuple[str, ...]) -> None:
        if "items" not in given and "rank" not in given:
            raise AnswerError("has neither items nor the target's rank")
        if "scores" in given and "items" not in given:
            raise AnswerError("has scores without items")
        if given != (self._given or given):
            raise AnswerError(f"gives {' and '.join(given)}, where earlier rows give {' and '.join(self._given)}")
        self._given = given

    def _listed(self, example: int, fields: Fields, seen: frozenset[int], worst: int) -> Reach:
        names = named(fields["items"], "items")
        columns = [self._columns.get(name, -1) for name in names]
        if -1 in columns:
            stranger = names[columns.index(-1)]
            raise AnswerError(f"items holds {quoted(stranger)}, which is not in the catalogue of split {self._split}")
        if len(set(columns)) < len(columns):
            raise AnswerError("items holds an item twice")
        if not seen.isdisjoint(columns):
            known = next(name for name, column in zip(names, columns, strict=True) if column in seen)
            raise AnswerError(f"items holds {quoted(known)}, a seen item, which protocol masked excludes")
        scores = None if "scores" not in self._given else _scores(fields["scores"], len(names))
        self._lengths[example] = len(columns)
        self._top[example, : min(len(columns), LISTED)] = self._catalogue[columns[:LISTED]]
        target = int(self._targets[example])
        place = columns.index(target) + 1 if target in columns else None
        return reach(place, len(columns), scores, len(columns) == self._whole[example], worst)


def _scores(value: object, length: int) -> list[float]:
    scores = [number(score, "a score") for score in listed(value, "scores")]
    if len(scores) != length:
        raise AnswerError(f"has {len(scores)} scores for {length} items")
    if any(later > earlier for earlier, later in pairwise(scores)):
        raise AnswerError("has increasing scores; the best item comes first")
    return scores


_SELECTS = RankMetric("NDCG", 10)
_BRIEF = ("NDCG@10", "HR@10", "HR@5", "NDCG@5", "HR@20", "NDCG@20")
_USER_BRIEF = ("Recall@10", "Recall@20", "Precision@10", "MAP@10")
_ORDER = ("NDCG@10", *_USER_BRIEF, *(name for name in _BRIEF if name != "NDCG@10"))
_INTERVALS = ("NDCG@10", "HR@10", "Recall@10")
_NAMES = (*(metric.name for metric in RANK_METRICS), *(metric.name for metric in USER_METRICS))
_REST = dict.fromkeys(name for name in _NAMES if name not in _ORDER)
_LESS = ("Gini@10", "Popularity@10")
_OF_LISTS = "unimp_bench.metrics.lists:list_scores"
_DEFINITION = "unimp_bench.metrics.ranking:rank_metric_values"
_OF_USERS = "unimp_bench.metrics.several:user_scores"


def _known(scores: Scores, depth: int | None) -> Scores:
    """Scores by name with their cutoff, those beyond the length ``depth`` of the lists missing."""
    if depth is None:
        return scores
    missing = Missing(f"the lists have {depth} items: give {LISTED}, or the target's rank")
    return {name: missing if int(name.partition("@")[2]) > depth else score for name, score in scores.items()}


class RankingKind(Kind):
    """Predictions are target ranks and the best items; see ``unimp_bench.kinds.ranks``."""

    name = "ranking"
    contract = Ranker
    method = "score"
    doing = "ranking"
    reader = RankingReader
    metrics = (
        MetricCard(
            "HR",
            "the target is among the first K items",
            r"\mathrm{HR}_K = \frac{1}{n} \sum_{e=1}^{n} [r_e \le K]",
            _DEFINITION,
            cutoffs=CUTOFFS,
        ),
        MetricCard(
            "NDCG",
            "the target is among the first K items, discounted by its rank; with several targets their sum, divided by "
            "that of the best order",
            r"\mathrm{NDCG}_K = \frac{1}{n} \sum_{e=1}^{n} \frac{[r_e \le K]}{\log_2 (r_e + 1)}",
            _DEFINITION,
            cutoffs=CUTOFFS,
        ),
        MetricCard(
            "MRR",
            "one over the target's rank, where that is within K",
            r"\mathrm{MRR}_K = \frac{1}{n} \sum_{e=1}^{n} \frac{[r_e \le K]}{r_e}",
            _DEFINITION,
            cutoffs=CUTOFFS,
        ),
        MetricCard(
            "Recall@K",
            "of users with several targets: share of a user's n targets that are among the first K items",
            r"\mathrm{Recall}_K = \frac{1}{n} \sum_{j=1}^{n} [r_j \le K]",
            _OF_USERS,
            cutoffs=USER_CUTOFFS,
        ),
        MetricCard(
            "Precision@K",
            "of users with several targets: share of the first K items that are targets",
            r"\mathrm{Precision}_K = \frac{1}{K} \sum_{j=1}^{n} [r_j \le K]",
            _OF_USERS,
            cutoffs=USER_CUTOFFS,
        ),
        MetricCard(
            "MAP@K",
            "of users with several targets: mean precision at the ranks of the targets among the first K items",
            r"\mathrm{AP}_K = \frac{1}{\min(K, n)} \sum_{j=1}^{n} [r_j \le K] \, \frac{j}{r_j}",
            _OF_USERS,
            cutoffs=USER_CUTOFFS,
        ),
        *(
            MetricCard(f"{name}@K", about, equation, _OF_LISTS, cutoffs=(LIST_CUTOFF,), pooled=pooled)
            for name, about, equation, pooled in (
                (
                    "Coverage",
                    "share of the catalogue C that is in any list L",
                    r"|\bigcup_{e} L_e| \, / \, |C|",
                    True,
                ),
                (
                    "Gini",
                    "inequality of how often the items of the catalogue are listed, x in rising order",
                    r"\frac{\sum_i (2 i - |C| - 1) \, x_i}{|C| \sum_i x_i}",
                    True,
                ),
                (
                    "Popularity",
                    "mean training interactions c of listed items, as a multiple of the mean over the catalogue",
                    r"\frac{1}{n} \sum_{e} \frac{1}{|L_e|} \sum_{i \in L_e} c_i \, / \, \bar{c}",
                    False,
                ),
                (
                    "Tail",
                    "share of listed items outside the most popular ones H with 80% of the training interactions",
                    r"\frac{1}{n} \sum_{e} \frac{|L_e \setminus H|}{|L_e|}",
                    False,
                ),
                (
                    "Novelty",
                    "mean self-information of listed items, in bits",
                    r"-\frac{1}{n} \sum_{e} \frac{1}{|L_e|} \sum_{i \in L_e} \log_2 p_i",
                    False,
                ),
                (
                    "Category diversity",
                    "mean over pairs of a list of 1 less the Jaccard index of their category paths P",
                    r"1 - \frac{|P_i \cap P_j|}{|P_i \cup P_j|}",
                    False,
                ),
                (
                    "Text diversity",
                    "mean over pairs of a list of 1 less the cosine of their text vectors v",
                    r"1 - \frac{v_i \cdot v_j}{|v_i| \, |v_j|}",
                    False,
                ),
            )
        ),
    )
    columns = (
        *(Column(name, interval=name in _INTERVALS) for name in _ORDER),
        *(Column(name, brief=False) for name in _REST),
        *(Column(name, higher_is_better=name not in _LESS, brief=False) for name in LIST_NAMES),
    )
    main = compared = _SELECTS.name
    # 1 selected by NDCG@5 under protocol paper, masked 2 by NDCG@5 under its own protocol.
    selection = MappingProxyType({"paper": 2, "masked": 3})
    reported = "HR@5"
    has_protocols = True
    protocol = "masked"
    personal = True

    def predict(self, model: Model[Any], examples: Examples, setting: Setting) -> Ranking:
        return self._rankings(model, examples, setting, (setting.protocol,), LISTED)[setting.protocol]

    def _rankings(
        self, model: Model[Any], examples: Examples, setting: Setting, protocols: tuple[Protocol, ...], top: int
    ) -> dict[Protocol, Ranking]:
        must_be(model, Ranker, setting.label, setting.task.name)
        return rank_under(
            protocols,
            model,  # type: ignore[arg-type]
            examples,
            catalogue(setting.corpus, examples.split),
            top=top,
            label=setting.label,
            unknown=setting.unknown,
        )

    def each(self, model: Model[Any], examples: Examples, catalogue: IntArray) -> list[Any]:
        return list(model.score(examples, catalogue))  # type: ignore[attr-defined]

    def scores(self, prediction: Ranking, examples: Examples, setting: Setting) -> Scores:
        counts = self.targets(examples, setting)
        found = rank_scores(prediction.ranks) if counts is None else user_scores(prediction.ranks, counts)
        # A user's list is the same for all of the user's targets.
        lists = prediction.top if counts is None else prediction.top[offsets_of(counts)[:-1]]
        facts = list_facts(setting.corpus, examples.split, setting.cache) if lists.size else None
        return {**_known(found, prediction.depth), **list_scores(lists, facts)}

    def ranks(self, prediction: Ranking) -> IntArray:
        return prediction.ranks

    def cold(self, prediction: Ranking, examples: Examples, setting: Setting) -> ColdRanks | None:
        """By example, so not where users have several targets; all items of a new domain are cold for some models."""
        if examples.split == "new-domain" or self.targets(examples, setting) is not None:
            return None
        assert examples.targets is not None
        items, popularity = catalogue(setting.corpus, examples.split), popularity_of(setting.corpus, examples.split)
        return cold_ranks(prediction, np.asarray(examples.targets), items, popularity, LIST_CUTOFF)

    def targets(self, examples: Examples, setting: Setting) -> IntArray | None:
        """Where a corpus has parts of its own, one list serves all of a user's targets, unless each has a query."""
        public = examples.split == "public"
        return target_counts(examples.users) if public and examples.queries is None else None

    def validation(self, model: Model[Any], examples: Examples, setting: Setting) -> dict[Protocol, float]:
        """NDCG@10, per user where users have several targets."""
        rankings = self._rankings(model, examples, setting, PROTOCOLS, top=0)
        return {name: self.selects(ranking.ranks, examples, setting) for name, ranking in rankings.items()}

    def selects(self, ranks: IntArray, examples: Examples, setting: Setting) -> float:
        """The metric of selection on validation: NDCG@10, per user where users have several targets."""
        counts = self.targets(examples, setting)
        if counts is None:
            return float(_SELECTS.values(ranks).mean())
        return float(UserMetric("NDCG", _SELECTS.cutoff).values(ranks, counts).mean())

    def table(self, prediction: Ranking, examples: Examples, setting: Setting) -> dict[str, Any]:
        items = np.array(setting.corpus.items.names, dtype=object)
        columns = {"target": items[examples.targets].tolist(), "rank": prediction.ranks.tolist()}
        if not prediction.top.shape[1]:
            return columns
        return {**columns, "items": [[items[item] for item in row if item >= 0] for row in prediction.top]}

    def account(self, examples: int, catalogue: int, protocol: str) -> str:
        seen = "kept" if protocol == "paper" else "masked"
        return f"{examples:,} test examples ranked over {catalogue:,} items; seen items {seen}"
