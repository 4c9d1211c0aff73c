"""Systems by tasks and corpora: the place of each system in the main table of each task and corpus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean

from unimp_bench.reports.tables.table import Page, Row, Table


@dataclass(frozen=True)
class Head:
    """A column: the main table of a task and corpus.

    Attributes:
        table: with its rows.
        number: of the table among those of its page.
        rows: number of ranked rows.
        domain: of the corpus.
    """

    table: Table
    number: int
    rows: int
    domain: str


@dataclass(frozen=True)
class Matrix:
    """Places of systems.

    Attributes:
        heads: columns, those of a task together.
        lines: name of each system and its best row in each column; None without a ranked row. Systems are ordered by
            their first task, the number of its corpora, and their mean place as a share of the ranked rows.
    """

    heads: tuple[Head, ...]
    lines: tuple[tuple[str, tuple[Row | None, ...]], ...]

    @property
    def groups(self) -> list[tuple[str, int]]:
        """The tasks in order, with their number of columns."""
        return list(Counter(head.table.task for head in self.heads).items())

    @property
    def domains(self) -> dict[str, dict[str, list[Head]]]:
        """Columns by domain and task."""
        found: dict[str, dict[str, list[Head]]] = {}
        for head in self.heads:
            found.setdefault(head.domain, {}).setdefault(head.table.task, []).append(head)
        return found


def domain_of(corpus: str) -> str:
    """The domain of a corpus by its name, without the view (``beauty+NT``) and the build (``beauty-s3rec``)."""
    return corpus.partition("+")[0].partition("-")[0].replace("_", " ")


def matrix_of(tasks: Iterable[Page]) -> Matrix:
    """The matrix of the pages of tasks; of several tables on one corpus the first, which has the main protocol."""
    heads: dict[tuple[str, str], Head] = {}
    for page in tasks:
        for number, table in enumerate(page.tables):
            ranked = [row for row in table.rows if row.place is not None]
            if ranked and not table.options:
                head = Head(table, number, len(ranked), domain_of(table.corpus))
                heads.setdefault((table.task, table.corpus), head)
    columns = tuple(heads.values())
    places: dict[str, dict[int, Row]] = {}
    names: dict[str, Counter[str]] = {}
    for at, head in enumerate(columns):
        for row in head.table.rows:
            if row.place is not None and row.details is not None:
                system = model_of(row)
                names.setdefault(system, Counter())[row.name.partition(",")[0]] += 1
                best = places.setdefault(system, {}).get(at)
                if best is None or row.place < (best.place or 0):
                    places[system][at] = row
    tasks_of = list(dict.fromkeys(head.table.task for head in columns))

    def order(system: str) -> tuple[int, int, float, str]:
        task = columns[min(places[system])].table.task
        of_task = {at: row for at, row in places[system].items() if columns[at].table.task == task}
        shares = [(row.place or 0) / columns[at].rows for at, row in of_task.items()]
        return tasks_of.index(task), -len(shares), fmean(shares), system

    cells = {system: tuple(found.get(at) for at in range(len(columns))) for system, found in places.items()}
    return Matrix(columns, tuple((_name(each, names[each]), cells[each]) for each in sorted(places, key=order)))


def model_of(row: Row) -> str:
    """The registered name of the model of a row with results; its label if unknown."""
    runs = row.details.runs if row.details else ()
    return runs[0].stages[-1].model if runs and runs[0].stages else row.name


def _name(system: str, names: Mapping[str, int]) -> str:
    """What tables call a system most often; one of several presets by its common beginning."""
    if len(names) > 1:
        beginnings = {name.partition("-")[0] for name in names}
        if len(beginnings) == 1 and beginnings.pop().lower() == system:
            return next(iter(names)).partition("-")[0]
    return max(names, key=lambda name: (names[name], name))
