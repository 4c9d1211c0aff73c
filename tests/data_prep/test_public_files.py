"""Files of published corpora: hosts, mirrors and hashes."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from data_prep.public import PublicCorpus, PublicFile
from data_prep.public.files import check_files, gather
from tests.data_prep.conftest import HASTY
from tests.data_prep.misbehaving_server import Server, status, whole
from tests.data_prep.public_files import public
from unimp_bench.errors import DataError, UsageError


def _small(hosts: Server, content: bytes = b"content", **changes: object) -> PublicCorpus:
    file = PublicFile(
        "x.txt", "all", (hosts.url("/one/x.txt"), hosts.url("/two/x.txt")), sha256(content).hexdigest(), len(content)
    )
    return replace(public("beauty"), name="small", files=(replace(file, **changes),))  # type: ignore[arg-type]


def test_files_come_from_the_first_host_that_works(hosts: Server, tmp_path: Path) -> None:
    hosts.answer(whole(b"content", ETag='"1"'), path="/two/x.txt")
    gather(_small(hosts), tmp_path)
    assert (tmp_path / "x.txt").read_bytes() == b"content"
    requested = len(hosts.requests)
    gather(_small(hosts), tmp_path)
    assert len(hosts.requests) == requested


def test_a_failed_download_names_the_alternatives(hosts: Server, tmp_path: Path) -> None:
    hosts.answer(status(503), path="/one/x.txt")
    with pytest.raises(DataError) as caught:
        gather(_small(hosts), tmp_path, policy=HASTY)
    message = str(caught.value)
    assert "/one/x.txt" in message and "/two/x.txt" in message and "\n" not in message
    assert "--mirror <address>" in message and str(tmp_path) in message


@pytest.mark.parametrize("content", [b"another", b"longer than announced"])
def test_another_file_is_refused_and_nothing_remains(hosts: Server, tmp_path: Path, content: bytes) -> None:
    for host in ("one", "two"):
        hosts.answer(whole(content, ETag='"1"'), path=f"/{host}/x.txt")
    with pytest.raises(DataError, match=r"not the expected|more than the expected 7 bytes"):
        gather(_small(hosts), tmp_path, policy=HASTY)
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_a_folder_is_a_mirror(hosts: Server, tmp_path: Path) -> None:
    mirror, raw = tmp_path / "mirror", tmp_path / "raw"
    (mirror / "two").mkdir(parents=True)
    (mirror / "two" / "x.txt").write_bytes(b"content")
    gather(_small(hosts), raw, str(mirror))
    assert (raw / "x.txt").read_bytes() == b"content"
    assert not hosts.requests
    (raw / "x.txt").unlink()
    (mirror / "two" / "x.txt").write_bytes(b"other")
    with pytest.raises(DataError, match=r"there is no .*/one/x\.txt; x\.txt has SHA-256 .*, not the expected"):
        gather(_small(hosts), raw, str(mirror))
    assert not (raw / "x.txt").exists()
    with pytest.raises(UsageError, match="not a folder"):
        gather(_small(hosts), raw, str(tmp_path / "nowhere"))


def test_optional_files_come_on_request(hosts: Server, tmp_path: Path) -> None:
    hosts.answer(whole(b"content", ETag='"1"'), path="/two/x.txt")
    corpus = _small(hosts, optional=True)
    gather(corpus, tmp_path)
    assert not (tmp_path / "x.txt").exists()
    gather(corpus, tmp_path, optional=True)
    assert (tmp_path / "x.txt").is_file()
    (tmp_path / "x.txt").write_bytes(b"changed")
    with pytest.raises(DataError, match="as for the published corpus"):
        gather(corpus, tmp_path)


def test_a_replaced_file_is_found(hosts: Server, tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_bytes(b"changed")
    with pytest.raises(DataError, match=r"x\.txt has SHA-256 .*, not .* as for the published corpus; remove it"):
        gather(_small(hosts), tmp_path)
    (tmp_path / "x.txt").unlink()
    with pytest.raises(DataError, match=r"has no x\.txt; corpus small is built from these files"):
        check_files(_small(hosts), tmp_path)
