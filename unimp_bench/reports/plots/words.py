"""Text within plots: cleaned for XML, and its width estimated, for an SVG that knows no fonts must not overflow."""

from __future__ import annotations

import re

_UNFIT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\u202a-\u202e\u2066-\u2069]")
"""What XML 1.0 cannot hold, and what would turn the direction of the text around it."""

_NARROW, _WIDE = frozenset("ijlftrI.,:;|!'()[] -"), frozenset("mwMW@%…")
_FIRST_SQUARE = "\u1100"  # from here on most letters are as wide as they are high; emoji are


def clean(text: str) -> str:
    """One line that XML can hold and that reads in one direction."""
    return " ".join(_UNFIT.sub("\ufffd", text).split())


def width(text: str, size: float) -> float:
    """About the width of a text in the units of its size; rather more, for fonts differ."""
    return size * sum(map(_letter_width, text))


def cut(text: str, room: float, size: float) -> str:
    """The text, or its begin and its end as far as there is room: settings that tell rows apart stand at the end."""
    shown, kept = text, len(text)
    while kept and width(shown, size) > room:
        kept -= 1
        end = kept // 3
        shown = f"{text[: kept - end].rstrip()}…{text[len(text) - end :].lstrip()}"
    return shown


def wrapped(text: str, room: float, size: float) -> list[str]:
    """The text in lines that the room has place for; a word that is too long is cut."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else ""
        if longer and width(longer, size) <= room:
            lines[-1] = longer
        else:
            lines.append(cut(word, room, size))
    return lines


def amount(cost: float) -> str:
    """A cost to about two digits."""
    return f"{cost:,.0f}" if cost >= 10 else f"{cost:.2g}"


def _letter_width(letter: str) -> float:
    if letter in _NARROW:
        return 0.38
    if letter >= _FIRST_SQUARE:
        return 1.3
    return 0.95 if letter in _WIDE else 0.72 if letter.isupper() else 0.6
