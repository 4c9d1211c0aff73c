"""Pictures as RGB, whatever the file holds: 16-bit grey, transparency of every kind, and cameras held on their side."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from unimp_bench.corpus.pictures import open_picture
from unimp_bench.errors import DataError
from unimp_bench.generative.picture_tokens.pictures import read_pictures, squared

WHITE, RED, PINK = (255, 255, 255), (255, 0, 0), (255, 127, 127)


def _opened(folder: Path, picture: Image.Image, name: str = "x.png", **options: object) -> np.ndarray:
    picture.save(folder / name, **options)
    opened = open_picture(folder / name)
    assert opened.mode == "RGB"
    return np.asarray(opened)


def test_grey_of_16_bits_keeps_its_upper_eight(tmp_path: Path) -> None:
    ramp = np.arange(0, 65536, 16, dtype=np.uint16).reshape(64, 64)
    opened = _opened(tmp_path, Image.fromarray(ramp))
    assert np.array_equal(opened, np.repeat((ramp >> 8)[..., None], 3, axis=2))


def test_a_transparent_value_of_16_bits_is_white(tmp_path: Path) -> None:
    values = np.array([[0x1234, 0x1235], [0x8000, 0xFFFF]], dtype=np.uint16)
    opened = _opened(tmp_path, Image.fromarray(values), transparency=0x1234)
    assert opened[..., 0].tolist() == [[255, 0x12], [0x80, 255]]


def _alpha() -> Image.Image:
    """Red, whole on the left, half transparent in the middle, away on the right."""
    picture = Image.new("RGBA", (3, 1), RED)
    picture.putalpha(Image.frombytes("L", (3, 1), bytes([255, 128, 0])))
    return picture


def _grey_alpha() -> Image.Image:
    return Image.merge("LA", (Image.new("L", (3, 1), 0), _alpha().getchannel("A")))


def _palette() -> Image.Image:
    picture = Image.new("P", (3, 1))
    picture.putpalette([*RED, *RED, *RED])
    picture.putdata([0, 1, 2])
    return picture


def _keyed() -> Image.Image:
    picture = Image.new("RGB", (3, 1), RED)
    picture.putpixel((2, 0), (0, 0, 0))
    return picture


def _keyed_grey(mode: str, value: int) -> Image.Image:
    picture = Image.new(mode, (3, 1), 0)
    picture.putpixel((2, 0), value)
    return picture


@pytest.mark.parametrize(
    ("picture", "options", "expected"),
    [
        (_alpha, {}, [RED, PINK, WHITE]),
        (_grey_alpha, {}, [(0, 0, 0), (127, 127, 127), WHITE]),
        (_palette, {"transparency": bytes([255, 128, 0])}, [RED, PINK, WHITE]),
        (_palette, {"transparency": 2}, [RED, RED, WHITE]),
        (_keyed, {"transparency": (0, 0, 0)}, [RED, RED, WHITE]),
        (lambda: _keyed_grey("L", 90), {"transparency": 90}, [(0, 0, 0), (0, 0, 0), WHITE]),
        (lambda: _keyed_grey("1", 1), {"transparency": 0}, [WHITE, WHITE, WHITE]),
    ],
)
def test_transparency_becomes_white(
    tmp_path: Path, picture: Callable[[], Image.Image], options: dict[str, object], expected: list[tuple[int, ...]]
) -> None:
    assert list(map(tuple, _opened(tmp_path, picture(), **options)[0].tolist())) == expected


@pytest.mark.parametrize("name", ["x.png", "x.jpg"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, name: str, orientation: int) -> None:
    """Orientations as TIFF 6.0 defines them: where the first row and the first column of the file belong."""
    upright = np.zeros((32, 16, 3), dtype=np.uint8)
    upright[:16, :8] = 250  # the upper left corner is light, the upper right one half so
    upright[:16, 8:] = 125
    lies: dict[int, Callable[[np.ndarray], np.ndarray]] = {
        1: lambda rows: rows,
        2: lambda rows: rows[:, ::-1],
        3: lambda rows: rows[::-1, ::-1],
        4: lambda rows: rows[::-1],
        5: lambda rows: rows.swapaxes(0, 1),
        6: lambda rows: np.rot90(rows),
        7: lambda rows: rows[::-1, ::-1].swapaxes(0, 1),
        8: lambda rows: np.rot90(rows, -1),
    }
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    opened = _opened(tmp_path, Image.fromarray(lies[orientation](upright).copy()), name, exif=exif)
    assert opened.shape == upright.shape
    assert np.abs(opened.astype(int) - upright).mean() < 4  # JPEG blurs an edge


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("exif", [b"Exif\0\0garbage", b"Exif\0\0MM\0*\0\0\xff\x08", b"Exif\0\0", b"no Exif"])
def test_damaged_exif_data_turn_nothing(tmp_path: Path, exif: bytes) -> None:
    assert _opened(tmp_path, Image.new("RGB", (8, 4), RED), "x.jpg", exif=exif).shape == (4, 8, 3)


def test_odd_exif_data_beside_the_orientation_do_no_harm(tmp_path: Path) -> None:
    """A maker's note of a type that no writer knows, as some cameras leave it."""
    entries = struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0) + struct.pack(">HHII", 0x927C, 99, 4, 0xFFFF)
    exif = b"Exif\0\0MM\0*\0\0\0\x08" + struct.pack(">H", 2) + entries + bytes(4)
    assert _opened(tmp_path, Image.new("RGB", (8, 4), RED), "x.jpg", exif=exif).shape == (8, 4, 3)


def test_the_squares_of_picture_tokens_are_made_of_the_same_pixels(tmp_path: Path) -> None:
    _alpha().resize((30, 10), Image.Resampling.NEAREST).save(tmp_path / "x.png")
    square = read_pictures([tmp_path / "x.png"], 30)[0]
    assert [tuple(square[15, column].tolist()) for column in (2, 15, 28)] == [RED, PINK, WHITE]


@pytest.mark.parametrize("size", [(1, 3000), (3000, 1), (2, 3000)])
def test_a_very_long_picture_is_seen_in_its_square(size: tuple[int, int]) -> None:
    square = np.asarray(squared(Image.new("RGB", size, RED), 36)).reshape(-1, 3)
    red = (square == RED).all(axis=1)
    assert red.sum() == 36
    assert (square[~red] == WHITE).all()


def test_a_picture_that_cannot_be_decoded_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"\x89PNG\r\n\x1a\nno picture")
    with pytest.raises(DataError, match=r"picture .*x\.png cannot be read"):
        open_picture(tmp_path / "x.png")
