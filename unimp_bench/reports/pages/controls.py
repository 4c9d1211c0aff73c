"""The controls of a suite of views: exchanged texts or pictures must cost a model that uses them.

An exchange at test costs a model that reads them when it scores. A model that only learned from them, such as one whose
graph of similar items has shaped its ids, may lose nothing by it; the exchange in the fit too costs it what it learned.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from unimp_bench.corpus.views import View, ViewKind
from unimp_bench.reports.rows.sections import Row, Section
from unimp_bench.reports.rows.standard import LEVEL, verdict_words

_EXCHANGED: dict[ViewKind, str] = {"XT": "texts", "XV": "pictures"}

_QUALIFYING = ("few seeds", "budget")
"""Flags told with a change: more seeds, or longer fits of both rows, could turn it."""


def controls_words(found: Sequence[Section]) -> Iterator[str]:
    """A sentence per corpus, task and modality: what the exchanges cost each model, and which show no loss by any.

    Of the sections of several budgets, which share the rows without one, the one of the most models is told.
    """
    largest: dict[tuple[str, str, ViewKind], tuple[Section, dict[str, list[Row]]]] = {}
    for section in found:
        for kind in _EXCHANGED:
            models: dict[str, list[Row]] = {}
            for row in section.filled:
                if row.test is not None and _views(row, kind):
                    models.setdefault(row.base, []).append(row)
            key = (section.corpus.name, section.task, kind)
            if len(models) > (len(largest[key][1]) if key in largest else 0):
                largest[key] = section, models
    for (_, _, kind), (section, models) in largest.items():
        yield _sentence(section, models, kind)


def _sentence(section: Section, models: dict[str, list[Row]], kind: ViewKind) -> str:
    modality = _EXCHANGED[kind]
    told = [f"{model} {', '.join(_change(row, kind) for row in rows)}" for model, rows in models.items()]
    unhurt = [model for model, rows in models.items() if not any(_is_loss(row, section) for row in rows)]
    words = (
        f"Control on {section.corpus.name}: {modality} exchanged between the items must cost a model that uses them. "
        f"Change of {section.kind.main}: {'; '.join(told)}."
    )
    if unhurt:
        words += (
            f" No loss is shown for {' and '.join(unhurt)}: rows with missing {modality} say nothing of robustness "
            "there."
        )
    return words


def _change(row: Row, kind: ViewKind) -> str:
    assert row.test is not None
    where = "at test" if any(view.at_test for view in _views(row, kind)) else "in the fit too"
    told = (verdict_words(row.test), *(flag for flag in _QUALIFYING if flag in row.flags))
    return f"{row.test.difference:+.4f} {where} ({', '.join(told)})"


def _is_loss(row: Row, section: Section) -> bool:
    main = section.kind.column(section.kind.main)
    assert row.test is not None and main is not None
    return row.test.p_value < LEVEL and (row.test.difference < 0) == main.higher_is_better


def _views(row: Row, kind: ViewKind) -> list[View]:
    views = () if row.of is None else tuple(map(View.parse, row.of.views))
    return [view for view in views if view.kind == kind]
