"""Time ties: ordered by a hash regardless of the file, or as in the file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from data_prep.build import BuildOptions, build_corpus
from data_prep.cleaning import Ties
from tests.data_prep.raw_sets import review, write_style
from unimp_bench.corpus import Corpus
from unimp_bench.errors import UsageError

DAY = 86_400


def _build(raw: Path, kind: str, ties: Ties, repeats: bool = False) -> Corpus:
    options = BuildOptions(user_core=0, item_core=0, held_out=0, ties=ties, repeats=repeats)
    build_corpus(kind, raw.parent / "corpus", raw, options)
    return Corpus.open(raw.parent / "corpus")


def _atomic(raw: Path, lines: list[str], columns: str = "\ttimestamp:float") -> Path:
    raw.mkdir(exist_ok=True)
    (raw / "x.inter").write_text("\n".join([f"user_id:token\titem_id:token{columns}", *lines]))
    return raw


def _shuffled(lines: list[str]) -> list[str]:
    return [lines[row] for row in np.random.default_rng(5).permutation(len(lines))]


TIED = [f"u{user}\ti{item:02d}\t{(item + user) // 4 * DAY}" for user in range(9) for item in range(20)]


def test_the_order_of_lines_matters_only_under_file(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    fingerprints = {
        ties: [_build(_atomic(raw, lines), "atomic", ties).fingerprint for lines in (TIED, _shuffled(TIED))]
        for ties in ("hash", "file")
    }
    assert len(set(fingerprints["hash"])) == 1
    assert len(set(fingerprints["file"])) == 2
    assert fingerprints["hash"][0] not in fingerprints["file"]


def test_ties_are_in_the_order_of_the_hash_of_user_and_item(tmp_path: Path) -> None:
    corpus = _build(_atomic(tmp_path / "raw", TIED), "atomic", "hash")
    names, histories = corpus.items.names, corpus.histories
    for number, user in enumerate(corpus.users.names):
        rows = slice(histories.offsets[number], histories.offsets[number + 1])
        keys = []
        for item, time in zip(histories.items[rows], histories.times[rows], strict=True):
            digest = hashlib.blake2b(f"0\0{user}\0{names[item]}".encode(), digest_size=8).digest()
            keys.append((time, int.from_bytes(digest, "little")))
        assert keys == sorted(keys)
        assert [names[item] for item in histories.items[rows]] != sorted(names)  # the order of the file


def test_a_public_split_is_ordered_within_its_parts(tmp_path: Path) -> None:
    lines = [f"{line}\t{part}" for line, part in zip(TIED, ["train", "train", "val", "test"] * 45, strict=True)]
    found = [
        _build(_atomic(tmp_path / "raw", order, "\ttimestamp:float\tsplit:token"), "atomic", "hash")
        for order in (lines, _shuffled(lines))
    ]
    assert found[0].fingerprint == found[1].fingerprint
    assert (np.diff(found[0].parts.astype(int))[np.diff(found[0].histories.owners()) == 0] >= 0).all()


@pytest.mark.parametrize("repeats", [False, True])
def test_tied_repetitions_do_not_depend_on_the_file(tmp_path: Path, repeats: bool) -> None:
    """Of reviews of the same user, item and time the same one is first, with its rating and text."""
    records = [
        review(f"U{user}", f"I{item:03d}", rating=rating) | {"reviewText": f"take {rating} of {item}"}
        for user in range(4)
        for item in range(6)
        for rating in (1.0, 3.0, 5.0, 5.0)
    ]
    seen = []
    for order in (range(len(records)), reversed(range(len(records)))):
        write_style("amazon-2018", tmp_path / "raw", records=[records[row] for row in order])
        seen.append([_build(tmp_path / "raw", "amazon-2018", ties, repeats).fingerprint for ties in ("hash", "file")])
    assert seen[0][0] == seen[1][0]
    assert seen[0][1] != seen[1][1]


def test_without_times_interactions_are_in_file_order(tmp_path: Path) -> None:
    """A position is a time without ties."""
    lines = [line.rpartition("\t")[0] for line in TIED]
    both = [_build(_atomic(tmp_path / "raw", lines, ""), "atomic", ties) for ties in ("hash", "file")]
    assert both[0].fingerprint == both[1].fingerprint


def test_an_unknown_order_is_refused() -> None:
    with pytest.raises(UsageError, match="use hash or file"):
        BuildOptions(ties="id")  # type: ignore[arg-type]


def test_the_manifest_records_the_order_of_ties(tmp_path: Path) -> None:
    manifest = _build(_atomic(tmp_path / "raw", TIED), "atomic", "hash").manifest
    assert (manifest.options["ties"], manifest.ties) == ("hash", "hash")
    earlier = {name: value for name, value in manifest.options.items() if name != "ties"}
    assert manifest.model_copy(update={"options": earlier}).ties == "file"
