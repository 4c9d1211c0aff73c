"""The colours of plots, on light and dark ground, and the rules that give them to the classes of elements.

Text reaches a contrast of 4.5 on its ground and marks one of 3 (WCAG 2.2, 1.4.3 and 1.4.11). What a colour tells, a
shape or a word tells as well.
"""

from __future__ import annotations

from dataclasses import dataclass

FONT, SMALL = 13, 12
"""Sizes of labels, and of axes and notes."""


@dataclass(frozen=True)
class Theme:
    """Colours as ``#rrggbb``.

    Attributes:
        ground: behind everything: a plot is read on its own ground, whatever page it stands on.
        text: labels, values and the ends of intervals.
        quiet: the text of axes and notes.
        grid: lines that help the eye and tell nothing.
        row: marks of rows.
        limit: marks of ceilings, floors and what others are compared with.
        printed: marks of what papers print.
        worse: bars on the worse side.
    """

    ground: str
    text: str
    quiet: str
    grid: str
    row: str
    limit: str
    printed: str
    worse: str


LIGHT = Theme("#ffffff", "#1f2328", "#59636e", "#d1d9e0", "#0969da", "#59636e", "#9a6700", "#bc4c00")
DARK = Theme("#0d1117", "#f0f6fc", "#9198a1", "#3d444d", "#4493f8", "#9198a1", "#d29922", "#f0883e")

_SHAPES = (
    f"svg.plot{{font:{FONT}px system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;max-width:100%;height:auto}}"
    f"svg.plot .quiet{{font-size:{SMALL}px}}svg.plot .head{{font-weight:600}}"
    "svg.plot text{stroke-width:3px;paint-order:stroke}svg.plot .end{text-anchor:end}svg.plot .mid{text-anchor:middle}"
    "svg.plot .span{stroke-width:2;fill:none}svg.plot .front{stroke-dasharray:4 3;fill:none}"
    "svg.plot .limit,svg.plot .printed{stroke-width:1.5}svg.plot .other{stroke-dasharray:2 1.5}"
)


def rules(theme: Theme, scope: str = "svg.plot") -> str:
    """The colours of a theme as rules of CSS, for the plots that the selector ``scope`` finds."""
    colours = {
        "text": f"fill:{theme.text};stroke:{theme.ground}",
        ".quiet": f"fill:{theme.quiet}",
        ".ground": f"fill:{theme.ground}",
        ".grid": f"stroke:{theme.grid}",
        ".dot": f"fill:{theme.row}",
        ".span,{} .front": f"stroke:{theme.row}",
        ".limit": f"fill:{theme.ground};stroke:{theme.limit}",
        ".printed": f"fill:{theme.ground};stroke:{theme.printed}",
        ".worse": f"fill:{theme.worse}",
        ".zero,{} .ends": f"stroke:{theme.text}",
    }
    return "".join(f"{scope} {name.format(scope)}{{{value}}}" for name, value in colours.items())


STYLE = f"{_SHAPES}{rules(LIGHT)}@media(prefers-color-scheme:dark){{{rules(DARK)}}}"
"""All rules of plots; light, or dark where the reader prefers that."""
