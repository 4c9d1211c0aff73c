"""Numbers that papers print, kept apart from ours: ``leaderboards/reported/*.json``."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from unimp_bench.errors import DataError
from unimp_bench.records import Split
from unimp_bench.settings import Strict

REPORTED = "reported"

History = Literal["masked", "kept", "unknown"]
"""What became of the items that a user had already when a printed number ranked: the paper or its code says so, or
nobody does."""

HISTORY: dict[str, History] = {"paper": "kept", "masked": "masked"}
"""By protocol, what becomes of them in our tables."""


class ReportedRow(Strict):
    """One printed row.

    Attributes:
        system: as the paper names it.
        models: those of it that run here, if any.
        metrics: the cells.
        history: where it is another than that of the table.
    """

    system: str
    models: tuple[str, ...] = ()
    metrics: dict[str, float]
    history: History | None = None


class Reported(Strict):
    """One printed table.

    Attributes:
        source: paper and table.
        task: ours.
        data: the data as the paper describes it.
        corpus: our corpus on the same data, users and split, so that numbers compare; empty where we have none.
        protocol: what the paper says of splits and candidates.
        history: what became of seen items in its rankings, row by row where rows differ.
        split: ours that the table is on.
        topic: the suite whose rows it prints; empty where it is no suite's.
        rows: in the order of the paper.
    """

    source: str
    task: str
    data: str
    corpus: str
    protocol: str
    split: Split = "loo"
    topic: str = ""
    history: History = "unknown"
    rows: tuple[ReportedRow, ...]

    def history_of(self, row: ReportedRow) -> History:
        """What became of seen items in one of its rows."""
        return row.history or self.history


def same_system(first: str, second: str) -> bool:
    """Whether two names are of one system, however each is written: ``S³-Rec``, ``S3-Rec`` and ``s3rec``."""
    return _plain(first) == _plain(second)


def _plain(name: str) -> str:
    """Letters, digits and plus signs (VIP5⁺ is another system than VIP5), raised and lowered ones as any others."""
    letters = unicodedata.normalize("NFKC", name).casefold()
    return "".join(letter for letter in letters if letter.isalnum() or letter == "+")


def read_reported(path: Path) -> Reported:
    """One printed table.

    Raises:
        DataError: the file is not of this form.
    """
    try:
        return Reported.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise DataError(f"{path} is no table of reported numbers ({place}: {first['msg']})") from None


def load_reported(folder: Path) -> list[Reported]:
    """All printed tables below a leaderboards folder.

    Raises:
        DataError: a file is not of this form.
    """
    return [read_reported(path) for path in sorted((folder / REPORTED).glob("*.json"))]
