"""BLEU against sacrebleu's and nltk's."""

from __future__ import annotations

import random
import warnings
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unimp_bench.metrics.scores import Score
from unimp_bench.metrics.text.bleu import bleu_scores, tokenize_13a

sacrebleu: Any = pytest.importorskip("sacrebleu", reason="sacrebleu, the independent BLEU, is not installed")

WORDS = ["the", "a", "good", "great", "dog", "cat's", "it", ",", ".", "!", "3.5", "U.S.", "large-scale", "9-", "well"]
sentence = st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join)
odd = st.text(alphabet=st.sampled_from("aZ09 .,-'\"!&;<>/{}|~`@$\n\t\r\x0b\x1c\u2028é漢quotamplt"), max_size=40)


def values(predictions: list[str], references: list[str]) -> tuple[float, float]:
    scores = bleu_scores(predictions, references)
    first, fourth = scores["BLEU-1"], scores["BLEU-4"]
    assert isinstance(first, Score)
    assert isinstance(fourth, Score)
    return first.value, fourth.value


@settings(deadline=None)
@given(st.lists(odd | st.text(max_size=30), max_size=5))
def test_tokens_of_sacrebleu(texts: list[str]) -> None:
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

    tokenizer = Tokenizer13a()
    assert tokenize_13a(texts) == [tokenizer(text).split() for text in texts]


def test_tokens_keep_entities_and_skipped_marks_as_mteval_does() -> None:
    assert tokenize_13a(["<skipped>R&amp;D &quot;x&quot; 1,000.5 a.b end-\nless"]) == [
        ["R", "&", "D", '"', "x", '"', "1,000.5", "a", ".", "b", "endless"]
    ]


@settings(deadline=None)
@given(st.lists(st.tuples(sentence, sentence), min_size=1, max_size=8))
def test_sacrebleu(pairs: list[tuple[str, str]]) -> None:
    predictions, references = map(list, zip(*pairs, strict=True))
    expected = sacrebleu.corpus_bleu(predictions, [references], smooth_method="none", force=True)
    first, fourth = values(predictions, references)
    assert first == pytest.approx(expected.precisions[0] / 100)
    assert fourth == pytest.approx(expected.score / 100)


def test_nltk() -> None:
    from nltk.translate.bleu_score import corpus_bleu, modified_precision

    draw = random.Random(0)
    predictions, references = (
        [" ".join(draw.choices(WORDS[:6], k=draw.randrange(5, 15))) for _ in range(40)] for _ in range(2)
    )
    left, right = tokenize_13a(predictions), [[tokens] for tokens in tokenize_13a(references)]
    first, fourth = values(predictions, references)
    assert fourth == pytest.approx(corpus_bleu(right, left))
    shares = [modified_precision(wanted, tokens, 1) for wanted, tokens in zip(right, left, strict=True)]
    assert first == pytest.approx(sum(share.numerator for share in shares) / sum(map(len, left)))


def test_bleu_1_has_no_brevity_penalty_and_bleu_4_has() -> None:
    first, fourth = values(["the dog ran home"], ["the dog ran home and slept"])
    assert first == 1
    assert fourth == pytest.approx(0.6065306597)


@pytest.mark.parametrize("pair", [("", "a b c d"), ("a b c d", ""), ("", ""), ("\n", " ")])
def test_nothing_scores_nothing(pair: tuple[str, str]) -> None:
    assert values([pair[0]], [pair[1]]) == (0, 0)


def test_interval_of_sacrebleu() -> None:
    draw = random.Random(1)
    references = [" ".join(draw.choices(WORDS, k=15)) for _ in range(150)]
    predictions = [
        " ".join(word if draw.random() < 0.8 else draw.choice(WORDS) for word in text.split()) for text in references
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = sacrebleu.BLEU(smooth_method="none", force=True).corpus_score(
            predictions, [references], n_bootstrap=1000
        )
    ours = bleu_scores(predictions, references)["BLEU-4"]
    assert isinstance(ours, Score)
    assert ours.values is None
    # Both draw 1,000 resamples; their half widths differ by a few hundredths from seed to seed.
    assert (ours.high - ours.low) / 2 == pytest.approx(theirs._ci / 100, rel=0.1)
    assert (ours.high + ours.low) / 2 == pytest.approx(theirs._mean / 100, abs=0.1 * theirs._ci / 100)
