"""Pictures beside raw files: found by name only, opened once, broken ones counted."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from data_prep import pictures
from data_prep.build import BuildOptions, build_corpus
from data_prep.pictures import picture_format
from data_prep.raw_files import BROKEN_PICTURE
from tests.data_prep.raw_sets import reviews, write_picture, write_style
from unimp_bench.corpus import Corpus


def _png_of_size(path: Path, width: int, height: int) -> None:
    """A PNG header with a size and without content."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))


def test_items_get_their_pictures(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    write_style("amazon-2014", raw)
    write_picture(raw / "images" / "I000.jpg")
    write_picture(raw / "images" / "I001.png")
    write_picture(raw / "images" / "I002.jpeg")
    write_picture(raw / "images" / "I003.PNG")
    write_picture(raw / "images" / "unknown.jpg")
    (raw / "images" / "I004.gif").write_bytes((raw / "images" / "I001.png").read_bytes())
    (raw / "images" / "I005.jpg").write_bytes(b"<html>not found</html>")
    (raw / "images" / "I006.jpg").write_bytes((raw / "images" / "I000.jpg").read_bytes()[:-60])
    (raw / "images" / "I007.jpg").touch()
    build_corpus("amazon-2014", tmp_path / "corpus", raw, BuildOptions(user_core=3, item_core=3))
    corpus = Corpus.open(tmp_path / "corpus")
    assert corpus.items.has_picture.tolist() == [True] * 4 + [False] * 8
    assert corpus.items.picture(2) == tmp_path / "corpus" / "pictures" / "0000002.jpg"
    for number, name in enumerate(("I000.jpg", "I001.png", "I002.jpeg", "I003.PNG")):
        picture = corpus.items.picture(number)
        assert picture is not None
        assert picture.read_bytes() == (raw / "images" / name).read_bytes()
    assert corpus.manifest.counts.pictures == 4
    broken = corpus.manifest.bad_lines[BROKEN_PICTURE]
    assert (broken.count, broken.first) == (3, ("I005.jpg", "I006.jpg", "I007.jpg"))


def test_an_item_name_is_never_a_path(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    records = reviews()
    for record in records:
        record["asin"] = record["asin"].replace("I000", "../I000")
    write_style("amazon-2014", raw, records=records)
    write_picture(raw / "images" / "I001.jpg")
    write_picture(raw / "I000.jpg")
    build_corpus("amazon-2014", tmp_path / "corpus", raw, BuildOptions(user_core=3, item_core=3))
    items = Corpus.open(tmp_path / "corpus").items
    assert [items.names[number] for number in range(12) if items.has_picture[number]] == ["I001"]
    assert "../I000" in items.names


@pytest.mark.parametrize(("width", "height"), [(10_000, 10_000), (30_000, 30_000)])
def test_decompression_bombs_are_broken_pictures(tmp_path: Path, width: int, height: int) -> None:
    _png_of_size(tmp_path / "x.png", width, height)
    assert picture_format(tmp_path / "x.png") is None


def test_pictures_beyond_the_pixel_limit_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_picture(tmp_path / "x.png", (30, 30))
    assert picture_format(tmp_path / "x.png") is not None
    monkeypatch.setattr(pictures, "MAX_PIXELS", 899)
    assert picture_format(tmp_path / "x.png") is None


def test_a_picture_is_read_to_its_end(tmp_path: Path) -> None:
    for name in ("x.png", "x.jpg"):
        write_picture(tmp_path / name, (200, 200))
        assert picture_format(tmp_path / name) is not None
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[: len(content) * 9 // 10])
        assert picture_format(tmp_path / name) is None


def test_a_picture_of_several_frames_from_a_camera_is_a_jpeg(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 4)), Image.new("RGB", (8, 4), "red")]
    frames[0].save(tmp_path / "x.jpg", "MPO", save_all=True, append_images=frames[1:])
    assert picture_format(tmp_path / "x.jpg") == "JPEG"


def test_other_formats_are_refused_whatever_their_name(tmp_path: Path) -> None:
    write_picture(tmp_path / "x.bmp")
    assert picture_format((tmp_path / "x.bmp").rename(tmp_path / "x.png")) is None
