"""Builds: reproducible bytes, interrupts, and invalid options."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from data_prep import CATALOGUE, pipeline
from data_prep.build import BuildOptions, build_corpus
from tests.data_prep.raw_sets import sound_2014, write_2014, write_picture, write_style
from unimp_bench.corpus import Corpus
from unimp_bench.errors import DataError, UsageError

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import sys
from pathlib import Path
from data_prep.build import build_corpus
print(build_corpus("amazon-2014", Path(sys.argv[1]), Path(sys.argv[2])).fingerprint)
"""


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    for domain in ("Beauty", "Toys", "Office_Products"):
        write_style("amazon-2014", folder, domain)
    write_picture(folder / "images" / "I001.jpg")
    return folder


def _contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def test_builds_are_reproducible_to_the_byte(raw: Path, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    first = build_corpus("amazon-2014", corpus, raw)
    contents = _contents(corpus)
    assert build_corpus("amazon-2014", corpus, raw) == first
    assert _contents(corpus) == contents
    for hash_seed in ("1", "77"):
        run = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(tmp_path / f"other-{hash_seed}"), str(raw)],
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        assert run.stdout.strip() == first.fingerprint


def test_held_out_users_depend_on_seed_and_share(raw: Path, tmp_path: Path) -> None:
    def held_out(**options: float) -> list[str]:
        build_corpus("amazon-2014", tmp_path / "corpus", raw, BuildOptions(**options))  # type: ignore[arg-type]
        users = Corpus.open(tmp_path / "corpus").users
        return [name for name, drawn in zip(users.names, users.held_out, strict=True) if drawn]

    assert len(held_out()) == 6
    assert held_out() != held_out(seed=1)
    assert set(held_out()) < set(held_out(held_out=0.5))
    assert held_out(held_out=0.0) == []


def test_the_manifest_names_options_and_inputs(raw: Path, tmp_path: Path) -> None:
    manifest = build_corpus("amazon-2014", tmp_path / "corpus", raw)
    assert manifest.options == {
        "user_core": 5,
        "item_core": 5,
        "held_out": 0.1,
        "new_domains": ["Office_Products"],
        "seed": 0,
        "repeats": False,
        "partial": False,
        "ties": "hash",
        "order": "timestamp",
        "removed": {"duplicates": 0, "outside the core": 0},
        "items of several domains": 12,
        "explanations": {name: {"by": "rule", "count": 240} for name in ("Beauty", "Office_Products", "Toys")},
    }
    assert sorted(manifest.inputs) == sorted(path.name for path in raw.iterdir() if path.is_file())
    assert manifest.source == "mcauley-2014"
    assert not manifest.synthetic
    Corpus.open(tmp_path / "corpus").verify()


@pytest.mark.parametrize("failure", [KeyboardInterrupt, MemoryError])
def test_an_interrupted_build_keeps_the_earlier_corpus(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: type[BaseException]
) -> None:
    home = tmp_path / "home"
    build_corpus("amazon-2014", home / "corpus", raw)
    before = _contents(home)

    def fail(*_: object) -> None:
        raise failure

    monkeypatch.setattr(pipeline, "unpack_reviews", fail)
    for name in ("corpus", "fresh"):
        with pytest.raises(failure):
            build_corpus("amazon-2014", home / name, raw)
    assert _contents(home) == before


def test_new_domains(raw: Path, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    assert build_corpus("amazon-2014", corpus, raw, BuildOptions(new_domains=())).new_domains == ()
    assert build_corpus("amazon-2014", corpus, raw, BuildOptions(new_domains=("Toys",))).new_domains == ("Toys",)
    with pytest.raises(UsageError, match="did you mean 'Toys'"):
        build_corpus("amazon-2014", corpus, raw, BuildOptions(new_domains=("Toy",)))
    with pytest.raises(UsageError, match="at least one must remain for training"):
        build_corpus("amazon-2014", corpus, raw, BuildOptions(new_domains=("Beauty", "Toys", "Office_Products")))


def test_one_domain_is_never_held_out_by_default(tmp_path: Path) -> None:
    write_2014(tmp_path / "raw", sound_2014(), "Office_Products")
    assert build_corpus("amazon-2014", tmp_path / "corpus", tmp_path / "raw").new_domains == ()


@pytest.mark.parametrize("wrong", [{"user_core": -1}, {"item_core": -2}, {"held_out": 1.0}, {"held_out": -0.1}])
def test_invalid_options_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        BuildOptions(**wrong)  # type: ignore[arg-type]


def test_invalid_kinds_and_folders_are_refused(raw: Path, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    with pytest.raises(UsageError, match="did you mean 'amazon-2014'"):
        build_corpus("amazon2014", corpus, raw)
    with pytest.raises(UsageError, match="omit raw folders"):
        build_corpus("sample", corpus, raw)
    with pytest.raises(UsageError, match="give their folder"):
        build_corpus("amazon-2014", corpus, None)
    with pytest.raises(DataError, match="does not exist"):
        build_corpus("atomic", corpus, raw / "nowhere")
    with pytest.raises(DataError, match="exists and is not a corpus"):
        build_corpus("amazon-2014", raw, raw)


def test_the_catalogue_names_every_kind() -> None:
    assert [card.name for card in CATALOGUE if card.needs_raw] == [
        "atomic",
        "mmrec",
        "unisrec",
        "s3rec",
        "letter",
        "microlens-pairs",
        "hm",
        "netflix",
    ]
    assert [card.name for card in CATALOGUE if card.download] == [
        "amazon-2014",
        "amazon-2018",
        "amazon-2023",
        "amazon-2023-last-out",
        "amazon-2023-timestamp",
    ]
    assert [card.name for card in CATALOGUE if card.source is None] == ["sample"]
