"""METEOR against nltk's, on a tiny WordNet in the true format and on Debian's where it is installed."""

from __future__ import annotations

import random
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.corpus.reader.wordnet import WordNetCorpusReader
from nltk.tokenize import word_tokenize
from nltk.translate.meteor_score import single_meteor_score

from unimp_bench.metrics.resources import DEBIAN_WORDNET, Resources, get_wordnet
from unimp_bench.metrics.text.meteor import meteor_values, word_tokenizer

VOCABULARY = (
    "the The a dog dogs hound hounds film movie picture case box boxes buy buys purchase like loved enjoys run running "
    "go glad happy big large grown quick fast rapidly oxen it's don't , . ! 3.5 well-made"
)
WORDS = VOCABULARY.split()


@pytest.fixture(scope="module")
def wordnet(tmp_path_factory: pytest.TempPathFactory, debian_wordnet: Path) -> Path:
    resources = Resources(tmp_path_factory.mktemp("resources"))
    get_wordnet(resources, debian_wordnet)
    return resources.wordnet()


def by_nltk(pairs: list[tuple[str, str]], wordnet: Path) -> list[float]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has no other languages
        reader: Any = WordNetCorpusReader(str(wordnet), None)
    tokens = [[word_tokenize(text, preserve_line=True) for text in pair] for pair in pairs]
    return [single_meteor_score(reference, prediction, wordnet=reader) for prediction, reference in tokens]


def draw_pairs(count: int) -> list[tuple[str, str]]:
    draw = random.Random(0)
    return [
        (" ".join(draw.choices(WORDS, k=draw.randrange(14))), " ".join(draw.choices(WORDS, k=draw.randrange(14))))
        for _ in range(count)
    ]


def score(pairs: list[tuple[str, str]], wordnet: Path) -> list[float]:
    predictions, references = map(list, zip(*pairs, strict=True))
    return [float(value) for value in meteor_values(predictions, references, wordnet)]


def test_nltk_on_a_tiny_wordnet(wordnet: Path) -> None:
    pairs = draw_pairs(1_500)
    assert score(pairs, wordnet) == pytest.approx(by_nltk(pairs, wordnet), abs=1e-9)


@pytest.mark.skipif(not DEBIAN_WORDNET.is_dir(), reason=f"no WordNet in {DEBIAN_WORDNET} (Debian's wordnet-base)")
def test_nltk_on_the_whole_wordnet(tmp_path: Path) -> None:
    resources = Resources(tmp_path)
    get_wordnet(resources, DEBIAN_WORDNET)
    pairs = draw_pairs(500)
    assert score(pairs, resources.wordnet()) == pytest.approx(by_nltk(pairs, resources.wordnet()), abs=1e-9)


VARIED = "a Z é 9 . , : ; ' ' \" ` ( ] > « ” - -- ... ? ! & $ * n't 's cannot gonna wanna 'tis d'ye U.S. \n \u2028 \x1c"
PIECES = VARIED.split(" ")


@settings(max_examples=1_000, deadline=None)
@given(st.lists(st.sampled_from(PIECES) | st.just(" "), max_size=12).map("".join) | st.text(max_size=15))
def test_tokens_of_nltk(text: str) -> None:
    assert word_tokenizer()(text) == word_tokenize(text, preserve_line=True)


def test_each_stage_finds_its_words(wordnet: Path) -> None:
    one_word = 0.5  # a single match is a chunk of its own: the whole penalty
    pairs = [("Dog", "dog"), ("dogs", "dog"), ("hound", "dog"), ("cat", "dog"), ("box", "Case")]
    assert score(pairs, wordnet) == [one_word, one_word, one_word, 0, 0]  # a synonym keeps its capital, a word does not


@pytest.mark.parametrize("pair", [("", "a dog"), ("a dog", ""), ("", ""), (" \n", "...")])
def test_nothing_scores_nothing(pair: tuple[str, str], wordnet: Path) -> None:
    assert score([pair], wordnet) == [0]


def test_odd_and_long_texts(wordnet: Path) -> None:
    long = "a dog ran and a hound bought a film " * 1_000
    odd = "\ud800 漢字 \x00 e\u0301 🐕" + "'" * 2_000 + "." * 2_000
    same = score([(long, long), (odd, odd)], wordnet)
    assert same == pytest.approx([1, 1], abs=1e-3)
