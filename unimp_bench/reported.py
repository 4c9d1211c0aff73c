"""Numbers that papers print, kept apart from ours: ``leaderboards/reported/*.json``."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from unimp_bench.errors import DataError
from unimp_bench.records import Split
from unimp_bench.strict import Strict

REPORTED = "reported"


class ReportedRow(Strict):
    """One printed row: the system as the paper names it, the models of it that run here (if any), and the cells."""

    system: str
    models: tuple[str, ...] = ()
    metrics: dict[str, float]


class Reported(Strict):
    """One printed table.

    Attributes:
        source: paper and table.
        task: ours.
        data: the data as the paper describes it.
        corpus: our corpus on the same data, users and split, so that numbers compare; empty where we have none.
        protocol: what the paper says of seen items, splits and candidates.
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
    rows: tuple[ReportedRow, ...]


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
