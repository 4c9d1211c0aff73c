"""The audit of a corpus as a record: thresholds, measured numbers, masks of the cuts, and the file format.

Shares are between 0 and 1, rounded to six digits. "Training" is the training part of the split, for ``new-user`` that
of ``loo``; a target is the item of a test example of recommendation.
"""

from __future__ import annotations

import base64
import math
import zlib
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, ValidationError

from unimp_bench.errors import DataError
from unimp_bench.files import write_atomically
from unimp_bench.records import BoolArray, Split
from unimp_bench.settings import Strict

# Published audits depend on these thresholds and on the cuts: increment ``CorpusAudit.version`` with any change.
LIKE_TITLES = 0.9  # minimum cosine of near-duplicate titles, over TF-IDF weights of the character trigrams of words
LIKE_BITS = 4  # maximum Hamming distance between the 64-bit difference hashes of near-duplicate pictures
LIKE_COLOURS = 8.0  # maximum mean absolute difference, of 255, between near-duplicate pictures scaled to 8 x 8
BLANK_RANGE = 16  # a picture scaled to 9 x 8 grey values with a smaller range, of 255, is blank
MOST_SHARING = 20  # maximum number of items with the same pixels; a picture of more items is a placeholder
FREQUENT = 5  # minimum number of occurrences of a pair of neighbouring items for the test of its direction
ORDERED_BY_FILE = 0.04
"""Minimum excess of ascending or descending neighbours for a file-order artefact.

Set from corpora whose order is known. Newer products have slightly larger ids, so the direction of neighbours is not
exactly symmetric: in Clothing 52.8% ascend, and its frequent pairs are one-way hardly more often than by chance. In
Beauty and Sports, where interactions of one day are sorted by id, 69% ascend; in MovieLens 16% of the neighbours are
tied and all of those ascend, which is an excess of 5%.
"""

TOPS = (0.01, 0.1, 0.2)
"""The most popular shares of the catalogue that are reported."""


class Spread(Strict):
    """Mean and quartiles of a number over the test examples."""

    mean: float
    low: float
    median: float
    high: float


class Reach(Strict):
    """How often targets are reachable from the last item of the history, and how often random items would be.

    Attributes:
        share: of reachable targets.
        random_item: expected share for items drawn uniformly from the split's catalogue.
        random_interaction: expected share for items of interactions drawn uniformly from training.
    """

    share: float
    random_item: float
    random_interaction: float


class Transitions(Strict):
    """Targets in the transition graph of training, whose edges connect consecutive items of a user's sequence.

    Attributes:
        out_degree: number of distinct successors of the last item of the history, mean over the test examples.
        direct: reachable along one edge.
        undirected: along one edge in either direction.
        two: along one or two edges.
    """

    out_degree: float
    direct: Reach
    undirected: Reach
    two: Reach


class Leaks(Strict):
    """Training interactions later than the targets.

    Attributes:
        after: share of other users' training interactions later than a target, over the targets.
        before_median: share of the targets that are earlier than the median training interaction.
        transitions: among targets one edge away from the last item of the history, the share whose transitions are
            all later than the target; None without such targets.
        items: share of the targets whose training interactions exist and are all later than the target.
        unseen: share of the targets without training interaction.
    """

    after: Spread
    before_median: float
    transitions: float | None
    items: float
    unseen: float


class Top(Strict):
    """The most popular part of a catalogue, by training interactions; ties in the order of item numbers.

    Attributes:
        share: of the catalogue.
        items: the number of items, rounded up.
        interactions: share of the training interactions on these items.
        targets: share of the targets among these items.
    """

    share: float
    items: int
    interactions: float
    targets: float


class Skew(Strict):
    """Inequality of items, and lengths of histories.

    Attributes:
        gini: coefficient of the training interactions over the catalogue, including items without any: 0 if uniform,
            near 1 if one item has all.
        tops: one for each of ``TOPS``.
        history: number of interactions before the target, over the test examples.
        density: training interactions divided by the number of (training user, catalogue item) pairs.
        repeats: share of the targets that are in their own history.
    """

    gini: float
    tops: tuple[Top, ...]
    history: Spread
    density: float
    repeats: float


class Copies(Strict):
    """Share of the targets with a near-duplicate in the history.

    Attributes:
        titles, pictures: near-duplicates by this alone; None if the corpus has none.
        either: near-duplicates by at least one.
    """

    titles: float | None
    pictures: float | None
    either: float


class Logics(Strict):
    """What targets require of a model, by the definitions of ``audit.corpus.logics``.

    Attributes:
        memorised: share of the targets whose transition from the last item of the history is in training.
        hops: for each other label of ``cuts.LOGICS``, the share of the targets by the smallest hop, 1 to ``cuts.HOPS``,
            at which it holds. A target may have several labels, but no memorised one has.
        none: share of the targets without a label.
    """

    memorised: float
    hops: dict[str, tuple[float, ...]]
    none: float


class SplitMeasures(Strict):
    """The measures of one split.

    Attributes:
        examples, catalogue, training: numbers of test examples, candidate items and training interactions.
        leaks: None without timestamps.
        tied: share of the targets with the timestamp of the last interaction of their history; None without timestamps.
        copies: None if the corpus has neither titles nor pictures.
        logics: None in audits of earlier versions.
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
    logics: Logics | None = Field(default=None)


class Ties(Strict):
    """Simultaneous interactions, over the whole corpus.

    Attributes:
        neighbours: share of the pairs of neighbouring interactions of a user with equal times.
        users: share of the users with such a pair.
        whole_days: share of the timestamps that are midnights, UTC.
    """

    neighbours: float
    users: float
    whole_days: float


Ids = Literal["text", "number"]
"""How item ids are compared."""


class FileOrder(Strict):
    """Whether the stored order is that of a file sorted by item id, over the whole corpus.

    Pairs are neighbouring interactions of a user with two different items; a pair ascends if its second id is larger.
    Only ``tied`` and ``untied`` need timestamps.

    Attributes:
        ids: how ids are compared: as text, or as numbers if all are numbers and give the larger excess.
        pairs: number of pairs.
        ascending: share of ascending pairs.
        expected: the same share after shuffling ties; 0.5 without timestamps.
        last: share of ascending pairs among the last pairs of users, whose second item is the test target of ``loo``.
        tied, untied: share of ascending pairs among those with equal and with different times; None without timestamps
            or without such pairs.
        frequent: number of item pairs with ``FREQUENT`` occurrences or more, in either direction.
        one_way: share of those with only one direction; None without any, like the next two.
        by_chance: expected share if both directions have probability 1/2: the mean over the frequent pairs of
            ``2 * (1/2)^n`` for n occurrences.
        one_way_ascending: share of the one-way pairs that ascend; 0.5 is expected.
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
        """Absolute difference between the observed and the expected share of ascending pairs."""
        return abs(self.ascending - self.expected)

    @property
    def is_of_a_file(self) -> bool:
        """Whether there is a file-order artefact: a relevant excess that is also above four standard errors."""
        return self.excess >= max(ORDERED_BY_FILE, 2 / math.sqrt(self.pairs))

    @property
    def descends(self) -> bool:
        """Whether the file is in descending order."""
        return self.is_of_a_file and self.ascending < self.expected


class Group(Strict):
    """Items connected by near-duplicates; ``examples`` are the names of the first few."""

    items: int
    examples: tuple[str, ...]


class Duplicates(Strict):
    """Items with equal or similar titles, or pictures.

    Attributes:
        items: number of compared items.
        left_out: number of items with a blank picture or a placeholder, which are not compared.
        exact: share of ``items`` equal to another item: titles up to case, punctuation and spaces, pictures in every
            pixel.
        near: share of ``items`` with a near-duplicate, equal ones included.
        groups: number of connected groups of near-duplicates.
        largest: the largest groups.
    """

    items: int
    left_out: int
    exact: float
    near: float
    groups: int
    largest: tuple[Group, ...]


AUDITS = "audits"
"""Folder of published audits below the leaderboards: ``audits/<corpus>.json``."""

AUDIT_NAME, PAGE_NAME = "audit.json", "audit.md"
"""Files in the folder of a corpus: the audit and its page. They are not part of the corpus or its manifest."""


class ExampleSet(Strict):
    """Test examples shared by several tasks, and their cuts.

    Attributes:
        tasks: names of the tasks, sorted.
        split: of the examples.
        examples: number of examples.
        masks: by name of a cut in ``cuts.CUTS``, one bit per example in their order, zlib-packed, base64. Cuts that do
            not apply to the corpus, such as ties without timestamps, are absent.
    """

    tasks: tuple[str, ...]
    split: Split
    examples: int = Field(ge=0)
    masks: dict[str, str]

    def mask(self, cut: str) -> BoolArray | None:
        """(examples,) bool, or None if the cut is absent.

        Raises:
            ValueError, zlib.error: the mask is damaged; ``CorpusAudit.read`` has excluded this.
        """
        if cut not in self.masks:
            return None
        expected = -(-self.examples // 8)
        unpacked = zlib.decompressobj().decompress(base64.b64decode(self.masks[cut], validate=True), expected + 1)
        if len(unpacked) != expected:
            raise ValueError(f"cut {cut} does not hold one bit for each of {self.examples} examples")
        bits = np.frombuffer(unpacked, dtype=np.uint8)
        mask: BoolArray = np.unpackbits(bits, count=self.examples).astype(np.bool_)
        return mask


class CorpusAudit(Strict):
    """The audit of one corpus.

    Attributes:
        name, fingerprint, synthetic: of the corpus.
        sets: for every task and split that the corpus serves.
        splits: measures of each split with test examples.
        ties: over all interactions; None without timestamps.
        order: None in audits of earlier versions, and if no user has two different items.
        titles, pictures: near-duplicate items by either; None if no item has one.
    """

    format: Literal["unimp-bench-corpus-audit"] = "unimp-bench-corpus-audit"
    version: Literal[1] = 1
    name: str
    fingerprint: str
    synthetic: bool
    sets: tuple[ExampleSet, ...]
    splits: tuple[SplitMeasures, ...] = Field(default=())
    ties: Ties | None = Field(default=None)
    order: FileOrder | None = Field(default=None)
    titles: Duplicates | None = Field(default=None)
    pictures: Duplicates | None = Field(default=None)

    @classmethod
    def read(cls, path: Path) -> CorpusAudit:
        """Parse one file.

        Raises:
            DataError: it cannot be read, is not an audit, or its masks are damaged.
        """
        try:
            audit = cls.model_validate_json(path.read_bytes())
            for found in audit.sets:
                for cut in found.masks:
                    found.mask(cut)
        except ValidationError as error:
            raise DataError(f"{path} is not an audit of this version ({error.errors()[0]['msg']})") from None
        except (OSError, ValueError, zlib.error) as error:
            raise DataError(f"{path} is damaged ({error}); audit the corpus again") from None
        return audit

    def write(self, path: Path) -> None:
        """Write the file atomically."""
        write_atomically(path, self.model_dump_json(indent=1) + "\n")

    def examples_of(self, task: str, split: str, examples: int) -> ExampleSet | None:
        """The set of a task's test examples; None if the audit has no set of that size."""
        found = (each for each in self.sets if task in each.tasks and each.split == split and each.examples == examples)
        return next(found, None)


def pack_mask(mask: BoolArray) -> str:
    """A cut as text, the inverse of ``ExampleSet.mask``."""
    return base64.b64encode(zlib.compress(np.packbits(mask).tobytes(), 9)).decode("ascii")


def published_path(folder: Path, name: str) -> Path:
    """Path of a corpus's audit below a leaderboards folder.

    Raises:
        DataError: the name is not a plain file name.
    """
    if Path(name).name != name or name.startswith("."):
        raise DataError(f"an audit names the corpus {name!r}, which is not a plain name")
    return folder / AUDITS / f"{name}.json"


def load_audits(folder: Path) -> list[CorpusAudit]:
    """All published audits below a leaderboards folder, sorted by corpus.

    Raises:
        DataError: a file is not an audit.
    """
    return [CorpusAudit.read(path) for path in sorted((folder / AUDITS).glob("*.json"))]
