"""Downloads from faulty servers: resumed, verified, retried or refused, never incomplete under the final name."""

from __future__ import annotations

import gzip
import hashlib
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import numpy as np
import pytest

from data_prep.download.http import RetryPolicy
from data_prep.download.transfer import fetch_file
from tests.data_prep.misbehaving_server import (
    Answer,
    Handler,
    Server,
    body,
    cut_off,
    hang_up,
    misbehaving_server,
    nonsense,
    redirect,
    stall,
    status,
    whole,
)
from unimp_bench.errors import DataError

CONTENT = np.random.default_rng(0).bytes(3_000_000)
HASTY = RetryPolicy(
    attempts=3, connect=1.0, read=0.2, first_pause=0.01, max_pause=0.05, max_retry_after=1.5, redirects=3
)
TAG = '"v1"'


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with misbehaving_server() as server:
        yield server


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "raw" / "file.bin"


def _is_alone(target: Path) -> bool:
    """Whether the folder holds only the file and its hash."""
    return sorted(path.name for path in target.parent.iterdir()) == [target.name, f"{target.name}.sha256"]


def test_a_file_is_downloaded_with_its_hash(server: Server, target: Path) -> None:
    fetch_file(server.answer(whole(CONTENT)), target, policy=HASTY)
    assert target.read_bytes() == CONTENT
    digest = target.with_name("file.bin.sha256").read_text()
    assert digest == f"{hashlib.sha256(CONTENT).hexdigest()}  file.bin\n"
    assert _is_alone(target)
    assert "Range" not in server.headers_of()[0]


def test_an_existing_file_is_not_requested(server: Server, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(b"mine")
    fetch_file(server.answer(whole(CONTENT)), target, policy=HASTY)
    assert target.read_bytes() == b"mine"
    assert server.requests == []


@pytest.mark.parametrize(
    ("headers", "validator"),
    [({"ETag": TAG}, TAG), ({"Last_Modified": formatdate(0, usegmt=True)}, formatdate(0, usegmt=True))],
)
def test_a_broken_connection_resumes_at_its_position(
    server: Server, target: Path, headers: dict[str, str], validator: str
) -> None:
    cuts = [cut_off(CONTENT, 700_001, **headers) for _ in range(4)]
    fetch_file(server.answer(*cuts, whole(CONTENT, **headers)), target, policy=HASTY)
    assert target.read_bytes() == CONTENT
    requested = [headers.get("Range") for headers in server.headers_of()]
    assert requested == [None, *[f"bytes={700_001 * times}-" for times in range(1, 5)]]
    assert {headers["If-Range"] for headers in server.headers_of()[1:]} == {validator}


def test_a_later_call_resumes(server: Server, target: Path) -> None:
    url = server.answer(cut_off(CONTENT, 1_500_000, ETag=TAG), status(404))
    with pytest.raises(DataError, match="404"):
        fetch_file(url, target, policy=HASTY)
    assert not target.exists()
    assert target.with_name("file.bin.part").read_bytes() == CONTENT[:1_500_000]
    server.answer(whole(CONTENT, ETag=TAG))
    fetch_file(url, target, policy=HASTY)
    assert target.read_bytes() == CONTENT
    assert server.headers_of()[-1]["Range"] == "bytes=1500000-"
    assert _is_alone(target)


def test_a_complete_partial_file_needs_no_further_bytes(server: Server, target: Path) -> None:
    url = server.answer(cut_off(CONTENT, len(CONTENT) - 1, ETag=TAG), status(404))
    with pytest.raises(DataError):
        fetch_file(url, target, policy=HASTY)
    target.with_name("file.bin.part").write_bytes(CONTENT)
    server.answer(whole(CONTENT, ETag=TAG))
    fetch_file(url, target, policy=HASTY)
    assert target.read_bytes() == CONTENT
    assert server.headers_of()[-1]["Range"] == f"bytes={len(CONTENT)}-"


@pytest.mark.parametrize("later", [{"ETag": '"v2"'}, {}])
def test_a_changed_file_restarts(server: Server, target: Path, later: dict[str, str]) -> None:
    old = cut_off(b"x" * 2_000_000, 1_000_000, ETag=TAG)
    fetch_file(server.answer(old, whole(CONTENT, **later)), target, policy=HASTY)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("headers", [{}, {"ETag": 'W/"v1"'}])
def test_without_a_validator_the_download_restarts(server: Server, target: Path, headers: dict[str, str]) -> None:
    answers = cut_off(CONTENT, 1_000_000, **headers), whole(CONTENT, **headers)
    fetch_file(server.answer(*answers), target, policy=HASTY)
    assert target.read_bytes() == CONTENT
    assert [headers.get("Range") for headers in server.headers_of()] == [None, None]


def test_bytes_of_another_address_are_not_continued(server: Server, target: Path) -> None:
    other = cut_off(b"x" * len(CONTENT), 9_000, ETag=TAG)
    with pytest.raises(DataError):
        fetch_file(server.answer(other, status(404)), target, policy=HASTY)
    fetch_file(server.answer(whole(CONTENT, ETag=TAG), path="/mirror"), target, policy=HASTY)
    assert target.read_bytes() == CONTENT


def test_a_server_that_ignores_ranges_restarts_cleanly(server: Server, target: Path) -> None:
    answers = cut_off(CONTENT, 1_000_000, ranges=False, ETag=TAG), whole(CONTENT, ranges=False, ETag=TAG)
    fetch_file(server.answer(*answers), target, policy=HASTY)
    assert target.read_bytes() == CONTENT
    assert server.headers_of()[1]["Range"] == "bytes=1000000-"


def test_a_server_that_always_stops_at_one_position_is_given_up(server: Server, target: Path) -> None:
    url = server.answer(cut_off(CONTENT, 1_000_000, ranges=False, ETag=TAG))
    with pytest.raises(DataError, match="given up after 3 attempts"):
        fetch_file(url, target, policy=HASTY)
    assert not target.exists()
    assert len(server.requests) == 3


def _wrong_range(start: int, size: int) -> Answer:
    return lambda handler: handler.start(
        206, {"Content-Range": f"bytes {start}-{size - 1}/{size}", "Content-Length": "0", "ETag": TAG}
    )


@pytest.mark.parametrize(("start", "size"), [(5, len(CONTENT)), (1_000_000, len(CONTENT) + 7)])
def test_a_wrong_continuation_is_discarded(server: Server, target: Path, start: int, size: int) -> None:
    answers = cut_off(CONTENT, 1_000_000, ETag=TAG), _wrong_range(start, size), whole(CONTENT, ETag=TAG)
    fetch_file(server.answer(*answers), target, policy=HASTY)
    assert target.read_bytes() == CONTENT
    assert "Range" not in server.headers_of()[2]


def test_a_server_may_continue_in_slices(server: Server, target: Path) -> None:
    def one_slice(start: int, end: int) -> Answer:
        def answer(handler: Handler) -> None:
            place = {"Content-Range": f"bytes {start}-{end - 1}/{len(CONTENT)}", "Content-Length": str(end - start)}
            handler.start(206, place | {"ETag": TAG})
            handler.wfile.write(CONTENT[start:end])

        return answer

    slices = [one_slice(start, start + 500_000) for start in range(1_000_000, len(CONTENT), 500_000)]
    fetch_file(server.answer(cut_off(CONTENT, 1_000_000, ETag=TAG), *slices), target, policy=HASTY)
    assert target.read_bytes() == CONTENT
    assert len(server.requests) == 5


def test_a_partial_file_longer_than_the_file_is_discarded(server: Server, target: Path) -> None:
    shorter = CONTENT[:500_000]
    fetch_file(server.answer(cut_off(CONTENT, 1_000_000, ETag=TAG), whole(shorter, ETag=TAG)), target, policy=HASTY)
    assert target.read_bytes() == shorter


def test_a_stalled_download_is_retried_without_loss(server: Server, target: Path) -> None:
    answers = stall(CONTENT, 100_000, ETag=TAG), stall(CONTENT, 50_000, ETag=TAG), whole(CONTENT, ETag=TAG)
    fetch_file(server.answer(*answers), target, policy=HASTY)
    assert target.read_bytes() == CONTENT
    assert [headers.get("Range") for headers in server.headers_of()] == [None, "bytes=100000-", "bytes=150000-"]


@pytest.mark.parametrize("broken", [hang_up, nonsense, status(500), status(503), status(502), status(408)])
def test_a_transient_failure_is_retried(server: Server, target: Path, broken: Answer) -> None:
    fetch_file(server.answer(broken, broken, whole(CONTENT)), target, policy=HASTY)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("broken", [hang_up, status(500), stall(CONTENT, 0)])
def test_a_persistent_failure_is_given_up(server: Server, target: Path, broken: Answer) -> None:
    with pytest.raises(DataError, match="given up after 3 attempts"):
        fetch_file(server.answer(broken), target, policy=HASTY)
    assert len(server.requests) == 3
    assert not target.exists()


def test_an_unreachable_server_is_an_error(target: Path) -> None:
    with misbehaving_server() as gone:
        url = gone.url()
    with pytest.raises(DataError, match=r"/file: Failed to establish a new connection: .*; given up after 3 attempts"):
        fetch_file(url, target, policy=HASTY)


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410, 204])
def test_a_refusal_is_not_retried(server: Server, target: Path, code: int) -> None:
    with pytest.raises(DataError, match=f"the server returned {code}") as caught:
        fetch_file(server.answer(status(code)), target, policy=HASTY)
    assert "\n" not in str(caught.value)
    assert len(server.requests) == 1


@pytest.mark.parametrize("code", [429, 503])
def test_retry_after_is_honoured(server: Server, target: Path, code: int) -> None:
    begin = time.monotonic()
    fetch_file(server.answer(status(code, Retry_After="1"), whole(b"late")), target, policy=HASTY)
    assert time.monotonic() - begin >= 1
    assert target.read_bytes() == b"late"


def test_retry_after_may_be_a_date(server: Server, target: Path) -> None:
    far = status(503, Retry_After=formatdate(time.time() + 500, usegmt=True))
    with pytest.raises(DataError, match=r"requests (499|500) seconds of waiting"):
        fetch_file(server.answer(far), target, policy=HASTY)
    assert len(server.requests) == 1


def test_redirects_are_followed_within_a_bound(server: Server, target: Path) -> None:
    server.answer(whole(CONTENT), path="/there")
    server.answer(redirect("/there", 301), path="/b")
    server.answer(redirect(server.url("/b"), 307), path="/a")
    fetch_file(server.answer(redirect("/a", 308)), target, policy=HASTY)
    assert target.read_bytes() == CONTENT


def test_a_loop_of_redirects_ends(server: Server, target: Path) -> None:
    server.answer(redirect("/file"), path="/a")
    with pytest.raises(DataError, match="redirects more than 3 times"):
        fetch_file(server.answer(redirect("/a")), target, policy=HASTY)
    assert len(server.requests) == 4


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://[::1/x"])
def test_redirects_to_other_schemes_are_refused(server: Server, target: Path, location: str) -> None:
    with pytest.raises(DataError):
        fetch_file(server.answer(redirect(location)), target, policy=HASTY)
    assert len(server.requests) == 1


def test_a_too_long_announced_length_is_detected(server: Server, target: Path) -> None:
    with pytest.raises(DataError, match="given up"):
        fetch_file(server.answer(body(CONTENT, announced=len(CONTENT) + 9)), target, policy=HASTY)
    assert not target.exists()


def test_a_too_short_announced_length_is_detected_in_a_gzip(server: Server, tmp_path: Path) -> None:
    target, packed = tmp_path / "file.json.gz", gzip.compress(CONTENT)
    with pytest.raises(DataError, match="not a complete gzip"):
        fetch_file(server.answer(body(packed, announced=len(packed) - 9)), target, policy=HASTY)
    assert list(tmp_path.iterdir()) == []
    fetch_file(server.answer(whole(packed)), target, policy=HASTY)
    assert gzip.decompress(target.read_bytes()) == CONTENT


def test_a_too_short_announced_length_is_detected_by_the_hash(server: Server, target: Path) -> None:
    known = hashlib.sha256(CONTENT).hexdigest()
    with pytest.raises(DataError, match=f"not the expected {known}"):
        fetch_file(server.answer(body(CONTENT, announced=len(CONTENT) - 9)), target, known, HASTY)
    assert list(target.parent.iterdir()) == []
    fetch_file(server.answer(whole(CONTENT)), target, known, HASTY)
    assert target.read_bytes() == CONTENT


def test_a_gzip_content_encoding_is_not_decoded(server: Server, tmp_path: Path) -> None:
    packed = gzip.compress(b"lines")
    fetch_file(server.answer(whole(packed, Content_Encoding="gzip")), tmp_path / "file.gz", policy=HASTY)
    assert (tmp_path / "file.gz").read_bytes() == packed


def test_a_proxy_of_the_environment_is_used(server: Server, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.url(""))
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    server.answer(whole(b"through"), path="http://raw.invalid/file")
    fetch_file("http://raw.invalid/file", target, policy=HASTY)
    assert target.read_bytes() == b"through"


def test_pauses_grow_with_jitter_up_to_a_bound() -> None:
    policy = RetryPolicy(first_pause=1.0, max_pause=8.0)
    for failures, longest in ((1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0), (9, 8.0)):
        pauses = {policy.pause(failures, None) for _ in range(50)}
        assert longest / 2 <= min(pauses) < max(pauses) <= longest
    assert policy.pause(1, 30.0) == 30.0


def test_retries_end_after_attempts_or_long_pauses() -> None:
    policy = RetryPolicy(attempts=3, max_pause=60.0, max_retry_after=600.0)
    assert [bool(policy.outlook(failures, 60.0)) for failures in (1, 2, 3, 4)] == [False, False, True, True]
    assert not policy.outlook(1, 600.0)
    assert policy.outlook(1, 601.0)


def test_no_more_than_the_expected_size_is_kept(server: Server, target: Path) -> None:
    """The announced size is refused at once; without one, the download ends when more has arrived."""

    def unannounced(handler: Handler) -> None:
        handler.start(200, {"Connection": "close"})
        handler.wfile.write(b"x" * (3 << 20))
        handler.close_connection = True

    fetch_file(server.answer(whole(CONTENT), path="/whole"), target, policy=HASTY, size=len(CONTENT))
    assert target.read_bytes() == CONTENT
    target.unlink()
    for answer in (whole(CONTENT), unannounced):
        with pytest.raises(DataError, match=f"more than the expected {len(CONTENT) - 1:,} bytes"):
            fetch_file(server.answer(answer, path="/larger"), target, policy=HASTY, size=len(CONTENT) - 1)
        assert [path.name for path in target.parent.iterdir()] == [f"{target.name}.sha256"]
