"""All text metrics together: their names, what is missing, and what every one of them promises."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unimp_bench.metrics.resources import Resources, get_encoder, get_wordnet
from unimp_bench.metrics.scores import Missing, Score
from unimp_bench.metrics.text import text_scores

CORPUS_LEVEL = {"BLEU-1", "BLEU-4"}
PREDICTIONS = ["a dog ran into the big box", "", "glad", "a dog", "漢字"]
REFERENCES = ["the hound ran into a large box", "a film", "", "a dog", "漢字"]


@pytest.fixture
def home(tmp_path: Path) -> Resources:
    return Resources(tmp_path / "cache" / "resources")


@pytest.fixture
def whole(home: Resources, debian_wordnet: Path, bert: Path) -> Resources:
    """A workspace with both resources."""
    get_wordnet(home, debian_wordnet)
    get_encoder(home, str(bert))
    return home


def test_what_is_missing_says_what_to_run_and_the_rest_is_there(home: Resources) -> None:
    scores = text_scores(PREDICTIONS, REFERENCES, home)
    assert list(scores) == [
        *("BLEU-1", "BLEU-4", "ROUGE-1", "ROUGE-2", "ROUGE-L", "METEOR"),
        "BERTScore F1 (roberta-large)",
    ]
    missing = {name: score.reason for name, score in scores.items() if isinstance(score, Missing)}
    assert missing == {
        "METEOR": "WordNet is not here: run 'unimp-bench resources get wordnet'",
        "BERTScore F1 (roberta-large)": (
            "the encoder roberta-large is not here: run 'unimp-bench resources get bertscore'"
        ),
    }


def test_with_both_resources_every_metric_is_there(whole: Resources) -> None:
    scores = text_scores(PREDICTIONS, REFERENCES, whole)
    assert list(scores)[-1] == f"BERTScore F1 ({whole.encoder().name})"
    for name, score in scores.items():
        assert isinstance(score, Score), name
        assert 0 <= score.low <= score.value <= score.high <= 1, name
        if name in CORPUS_LEVEL:
            assert score.values is None
        else:
            assert score.values is not None, name
            assert score.values.shape == (5,), name
            assert score.values.mean() == pytest.approx(score.value)
            assert score.values[1:3].tolist() == [0, 0], name


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.text(max_size=20), min_size=1, max_size=4))
def test_any_text_is_scored_and_the_order_of_examples_is_nothing(whole: Resources, texts: list[str]) -> None:
    forth = text_scores(texts, texts[::-1], whole)
    back = text_scores(texts[::-1], texts, whole)
    for name, score in forth.items():
        assert isinstance(score, Score), name
        other = back[name]
        assert isinstance(other, Score), name
        assert np.isfinite(score.value), name
        assert score.value == pytest.approx(other.value, abs=1e-6), name


def test_a_damaged_encoder_leaves_its_cell_empty(whole: Resources, tmp_path: Path, bert: Path) -> None:
    cut = tmp_path / "cut"
    cut.mkdir()
    for path in bert.iterdir():
        (cut / path.name).write_bytes(path.read_bytes()[:3_000])
    get_encoder(whole, str(cut))
    name, score = list(text_scores(["a"], ["a"], whole).items())[-1]
    assert name.startswith("BERTScore F1 (cut ")
    assert isinstance(score, Missing)
    assert "cannot be read" in score.reason
    assert "\n" not in score.reason


def test_a_damaged_wordnet_leaves_its_cell_empty(whole: Resources) -> None:
    (whole.wordnet_folder / "index.noun").write_text("dog n none\n")
    score = text_scores(["a"], ["b"], whole)["METEOR"]
    assert isinstance(score, Missing)
    assert score.reason.startswith("WordNet cannot be read (")


@pytest.mark.parametrize("texts", [([], []), (["a"], []), (["a"], ["a", "b"])])
def test_refuses_texts_that_do_not_pair(home: Resources, texts: tuple[list[str], list[str]]) -> None:
    with pytest.raises(ValueError, match=r"\d predictions cannot be scored against \d references"):
        text_scores(*texts, home)
