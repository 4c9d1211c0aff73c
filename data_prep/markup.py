"""Texts without markup: the one place where tags go out and entities become characters."""

from __future__ import annotations

import html
import re

_TAG = re.compile(r"</?[A-Za-z!][^<>]{0,500}>|\[\[[A-Z]+:[^\[\]]{0,100}\]\]")
"""HTML, and what the store puts in the place of a video (``[[VIDEOID:...]]``)."""


def without_markup(text: str, gap: str = " ") -> str:
    """A text as its reader sees it, with ``gap`` for each tag.

    Some releases hold markup that was encoded once more (``&lt;br /&gt;``, ``&amp;#34;``): decoding goes on until
    nothing changes. Each step makes the text shorter, so it ends.
    """
    while "<" in text or "&" in text or "[[" in text:
        bare = html.unescape(_TAG.sub(gap, text))
        if bare == text:
            break
        text = bare
    return text
