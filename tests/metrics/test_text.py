"""BLEU against nltk's, ROUGE against torchmetrics', METEOR on a WordNet whose words are known, BERTScore against the
package called as a whole; and what all of them promise."""

from __future__ import annotations

import importlib
import json
import os
import random
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nltk.corpus.reader.wordnet import WordNetCorpusReader
from nltk.tokenize import word_tokenize
from nltk.translate.bleu_score import corpus_bleu, modified_precision
from nltk.translate.meteor_score import meteor_score
from sacrebleu.metrics import BLEU
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

from tests.metrics.small_resources import SENTENCES, write_bert
from unimp_bench.errors import DependencyError
from unimp_bench.metrics import text as module
from unimp_bench.metrics.resources import DEBIAN_WORDNET, Encoder, Resources, get_encoder, get_wordnet
from unimp_bench.metrics.scores import Missing, Score, Scores
from unimp_bench.metrics.text import bertscore_values, bleu_scores, meteor_values, rouge_scores, text_scores
from unimp_bench.records import FloatArray
from unimp_bench.torch_setup import make_torchvision_importable

CORPUS_LEVEL = {"BLEU-1", "BLEU-4"}
PREDICTIONS = ["a dog ran into the big box", "", "glad", "a dog", "漢字"]
REFERENCES = ["the hound ran into a large box", "a film", "", "a dog", "漢字"]
BLEU_WORDS = "the a good great dog cat's it , . ! 3.5 U.S. large-scale 9- well".split()  # noqa: SIM905
METEOR_WORDS = (  # noqa: SIM905
    "the The a dog dogs hound hounds film movie picture case box boxes buy buys purchase like loved enjoys run running "
    "go glad happy big large grown quick fast rapidly oxen it's don't , . ! 3.5 well-made"
).split()
REAL = "UNIMP_BENCH_TEST_ENCODER"
EMPTY = [("", "a dog b c"), ("a dog b c", ""), ("", ""), (" \n", "\n")]

Pairs = list[tuple[str, str]]


def sides(pairs: Pairs) -> tuple[list[str], list[str]]:
    predictions, references = map(list, zip(*pairs, strict=True))
    return predictions, references


def value(scores: Scores, name: str) -> Score:
    score = scores[name]
    assert isinstance(score, Score)
    return score


def values(scores: Scores, name: str) -> FloatArray:
    found = value(scores, name).values
    assert found is not None
    return found


def draw_pairs(words: list[str], count: int, most: int = 14) -> Pairs:
    draw = random.Random(0)
    texts = [" ".join(draw.choices(words, k=draw.randrange(most))) for _ in range(2 * count)]
    return list(zip(texts[:count], texts[count:], strict=True))


# BLEU


sentence = st.lists(st.sampled_from(BLEU_WORDS[:6]), min_size=4, max_size=14).map(" ".join)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(sentence, sentence), min_size=1, max_size=6))
def test_bleu_of_nltk(pairs: Pairs) -> None:
    tokenize = Tokenizer13a()
    left, right = ([tokenize(text).split() for text in side] for side in sides(pairs))
    scores = bleu_scores(*sides(pairs))
    shares = [modified_precision([wanted], tokens, 1) for wanted, tokens in zip(right, left, strict=True)]
    matches = sum(share.numerator for share in shares)
    assert value(scores, "BLEU-1").value == pytest.approx(matches / sum(map(len, left)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that an order has no match, for which nltk gives a number near 0
        expected = float(corpus_bleu([[wanted] for wanted in right], left))
    assert value(scores, "BLEU-4").value == pytest.approx(expected, abs=1e-12)


def test_bleu_1_has_no_brevity_penalty_and_bleu_4_has() -> None:
    scores = bleu_scores(["the dog ran home"], ["the dog ran home and slept"])
    assert value(scores, "BLEU-1").value == 1
    assert value(scores, "BLEU-4").value == pytest.approx(0.6065306597)


def test_the_interval_of_bleu_is_that_of_sacrebleu() -> None:
    draw = random.Random(1)
    references = [" ".join(draw.choices(BLEU_WORDS, k=15)) for _ in range(150)]
    predictions = [
        " ".join(word if draw.random() < 0.8 else draw.choice(BLEU_WORDS) for word in text.split())
        for text in references
    ]
    theirs: Any = BLEU(smooth_method="none", force=True).corpus_score(predictions, [references], n_bootstrap=1000)
    ours = value(bleu_scores(predictions, references), "BLEU-4")
    assert ours.value == pytest.approx(theirs.score / 100)
    # Both draw 1,000 resamples; their half widths differ by a few hundredths from seed to seed.
    assert (ours.high - ours.low) / 2 == pytest.approx(theirs._ci / 100, rel=0.1)
    assert (ours.high + ours.low) / 2 == pytest.approx(theirs._mean / 100, abs=0.1 * theirs._ci / 100)


# ROUGE


def test_rouge_of_torchmetrics() -> None:
    make_torchvision_importable()
    from torchmetrics.functional.text import rouge_score

    pairs = draw_pairs("The the dog's running runs 3.5 B2B İ ß well-made".split(), 60)  # noqa: SIM905
    scores = rouge_scores(*sides(pairs))
    assert list(scores) == ["ROUGE-1", "ROUGE-2", "ROUGE-L"]
    for row, (prediction, reference) in enumerate(pairs):
        expected = rouge_score(prediction, reference, rouge_keys=("rouge1", "rouge2", "rougeL"))
        for name in scores:
            key = module.ROUGE[name]
            assert values(scores, name)[row] == pytest.approx(float(expected[f"{key}_fmeasure"]), abs=1e-6), name


def test_equal_fractions_are_equal_values() -> None:
    """The bootstrap draws otherwise where there are few distinct values."""
    found = values(rouge_scores(["a b c", "a b c d e f", "a b c d e f g h i"], ["a", "a b", "a b c"]), "ROUGE-1")
    assert len(set(found.tolist())) == 1 and found[0] == pytest.approx(0.5)


# METEOR


@pytest.fixture(scope="module")
def wordnet(tmp_path_factory: pytest.TempPathFactory, debian_wordnet: Path) -> Path:
    resources = Resources(tmp_path_factory.mktemp("resources"))
    get_wordnet(resources, debian_wordnet)
    return resources.wordnet()


def meteor(pairs: Pairs, wordnet: Path) -> list[float]:
    return [float(value) for value in meteor_values(*sides(pairs), wordnet)]


def by_nltk(pairs: Pairs, wordnet: Path) -> list[float]:
    """The values with nltk's own tokenizer and its own reader, with its map to other languages."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has no other languages
        reader: Any = WordNetCorpusReader(str(wordnet), None)
    tokens = [[word_tokenize(text, preserve_line=True) for text in pair] for pair in pairs]
    return [meteor_score([reference], prediction, wordnet=reader) for prediction, reference in tokens]


def test_meteor_of_nltk(wordnet: Path) -> None:
    pairs = draw_pairs(METEOR_WORDS, 200)
    assert meteor(pairs, wordnet) == by_nltk(pairs, wordnet)


@pytest.mark.skipif(not DEBIAN_WORDNET.is_dir(), reason=f"no WordNet in {DEBIAN_WORDNET} (Debian's wordnet-base)")
def test_meteor_of_nltk_on_the_whole_wordnet(tmp_path: Path) -> None:
    resources = Resources(tmp_path)
    get_wordnet(resources, DEBIAN_WORDNET)
    pairs = draw_pairs(METEOR_WORDS, 100)
    assert meteor(pairs, resources.wordnet()) == by_nltk(pairs, resources.wordnet())


def test_each_stage_of_meteor_finds_its_words(wordnet: Path) -> None:
    one_word = 0.5  # a single match is a chunk of its own: the whole penalty
    pairs = [("Dog", "dog"), ("dogs", "dog"), ("hound", "dog"), ("cat", "dog"), ("box", "Case")]
    assert meteor(pairs, wordnet) == [one_word, one_word, one_word, 0, 0]  # a synonym keeps its capital


# BERTScore


def bert_pairs(count: int) -> tuple[list[str], list[str]]:
    draw = random.Random(0)
    words = " ".join(SENTENCES).split()
    texts = [" ".join(draw.choices(words, k=draw.randrange(1, 25))) for _ in range(2 * count)]
    return [draw.choice(texts[:count]) for _ in range(count)], texts[count:]


def by_package(predictions: list[str], references: list[str], folder: Path, layers: int) -> list[float]:
    make_torchvision_importable()
    from bert_score import score

    scores = score(predictions, references, model_type=str(folder), num_layers=layers, device="cpu")
    return [float(value) for value in scores[2]]


def by_equation(predictions: list[str], references: list[str], folder: Path) -> list[float]:
    """Equation 1 of the paper, a pair at a time: no padding, which the package counts as a cosine of 0."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    model, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)

    @torch.no_grad()
    def vectors(text: str) -> Any:
        hidden = model(**tokenizer(text, return_tensors="pt", truncation=True)).last_hidden_state[0]
        return torch.nn.functional.normalize(hidden, dim=1)

    found = []
    for prediction, reference in zip(predictions, references, strict=True):
        cosines = vectors(prediction) @ vectors(reference).T
        precision, recall = cosines.max(1).values[1:-1].mean(), cosines.max(0).values[1:-1].mean()
        found.append(float(2 * precision * recall / (precision + recall)))
    return found


@pytest.mark.parametrize("layers", [1, 3])
def test_bertscore_of_the_package_on_a_tiny_bert(bert: Path, layers: int) -> None:
    predictions, references = bert_pairs(40)
    found = bertscore_values(predictions, references, Encoder("tiny", bert, layers))
    assert found == pytest.approx(by_package(predictions, references, bert, layers), abs=1e-4)
    assert found.std() > 0.01


def test_bertscore_is_its_equation(bert: Path) -> None:
    predictions, references = bert_pairs(20)
    found = [
        float(bertscore_values([left], [right], Encoder("tiny", bert, None))[0])
        for left, right in zip(predictions, references, strict=True)
    ]
    assert found == pytest.approx(by_equation(predictions, references, bert), abs=1e-5)


def test_roberta_encodes_the_first_word_like_later_ones(roberta: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_torchvision_importable()
    from transformers import AutoTokenizer

    # With transformers 5 the package neither marks the first word nor takes a tokenizer without a length.
    tokenizer = AutoTokenizer.from_pretrained(roberta, add_prefix_space=True, model_max_length=64)
    package = importlib.import_module("bert_score.score")
    monkeypatch.setattr(package, "get_tokenizer", lambda *_: tokenizer)
    predictions, references = bert_pairs(40)
    found = bertscore_values(predictions, references, Encoder("tiny", roberta, 2))
    assert found == pytest.approx(by_package(predictions, references, roberta, 2), abs=1e-4)


@pytest.mark.slow
def test_bertscore_of_the_package_on_a_real_encoder() -> None:
    if not os.environ.get(REAL):
        pytest.skip(f"no real encoder: name the folder of one in {REAL}")
    folder = Path(os.environ[REAL])
    layers = json.loads((folder / "config.json").read_text())["num_hidden_layers"] - 1
    predictions, references = bert_pairs(200)
    found = bertscore_values(predictions, references, Encoder("real", folder, layers))
    assert found == pytest.approx(by_package(predictions, references, folder, layers), abs=1e-4)


def test_blocks_change_nothing(bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Of one length: the package pads the texts of a batch with cosines of 0, which beat the negative ones that an
    # untrained encoder has.
    draw = random.Random(0)
    predictions, references = (
        [" ".join(draw.choices(["dog", "film", "box", "big"], k=6)) for _ in range(30)] for _ in range(2)
    )
    encoder = Encoder("tiny", bert, None)
    whole = bertscore_values(predictions, references, encoder)
    monkeypatch.setattr(module, "BERTSCORE_BLOCK", 4)
    assert bertscore_values(predictions, references, encoder) == pytest.approx(whole, abs=1e-5)


def test_texts_of_nothing_but_unknown_characters_score_nothing(bert: Path) -> None:
    assert bertscore_values(["\x00"], ["a dog"], Encoder("tiny", bert, None)) == [0]


def test_odd_and_long_texts(bert: Path, roberta: Path) -> None:
    texts = ["\ud800 漢字 e\u0301 🐕", "a dog " * 3_000, "x" * 5_000]
    for folder in (bert, roberta):
        assert bertscore_values(texts, texts, Encoder("tiny", folder, None)) == pytest.approx([1, 1, 1], abs=1e-5)


def test_no_more_layers_than_there_are(bert: Path) -> None:
    """A folder with the name of a deeper model is not filled up with untrained layers."""
    predictions, references = bert_pairs(5)
    all_layers = bertscore_values(predictions, references, Encoder("roberta-large", bert, None))
    assert bertscore_values(predictions, references, Encoder("roberta-large", bert, 17)) == pytest.approx(all_layers)


def test_refuses_damaged_encoders(bert: Path, tmp_path: Path) -> None:
    cut = shutil.copytree(bert, tmp_path / "cut")
    weights = cut / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5_000])
    deeper = shutil.copytree(bert, tmp_path / "deeper")
    config = json.loads((deeper / "config.json").read_text())
    (deeper / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 4}))
    for folder, reason in ((cut, "cannot be read"), (deeper, "are not those of its config")):
        with pytest.raises(DependencyError, match=reason):
            bertscore_values(["a"], ["a"], Encoder("tiny", folder, None))


def test_another_encoder_gives_another_score(bert: Path, tmp_path: Path) -> None:
    predictions, references = bert_pairs(10)
    other = write_bert(tmp_path / "other", seed=5)
    ours = bertscore_values(predictions, references, Encoder("tiny", bert, None))
    assert abs(ours - bertscore_values(predictions, references, Encoder("tiny", other, None))).max() > 1e-3


# All together


@pytest.fixture
def home(tmp_path: Path) -> Resources:
    return Resources(tmp_path / "cache" / "resources")


@pytest.fixture
def whole(home: Resources, debian_wordnet: Path, bert: Path) -> Resources:
    """A workspace with both resources."""
    get_wordnet(home, debian_wordnet)
    get_encoder(home, str(bert))
    return home


def test_missing_resources_name_the_command_and_other_metrics_are_computed(home: Resources) -> None:
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


def test_with_both_resources_every_metric_is_there(whole: Resources, capsys: pytest.CaptureFixture[str]) -> None:
    scores = text_scores(PREDICTIONS, REFERENCES, whole)
    assert list(scores)[-1] == f"BERTScore F1 ({whole.encoder().name})"
    for name in scores:
        score = value(scores, name)
        assert 0 <= score.low <= score.value <= score.high <= 1, name
        if name in CORPUS_LEVEL:
            assert score.values is None
        else:
            assert values(scores, name).shape == (5,), name
            assert values(scores, name).mean() == pytest.approx(score.value)
            assert values(scores, name)[1:3].tolist() == [0, 0], name
    assert capsys.readouterr() == ("", ""), "no package has anything to say"


@pytest.mark.parametrize("pair", EMPTY)
def test_nothing_scores_nothing(pair: tuple[str, str], whole: Resources) -> None:
    scores = text_scores([pair[0]], [pair[1]], whole)
    assert {name: value(scores, name).value for name in scores} == dict.fromkeys(scores, 0.0)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.text(max_size=20), min_size=1, max_size=4))
def test_any_text_is_scored_and_the_order_of_examples_is_nothing(whole: Resources, texts: list[str]) -> None:
    forth = text_scores(texts, texts[::-1], whole)
    back = text_scores(texts[::-1], texts, whole)
    for name in forth:
        assert np.isfinite(value(forth, name).value), name
        assert value(forth, name).value == pytest.approx(value(back, name).value, abs=1e-6), name


def test_a_long_prediction_is_scored_in_seconds(whole: Resources) -> None:
    """Whoever hands in predictions chooses their length; references are sentences."""
    scores = text_scores(["a dog ran and a hound bought a film " * 2_000], ["a dog ran into a box"], whole)
    for name in scores:
        assert 0 < value(scores, name).value < 1 or name == "BLEU-4", name


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
