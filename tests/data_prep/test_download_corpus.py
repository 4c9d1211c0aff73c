"""From a server to a corpus: the files of a release, its mirror, the choice of domains, and pictures by address."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image

from data_prep.build import BuildOptions, PictureLimits, build_corpus
from data_prep.download.releases import AMAZON_2014, AMAZON_2018, Release
from data_prep.pictures import RULE, read_broken
from tests.data_prep.conftest import HASTY, Command
from tests.data_prep.misbehaving_server import Server, status, whole
from tests.data_prep.raw_sets import lines_2014, lines_2018, product, reviews, write_2014, write_lines, write_style
from unimp_bench.corpus import Corpus
from unimp_bench.errors import DataError, UsageError

SMALL = BuildOptions(user_core=3, item_core=3)


def _serve(hosts: Server, release: Release, kind: str, folder: Path, host: int = 0) -> None:
    """Serve a small set of each usual domain under the paths of the release."""
    for domain in release.usual:
        write_style(kind, folder, domain)
    for path in folder.iterdir():
        template = release.metadata if path.name.startswith("meta_") else release.reviews
        place = f"{urlsplit(release.hosts[host]).path}/{template.rpartition('/')[0]}/{path.name}".replace("//", "/")
        hosts.answer(whole(path.read_bytes(), ETag='"1"'), path=place)


@pytest.mark.parametrize(
    ("release", "reviews_at", "metadata_at"),
    [
        (
            AMAZON_2014,
            "https://snap.stanford.edu/data/amazon/productGraph/categoryFiles/reviews_Office_Products_5.json.gz",
            "https://snap.stanford.edu/data/amazon/productGraph/categoryFiles/meta_Office_Products.json.gz",
        ),
        (
            AMAZON_2018,
            "https://mcauleylab.ucsd.edu/public_datasets/data/amazon_v2/categoryFilesSmall/Office_Products_5.json.gz",
            "https://mcauleylab.ucsd.edu/public_datasets/data/amazon_v2/metaFiles2/meta_Office_Products.json.gz",
        ),
    ],
)
def test_addresses(
    release: Release, reviews_at: str, metadata_at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requested: list[str] = []
    monkeypatch.setattr("data_prep.download.hosts.fetch_file", lambda url, *_: requested.append(url))
    release.fetch(("Office_Products",), tmp_path)
    assert requested == [reviews_at, metadata_at]


def test_the_domains_of_the_paper_are_usual() -> None:
    assert AMAZON_2014.choose(()) == (
        "Baby",
        "Beauty",
        "Clothing_Shoes_and_Jewelry",
        "Grocery_and_Gourmet_Food",
        "Office_Products",
        "Sports_and_Outdoors",
        "Toys_and_Games",
    )
    assert AMAZON_2018.choose(("Gift_Cards",)) == ("Gift_Cards",)
    assert len(AMAZON_2014.usual + AMAZON_2014.others) == 24
    assert len(AMAZON_2018.usual + AMAZON_2018.others) == 29
    with pytest.raises(UsageError, match="did you mean 'Baby'"):
        AMAZON_2014.choose(("baby",))
    with pytest.raises(UsageError, match="did you mean 'All_Beauty'"):
        AMAZON_2018.choose(("Beauty",))


def test_the_second_host_is_used_if_the_first_fails(hosts: Server, tmp_path: Path) -> None:
    release = Release((hosts.url("/gone"), hosts.url("/there")), "r/{domain}.bin", "m/{domain}.bin", ("A",), ())
    hosts.answer(whole(b"reviews"), path="/there/r/A.bin")
    hosts.answer(status(503), path="/gone/r/A.bin")
    hosts.answer(whole(b"x"), path="/gone/m/A.bin")
    release.fetch(("A",), tmp_path, policy=HASTY)
    assert (tmp_path / "A.bin").read_bytes() == b"reviews"


def test_a_file_missing_on_all_hosts_is_an_error(hosts: Server, tmp_path: Path) -> None:
    release = Release((hosts.url("/a"), hosts.url("/b")), "{domain}_5.json.gz", "meta_{domain}.json.gz", ("A",), ())
    with pytest.raises(DataError, match=r"A_5\.json\.gz cannot be fetched: .*/a/.* 404.*; .*/b/.* 404"):
        release.fetch(("A",), tmp_path)


def test_a_known_hash_is_verified(hosts: Server, tmp_path: Path) -> None:
    release = Release((hosts.url(""),), "{domain}.bin", "m/{domain}.bin", ("A",), (), {"A.bin": "0" * 64})
    hosts.answer(whole(b"x"), path="/A.bin")
    with pytest.raises(DataError, match="not the expected"):
        release.fetch(("A",), tmp_path)


@pytest.mark.parametrize(("kind", "release"), [("amazon-2014", AMAZON_2014), ("amazon-2018", AMAZON_2018)])
def test_one_command_downloads_and_builds(
    hosts: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    unimp_bench: Command,
    kind: str,
    release: Release,
) -> None:
    monkeypatch.setenv("UNIMP_BENCH_HOME", str(tmp_path / "home"))
    _serve(hosts, release, kind, tmp_path / "remote")
    for name in list(release.sha256):  # the small sets are not those files
        monkeypatch.delitem(release.sha256, name)  # type: ignore[arg-type]
    code, out, err = unimp_bench("data", "--corpus", kind, "--mirror", hosts.url(""))
    assert (code, err) == (0, "")
    corpus = Corpus.open(tmp_path / "home" / "data" / kind)
    assert corpus.manifest.domains == tuple(sorted(release.usual))
    assert corpus.manifest.new_domains == ("Office_Products",)
    assert "Comparison with Table 5" in out
    assert out.count("-99.9%") >= len(release.usual)
    raw = tmp_path / "home" / "data" / "raw" / kind
    assert {path.name for path in raw.glob("*.gz")} == {path.name for path in (tmp_path / "remote").iterdir()}
    requested = len(hosts.requests)
    chosen = build_corpus(kind, tmp_path / "folder", tmp_path / "remote")
    assert chosen.fingerprint == corpus.fingerprint

    code, out, err = unimp_bench("data", "--corpus", kind, "--domain", "Toys_and_Games", "--name", "toys")
    assert (code, err) == (0, "")
    assert Corpus.open(tmp_path / "home" / "data" / "toys").manifest.domains == ("Toys_and_Games",)
    assert len(hosts.requests) == requested


def test_an_interrupted_download_resumes(hosts: Server, tmp_path: Path) -> None:
    release = Release((hosts.url(""),), "{domain}.bin", "m_{domain}.bin", ("A",), ())
    content = b"0123456789" * 1000
    part = tmp_path / "A.bin.part"
    part.write_bytes(content[:4000])
    url = f"{hosts.url('')}/A.bin"
    part.with_name("A.bin.part.origin").write_text(f'{{"url":"{url}","validator":"\\"1\\"","size":10000}}')
    hosts.answer(whole(content, ETag='"1"'), path="/A.bin")
    hosts.answer(whole(b"m"), path="/m_A.bin")
    release.fetch(("A",), tmp_path)
    assert (tmp_path / "A.bin").read_bytes() == content
    assert hosts.headers_of("/A.bin")[0]["Range"] == "bytes=4000-"


@pytest.mark.parametrize("mirror", ["snap.stanford.edu", "ftp://x", "/no/folder"])
def test_a_mirror_is_an_address_or_a_folder(tmp_path: Path, mirror: str) -> None:
    with pytest.raises(UsageError, match="is not an address"):
        AMAZON_2014.fetch(("Baby",), tmp_path, mirror)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ("--corpus hm", "Kaggle"),
        ("--corpus netflix", "Google Drive"),
        ("--corpus amazon-2023", "choose domains of this release with --domain <name>: All_Beauty"),
        ("--corpus atomic", "--raw <folder>"),
        ("--corpus sample --domain Baby", "omit raw folders, domains, pictures and"),
        ("--corpus sample --pictures", "omit raw folders, domains, pictures and"),
        ("--corpus atomic --raw . --pictures", "does not support a choice of pictures"),
        ("--corpus hm --raw . --domain Baby", "does not support a choice of domains"),
        ("--corpus amazon-2014 --domain Beaty", "did you mean 'Beauty'"),
        ("--corpus amazon-2014 --name raw", "and not 'raw'"),
        ("--corpus amazon-2014 --raw . --allow-private", "--allow-private needs --pictures"),
    ],
)
def test_unsupported_options_are_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    unimp_bench: Command,
    arguments: str,
    problem: str,
) -> None:
    monkeypatch.setenv("UNIMP_BENCH_HOME", str(tmp_path))
    code, _, err = unimp_bench("data", *arguments.split())
    assert code == 2
    assert problem in err
    assert err.count("\n") == 1


def test_a_missing_domain_is_an_error(tmp_path: Path) -> None:
    write_style("amazon-2014", tmp_path / "raw", "Beauty")
    (tmp_path / "raw" / "reviews_Baby_5.json.gz").touch()  # its metadata are not there yet
    build_corpus("amazon-2014", tmp_path / "corpus", tmp_path / "raw", domains=("Beauty",))
    with pytest.raises(UsageError, match=r"unknown domain of .* 'Toys'"):
        build_corpus("amazon-2014", tmp_path / "corpus", tmp_path / "raw", domains=("Toys",))


def _picture() -> bytes:
    content = BytesIO()
    Image.effect_noise((20, 20), 60).convert("RGB").save(content, "JPEG")
    return content.getvalue()


@pytest.mark.parametrize("year", ["2014", "2018"])
def test_pictures_by_address(hosts: Server, tmp_path: Path, year: str) -> None:
    records = reviews()
    items = sorted({record["asin"] for record in records})
    raw = tmp_path / "raw"
    content = _picture()
    small = [hosts.answer(whole(content), path=f"/{item}.small.jpg") for item in items]
    large = [hosts.answer(whole(content) if item != "I001" else status(404), path=f"/{item}.jpg") for item in items]
    products = [product(item) | {"imUrl": url} for item, url in zip(items, large, strict=True)]
    del products[2]["imUrl"]
    if year == "2014":
        write_2014(raw, lines_2014(records, products))
    else:
        lines = lines_2018(records, products)
        changed = [json.loads(line) for line in lines.metadata]
        for number, fields in enumerate(changed):
            if number != 2:
                fields |= {"imageURL": [small[number]], "imageURLHighRes": [large[number], small[number]]}
        write_lines(raw / "Beauty_5.json.gz", lines.reviews)
        write_lines(raw / "meta_Beauty.json.gz", [json.dumps(fields).encode() for fields in changed])
    limits = PictureLimits(allow_private=True, policy=HASTY)
    manifest = build_corpus(f"amazon-{year}", tmp_path / "corpus", raw, SMALL, pictures=limits)
    corpus = Corpus.open(tmp_path / "corpus")
    assert corpus.items.has_picture.tolist() == [True, False, False] + [True] * 9
    assert manifest.options["pictures"] == {"have one": 10, "broken": 1, "have no address": 1, "rule": RULE}
    assert list(read_broken(raw / "images")) == ["I001"]
    assert {path for path, _ in hosts.requests} == {f"/{item}.jpg" for item in items if item != "I002"}
    requested = len(hosts.requests)
    again = build_corpus(f"amazon-{year}", tmp_path / "corpus", raw, SMALL, pictures=limits)
    assert again == manifest
    assert len(hosts.requests) == requested


def test_only_pictures_of_core_items_are_requested(hosts: Server, tmp_path: Path) -> None:
    records = [record for record in reviews() if record["asin"] != "I003"]
    records += [record for record in reviews() if record["asin"] == "I003"][:1]
    items = sorted({record["asin"] for record in records})
    products = [product(item) | {"imUrl": hosts.url(f"/{item}.jpg")} for item in items]
    write_2014(tmp_path / "raw", lines_2014(records, products))
    limits = PictureLimits(allow_private=True, policy=HASTY)
    build_corpus("amazon-2014", tmp_path / "corpus", tmp_path / "raw", SMALL, pictures=limits)
    assert {path for path, _ in hosts.requests} == {f"/{item}.jpg" for item in items if item != "I003"}
