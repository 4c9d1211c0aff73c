"""Compares the size of each domain of a corpus with Table 5 of the UniMP paper (ICLR 2024, appendix A.1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unimp_bench.corpus import Corpus


@dataclass(frozen=True)
class Size:
    """The size of a domain; an item of two domains counts in both."""

    users: int
    items: int
    interactions: int


PAPER = {
    "Baby": Size(19_822, 7_776, 163_856),
    "Beauty": Size(25_837, 16_893, 227_920),
    "Clothing_Shoes_and_Jewelry": Size(58_197, 44_310, 422_474),
    "Grocery_and_Gourmet_Food": Size(16_318, 11_581, 165_893),
    "Sports_and_Outdoors": Size(40_358, 24_766, 334_238),
    "Toys_and_Games": Size(24_314, 18_906, 209_281),
    "Office_Products": Size(6_913, 4_775, 68_306),
}
RENAMED = {"All_Beauty": "Beauty"}
"""Domains of 2018 by their names of 2014."""

_HEADS = ("domain", "users", "paper", "", "items", "paper", "", "interactions", "paper", "")


def domain_sizes(corpus: Corpus) -> dict[str, Size]:
    """The size of each domain, in the order of their codes."""
    histories, users = corpus.histories, corpus.users
    lengths = histories.lengths()
    row_domains = np.repeat(users.domains, lengths)
    return {
        name: Size(
            users=int(np.sum(users.domains == code)),
            items=len(np.unique(histories.items[row_domains == code])),
            interactions=int(lengths[users.domains == code].sum()),
        )
        for code, name in enumerate(corpus.manifest.domains)
    }


def table5(corpus: Corpus) -> str | None:
    """Our counts, the paper's, and how far ours are from them; None where no domain is one of the paper's."""
    sizes = domain_sizes(corpus)
    if not any(RENAMED.get(name, name) in PAPER for name in sizes):
        return None
    rows = [_HEADS, *(_row(name, ours) for name, ours in sizes.items())]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(_aligned(row, widths)) for row in rows)


def _aligned(row: tuple[str, ...], widths: list[int]) -> list[str]:
    """The first cell left-aligned, the numbers right-aligned."""
    return [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]


def _row(name: str, ours: Size) -> tuple[str, ...]:
    paper = PAPER.get(RENAMED.get(name, name))
    cells = [name]
    for field in ("users", "items", "interactions"):
        count, stated = getattr(ours, field), getattr(paper, field, None)
        cells += [f"{count:,}", f"{stated:,}" if stated else "-", f"{count / stated - 1:+.1%}" if stated else ""]
    return tuple(cells)
