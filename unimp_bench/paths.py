"""Where things lie on disk: one root, four folders below it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Workspace:
    """The folder that a user works in: ``UNIMP_BENCH_HOME``, or the current folder."""

    root: Path

    @classmethod
    def here(cls) -> Workspace:
        return cls(Path(os.environ.get("UNIMP_BENCH_HOME", ".")))

    @property
    def data(self) -> Path:
        """Built corpora, a folder each."""
        return self.root / "data"

    @property
    def runs(self) -> Path:
        """Run folders, named by the keys of their specifications."""
        return self.root / "runs"

    @property
    def fits(self) -> Path:
        """Fitted models, shared by the runs that evaluate them."""
        return self.runs / "fits"

    @property
    def runs_leaderboards(self) -> Path:
        """Tables of the runs, published or not."""
        return self.runs / "leaderboards"

    @property
    def cache(self) -> Path:
        """What can be computed again: picture features, tokenised items."""
        return self.root / "cache"

    @property
    def leaderboards(self) -> Path:
        """Published results, the papers' numbers, tuned configurations and the generated tables."""
        return self.root / "leaderboards"
