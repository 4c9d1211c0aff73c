"""Text of plots: cleaned, cut and wrapped."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from unimp_bench.reports.plots.words import clean, cut, width, wrapped


@given(st.text(), st.floats(20, 400), st.sampled_from([12.0, 13.0]))
def test_what_is_cut_or_wrapped_fits(text: str, room: float, size: float) -> None:
    assert width(cut(text, room, size), size) <= room
    assert all(width(line, size) <= room for line in wrapped(text, room, size))


def test_begin_and_end_of_a_label_stay() -> None:
    label = "unimp (tiny, epochs=4, after all six tasks, then trained=output)"
    short = cut(label, 200, 13)
    assert short.startswith("unimp (tiny") and short.endswith("output)") and short.count("…") == 1
    assert cut("short", 200, 13) == "short"


def test_no_word_is_lost_where_lines_are_long_enough() -> None:
    text = "Fit seconds were taken beside other work on the machine that the result names."
    lines = wrapped(text, 200, 12)
    assert len(lines) > 1 and " ".join(lines) == text


def test_what_xml_cannot_hold_and_what_turns_text_around_is_replaced() -> None:
    assert clean("a\x00b\x1bc\ufffed\ud800e\u202ef\u2066g") == "a\ufffdb\ufffdc\ufffdd\ufffde\ufffdf\ufffdg"
    assert clean(" two\n\nlines\t ") == "two lines"
    assert clean("déjà 語 🧶 <&>") == "déjà 語 🧶 <&>"
