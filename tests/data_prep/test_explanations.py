"""The rule that selects explanations, and the explanations of a build."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from data_prep.build import BuildOptions
from data_prep.explanations.rule import (
    LONGEST,
    NO_FEATURES,
    OPINIONS,
    SHORTEST,
    clean,
    count_pairs,
    explaining_sentence,
    sentences,
    tokenize,
)
from data_prep.mcauley import amazon_2014
from data_prep.pipeline import run_pipeline
from tests.data_prep import raw_sets
from unimp_bench.cli.data import command
from unimp_bench.corpus import Corpus, Manifest
from unimp_bench.errors import DataError, UsageError

# --- sentences ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Great gift. love it", ["Great gift.", "love it"]),
        ("Great gift.Love it!Twice", ["Great gift.", "Love it!", "Twice"]),
        ("Wow!!! Nice card... and more. Really...? Yes", ["Wow!!!", "Nice card... and more.", "Really...?", "Yes"]),
        ("It was so... good", ["It was so... good"]),
        ("From Mr. Smith and J. Jones. Fine", ["From Mr. Smith and J. Jones.", "Fine"]),
        ("I saw it. Mr. Smith did. J. Jones too", ["I saw it.", "Mr. Smith did.", "J. Jones too"]),
        ("A thousandoz. bottle in. deep", ["A thousandoz.", "bottle in. deep"]),
        ("A 16 oz. bottle for $4.50. Big", ["A 16 oz. bottle for $4.50.", "Big"]),
        ("I liked it, but no. The end", ["I liked it, but no.", "The end"]),
        ("See amazon.com, i.e. the shop", ["See amazon.com, i.e. the shop"]),
        ('He said "great." Then left (really!) today', ['He said "great."', "Then left (really!)", "today"]),
        ("One line\nanother\r\n\r\nthird", ["One line", "another", "third"]),
        ("a<br />b <b>bold</b> 1 < 2 <3", ["a", "b", "bold", "1 < 2 <3"]),
        ("line&lt;br&gt;break 5 &lt; 6 &gt; 4", ["line", "break 5 < 6 > 4"]),
        ("Tom &amp; Jerry&#39;s &quot;fun&quot;", ['Tom & Jerry\'s "fun"']),
        ("[[VIDEOID:abc123]] See it. [[ASIN:B00 A title]]", ["See it."]),
        ("tab\tand \x00 nul \u200b zero\x1b[0m", ["tab and nul zero [0m"]),
        ("", []),
        (" \n . \n", ["."]),
    ],
)
def test_sentences(text: str, parts: list[str]) -> None:
    assert [line for line in map(clean, sentences(text)) if line] == parts


@given(st.text(st.characters(codec="utf-8")))
def test_any_text_gives_clean_lines(text: str) -> None:
    for sentence in map(clean, sentences(text)):
        assert sentence.isprintable() and sentence == " ".join(sentence.split())


# --- pairs -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sentence", "pairs"),
    [
        ("The colour is lovely.", 1),
        ("The fabric is soft and the colour is lovely.", 2),
        ("Soft fabric, lovely colour, awful zipper.", 3),
        ("I love it.", 0),
        ("It is very good.", 0),
        ("Great product.", 0),
        ("My husband loves it.", 0),
        ("Arrived last Tuesday in a box.", 0),
        ("It looks like the picture.", 0),
        ("I like the shape a lot.", 1),
        ("We do not like the smell.", 1),
        ("It came with batteries as well.", 0),
        ("The lid closes well.", 1),
        ("A pretty bowl.", 1),
        ("The bowl is pretty good.", 1),
        ("The bowl, good.", 0),
        ("Don\u2019t waste your money.", 1),
        ("good good good lid", 1),
    ],
)
def test_pairs_are_opinions_on_features(sentence: str, pairs: int) -> None:
    assert count_pairs(tokenize(sentence)) == pairs


def test_word_lists_hold_single_tokens_and_overlap_as_declared() -> None:
    for words in (OPINIONS, NO_FEATURES):
        assert all(tokenize(word) == [word] for word in words)
    assert {"like", "well", "pretty"} >= OPINIONS & NO_FEATURES


# --- the rule ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "title", "sentence"),
    [
        ("I got it in May. The colour is just lovely. Bye.", "", "The colour is just lovely."),
        ("The lid is good. The lid is bad. It works.", "", "The lid is good."),  # equals: the first
        ("The lid is good. Soft fabric and lovely colour.", "", "Soft fabric and lovely colour."),  # the most pairs
        ("Great lid. Nothing else.", "", None),  # too short
        ("The lid is good " + "and so on " * 9, "", None),  # too long: 31 words
        ("The lid is good " + "and so on " * 8 + "x y", "", "The lid is good " + "and so on " * 8 + "x y"),
        ("Soft cotton lovely towel set.", "Lovely Towel Set, Soft Cotton", None),  # only the title
        ("Soft cotton lovely towel indeed.", "Lovely Towel Set, Soft Cotton", "Soft cotton lovely towel indeed."),
        ("It came. I use it.", "", None),
        ("", "", None),
        ("I&#39;d say the <b>colour</b>\x07 is lovely.", "", None),  # a tag ends a sentence
        ("I&#39;d say the colour\x07 is lovely.", "", "I'd say the colour is lovely."),
    ],
)
def test_ranks_follow_the_rule(text: str, title: str, sentence: str | None) -> None:
    assert explaining_sentence(text, title) == sentence


@given(
    st.lists(
        st.sampled_from(
            [
                *[
                    "the",
                    "lid",
                    "is",
                    "good",
                    "soft",
                    "awful",
                    "colour",
                    "and",
                    "it",
                    ",",
                    ".",
                    "!",
                    "\n",
                    "&amp;",
                    "<br>",
                    "\x00",
                    "love",
                ]
            ]
        )
    )
)
def test_selected_sentences_satisfy_the_rule(words: list[str]) -> None:
    text, title = " ".join(words), "the good lid"
    picked = explaining_sentence(text, title)
    if picked is not None:
        spoken = [word for word in tokenize(picked) if word[0].isalnum()]
        assert SHORTEST <= len(spoken) <= LONGEST
        assert count_pairs(tokenize(picked)) > 0
        assert not set(spoken) <= {"the", "good", "lid"}
        assert picked.isprintable() and "<" not in picked and picked == explaining_sentence(text, title)


# --- builds ------------------------------------------------------------------------------------------------------

ALL = BuildOptions(user_core=0, item_core=0, held_out=0.0)
TEXTS = ("The lid is good, says {}.", "Nothing to say.", "Soft fabric, says {} gladly.", "")


def write_raw(folder: Path, *domains: str) -> list[raw_sets.Fields]:
    records = raw_sets.reviews()
    for number, record in enumerate(records):
        record["reviewText"] = TEXTS[number % 4].format(record["reviewerID"] + record["asin"])
    for domain in domains:
        raw_sets.write_style("amazon-2014", folder, domain, records)
    return records


def build(raw: Path, folder: Path, sentires: Path | None = None) -> Corpus:
    run_pipeline(amazon_2014(raw), folder, ALL, sentires=sentires)
    return Corpus.open(folder)


def explained(corpus: Corpus) -> dict[tuple[str, str], str]:
    """Sentences by the names of user and item."""
    assert corpus.explanations is not None
    users = np.repeat(np.arange(corpus.histories.users), corpus.histories.lengths())
    rows = corpus.explanations.rows
    said = corpus.explanations.take(np.arange(len(rows)))
    return {
        (corpus.users.names[users[row]], corpus.items.names[corpus.histories.items[row]]): sentence
        for row, sentence in zip(rows, said, strict=True)
    }


def test_a_build_explains_its_reviews_by_the_rule(tmp_path: Path) -> None:
    records = write_raw(tmp_path / "raw", "Beauty")
    corpus = build(tmp_path / "raw", tmp_path / "corpus")
    expected = {
        (record["reviewerID"], record["asin"]): record["reviewText"]
        for number, record in enumerate(records)
        if number % 2 == 0
    }
    assert explained(corpus) == expected
    assert corpus.manifest.counts.explanations == len(expected)
    assert corpus.manifest.options["explanations"] == {"Beauty": {"by": "rule", "count": len(expected)}}


def test_results_do_not_depend_on_the_chunk_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_raw(tmp_path / "raw", "Beauty", "Toys")
    whole = build(tmp_path / "raw", tmp_path / "whole")
    monkeypatch.setattr("data_prep.explanations.CHUNK", 7)
    assert explained(build(tmp_path / "raw", tmp_path / "pieces")) == explained(whole)


def write_pickle(folder: Path, domain: str, records: Any) -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"reviews_{domain}.pickle").write_bytes(pickle.dumps(records))


def quadruple(sentence: str) -> tuple[str, str, str, int]:
    return ("lid", "good", sentence, 1)


def test_files_of_sentires_explain_their_domains_and_the_rule_the_others(tmp_path: Path) -> None:
    records = write_raw(tmp_path / "raw", "Beauty", "Toys")
    by_rule = explained(build(tmp_path / "raw", tmp_path / "plain"))
    pairs = [(record["reviewerID"], record["asin"]) for record in records[:6]]
    several = [
        quadruple("said but once in it"),
        quadruple("said twice in this one"),
        quadruple("said twice in this one"),
    ]
    extracted = [
        {"user": pairs[0][0], "item": pairs[0][1], "rating": 5.0, "text": "...", "sentence": several},
        {
            "user": pairs[1][0],
            "item": pairs[1][1],
            "template": quadruple("made ready for training"),
            "predicted": "lid",
        },
        {"user": pairs[2][0], "item": pairs[2][1], "rating": 5.0, "text": "nothing found"},
        {"user": pairs[3][0], "item": pairs[3][1], "sentence": [quadruple("too short"), quadruple("x " * 31)]},
        {"user": "stranger", "item": pairs[4][1], "sentence": [quadruple("of nobody we know")]},
        {"user": pairs[0][0], "item": pairs[0][1], "sentence": [quadruple("a second record of it")]},
    ]
    write_pickle(tmp_path / "sentires", "Beauty", extracted)
    corpus = build(tmp_path / "raw", tmp_path / "corpus", tmp_path / "sentires")
    said = explained(corpus)
    assert {pair: sentence for pair, sentence in said.items() if pair[0].endswith("_Beauty")} == {
        (f"{pairs[0][0]}_Beauty", pairs[0][1]): "said twice in this one",
        (f"{pairs[1][0]}_Beauty", pairs[1][1]): "made ready for training",
    }
    toys = {pair: sentence for pair, sentence in by_rule.items() if pair[0].endswith("_Toys")}
    assert {pair: sentence for pair, sentence in said.items() if pair[0].endswith("_Toys")} == toys
    manifest: Manifest = corpus.manifest
    assert manifest.options["explanations"] == {
        "Beauty": {"by": "sentires", "count": 2, "records": 6, "records without a sentence": 2},
        "Toys": {"by": "rule", "count": len(toys)},
    }
    assert "reviews_Beauty.pickle" in manifest.inputs


def test_the_command_line_takes_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = write_raw(tmp_path / "raw", "Beauty")
    first = records[0]
    write_pickle(tmp_path / "sentires", "Beauty", [{"user": first["reviewerID"], "item": first["asin"],
                                                    "sentence": [quadruple("from the toolkit it came")]}])  # fmt: skip
    monkeypatch.setenv("UNIMP_BENCH_HOME", str(tmp_path))
    options = ["--corpus", "amazon-2014", "--raw", f"{tmp_path}/raw", "--sentires", f"{tmp_path}/sentires"]
    result = CliRunner().invoke(command, [*options, "--core", "0"])
    assert result.exit_code == 0, result.output
    assert "240 interactions, 0 pictures, 1 explanations" in result.output
    with pytest.raises(UsageError, match="omit raw folders, domains, pictures and explanations"):
        CliRunner().invoke(command, ["--sentires", str(tmp_path / "sentires")], catch_exceptions=False)


@pytest.mark.parametrize(
    ("records", "message"),
    [
        (None, r"has no reviews_Beauty\.pickle"),
        ([{"user": "A"}], "a record without a user and an item"),
        (["text"], "a record without a user and an item"),
        ([{"user": "A", "item": print}], "is refused: it holds .*GLOBAL"),
        ({"user": "A"}, "other contents than one list"),
        (
            [{"user": "nobody", "item": "X", "sentence": [("colour", "fine", "the colour is very fine", 1)]}],
            "no record matches a user and an item of the reviews",
        ),
    ],
)
def test_unusable_files_of_sentires_leave_no_corpus(tmp_path: Path, records: Any, message: str) -> None:
    write_raw(tmp_path / "raw", "Beauty")
    (tmp_path / "sentires").mkdir()
    if records is not None:
        write_pickle(tmp_path / "sentires", "Beauty", records)
    with pytest.raises(DataError, match=message):
        build(tmp_path / "raw", tmp_path / "corpus", tmp_path / "sentires")
    assert not (tmp_path / "corpus").exists()
