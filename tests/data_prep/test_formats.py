"""Folders of papers and toolkits: small sets in each form, with the values that must come out, and bad files."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest

from data_prep.build import build_corpus, recognised
from tests.data_prep.conftest import Command
from unimp_bench.corpus import Corpus
from unimp_bench.errors import DataError, UsageError

Files = dict[str, str]

MMREC: Files = {
    "x.inter": "userID\titemID\trating\ttimestamp\tx_label\n"
    "0\t1\t5.0\t30\t0\n0\t0\t4.0\t20\t0\n0\t2\t3.0\t10\t1\n1\t2\t1.0\t5\t0\n1\t0\t2.0\t6\t2\n",
    "u_id_mapping.csv": "user_id\tuserID\nANNE\t0\nBOB\t1\n",
    "i_id_mapping.csv": "asin\titemID\nB00C\t0\nB00A\t1\n0001\t2\n",
}
UNISREC: Files = {
    # Anne: p q r s t, of which s is the validation item and t the test item; Bob: q p r, without a training line.
    "x.train.inter": "user_id:token\titem_id_list:token_seq\titem_id:token\n0\t0\t1\n0\t0 1\t2\n",
    "x.valid.inter": "user_id:token\titem_id_list:token_seq\titem_id:token\n0\t0 1 2\t3\n1\t1\t0\n",
    "x.test.inter": "user_id:token\titem_id_list:token_seq\titem_id:token\n0\t1 2 3\t4\n1\t1 0\t2\n",
    "x.user2index": "Anne\t0\nBob\t1\n",
    "x.item2index": "p\t0\nq\t1\nr\t2\ns\t3\nt\t4\n",
    "x.text": "item_id:token\ttext:token_seq\nq\tA  red lamp\np\t\nunused\tno\n",
}
S3REC: Files = {
    "x.txt": "1 5 3 4\n2 3 5\n",
    "x_sample.txt": "1 7 8\n",
    "x_item2attributes.json": '{"3": [1, 2], "5": [2], "4": []}',
}
LETTER: Files = {
    "x.inter.json": '{"0": [2, 0, 1], "1": [1, 2]}',
    "x.item.json": json.dumps(
        {
            "0": {"title": "Lamp ", "description": ["red", "and\nround"], "categories": "Home, Light", "brand": ""},
            "2": {"title": "Chair", "description": "", "categories": ["Home"]},
        }
    ),
    "x.item2id": "p\t0\nq\t1\nr\t2\n",
    "x.index.json": '{"0": ["<a_1>"]}',
}
MICROLENS: Files = {"MicroLens-1k_pairs.tsv": "1\t7 3 5\n2\t5 7\n", "MicroLens-1k_titles.csv": "item,title\n3,a\n7,b\n"}
MICROLENS_TIMES: Files = {
    "MicroLens-1k_pairs.csv": "user,item,timestamp\n1,5,30\n1,7,10\n1,3,20\n2,5,1\n2,7,2\n",
    "MicroLens-1k_title_en.csv": '3,"Say ""hi"", all"\n7,one, two and "three"\n9,no\n',
}
FORMS = {
    "mmrec": MMREC,
    "unisrec": UNISREC,
    "s3rec": S3REC,
    "letter": LETTER,
    "microlens-pairs": MICROLENS,
}


def _write(folder: Path, files: Files) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def _build(kind: str, tmp_path: Path, files: Files) -> Corpus:
    build_corpus(kind, tmp_path / "corpus", _write(tmp_path / "raw", files))
    return Corpus.open(tmp_path / "corpus")


def _histories(corpus: Corpus) -> dict[str, list[str]]:
    histories, names = corpus.histories, corpus.items.names
    return {
        user: [names[item] for item in histories.items[start:end]]
        for user, start, end in zip(corpus.users.names, histories.offsets[:-1], histories.offsets[1:], strict=True)
    }


def test_mmrec_has_original_names_and_its_split(tmp_path: Path) -> None:
    corpus = _build("mmrec", tmp_path, MMREC)
    assert _histories(corpus) == {"ANNE": ["B00C", "B00A", "0001"], "BOB": ["0001", "B00C"]}
    assert corpus.parts is not None and corpus.parts.tolist() == [0, 0, 1, 0, 2]
    assert corpus.histories.ratings.tolist() == [4, 5, 3, 1, 2]
    assert corpus.histories.times.tolist() == [20, 30, 10, 5, 6]
    assert sorted(corpus.manifest.inputs) == ["i_id_mapping.csv", "u_id_mapping.csv", "x.inter"]


def test_mmrec_without_tables_keeps_numbers_and_attributes_follow_the_names(tmp_path: Path) -> None:
    item = {"x.item": "item_id:token\ttitle:token_seq\n1\tone\n0\tzero\n"}
    numbered = _build("mmrec", tmp_path, {"x.inter": MMREC["x.inter"]} | item)
    assert _histories(numbered) == {"0": ["0", "1", "2"], "1": ["2", "0"]}
    named = _build("mmrec", tmp_path, MMREC | item)
    assert dict(zip(named.items.names, named.items.column("title").to_pylist(), strict=True)) == {
        "B00C": "zero",
        "B00A": "one",
        "0001": None,
    }


def test_unisrec_counts_every_interaction_once(tmp_path: Path) -> None:
    corpus = _build("unisrec", tmp_path, UNISREC)
    assert _histories(corpus) == {"Anne": ["p", "q", "r", "s", "t"], "Bob": ["q", "p", "r"]}
    assert corpus.parts is not None and corpus.parts.tolist() == [0, 0, 0, 1, 2, 0, 1, 2]
    assert corpus.items.column("description").to_pylist() == [None, "A red lamp", None, None, None]


def test_s3rec_has_order_and_numbered_attributes(tmp_path: Path) -> None:
    corpus = _build("s3rec", tmp_path, S3REC)
    assert _histories(corpus) == {"1": ["5", "3", "4"], "2": ["3", "5"]}
    assert corpus.histories.times.tolist() == [0, 1, 2, 0, 1]
    assert corpus.items.names == ["3", "4", "5"]
    assert corpus.items.column("attributes").to_pylist() == [["1", "2"], None, ["2"]]
    assert corpus.manifest.domains == ("x",)
    assert corpus.manifest.options["left_out"] == ["x_sample.txt"]


def test_letter_has_texts_and_names(tmp_path: Path) -> None:
    corpus = _build("letter", tmp_path, LETTER)
    assert _histories(corpus) == {"0": ["r", "p", "q"], "1": ["q", "r"]}
    assert corpus.items.attributes == ("title", "description", "category")
    assert corpus.items.column("title").to_pylist() == ["Lamp", None, "Chair"]
    assert corpus.items.column("description").to_pylist() == ["red and round", None, None]
    assert corpus.items.column("category").to_pylist() == [["Home", "Light"], None, ["Home"]]
    assert corpus.manifest.options["left_out"] == ["x.index.json"]


def test_microlens_with_times(tmp_path: Path) -> None:
    corpus = _build("microlens-pairs", tmp_path, MICROLENS_TIMES)
    assert _histories(corpus) == {"1": ["7", "3", "5"], "2": ["5", "7"]}
    assert corpus.histories.times.tolist() == [10, 20, 30, 1, 2]
    assert corpus.items.column("title").to_pylist() == ['Say "hi", all', None, 'one, two and "three"']
    assert corpus.manifest.domains == ("microlens_1k",)


MANY = "".join(f"{user} 3 4 5\n" for user in range(10, 60))


@pytest.mark.parametrize(
    ("kind", "name", "text", "problem"),
    [
        ("mmrec", "i_id_mapping.csv", "asin\titemID\nA\t0\nB\t1\n", r"i_id_mapping\.csv has no name of '2'"),
        ("mmrec", "i_id_mapping.csv", "asin\titemID\nA\t0\nB\n", r"i_id_mapping\.csv, line 3: not a name and a number"),
        ("mmrec", "i_id_mapping.csv", "asin\titemID\nA\t0\nB\t0\n", r"line 3: '0' has another name"),
        ("mmrec", "i_id_mapping.csv", "asin\titemID\nA\t0\nA\t1\nB\t2\n", "one name stands for several numbers"),
        ("mmrec", "u_id_mapping.csv", "user,number\nA,0\n", "no two columns of names and userID in its first line"),
        ("mmrec", "x.inter", MMREC["x.inter"] + "0\t1\t5\t3\t7\n", r"first in line 7 \(split\)"),
        ("unisrec", "x.train.inter", "user_id:token\titem_id:token\n0\t1\n", "x.train.inter: the first line is not"),
        ("unisrec", "x.test.inter", UNISREC["x.test.inter"] + "0\t9\t1\n", "x.test.inter, line 4: the history of"),
        ("unisrec", "x.valid.inter", UNISREC["x.valid.inter"] + "0\t2\n", "line 4: not 3 cells"),
        ("unisrec", "x.valid.inter", UNISREC["x.valid.inter"] + "0\t2\t\n", "line 4: an item is empty"),
        ("unisrec", "x.item2index", "p\t0\n", "no name of '1'"),
        ("unisrec", "x.text", "item_id:token\ttext:token_seq\n1\tno\n", "no item of the interactions"),
        ("s3rec", "x.txt", "1 5 3\nBeauty is a set\n", r"x\.txt: 1 of 2 lines are bad .*first in line 2"),
        ("s3rec", "x.txt", MANY + "10 4\n", r"x\.txt, line 51: user '10' has an earlier sequence"),
        (
            "s3rec",
            "x_item2attributes.json",
            '{"3": [1], "5": ["a"]}',
            r"\.json, item '5': not a list of numbers",
        ),
        ("s3rec", "x_item2attributes.json", '{"3": [1]', "is not JSON .*line 1"),
        ("s3rec", "x_item2attributes.json", '{"30": [1]}', "has no item of x.txt"),
        ("letter", "x.inter.json", '{"0": [2, 0], "7": ["a"]}', r"x\.inter\.json, user '7': not a list of numbers"),
        ("letter", "x.inter.json", "[1, 2]", "is not a JSON object"),
        ("letter", "x.item.json", '{"0": "Lamp"}', r"x\.item\.json, item '0': not a JSON object"),
        ("letter", "x.item2id", "p\t0\n", "no name of '2'"),
        ("microlens-pairs", "MicroLens-1k_pairs.tsv", "1 7 3\n", "1 of 1 lines are bad"),
        ("microlens-pairs", "MicroLens-1k_pairs.csv", "user,item,timestamp\n", "keep one of them"),
        ("microlens-pairs", "MicroLens-1k_title_en.csv", "3,a\n", "keep one of them"),
        ("microlens-pairs", "MicroLens-1k_titles.csv", "30,a\n", "no video of"),
    ],
)
def test_bad_files_are_one_line_errors(tmp_path: Path, kind: str, name: str, text: str, problem: str) -> None:
    with pytest.raises(DataError, match=problem) as caught:
        _build(kind, tmp_path, FORMS[kind] | {name: text})
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "corpus").exists()


@pytest.mark.parametrize("kind", FORMS)
def test_missing_and_surplus_files_are_named(tmp_path: Path, kind: str) -> None:
    main = next(iter(FORMS[kind]))
    raw = _write(tmp_path / "raw", FORMS[kind] | {f"b{main}": FORMS[kind][main]})
    if kind != "s3rec":  # there, the attributes say which text is meant
        with pytest.raises(DataError, match=re.escape(main)):
            build_corpus(kind, tmp_path / "corpus", raw)
    for path in raw.glob(f"*{main}"):
        path.unlink()
    with pytest.raises(DataError, match=r"has no "):
        build_corpus(kind, tmp_path / "corpus", raw)


@pytest.mark.parametrize("kind", FORMS)
def test_a_folder_is_recognised(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch, unimp_bench: Command
) -> None:
    monkeypatch.setenv("UNIMP_BENCH_HOME", str(tmp_path))
    raw = _write(tmp_path / "raw", FORMS[kind])
    code, out, err = unimp_bench("data", "--raw", raw, "--name", "mine")
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == f"{raw} has files of the kind {kind}"
    assert Corpus.open(tmp_path / "data" / "mine").manifest.counts.users == 2


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (("reviews_Baby_5.json.gz",), "amazon-2014"),
        (("Gift_Cards_5.json.gz", "meta_Gift_Cards.json.gz"), "amazon-2018"),
        (("All_Beauty.jsonl.gz", "meta_All_Beauty.jsonl.gz"), "amazon-2023"),
        (("x.inter.gz", "x.item"), "atomic"),
        (("articles.csv", "transactions_train.csv"), "hm"),
        (("train.json", "val.json", "test.json", "item_attribute.csv"), "netflix"),
    ],
)
def test_earlier_kinds_are_recognised(tmp_path: Path, names: tuple[str, ...], kind: str) -> None:
    assert recognised(_write(tmp_path / "raw", dict.fromkeys(names, ""))) == kind


def test_unknown_and_ambiguous_folders_need_a_kind(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no known form: name the kind with --corpus"):
        recognised(_write(tmp_path / "unknown", {"notes.txt": ""}))
    split = dict.fromkeys(("B.train.csv", "B.valid.csv", "B.test.csv"), "")
    with pytest.raises(UsageError, match="amazon-2023-last-out and amazon-2023-timestamp"):
        recognised(_write(tmp_path / "split", split))


def test_histories_are_no_atomic_interactions(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="build it as unisrec"):
        _build("atomic", tmp_path, UNISREC)


def test_times_out_of_range_are_bad_lines(tmp_path: Path) -> None:
    lines = "".join(f"{user},{item},{user + item}\n" for user in range(9) for item in range(9))
    table = "user,item,timestamp\n" + lines + f"1,20,{'9' * 400}\n1,21,-3\n"
    corpus = _build("microlens-pairs", tmp_path, {"MicroLens-1k_pairs.csv": table})
    bad = corpus.manifest.bad_lines["time out of range"]
    assert bad.first == ("MicroLens-1k_pairs.csv:83 (timestamp)", "MicroLens-1k_pairs.csv:84 (timestamp)")
    assert corpus.manifest.counts.interactions == 81


@pytest.mark.parametrize(("kind", "name"), [("letter", "x.inter.json"), ("s3rec", "x_item2attributes.json")])
def test_a_folder_in_place_of_a_file_is_an_error(tmp_path: Path, kind: str, name: str) -> None:
    raw = _write(tmp_path / "raw", FORMS[kind])
    (raw / name).unlink()
    (raw / name).mkdir()
    with pytest.raises(DataError, match="cannot be read"):
        build_corpus(kind, tmp_path / "corpus", raw)


# Real sets


def test_s3rec_and_letter_publish_the_same_beauty(realdata: Path, tmp_path: Path) -> None:
    """22,363 users; item k of LETTER is item k + 1 of S3-Rec."""
    found = {path.name: path for path in (realdata / "public").glob("*/*/*/data/**/Beauty*") if path.is_file()}
    names = ("Beauty.txt", "Beauty_item2attributes.json", "Beauty.inter.json")
    if not found.keys() >= set(names):
        pytest.skip(f"no {', '.join(names)} in {realdata / 'public'}")
    corpora = []
    for kind, own in (("s3rec", names[:2]), ("letter", names[2:])):
        raw = tmp_path / kind
        raw.mkdir()
        for name in own:
            (raw / name).symlink_to(found[name])
        build_corpus(kind, tmp_path / f"{kind}-corpus", raw)
        corpora.append(Corpus.open(tmp_path / f"{kind}-corpus"))
    s3rec, letter = corpora
    counts = s3rec.manifest.counts
    assert (counts.users, counts.items, counts.interactions) == (22_363, 12_101, 198_502)
    assert s3rec.manifest.described == {"attributes": 12_101}
    sequences = _histories(s3rec)
    shifted = {user: [str(int(item) + 1) for item in items] for user, items in _histories(letter).items()}
    assert sorted(sequences.values()) == sorted(shifted.values())


def test_baby_in_the_form_of_mmrec(realdata: Path, tmp_path: Path) -> None:
    """Interactions with a split, and the tables of numbers, give those of the atomic files."""
    source = realdata / "baby_full"
    if not source.is_dir():
        pytest.skip(f"no {source}")
    files = {}
    numbers: dict[str, dict[str, str]] = {}
    for head, table, column in (("user_id", "u_id_mapping.csv", "userID"), ("asin", "i_id_mapping.csv", "itemID")):
        path = source / f"mmrec_{'user' if column == 'userID' else 'item'}_ids.tsv.gz"
        pairs = [line.split("\t") for line in gzip.decompress(path.read_bytes()).decode().splitlines()[1:]]
        numbers[column] = dict(map(tuple, pairs))
        files[table] = f"{head}\t{column}\n" + "".join(f"{name}\t{number}\n" for name, number in pairs)
    lines, expected = [], {"train": 0, "val": 0, "test": 0}
    for line in gzip.decompress((source / "baby.inter.gz").read_bytes()).decode().splitlines()[1:]:
        user, item, rating, split = line.split("\t")
        if split:
            label = list(expected).index(split)
            expected[split] += 1
            lines.append(f"{numbers['userID'][user]}\t{numbers['itemID'][item]}\t{rating}\t0\t{label}\n")
    files["baby.inter"] = "userID\titemID\trating\ttimestamp\tx_label\n" + "".join(lines)
    corpus = _build("mmrec", tmp_path, files)
    assert corpus.manifest.counts.interactions == 138_821
    assert list(corpus.manifest.options["public split"].values()) == list(expected.values())
    assert set(corpus.items.names) <= set(numbers["itemID"])
