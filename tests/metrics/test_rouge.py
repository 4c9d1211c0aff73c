"""ROUGE against the rouge_score package."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from unimp_bench.metrics.scores import Score
from unimp_bench.metrics.text.rouge import rouge_scores
from unimp_bench.records import FloatArray

NAMES = {"ROUGE-1": "rouge1", "ROUGE-2": "rouge2", "ROUGE-L": "rougeL"}
SCORER = RougeScorer(list(NAMES.values()), use_stemmer=False)

VOCABULARY = "The the dog's running runs 3.5 B2B İ \N{KELVIN SIGN} ß well-made"
words = st.lists(st.sampled_from(VOCABULARY.split()), max_size=12)
text = words.map(" ".join) | st.text(max_size=30)


def values(predictions: list[str], references: list[str]) -> dict[str, FloatArray]:
    found = {}
    for name, score in rouge_scores(predictions, references).items():
        assert isinstance(score, Score)
        assert score.values is not None
        found[name] = score.values
    return found


@settings(deadline=None)
@given(st.lists(st.tuples(text, text), min_size=1, max_size=6))
def test_rouge_score(pairs: list[tuple[str, str]]) -> None:
    predictions, references = map(list, zip(*pairs, strict=True))
    found = values(predictions, references)
    assert list(found) == list(NAMES)
    for place, (prediction, reference) in enumerate(pairs):
        expected = SCORER.score(reference, prediction)
        for ours, theirs in NAMES.items():
            assert found[ours][place] == pytest.approx(expected[theirs].fmeasure, abs=1e-12)


def test_long_texts() -> None:
    long, other = "ab cd ef " * 5_000, "cd ef gh " * 5_000
    found = values([long, long], [long, other])
    assert found["ROUGE-L"][0] == 1
    assert found["ROUGE-L"][1] == pytest.approx(2 / 3, abs=1e-3)


@pytest.mark.parametrize("pair", [("", "a"), ("a", ""), ("", ""), ("...", "漢字")])
def test_nothing_scores_nothing(pair: tuple[str, str]) -> None:
    assert {float(score[0]) for score in values([pair[0]], [pair[1]]).values()} == {0.0}
