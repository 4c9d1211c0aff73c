"""Pictures by address: within limits, from public hosts only, broken ones listed and not requested for again."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_prep import pictures as soundness
from data_prep.download import http as addresses
from data_prep.download.http import RetryPolicy, is_public
from data_prep.pictures import BROKEN_LIST, RULE, Broken, PictureLimits, fetch_pictures, read_broken
from tests.data_prep.misbehaving_server import (
    Answer,
    Handler,
    Server,
    body,
    cut_off,
    misbehaving_server,
    redirect,
    stall,
    status,
    whole,
)

HASTY = RetryPolicy(
    attempts=2, connect=1.0, read=0.2, first_pause=0.01, max_pause=0.05, max_retry_after=1.5, redirects=3
)
LOCAL = PictureLimits(workers=4, bytes=60_000, seconds=5.0, allow_private=True, policy=HASTY)
GUARDED = PictureLimits(policy=HASTY)


def _picture(kind: str = "JPEG", size: tuple[int, int] = (64, 48)) -> bytes:
    content = BytesIO()
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (*size[::-1], 3), dtype=np.uint8)).save(content, kind)
    return content.getvalue()


JPEG, PNG = _picture(), _picture("PNG")


@pytest.fixture
def server() -> Iterator[Server]:
    with misbehaving_server() as server:
        yield server


def _fetch(
    server: Server, folder: Path, answers: dict[str, Answer], limits: PictureLimits = LOCAL
) -> dict[str, Broken]:
    urls = {item: server.answer(answer, path=f"/{item}") for item, answer in answers.items()}
    fetch_pictures(urls, folder, limits)
    return read_broken(folder)


def _pictures(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix in (".jpg", ".png", ".part"))


def test_pictures_are_named_by_their_items(server: Server, tmp_path: Path) -> None:
    urls = {
        "A": server.answer(whole(JPEG), path="/a.jpg"),
        "B": server.answer(whole(PNG), path="/b.jpg?x=1"),
        "C": None,
    }
    account = fetch_pictures(urls, tmp_path, LOCAL)
    assert (tmp_path / "A.jpg").read_bytes() == JPEG
    assert (tmp_path / "B.png").read_bytes() == PNG
    assert account == {"have one": 2, "broken": 0, "have no address": 1, "rule": RULE}
    assert _pictures(tmp_path) == ["A.jpg", "B.png"]
    assert not (tmp_path / BROKEN_LIST).exists()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (status(404), "the server returned 404"),
        (status(403), "the server returned 403"),
        (whole(b"<html>no picture</html>"), "is not a complete JPEG or PNG"),
        (whole(b""), "is not a complete JPEG or PNG"),
        (whole(JPEG[:-200]), "is not a complete JPEG or PNG"),
        (whole(_picture("GIF")), "is not a complete JPEG or PNG"),
        (whole(_picture("BMP", (300, 300))), "more than 60,000 bytes"),
        (body(JPEG, announced=len(JPEG) - 300), "is not a complete JPEG or PNG"),
        (redirect("/x"), "redirects more than 3 times"),
        (redirect("file:///etc/passwd"), "is not an http or https address"),
    ],
)
def test_permanent_failures_are_final(server: Server, tmp_path: Path, answer: Answer, reason: str) -> None:
    broken = _fetch(server, tmp_path, {"x": answer})
    assert reason in broken["x"].reason
    assert broken["x"].final
    requested = len(server.requests)
    _fetch(server, tmp_path, {"x": whole(JPEG)})
    assert len(server.requests) == requested
    assert _pictures(tmp_path) == []


@pytest.mark.parametrize(
    "answer",
    [status(500), status(429, Retry_After="900"), stall(JPEG, 100), cut_off(JPEG, 100), body(JPEG, announced=90_000)],
)
def test_transient_failures_are_retried_by_the_next_run(server: Server, tmp_path: Path, answer: Answer) -> None:
    broken = _fetch(server, tmp_path, {"x": answer})
    assert not broken["x"].final
    assert _pictures(tmp_path) == []
    assert _fetch(server, tmp_path, {"x": whole(JPEG)}) == {}
    assert _pictures(tmp_path) == ["x.jpg"]


def test_a_transient_failure_is_retried_immediately(server: Server, tmp_path: Path) -> None:
    url = server.answer(status(503, Retry_After="1"), whole(JPEG))
    begin = time.monotonic()
    fetch_pictures({"x": url}, tmp_path, LOCAL)
    assert time.monotonic() - begin >= 1
    assert _pictures(tmp_path) == ["x.jpg"]


def test_a_slow_download_is_given_up(server: Server, tmp_path: Path) -> None:
    def trickle(handler: Handler) -> None:
        handler.start(200, {"Content-Length": "5000"})
        while not handler.book.released.wait(0.05):
            handler.wfile.write(b"x")

    limits = PictureLimits(seconds=0.3, allow_private=True, policy=HASTY)
    assert "more than 0.3 seconds" in _fetch(server, tmp_path, {"x": trickle}, limits)["x"].reason


def test_pixels_are_limited_before_they_are_decoded(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soundness, "MAX_PIXELS", 64 * 48 - 1)
    monkeypatch.setattr(Image.Image, "load", lambda _: pytest.fail("decoded"))
    assert _fetch(server, tmp_path, {"x": whole(PNG)})["x"].final


def test_nothing_is_fetched_twice(server: Server, tmp_path: Path) -> None:
    (tmp_path / "B.png").write_bytes(PNG)
    _fetch(server, tmp_path, {"A": whole(JPEG), "B": whole(JPEG), "C": status(404)})
    _fetch(server, tmp_path, {"A": whole(PNG), "B": whole(JPEG), "C": status(404)})
    assert sorted(path for path, _ in server.requests) == ["/A", "/C"]
    assert (tmp_path / "A.jpg").read_bytes() == JPEG


def test_another_address_of_a_broken_picture_is_tried(server: Server, tmp_path: Path) -> None:
    fetch_pictures({"x": server.answer(status(404), path="/old")}, tmp_path, LOCAL)
    fetch_pictures({"x": server.answer(whole(JPEG), path="/new")}, tmp_path, LOCAL)
    assert _pictures(tmp_path) == ["x.jpg"]
    assert (tmp_path / BROKEN_LIST).read_text() == ""


def test_the_list_of_broken_pictures_is_sorted_and_current(server: Server, tmp_path: Path) -> None:
    (tmp_path / BROKEN_LIST).write_text('{"item":"old","url":"http://old","reason":"gone","final":true}\n{"item":"ha')
    _fetch(server, tmp_path, {"b": status(404), "a": status(410), "c": whole(JPEG)})
    lines = (tmp_path / BROKEN_LIST).read_text().splitlines()
    assert [Broken.model_validate_json(line).item for line in lines] == ["a", "b", "old"]
    assert Broken.model_validate_json(lines[0]).url == server.url("/a")


@pytest.mark.parametrize("item", ["../x", "a/b", "", ".hidden", "a\x00b", "x" * 200])
def test_an_item_name_is_never_a_path(server: Server, tmp_path: Path, item: str) -> None:
    folder = tmp_path / "images"
    fetch_pictures({item: server.answer(whole(JPEG))}, folder, LOCAL)
    assert "safe file name" in read_broken(folder)[item].reason
    assert _pictures(folder) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images"]


def test_downloads_are_parallel_up_to_the_limit(server: Server, tmp_path: Path) -> None:
    together = threading.Barrier(4, timeout=5)

    def meet(handler: Handler) -> None:
        time.sleep(0.1)  # time for one more, were it allowed
        together.wait()
        whole(JPEG)(handler)

    assert _fetch(server, tmp_path, dict.fromkeys("abcdefgh", meet)) == {}
    assert server.most_at_once == 4
    assert len(_pictures(tmp_path)) == 8


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "240.0.0.1",
        "192.0.2.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "2001:db8::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "2001:0:4136:e378:8000:63bf:f5ff:fffe",
    ],
)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "151.101.1.16", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"]
)
def test_addresses_that_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]"])
def test_private_addresses_are_refused_before_a_connection(server: Server, tmp_path: Path, host: str) -> None:
    server.answer(whole(JPEG), path="/x")
    fetch_pictures({"x": f"http://{host}:{server.port}/x"}, tmp_path, GUARDED)
    entry = read_broken(tmp_path)["x"]
    assert "is not a public address" in entry.reason
    assert entry.final
    assert server.requests == []


@pytest.mark.parametrize(
    "url", ["ftp://127.0.0.1/x", "file:///etc/passwd", "x.jpg", "//host/x", "http:///x", "http://a:b/"]
)
def test_only_http(tmp_path: Path, url: str) -> None:
    fetch_pictures({"x": url}, tmp_path, LOCAL)
    assert "is not an http or https address" in read_broken(tmp_path)["x"].reason


def test_a_redirect_to_a_private_address_is_refused(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(addresses, "is_public", lambda address: address == "127.0.0.1")
    url = server.answer(redirect(f"http://127.0.0.2:{server.port}/there"), path="/here")
    fetch_pictures({"x": url}, tmp_path, GUARDED)
    assert "127.0.0.2 is at 127.0.0.2, which is not a public address" in read_broken(tmp_path)["x"].reason
    assert [path for path, _ in server.requests] == ["/here"]


def _resolve(monkeypatch: pytest.MonkeyPatch, *found: str) -> None:
    """Names resolve to these addresses; an address stays itself, as in a connection."""
    real = socket.getaddrinfo

    def resolve(host: str, port: int, *rest: int, **more: int) -> object:
        if host != "pictures.invalid":
            return real(host, port, *rest, **more)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


def test_one_private_address_of_a_host_is_enough(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _resolve(monkeypatch, "8.8.8.8", "127.0.0.1")
    fetch_pictures({"x": f"http://pictures.invalid:{server.port}/x"}, tmp_path, GUARDED)
    assert "pictures.invalid is at 127.0.0.1" in read_broken(tmp_path)["x"].reason


def test_the_connection_uses_the_checked_address(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requested: list[str] = []

    def resolve(host: str, port: int, *rest: int, **more: int) -> object:
        requested.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    server.answer(whole(JPEG), path="/x%20y?z=1")
    fetch_pictures({"x": f"http://pictures.invalid:{server.port}/x y?z=1#part"}, tmp_path, LOCAL)
    assert _pictures(tmp_path) == ["x.jpg"]
    assert requested == ["pictures.invalid", "127.0.0.1"]
    assert server.headers_of("/x%20y?z=1")[0]["Host"] == f"pictures.invalid:{server.port}"


def test_the_next_address_of_a_host_is_tried(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _resolve(monkeypatch, "127.0.0.3", "127.0.0.1")
    server.answer(whole(JPEG), path="/x")
    fetch_pictures({"x": f"http://pictures.invalid:{server.port}/x"}, tmp_path, LOCAL)
    assert _pictures(tmp_path) == ["x.jpg"]
