"""The colours of plots, on light and dark ground, and the rules that give them to the classes of elements.

Text reaches a contrast of 4.5 on its ground and marks one of 3 (WCAG 2.2, 1.4.3 and 1.4.11). What a colour tells, a
shape or a word tells as well.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Theme:
    """Colours as ``#rrggbb``.

    Attributes:
        ground: behind everything.
        text: labels and values.
        quiet: the text of axes and notes.
        grid: lines that help the eye and tell nothing.
        row: marks of rows.
        limit: marks of ceilings and floors.
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


LIGHT = Theme("#ffffff", "#1f2328", "#59636e", "#d1d9e0", "#0969da", "#6e7781", "#9a6700", "#bc4c00")
DARK = Theme("#0d1117", "#f0f6fc", "#9198a1", "#3d444d", "#4493f8", "#8b949e", "#d29922", "#f0883e")

_SHAPES = (
    "svg.plot{font:12px system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;max-width:100%;height:auto}"
    "svg.plot .end{text-anchor:end}svg.plot .mid{text-anchor:middle}svg.plot .small{font-size:11px}"
    "svg.plot .head{font-weight:600}svg.plot path{fill:none}"
)


def rules(theme: Theme, scope: str = "svg.plot") -> str:
    """The colours of a theme as rules of CSS, for the plots that the selector ``scope`` finds."""
    return (
        f"{scope} .ground{{fill:{theme.ground}}}{scope} text{{fill:{theme.text}}}{scope} .quiet{{fill:{theme.quiet}}}"
        f"{scope} .grid{{stroke:{theme.grid}}}{scope} .row{{fill:{theme.row};stroke:{theme.row}}}"
        f"{scope} .limit{{fill:{theme.ground};stroke:{theme.limit}}}{scope} .printed{{stroke:{theme.printed}}}"
        f"{scope} .worse{{fill:{theme.worse};stroke:{theme.worse}}}"
    )


STYLE = f"{_SHAPES}{rules(LIGHT)}@media(prefers-color-scheme:dark){{{rules(DARK)}}}"
"""All rules of plots; light, or dark where the reader prefers that."""
