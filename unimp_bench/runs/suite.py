"""A suite: the rows of a table of one of the papers, as data; importing it loads nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from unimp_bench.errors import UsageError
from unimp_bench.records import MAIN_SPLITS, Protocol, Split

SUBJECT = "unimp"
"""The model that most suites are about."""

ALL_TASKS = ("recommendation", "search", "preference", "explanation", "selection", "image_generation")

PROMPTED = ("recommendation", "search", "preference", "explanation", "selection")
"""The tasks that P5 and VIP5 learn jointly, as in the authors' code."""

EQUAL_STEPS = 2100
"""Total of a suite of equal steps: about twelve epochs of recommendation alone on the sample, at preset tiny."""


@dataclass(frozen=True)
class SuiteRow:
    """One row of a table: a model and how it is fitted.

    Attributes:
        label: label in the paper's table.
        model: name of the model; empty for systems that cannot run.
        preset: of rows that are defined by a preset; otherwise the user's choice for all rows of the subject, and tuned
            settings or defaults for other models.
        settings, tune, fit_on, fit_split, after, views, features: as in ``unimp_bench.runs.runner.RunRequest``; values
            as text.
        group: of the rows that are compared with each other, in suites that compare features: the first row of a
            group reads what its model computes itself. Empty where all rows are compared with the first one.
        system: the row's name in the paper's table (``leaderboards/reported``), if it is there.
        lacks: why a suite does not run the row; empty for rows that it runs.
    """

    label: str
    model: str = SUBJECT
    preset: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    tune: Mapping[str, str] = field(default_factory=dict)
    fit_on: tuple[str, ...] = ()
    fit_split: Split | None = None
    after: tuple[tuple[str, ...], ...] = ()
    views: tuple[str, ...] = ()
    features: Mapping[str, str] = field(default_factory=dict)
    group: str = ""
    system: str = ""
    lacks: str = ""

    @property
    def stages(self) -> int:
        """Number of its fits, each initialised from the one before."""
        return len(self.after) + 1


@dataclass(frozen=True)
class Suite:
    """The rows compared by one topic, on the same tasks, split and protocol.

    Attributes:
        name: of the suite, and of its page in ``leaderboards/``.
        title: the page's heading.
        table: table and paper.
        about: what is compared, in a sentence.
        tasks: what its rows are asked where the user names no task.
        rows: the first is the one that all others are tested against; the others in the order of the paper.
        split, protocol: of all runs: a corpus with a public split has ``public`` in the place of ``loo``, and tasks
            without protocols have none.
        variants: the rows are variants of the first one, which task pages leave to this topic's page.
        corpora: names of the only corpora that the table is about; empty for any.
        pictured: the rows differ by their use of pictures, so there is no table on a corpus without any.
        preset: of the subject's rows where the user names none; None for its first.
        subject: the model whose rows share the user's preset and settings.
        equal_steps: the rows of the subject have the same total of optimizer steps, earlier stages included.
        steps: that total, where the user sets none; 0 where rows of one budget take equal steps without it.
    """

    name: str
    title: str
    table: str
    about: str
    tasks: tuple[str, ...]
    rows: tuple[SuiteRow, ...]
    split: Split = "loo"
    protocol: Protocol = "masked"
    variants: bool = False
    corpora: tuple[str, ...] = ()
    pictured: bool = False
    preset: str | None = None
    subject: str = SUBJECT
    equal_steps: bool = False
    steps: int = 0

    def budgets(self, row: SuiteRow) -> bool:
        """Whether preset and further settings of a row are chosen by the user, for all such rows of the table."""
        return row.model == self.subject and row.preset is None

    @property
    def grouped(self) -> bool:
        """Whether it compares features, within groups of rows."""
        return any(row.group for row in self.rows)

    def split_on(self, default: Split) -> Split:
        """The split of the runs on a corpus whose default split this is."""
        return default if self.split in MAIN_SPLITS else self.split

    def has_split(self, split: Split) -> bool:
        """Whether runs on some corpus have this split."""
        return split in MAIN_SPLITS if self.split in MAIN_SPLITS else split == self.split

    def check_corpus(self, name: str, pictures: bool) -> None:
        """Reject a corpus that is not one of the table's.

        Args:
            name: of the corpus.
            pictures: whether an item has one.

        Raises:
            UsageError: with the names of the table's corpora, or what the corpus lacks.
        """
        if self.corpora and name not in self.corpora:
            raise UsageError(f"suite {self.name} runs on {' or '.join(self.corpora)}, not on {name!r}")
        if self.pictured and not pictures:
            raise UsageError(f"suite {self.name} compares ways to use pictures, and {name!r} has none")


def refused(systems: str, reason: str) -> SuiteRow:
    """The row of systems that cannot run, with the reason."""
    return SuiteRow(systems, model="", lacks=reason)


def popularity(fit_split: Split | None = None) -> SuiteRow:
    """The reference row of non-personalized popularity."""
    return SuiteRow("Popularity", model="popularity", fit_split=fit_split)
