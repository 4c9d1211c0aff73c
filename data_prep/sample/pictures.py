"""Draws the picture of an item: its shape in its colour and pattern on a bright background.

Size, position, tilt, shade and background vary at random.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from data_prep.sample.store import COLOURS, PATTERNS, SHAPES, Items

Point = tuple[float, float]
Rgb = tuple[int, int, int]

SIZES = (64, 80, 96)
OVERSAMPLING = 4
QUALITY = 88

_RGB: dict[str, Rgb] = {
    "red": (206, 46, 49),
    "orange": (241, 138, 32),
    "yellow": (247, 210, 62),
    "green": (46, 154, 84),
    "blue": (42, 98, 198),
    "purple": (122, 66, 166),
    "pink": (242, 134, 182),
    "brown": (126, 86, 60),
}
_GROUNDS: tuple[Rgb, ...] = ((250, 250, 248), (244, 241, 234), (236, 241, 245), (240, 245, 238), (248, 240, 242))


def draw_pictures(items: Items, folder: Path, rng: np.random.Generator) -> None:
    """Write ``folder/<asin>.jpg`` for every item."""
    whims = rng.random((len(items), 8)).tolist()
    for number, whim in enumerate(whims):
        look = (COLOURS[items.colour[number]], SHAPES[items.shape[number]], PATTERNS[items.pattern[number]])
        picture = draw_picture(*look, whim)
        picture.save(folder / f"{items.asins[number]}.jpg", quality=QUALITY, subsampling=0, optimize=False)


def draw_picture(colour: str, shape: str, pattern: str, whim: list[float]) -> Image.Image:
    """One picture; ``whim`` holds eight numbers in [0, 1) for the random details."""
    size = SIZES[int(whim[0] * len(SIZES))]
    canvas = size * OVERSAMPLING
    ground = _GROUNDS[int(whim[1] * len(_GROUNDS))]
    shade = _mixed(_RGB[colour], (0, 0, 0) if whim[2] < 0.5 else (255, 255, 255), 0.14 * abs(whim[2] - 0.5) * 2)
    radius = canvas * (0.33 + 0.07 * whim[3])
    centre = (canvas * (0.5 + 0.06 * (whim[4] - 0.5)), canvas * (0.48 + 0.06 * (whim[5] - 0.5)))
    outline = _outline(shape, centre, radius, (whim[6] - 0.5) * 0.35)
    mask = Image.new("L", (canvas, canvas), 0)
    ImageDraw.Draw(mask).polygon(outline, fill=255)

    picture = Image.new("RGB", (canvas, canvas), ground)
    floor = [0, int(canvas * 0.78), canvas, canvas]
    ImageDraw.Draw(picture).rectangle(floor, fill=_mixed(ground, (0, 0, 0), 0.05))
    shadow = ImageChops.offset(mask, canvas // 40, canvas // 22).filter(ImageFilter.BoxBlur(canvas // 36))
    picture.paste(_mixed(ground, (40, 40, 60), 0.4), mask=shadow)
    picture.paste(_cloth(shade, pattern, canvas, whim[7]), mask=mask)
    ImageDraw.Draw(picture).line([*outline, outline[0]], fill=_mixed(shade, (0, 0, 0), 0.45), width=canvas // 100)
    return picture.reduce(OVERSAMPLING)


def _outline(shape: str, centre: Point, radius: float, tilt: float) -> list[Point]:
    """The corners of the shape on the canvas, in whole pixels."""
    cosine, sine = radius * math.cos(tilt), radius * math.sin(tilt)
    return [
        (round(centre[0] + x * cosine - y * sine), round(centre[1] + x * sine + y * cosine))
        for x, y in _OUTLINES[shape]()
    ]


def _cloth(shade: Rgb, pattern: str, canvas: int, whim: float) -> Image.Image:
    """A canvas filled with the pattern, in the shade and a paler or darker tone of it."""
    tone = _mixed(shade, (255, 255, 255), 0.62) if sum(shade) < 480 else _mixed(shade, (60, 40, 20), 0.55)
    cloth = Image.new("RGB", (canvas, canvas), shade)
    draw = ImageDraw.Draw(cloth)
    step = canvas // 8
    start = -int(whim * step)
    places = range(start, canvas + step, step)
    if pattern == "stripes":
        for x in places:
            draw.rectangle([x, 0, x + step // 2 - 1, canvas], fill=tone)
    elif pattern == "dots":
        for row, y in enumerate(places):
            for x in places:
                left = x + (row % 2) * (step // 2)
                draw.ellipse([left, y, left + step // 2, y + step // 2], fill=tone)
    elif pattern == "checks":
        for row, y in enumerate(places):
            for x in places[row % 2 :: 2]:
                draw.rectangle([x, y, x + step - 1, y + step - 1], fill=tone)
    elif pattern == "zigzag":
        for y in range(start, canvas + 2 * step, 2 * step):
            line = [(x, y + (column % 2) * step) for column, x in enumerate(places)]
            draw.line(line, fill=tone, width=step // 2)
    return cloth


def _mixed(colour: Rgb, other: Rgb, share: float) -> Rgb:
    mixed = (round(a + (b - a) * share) for a, b in zip(colour, other, strict=True))
    return next(mixed), next(mixed), next(mixed)


def _circle() -> list[Point]:
    return [(math.cos(angle), math.sin(angle)) for angle in _angles(48)]


def _square() -> list[Point]:
    return [(-0.84, -0.84), (0.84, -0.84), (0.84, 0.84), (-0.84, 0.84)]


def _triangle() -> list[Point]:
    return [(0.0, -1.0), (1.02, 0.82), (-1.02, 0.82)]


def _star() -> list[Point]:
    lengths = (1.12, 0.5)
    return [
        (lengths[corner % 2] * math.sin(angle), -lengths[corner % 2] * math.cos(angle))
        for corner, angle in enumerate(_angles(10))
    ]


def _heart() -> list[Point]:
    return [
        (
            math.sin(angle) ** 3 * 1.05,
            -(13 * math.cos(angle) - 5 * math.cos(2 * angle) - 2 * math.cos(3 * angle) - math.cos(4 * angle)) / 15.5,
        )
        for angle in _angles(60)
    ]


def _cross() -> list[Point]:
    arm = 0.36
    quarter = [(-arm, -1.0), (arm, -1.0), (arm, -arm)]
    outline = []
    for _ in range(4):
        outline += quarter
        quarter = [(-y, x) for x, y in quarter]
    return outline


def _angles(count: int) -> list[float]:
    return [2 * math.pi * step / count for step in range(count)]


_OUTLINES: dict[str, Callable[[], list[Point]]] = {
    "circle": _circle,
    "square": _square,
    "triangle": _triangle,
    "star": _star,
    "heart": _heart,
    "cross": _cross,
}
