"""Contrast, by the formula of WCAG 2.2, of what the rules of plots really say."""

from __future__ import annotations

import re

import pytest

from unimp_bench.reports.plots import DARK, LIGHT, STYLE, Theme, rules


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_the_formula_gives_the_known_contrasts() -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.478, abs=1e-3)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_and_marks_stand_out_from_their_ground(theme: Theme) -> None:
    for text in (theme.text, theme.quiet):
        assert contrast(text, theme.ground) >= 4.5
    for mark in (theme.row, theme.limit, theme.printed, theme.worse):
        assert contrast(mark, theme.ground) >= 3


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_rules_name_every_colour_and_only_within_their_scope(theme: Theme) -> None:
    made = rules(theme, "[data-theme=x] svg.plot")
    assert set(re.findall("#[0-9a-f]{6}", made)) == set(vars(theme).values())
    selectors = [part for rule in re.findall(r"([^{}]+){", made) for part in rule.split(",")]
    assert len(selectors) > 8
    assert all(selector.startswith("[data-theme=x] svg.plot ") for selector in selectors)


def test_a_plot_is_light_and_dark_where_the_reader_prefers_that() -> None:
    before, _, dark = STYLE.partition("@media(prefers-color-scheme:dark)")
    assert rules(LIGHT) in before and dark == f"{{{rules(DARK)}}}"
