"""Text metrics.

Ours beside nltk, rouge_score and bert_score called directly on the same pairs; the values of both sides must agree.
The references are distinct sentences of a raw review file, and where it has too few, more are made of its words; a
prediction is its reference with a third of the words drawn anew. Both sides tokenise in their time, and read WordNet
(from the workspace: `unimp-bench resources get wordnet`) or the encoder (with `--encoder`, a folder) anew in every
round, as a run does. Ours also draws bootstrap intervals, which the libraries do not have; where they resample the
values of the pairs, what they take is told apart.
"""

from __future__ import annotations

import gzip
import json
import random
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.command import benchmark
from benchmarks.corpora import real_data
from benchmarks.record import Measure, times
from benchmarks.turns import in_turns, timed
from unimp_bench.files import Workspace
from unimp_bench.metrics.resources import Encoder, Resources
from unimp_bench.metrics.scores import Score, Scores, mean_score
from unimp_bench.metrics.text.bertscore import bertscore_values
from unimp_bench.metrics.text.bleu import bleu_scores, tokenize_13a
from unimp_bench.metrics.text.meteor import _synonyms, meteor_values
from unimp_bench.metrics.text.rouge import rouge_scores

REVIEWS = Path("gift_cards_raw_2018/Gift_Cards_5.json.gz")
ROUGE = {"ROUGE-1": "rouge1", "ROUGE-2": "rouge2", "ROUGE-L": "rougeL"}
TOLERANCES = {"BERTScore": 1e-4}
TOLERANCE = 1e-9
FEW = 10

Means = dict[str, float]


@dataclass(frozen=True)
class Pairs:
    """Predictions and references, (n,) each; so many references are sentences as they were found."""

    predictions: list[str]
    references: list[str]
    found: int

    @classmethod
    def draw(cls, reviews: Path, count: int) -> Pairs:
        with gzip.open(reviews, "rt", encoding="utf-8") as lines:
            texts = [str(json.loads(line).get("reviewText", "")) for line in lines]
        sentences = [sentence.strip() for text in texts for sentence in re.split(r"(?<=[.!?])\s", text)]
        distinct = list(dict.fromkeys(text for text in sentences if 4 <= len(text.split()) <= 30))
        words = [word for text in distinct for word in text.split()]
        draw = random.Random(0)
        draw.shuffle(distinct)
        references = distinct[:count]
        while len(references) < count:
            length = len(draw.choice(distinct).split())
            references.append(" ".join(draw.choices(words, k=length)))
        predictions = [
            " ".join(word if draw.random() < 2 / 3 else draw.choice(words) for word in text.split())
            for text in references
        ]
        return cls(predictions, references, min(count, len(distinct)))

    def first(self, count: int) -> Pairs:
        """The first of them."""
        return Pairs(self.predictions[:count], self.references[:count], min(self.found, count))


def means(scores: Scores) -> Means:
    """The values of scores that are all there."""
    return {name: score.value for name, score in scores.items() if isinstance(score, Score)}


def bleu_by_ours(pairs: Pairs) -> Means:
    """Ours."""
    return means(bleu_scores(pairs.predictions, pairs.references))


def bleu_by_nltk(pairs: Pairs) -> Means:
    """Two calls; the unigram one is freed of its brevity penalty."""
    from nltk.translate.bleu_score import corpus_bleu

    left, right = tokenize_13a(pairs.predictions), [[tokens] for tokens in tokenize_13a(pairs.references)]
    brevity = corpus_bleu(right, left, weights=(1,))
    lengths = sum(len(tokens) for tokens in left) / sum(len(tokens[0]) for tokens in right)
    return {"BLEU-1": brevity / min(1, np.exp(1 - 1 / lengths)), "BLEU-4": corpus_bleu(right, left)}


def rouge_by_ours(pairs: Pairs) -> Means:
    """Ours."""
    return means(rouge_scores(pairs.predictions, pairs.references))


def rouge_by_package(pairs: Pairs) -> Means:
    """One scorer, a call a pair."""
    from rouge_score.rouge_scorer import RougeScorer  # type: ignore[import-untyped]

    scorer = RougeScorer(list(ROUGE.values()))
    scored = [scorer.score(*pair) for pair in zip(pairs.references, pairs.predictions, strict=True)]
    return {ours: float(np.mean([row[theirs].fmeasure for row in scored])) for ours, theirs in ROUGE.items()}


def meteor_by_ours(wordnet: Path, pairs: Pairs) -> Means:
    """Ours, with WordNet read anew."""
    _synonyms.cache_clear()
    return means({"METEOR": mean_score(meteor_values(pairs.predictions, pairs.references, wordnet))})


def meteor_by_nltk(wordnet: Path, pairs: Pairs) -> Means:
    """WordNet read anew, then a call a pair."""
    from nltk.corpus.reader.wordnet import WordNetCorpusReader
    from nltk.tokenize import word_tokenize
    from nltk.translate.meteor_score import meteor_score

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has no other languages
        reader: Any = WordNetCorpusReader(str(wordnet), None)
    values = [
        meteor_score(
            [word_tokenize(reference, preserve_line=True)],
            word_tokenize(prediction, preserve_line=True),
            wordnet=reader,
        )
        for prediction, reference in zip(pairs.predictions, pairs.references, strict=True)
    ]
    return {"METEOR": float(np.mean(values))}


def bertscore_by_ours(encoder: Encoder, pairs: Pairs) -> Means:
    """Ours, with the encoder read anew."""
    return means({"BERTScore": mean_score(bertscore_values(pairs.predictions, pairs.references, encoder))})


def bertscore_by_package(encoder: Encoder, pairs: Pairs) -> Means:
    """One call, which reads the encoder."""
    from bert_score import score  # type: ignore[import-untyped]

    layers = encoder.layers or json.loads((encoder.folder / "config.json").read_text())["num_hidden_layers"]
    scores = score(pairs.predictions, pairs.references, model_type=str(encoder.folder), num_layers=layers, device="cpu")
    return {"BERTScore": float(scores[2].mean())}


def compared(case: str, sides: Mapping[str, Callable[[Pairs], Means]], pairs: Pairs, rounds: int) -> Iterator[Measure]:
    """Both sides in turns, ours first, after a few pairs to warm up; their values must agree."""
    in_turns({side: partial(work, pairs.first(FEW)) for side, work in sides.items()}, 1)
    found = in_turns({side: partial(timed, partial(work, pairs)) for side, work in sides.items()}, rounds)
    (ours, mine), (theirs, other) = ((side, turns[0][0]) for side, turns in found.items())
    for metric, value in mine.items():
        if not np.isclose(other[metric], value, rtol=0, atol=TOLERANCES.get(metric, TOLERANCE)):
            raise click.ClickException(f"{metric} differs: {ours} {value}, {theirs} {other[metric]}")
    yield from times(case, "all pairs", {side: [seconds for _, seconds in turns] for side, turns in found.items()})


def intervals(pairs: Pairs, wordnet: Path) -> Iterator[Measure]:
    """What the intervals take of our seconds, where they resample the values of the pairs."""
    scores = rouge_scores(pairs.predictions, pairs.references)
    values = {"ROUGE": [np.asarray(score.values) for score in scores.values() if isinstance(score, Score)]}
    values["METEOR"] = [np.asarray(meteor_values(pairs.predictions, pairs.references, wordnet))]
    for name, columns in values.items():
        _, seconds = timed(lambda columns=columns: [mean_score(column) for column in columns])  # type: ignore[misc]
        yield Measure.fact(f"{name}, the intervals of ours", "all pairs", seconds.cpu, "CPU s")


@benchmark("numpy", "torch", "nltk", "rouge-score", "bert-score")
@click.option("--reviews", type=click.Path(path_type=Path, exists=True), default=lambda: real_data() / REVIEWS)
@click.option("--pairs", "count", default=10_000)
@click.option("--rounds", default=3)
@click.option("--encoder", type=click.Path(path_type=Path, exists=True), help="Without it BERTScore is left out.")
@click.option("--encoder-pairs", default=1000)
def command(reviews: Path, count: int, rounds: int, encoder: Path | None, encoder_pairs: int) -> Iterator[Measure]:
    """See the top of the file."""
    pairs = Pairs.draw(reviews, count)
    wordnet = Resources.of(Workspace.here()).wordnet()
    yield Measure.fact("the pairs", "pairs", count)
    yield Measure.fact("the pairs", "of that references as they were found", pairs.found)
    bleu = {"ours": bleu_by_ours, "nltk": bleu_by_nltk}
    yield from compared("BLEU-1 and BLEU-4", bleu, pairs, rounds)
    rouge = {"ours": rouge_by_ours, "rouge_score": rouge_by_package}
    yield from compared("ROUGE-1, -2, -L", rouge, pairs, rounds)
    meteor = {"ours": partial(meteor_by_ours, wordnet), "nltk": partial(meteor_by_nltk, wordnet)}
    yield from compared("METEOR", meteor, pairs, rounds)
    if encoder is not None:
        read = Encoder(encoder.name, encoder, None)
        bert = {"ours": partial(bertscore_by_ours, read), "bert_score": partial(bertscore_by_package, read)}
        yield from compared(f"BERTScore, {encoder_pairs:,} pairs", bert, pairs.first(encoder_pairs), rounds)
    yield from intervals(pairs, wordnet)
