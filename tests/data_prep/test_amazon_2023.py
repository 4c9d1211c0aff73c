"""Amazon 2023: addresses, copies on other hosts, and the lab's own splits of the 5-core ratings."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from data_prep.build import build_corpus
from data_prep.download.releases import (
    AMAZON_2014,
    AMAZON_2018,
    AMAZON_2023,
    AMAZON_2023_LAST_OUT,
    AMAZON_2023_TIMESTAMP,
    Release,
)
from tests.data_prep.conftest import Command
from tests.data_prep.misbehaving_server import Server, status, whole
from tests.data_prep.raw_sets import write_lines, write_style
from unimp_bench.corpus import Corpus
from unimp_bench.errors import DataError, UsageError

LAB = "https://mcauleylab.ucsd.edu/public_datasets/data/amazon_2023"
HUB = "https://huggingface.co/datasets/McAuley-Lab/Amazon-Reviews-2023/resolve/main"
HEAD = "user_id,parent_asin,rating,timestamp"
RATINGS = {
    "train": ["u,I000,5.0,1000", "u,I001,4.0,2000", "v,I001,3.0,1500", "v,I000,3.0,1400"],
    "valid": ["u,I002,1.0,3000", "v,I009,2.0,500"],
    "test": ["u,I003,2.0,2999", "v,I002,5.0,9000"],
}


def _split(folder: Path, packed: bool = True, **changes: list[str]) -> Path:
    """A small set in the format of the release; I009 has no metadata."""
    ending = ".gz" if packed else ""
    for part, rows in (RATINGS | changes).items():
        write_lines(folder / f"All_Beauty.{part}.csv{ending}", [HEAD.encode(), *(row.encode() for row in rows)])
    products = [{"parent_asin": f"I00{item}", "title": f"item {item}"} for item in range(4)]
    write_lines(folder / f"meta_All_Beauty.jsonl{ending}", [json.dumps(product).encode() for product in products])
    return folder


@pytest.mark.parametrize(
    ("release", "names"),
    [
        (AMAZON_2023, ["raw/review_categories/All_Beauty.jsonl.gz"]),
        (
            AMAZON_2023_LAST_OUT,
            [f"benchmark/5core/last_out/All_Beauty.{part}.csv.gz" for part in ("train", "valid", "test")],
        ),
        (
            AMAZON_2023_TIMESTAMP,
            [f"benchmark/5core/timestamp/All_Beauty.{part}.csv.gz" for part in ("train", "valid", "test")],
        ),
    ],
)
def test_addresses(release: Release, names: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    requested: list[str] = []
    targets: list[str] = []

    def fail(url: str, target: Path, *_: object) -> None:
        requested.append(url)
        targets.append(target.name)
        if not url.startswith(HUB):
            raise DataError(f"{url}: 503")
        target.touch()

    monkeypatch.setattr("data_prep.download.hosts.fetch_file", fail)
    release.fetch(("All_Beauty",), tmp_path)
    paths = [*names, "raw/meta_categories/meta_All_Beauty.jsonl.gz"]
    assert [url for url in requested if url.startswith(LAB)] == [f"{LAB}/{path}" for path in paths]
    assert [url for url in requested if url.startswith(HUB)] == [f"{HUB}/{path.removesuffix('.gz')}" for path in paths]
    assert len(requested) == 3 * len(paths)
    assert {name for name in targets if not name.endswith(".gz")} == {
        path.rpartition("/")[2].removesuffix(".gz") for path in paths
    }
    requested.clear()
    release.fetch(("All_Beauty",), tmp_path)
    assert requested == [], "an unpacked copy counts"


def test_domains_have_to_be_chosen() -> None:
    assert len(AMAZON_2023.others) == len(set(AMAZON_2023.others)) == 33
    with pytest.raises(UsageError, match="choose domains of this release with --domain <name>: All_Beauty"):
        AMAZON_2023.choose(())
    with pytest.raises(UsageError, match="did you mean 'Baby_Products'"):
        AMAZON_2023.choose(("Baby_Product",))


@pytest.mark.parametrize("release", [AMAZON_2014, AMAZON_2018])
def test_a_failed_host_names_the_alternatives(
    release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(url: str, *_: object) -> None:
        raise DataError(f"{url}: 503")

    monkeypatch.setattr("data_prep.download.hosts.fetch_file", fail)
    with pytest.raises(DataError) as caught:
        release.fetch(release.usual[:1], tmp_path)
    message = str(caught.value)
    assert all(host in message for host in release.hosts)
    assert "--mirror <address>" in message and "amazon-2023" in message and str(tmp_path) in message
    assert "\n" not in message


@pytest.mark.parametrize("host", ["lab", "hub"])
def test_one_command_downloads_and_builds(
    hosts: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unimp_bench: Command, host: str
) -> None:
    """All files from the lab, or, where its hosts are down, from the Hub, where they are unpacked."""
    monkeypatch.setenv("UNIMP_BENCH_HOME", str(tmp_path / "home"))
    write_style("amazon-2023", tmp_path / "remote", "All_Beauty", packed=host == "lab")
    base = urlsplit(LAB if host == "lab" else HUB).path
    for path in (tmp_path / "remote").iterdir():
        folder = "meta_categories" if path.name.startswith("meta_") else "review_categories"
        hosts.answer(whole(path.read_bytes(), ETag='"1"'), path=f"{base}/raw/{folder}/{path.name}")
    for other in AMAZON_2023.hosts:
        for name in ("review_categories/All_Beauty", "meta_categories/meta_All_Beauty"):
            place = f"{urlsplit(other).path}/raw/{name}.jsonl.gz"
            if place not in hosts.answers:
                hosts.answer(status(503), path=place)
    arguments = ("--corpus", "amazon-2023", "--domain", "All_Beauty", "--mirror", hosts.url(""))
    code, _, err = unimp_bench("data", *arguments)
    assert (code, err) == (0, "")
    built = Corpus.open(tmp_path / "home" / "data" / "amazon-2023")
    expected = build_corpus("amazon-2023", tmp_path / "expected", tmp_path / "remote")
    assert built.manifest.fingerprint == expected.fingerprint


@pytest.mark.parametrize("kind", ["amazon-2023-last-out", "amazon-2023-timestamp"])
@pytest.mark.parametrize("packed", [True, False])
def test_official_splits_are_kept(tmp_path: Path, kind: str, packed: bool) -> None:
    build_corpus(kind, tmp_path / "corpus", _split(tmp_path / "raw", packed))
    corpus = Corpus.open(tmp_path / "corpus")
    assert corpus.parts is not None and corpus.reviews is None
    assert corpus.users.names == ["u", "v"]
    names = [corpus.items.names[item] for item in corpus.histories.items]
    assert names == ["I000", "I001", "I002", "I003", "I000", "I001", "I009", "I002"]
    assert corpus.parts.tolist() == [0, 0, 1, 2, 0, 0, 1, 2], "the part counts before the time"
    assert corpus.histories.times.tolist() == [1, 2, 3, 2, 1, 1, 0, 9]
    assert corpus.items.column("title").to_pylist() == [*(f"item {item}" for item in range(4)), None]
    assert corpus.manifest.source == f"mcauley-2023-{kind.removeprefix('amazon-2023-').replace('-', '_')}"
    assert len(corpus.manifest.inputs) == 4


def test_the_history_column_is_not_needed(tmp_path: Path) -> None:
    """Files of ``last_out_w_his`` have a fifth column, which follows from the other rows."""
    raw = _split(tmp_path / "raw", packed=False)
    expected = build_corpus("amazon-2023-last-out", tmp_path / "expected", raw)
    for part, rows in RATINGS.items():
        lines = [f"{HEAD},history", *(f"{row},I001 I000" for row in rows)]
        (raw / f"All_Beauty.{part}.csv").write_text("".join(f"{line}\n" for line in lines))
    assert build_corpus("amazon-2023-last-out", tmp_path / "other", raw).fingerprint == expected.fingerprint


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("All_Beauty.valid.csv", None, r"has no All_Beauty\.valid\.csv\.gz"),
        ("All_Beauty.train.csv", None, r"has no <Domain>\.train\.csv\.gz of the split last_out"),
        ("All_Beauty.test.csv", "user_id,asin,rating,timestamp\n", "has no column 'parent_asin'"),
        ("All_Beauty.test.csv", f"{HEAD}\nu,I000,9,1\n", "1 of 2 lines are bad"),
        ("All_Beauty.test.csv", f"{HEAD}\nu,I000,5,never\n", "1 of 2 lines are bad"),
    ],
)
def test_damaged_splits_are_one_line_errors(tmp_path: Path, name: str, content: str | None, problem: str) -> None:
    raw = _split(tmp_path / "raw", packed=False)
    if content is None:
        (raw / name).unlink()
    else:
        (raw / name).write_text(content)
    with pytest.raises(DataError, match=problem) as caught:
        build_corpus("amazon-2023-last-out", tmp_path / "corpus", raw)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "corpus").exists()
