"""The comparisons of encoders: their table, and what all of them say, in sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from unimp_bench.markdown import table_head, table_row
from unimp_bench.reports.rows.sections import Section
from unimp_bench.reports.rows.swaps import Swap
from unimp_bench.reports.tables.table import Cell, Exchange, Row, Table

_NONE = Cell()
_OF_COST = ("crowded",)
"""Flags that say nothing of what an encoder is worth."""
_OUTCOMES = ((True, "better"), (False, "worse"))
EXCHANGES = (
    "Each line compares two rows of *Details*, which differ in the encoder named. *LSA*: latent semantic analysis of "
    "the corpus's own texts; *random*: a layer that was never trained; *none*: the same model without the texts or the "
    "pictures, or, where it cannot run without any, the model in brackets. Δ: difference on the same "
    "examples, with the p-value of its paired test over examples and seeds, Holm-corrected within the table; bold "
    "where both rows have enough seeds. Steps: optimizer steps of both, means over seeds; where validation stopped one "
    "much earlier, Δ compares how far they got as well. ±: half of the 95% interval over examples."
)
"""How to read the table."""


def exchange_of(swap: Swap, section: Section, p_cell: Callable[..., Cell]) -> Exchange:
    """A pair of rows of a section, with what the standard allows to say of it; ``p_cell`` formats a p-value."""
    words = (swap.group, swap.modality, swap.reads, swap.instead, swap.row, swap.base)
    if swap.test is None:
        return Exchange(*words, _NONE, _NONE, None)
    few = any("few seeds" in row.flags for row in section.filled if row.label in (swap.row, swap.base))
    p = p_cell(swap.test.p_value, bold=not few)
    main = section.kind.column(section.kind.main)
    assert main is not None
    better = (swap.test.difference > 0) == main.higher_is_better if p.strong else None
    return Exchange(*words, Cell(f"{swap.test.difference:+.4f}", swap.test.difference), p, better)


def exchanges_table(table: Table) -> list[str]:
    """The comparisons of a table, with a heading."""
    rows = {row.label: row for row in table.filled}
    heads = ("Model", "Encoder", "Instead of", f"{table.main} ±", "Instead ±", "Δ (p)", "Seeds", "Steps", "Flags")
    lines = [f"## {table.title}", "", table.facts, "", *table_head(heads)]
    return [*lines, *(table_row(_line(each, rows[each.row], rows[each.base], table)) for each in table.exchanges)]


def _line(exchange: Exchange, row: Row, base: Row, table: Table) -> list[str]:
    encoder = exchange.reads if exchange.modality == "both" else f"{exchange.modality}: {exchange.reads}"
    settings = row.label.removeprefix(row.name)  # that are no features: a preset, a budget
    seeds = str(row.seeds) if row.seeds == base.seeds else f"{row.seeds}, {base.seeds}"
    p = f"**{exchange.p.text}**" if exchange.p.strong else exchange.p.text
    difference = f"{exchange.difference.text} ({p})" if exchange.p.text else ""
    flags = dict.fromkeys(flag for each in (row, base) for flag in each.flags if flag not in _OF_COST)
    values = [table.with_half(each) for each in (row, base)]
    steps = "; ".join(dict.fromkeys(table.cell(each, "Steps").text or "none" for each in (row, base)))
    words = (f"{exchange.model}{settings}", encoder, exchange.instead)
    return [*words, *values, difference, seeds, steps, ", ".join(flags)]


def exchanges_words(tables: Sequence[Table]) -> Iterator[str]:
    """How often an encoder did better or worse than another or than none, on real corpora: a sentence per modality."""
    found: dict[str, dict[str, list[tuple[str, Exchange]]]] = {}
    for table in tables:
        for each in () if table.generated else table.exchanges:
            pair = f"{each.reads} instead of {each.instead.partition(' (')[0]}"
            found.setdefault(each.modality, {}).setdefault(pair, []).append((f"{table.corpus}, {table.task}", each))
    for modality, pairs in found.items():
        what = "Encoders of both modalities" if modality == "both" else f"Encoders of {modality}"
        counts = "; ".join(f"{pair} {_counted(exchanges)}" for pair, exchanges in pairs.items())
        yield f"{what}, comparisons that are better / worse / not told apart: {counts}."


def _counted(exchanges: Sequence[tuple[str, Exchange]]) -> str:
    """The numbers of comparisons by outcome, and those that are told apart by name."""
    by_outcome: dict[bool | None, list[str]] = {True: [], False: [], None: []}
    for place, each in exchanges:
        by_outcome[each.better].append(f"{each.model} on {place}")
    named = [f"{word}: {'; '.join(by_outcome[better])}" for better, word in _OUTCOMES if by_outcome[better]]
    numbers = " / ".join(str(len(told)) for told in by_outcome.values())
    return f"{numbers} ({'; '.join(named)})" if named else numbers
