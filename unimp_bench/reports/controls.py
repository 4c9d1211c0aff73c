"""The control of a suite of views: a model that uses its texts or pictures loses when they are exchanged at test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from unimp_bench.corpus.views import View, ViewKind
from unimp_bench.reports.sections import Row, Section
from unimp_bench.reports.standard import LEVEL

_EXCHANGED: dict[ViewKind, str] = {"XT": "texts", "XV": "pictures"}


def controls_words(found: Sequence[Section]) -> Iterator[str]:
    """A sentence per section and modality: what the exchange costs each model, and which show no loss by it."""
    for section in found:
        for kind, modality in _EXCHANGED.items():
            rows = [row for row in section.filled if row.test is not None and _is_exchange(row, kind)]
            if rows:
                yield _sentence(section, rows, modality)


def _sentence(section: Section, rows: Sequence[Row], modality: str) -> str:
    main = section.kind.column(section.kind.main)
    sign = 1 if main is None or main.higher_is_better else -1
    told, unhurt = [], []
    for row in rows:
        assert row.test is not None
        sure = row.test.p_value < LEVEL
        few = ", few seeds" if "few seeds" in row.flags else ""
        told.append(f"{row.base} {row.test.difference:+.4f} (p {'<' if sure else '≥'} {LEVEL:g}{few})")
        if not sure or sign * row.test.difference > 0:
            unhurt.append(row.base)
    words = (
        f"Control on {section.corpus.name}: {modality} exchanged between the items at test must cost a model that uses "
        f"them. Change of {section.kind.main}: {'; '.join(told)}."
    )
    if unhurt:
        words += f" No loss is shown for {', '.join(unhurt)}, so rows with missing {modality} show no robustness there."
    return words


def _is_exchange(row: Row, kind: ViewKind) -> bool:
    views = () if row.of is None else tuple(map(View.parse, row.of.views))
    return any(view.kind == kind and view.at_test for view in views)
