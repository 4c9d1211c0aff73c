"""What an audit measures, number by number. Data; computes nothing.

A share is between 0 and 1 and rounded to six digits. "Training" is the training part of the split, of ``new-user`` that
of ``loo``; a target is the item of a test example of recommendation.
"""

from __future__ import annotations

import math
from typing import Literal

from unimp_bench.records import Split
from unimp_bench.settings import Strict

# What the numbers of a published audit mean hangs on these: raise ``CorpusAudit.version`` with any change.
LIKE_TITLES = 0.9
"""Cosine from which two titles are near-duplicates, over TF-IDF of the character trigrams of their words."""

LIKE_BITS = 4
"""Bits of 64 in which the difference hashes of near-duplicate pictures may differ at most."""

LIKE_COLOURS = 8.0
"""Mean absolute difference, of 255, that near-duplicate pictures scaled to 8 x 8 may have at most."""

BLANK_RANGE = 16
"""A picture whose grey values, scaled to 9 x 8, span fewer than so many of 255 shows nothing."""

MOST_SHARING = 20
"""Pixels that more items share than these are a placeholder of the source, and no picture of any of them."""

FREQUENT = 5
"""Times that two items must be neighbours before it says something that they only ever go one way."""

ORDERED_BY_FILE = 0.04
"""Share of all neighbouring pairs from which an order is called that of a file: pages of the corpus say so on top.

Decided from the records of corpora that are known either way. Products that were bought later have somewhat larger ids
anyhow, so the direction of neighbours is not quite that of a coin: 52.8% ascend in Clothing, and its frequent pairs go
one way little more often than by chance. Of Beauty and Sports, whose equal days are sorted by id, 69% do; in MovieLens,
where 16% of the neighbours are tied and all of those ascend, the file decides 5% of the pairs.
"""

TOPS = (0.01, 0.1, 0.2)
"""Shares of the catalogue whose part in the interactions is told."""


class Spread(Strict):
    """A number that every example has: its mean over them and its quartiles."""

    mean: float
    low: float
    median: float
    high: float


class Reach(Strict):
    """How often targets lie where the last item of the history leads, and how often they would by chance.

    Attributes:
        share: of the targets that lie there.
        random_item: the share expected of items drawn uniformly from the split's catalogue.
        random_interaction: the share expected of the items of interactions drawn uniformly from training.
    """

    share: float
    random_item: float
    random_interaction: float


class Transitions(Strict):
    """Targets in the graph of training: an edge from one item to another where somebody went from it to the other
    directly, in neighbouring interactions of training.

    Attributes:
        out_degree: mean over the test examples of the number of different items that edges lead to from the last item
            of the history.
        direct: along one edge.
        undirected: along one edge in either direction.
        two: along one or two edges.
    """

    out_degree: float
    direct: Reach
    undirected: Reach
    two: Reach


class Leaks(Strict):
    """What training knows of the time after a target.

    Attributes:
        after: of each target, the share of other users' training interactions that are later.
        before_median: share of the targets that are earlier than the median training interaction.
        transitions: of the targets one edge away from the last item of the history, the share where every such
            transition was made later than the target; None where there is no such target.
        items: share of the targets whose item is in training, but each time later than the target.
        unseen: share of the targets whose item is not in training at all.
    """

    after: Spread
    before_median: float
    transitions: float | None
    items: float
    unseen: float


class Top(Strict):
    """The most popular part of a catalogue, by training interactions; equal ones by item number.

    Attributes:
        share: of the catalogue, rounded up to ``items`` of it.
        interactions: share of the training interactions that these items hold.
        targets: share of the targets that are among them.
    """

    share: float
    items: int
    interactions: float
    targets: float


class Skew(Strict):
    """How unequal items and users are.

    Attributes:
        gini: coefficient of the training interactions over the catalogue, items without any included: 0 where all
            have equally many, near 1 where one has all.
        tops: the parts of ``TOPS``.
        history: of each test example, how many interactions come before the target.
        density: training interactions by the number of (training user, catalogue item) pairs.
        repeats: share of the targets that stand in their own history.
    """

    gini: float
    tops: tuple[Top, ...]
    history: Spread
    density: float
    repeats: float


class Copies(Strict):
    """Share of the targets of which another item of the history is a near-duplicate.

    Attributes:
        titles, pictures: by this alone; None where the corpus has none.
        either: by at least one of both.
    """

    titles: float | None
    pictures: float | None
    either: float


class SplitMeasures(Strict):
    """What was measured of one split.

    Attributes:
        examples, catalogue, training: numbers of test examples, of items that may be an answer, of training
            interactions.
        tied: share of the targets that have the time of the last interaction of their history; None without clock
            times, and so is ``leaks``.
        copies: None where the corpus has neither titles nor pictures.
    """

    split: Split
    examples: int
    catalogue: int
    training: int
    transitions: Transitions
    skew: Skew
    leaks: Leaks | None
    tied: float | None
    copies: Copies | None


class Ties(Strict):
    """Clock times that leave the order open, over all interactions of the corpus.

    Attributes:
        neighbours: share of the pairs of neighbouring interactions of a user that have the same time.
        users: share of the users who have such a pair.
        whole_days: share of the times that are midnight of a day, UTC.
    """

    neighbours: float
    users: float
    whole_days: float


Ids = Literal["text", "number"]
"""How item ids are compared."""


class FileOrder(Strict):
    """Whether the stored order is that of a file sorted by item id, over all interactions of the corpus.

    Pairs are neighbouring interactions of a user, of two different items; a pair ascends where the id of the second is
    above that of the first. Nothing but ``tied`` and ``untied`` needs clock times.

    Attributes:
        ids: how ids are compared: as text, or as numbers where all are and the pairs lean further by those.
        pairs: how many.
        ascending: share of the pairs that ascend.
        expected: the same with the ties of every user in an order by chance, so that of the file only what times tell
            is left: half of the tied pairs, and of the others what the ids of later items do. Without clock times half.
        last: share of the users' last pairs, whose second item is the test target of ``loo``, that ascend.
        tied, untied: share of the pairs with one time, and of those with two, that ascend; None without clock times, or
            where there are no such pairs.
        frequent: how many pairs of items are neighbours ``FREQUENT`` times or more, in either direction.
        one_way: share of those that only ever go in one direction; None where there are none, as the two below.
        by_chance: the share expected if every time had either direction with probability 1/2: of a pair that is there
            n times ``2 * (1/2)^n``, the mean over the frequent pairs.
        one_way_ascending: share of the one-way pairs that ascend; half expected.
    """

    ids: Ids
    pairs: int
    ascending: float
    expected: float
    last: float | None
    tied: float | None
    untied: float | None
    frequent: int
    one_way: float | None
    by_chance: float | None
    one_way_ascending: float | None

    @property
    def excess(self) -> float:
        """Share of all pairs whose direction the file decided, beyond what is expected."""
        return abs(self.ascending - self.expected)

    @property
    def is_of_a_file(self) -> bool:
        """Whether the order is that of a file: by a share that matters, and by more than four standard errors."""
        return self.excess >= max(ORDERED_BY_FILE, 2 / math.sqrt(self.pairs))

    @property
    def descends(self) -> bool:
        """Whether that file is sorted downwards."""
        return self.is_of_a_file and self.ascending < self.expected


class Group(Strict):
    """Near-duplicates, each of them of at least one other in the group; ``examples`` names the first few."""

    items: int
    examples: tuple[str, ...]


class Duplicates(Strict):
    """Items that are alike in their title, or in their picture.

    Attributes:
        items: how many have something to compare.
        left_out: how many have a blank picture or a placeholder, which says nothing and is not compared.
        exact: share of ``items`` that another item equals: by title without case, punctuation and spaces, by picture
            in every pixel.
        near: share of ``items`` that have a near-duplicate, equal ones included.
        groups: how many groups they form, near-duplicates of near-duplicates in one.
        largest: the largest groups.
    """

    items: int
    left_out: int
    exact: float
    near: float
    groups: int
    largest: tuple[Group, ...]
