"""What leaderboards are made of: results, the numbers papers report, audits; and their sections, each grouped once."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from unimp_bench.contracts import TaskCard
from unimp_bench.errors import UsageError, did_you_mean
from unimp_bench.files import Workspace
from unimp_bench.reports.audit.corpus.record import CorpusAudit, load_audits
from unimp_bench.reports.reported import Reported, load_reported
from unimp_bench.reports.store import load_results, load_runs
from unimp_bench.reports.tables import Section, sections
from unimp_bench.reports.topics import TopicSection, topic_sections
from unimp_bench.runs.results import Result
from unimp_bench.runs.suite import Suite


@dataclass(frozen=True)
class Contents:
    """The rows of leaderboards, and what stands beside them.

    Attributes:
        home: the folder of the pages.
        results: of the rows.
        sources: the folder of reported numbers and published audits.
    """

    home: Path
    results: tuple[Result, ...]
    sources: Path
    _tasks: dict[str, list[Section]] = field(default_factory=dict, compare=False, repr=False)
    _topics: dict[str, list[TopicSection]] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def published(cls, folder: Path) -> Contents:
        """All published results below a leaderboards folder."""
        return cls(folder, tuple(load_results(folder)), folder)

    @classmethod
    def of_runs(cls, workspace: Workspace) -> Contents:
        """The finished runs of a workspace, published or not; their pages have a folder beside the runs.

        Raises:
            UsageError: there is none.
        """
        return cls(workspace.runs_leaderboards, tuple(load_runs(workspace)), workspace.leaderboards)

    @property
    def are_published(self) -> bool:
        """Whether the rows are what is published."""
        return self.home == self.sources

    def reported(self) -> list[Reported]:
        """The numbers that papers print."""
        return load_reported(self.sources)

    def audits(self) -> list[CorpusAudit]:
        """Published audits: all of them, or beside runs those of the runs' corpora."""
        fingerprints = {result.spec.fit.fingerprint for result in self.results}
        return [each for each in load_audits(self.sources) if self.are_published or each.fingerprint in fingerprints]

    def task_sections(self, card: TaskCard) -> list[Section]:
        """The sections of a task."""
        if card.name not in self._tasks:
            self._tasks[card.name] = sections(self.results, card)
        return self._tasks[card.name]

    def topic_sections(self, suite: Suite) -> list[TopicSection]:
        """The sections of a suite's topic."""
        if suite.name not in self._topics:
            self._topics[suite.name] = topic_sections(suite, self.results)
        return self._topics[suite.name]

    def only(self, corpus: str) -> Contents:
        """The same with the results on one corpus and its views alone.

        Raises:
            UsageError: there is no result on it; the nearest name is given.
        """
        names = {name for result in self.results for name in (result.corpus.name, _store(result.corpus.name))}
        if corpus not in names:
            raise UsageError(f"no result on corpus {corpus!r}{did_you_mean(corpus, names)}")
        chosen = [result for result in self.results if _store(result.corpus.name) == _store(corpus)]
        return Contents(self.home, tuple(chosen), self.sources)


def _store(corpus: str) -> str:
    """A corpus's name without its views."""
    return corpus.partition("+")[0]
