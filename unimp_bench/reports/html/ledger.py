"""The details of rows, and the runs behind them: a run that stands in several tables is kept once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from unimp_bench.reports.cells import COSTS, SPREAD, Line, cost_cells, remarks_of
from unimp_bench.reports.degenerate import spread_cells
from unimp_bench.reports.html.audits import Sliced
from unimp_bench.reports.html.record import Detail, Metric, Quoted, Run, Sheet, Stage, Ties
from unimp_bench.reports.printed import Printed
from unimp_bench.reports.shuffled import Shuffled
from unimp_bench.runs.results import Estimate, Result


@dataclass(frozen=True)
class Ledger:
    """Grows while tables are gathered; the number of a detail or sheet is its place in its list."""

    sheets: list[Sheet] = field(default_factory=list)
    details: list[Detail] = field(default_factory=list)
    runs: dict[str, Run] = field(default_factory=dict)

    def begin(
        self,
        title: str,
        main: str,
        names: Sequence[str],
        corpus: str,
        sliced: Sliced,
        shuffled: Iterable[Shuffled] = (),
    ) -> Entries:
        """Begin a table.

        Args:
            title: its heading, with the task or topic.
            main: metric.
            names: of all metrics in their order.
            corpus: name of the one that the rows are on.
            sliced: its examples in parts.
            shuffled: rows that also ran with shuffled ties.
        """
        self.sheets.append(Sheet(title, main, sliced.parts))
        ties = {
            each.label: Ties(each.seeds, _metric(main, each.stored), _metric(main, each.shuffled)) for each in shuffled
        }
        return Entries(self, len(self.sheets) - 1, names, corpus, sliced, ties)


@dataclass(frozen=True)
class Entries:
    """Notes the rows of one table."""

    ledger: Ledger
    sheet: int
    names: Sequence[str]
    corpus: str
    sliced: Sliced
    ties: dict[str, Ties]

    def add(self, line: Line, printed: Sequence[Printed]) -> int:
        """Note a row with results; returns the number of its detail.

        Args:
            printed: rows of its model.
        """
        for result in line.results:
            self.ledger.runs.setdefault(result.spec.key, _run(result))
        model = line.results[0].model
        self.ledger.details.append(
            Detail(
                label=line.label,
                sheet=self.sheet,
                about=model.about,
                source=model.source,
                reads=model.reads,
                metrics=tuple(_metric(name, line.metrics[name]) for name in self.names if name in line.metrics),
                missing=line.missing,
                warnings=line.warnings,
                answers={name: text for name, text in zip(SPREAD, spread_cells(line.results), strict=True) if text},
                quoted=tuple(
                    Quoted(each.table.source, each.row.system, each.row.metrics, each.differs) for each in printed
                ),
                means=self.sliced.means.get(line.label, ()),
                ties=self.ties.get(line.label),
                runs=tuple(result.spec.key for result in line.results),
            )
        )
        return len(self.ledger.details) - 1


def _metric(name: str, estimate: Estimate) -> Metric:
    return Metric(name, round(estimate.value, 6), round(estimate.low, 6), round(estimate.high, 6))


def _run(result: Result) -> Run:
    origin, fit = result.provenance, result.spec.fit
    return Run(
        key=result.spec.key,
        seed=fit.seed,
        command=origin.command,
        commit=(origin.commit or "unknown") + ("" if origin.clean else ", with changes"),
        machine=origin.machine,
        time=origin.time,
        versions=origin.versions,
        stages=tuple(
            Stage(tuple(name for name, _ in each.tasks), each.model, each.split, each.seed, each.options, each.config)
            for each in fit.stages
        ),
        remarks=remarks_of(result),
        costs={name: text for name, text in zip(COSTS, cost_cells(result.cost), strict=True) if text},
    )
