"""Text metrics.

Direct calls of the packages of text metrics, compared with the whole metric, which includes per-example values and a
bootstrap interval. The values of both sides must agree. References are distinct sentences of a raw review file, if
there are too few also random ones of its words; predictions are references with a third of the words replaced. Both
sides load WordNet (from the workspace: `unimp-bench resources get wordnet`) or the encoder (`--encoder`, a folder) in
every round, as a run does.
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
import nltk.data
import numpy as np
from nltk.corpus.reader.wordnet import WordNetCorpusReader
from nltk.tokenize import word_tokenize
from nltk.translate.meteor_score import meteor_score
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu import BLEU

from benchmarks.harness import Measure, benchmark, in_turns, timed, times
from benchmarks.workloads import real_data
from unimp_bench.files import Workspace
from unimp_bench.metrics.resources import Encoder, Resources
from unimp_bench.metrics.scores import Score, Scores, mean_score
from unimp_bench.metrics.text import ROUGE, bertscore_values, bleu_scores, meteor_values, rouge_scores, wordnet_reader

REVIEWS = Path("gift_cards_raw_2018/Gift_Cards_5.json.gz")
METRIC = "the metric, with intervals"
TOLERANCES = {"BERTScore": 1e-4}
TOLERANCE = 1e-9
FEW = 10

Means = dict[str, float]


@dataclass(frozen=True)
class Pairs:
    """Predictions and references, (n,) each; ``found`` references are original sentences."""

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
        """The first pairs."""
        return Pairs(self.predictions[:count], self.references[:count], min(self.found, count))


def means(scores: Scores) -> Means:
    """The values of the available scores."""
    return {name: score.value for name, score in scores.items() if isinstance(score, Score)}


def bleu_by_sacrebleu(pairs: Pairs) -> Means:
    """One call."""
    found = BLEU(smooth_method="none", force=True).corpus_score(pairs.predictions, [pairs.references])
    return {"BLEU-1": found.precisions[0] / 100, "BLEU-4": found.score / 100}


def bleu_by_metric(pairs: Pairs) -> Means:
    """One call per pair, and an interval of the corpus score."""
    return means(bleu_scores(pairs.predictions, pairs.references))


def rouge_by_package(pairs: Pairs) -> Means:
    """One scorer, one call per pair."""
    scorer = RougeScorer(list(ROUGE.values()))
    scored = [scorer.score(*pair) for pair in zip(pairs.references, pairs.predictions, strict=True)]
    return {ours: float(np.mean([row[theirs].fmeasure for row in scored])) for ours, theirs in ROUGE.items()}


def rouge_by_metric(pairs: Pairs) -> Means:
    """The same, and an interval of each mean."""
    return means(rouge_scores(pairs.predictions, pairs.references))


def meteor_by_nltk(wordnet: Path, pairs: Pairs) -> Means:
    """WordNet is loaded, then one call per pair."""
    nltk.data.path.append(str(wordnet.parent.parent))  # nltk reads only below these folders
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # other languages are missing
        reader: Any = WordNetCorpusReader(str(wordnet), None)
    tokens = (
        [word_tokenize(text, preserve_line=True) for text in pair]
        for pair in zip(pairs.references, pairs.predictions, strict=True)
    )
    return {"METEOR": float(np.mean([meteor_score([left], right, wordnet=reader) for left, right in tokens]))}


def meteor_by_metric(wordnet: Path, pairs: Pairs) -> Means:
    """The metric without other languages, and an interval."""
    wordnet_reader.cache_clear()
    return means({"METEOR": mean_score(meteor_values(pairs.predictions, pairs.references, wordnet))})


def bertscore_by_package(encoder: Encoder, pairs: Pairs) -> Means:
    """One call, which loads the encoder."""
    from bert_score import score

    layers = encoder.layers or json.loads((encoder.folder / "config.json").read_text())["num_hidden_layers"]
    scores = score(pairs.predictions, pairs.references, model_type=str(encoder.folder), num_layers=layers, device="cpu")
    return {"BERTScore": float(scores[2].mean())}


def bertscore_by_metric(encoder: Encoder, pairs: Pairs) -> Means:
    """The encoder is loaded, one call per block of pairs, and an interval."""
    return means({"BERTScore": mean_score(bertscore_values(pairs.predictions, pairs.references, encoder))})


def compared(case: str, sides: Mapping[str, Callable[[Pairs], Means]], pairs: Pairs, rounds: int) -> Iterator[Measure]:
    """Both sides in turns, the package first, after a warm-up; their values must agree."""
    in_turns({side: partial(work, pairs.first(FEW)) for side, work in sides.items()}, 1)
    found = in_turns({side: partial(timed, partial(work, pairs)) for side, work in sides.items()}, rounds)
    (package, expected), (metric, values) = ((side, turns[0][0]) for side, turns in found.items())
    for name, value in values.items():
        if not np.isclose(expected[name], value, rtol=0, atol=TOLERANCES.get(name, TOLERANCE)):
            raise click.ClickException(f"{name} differs: {package} {expected[name]}, {metric} {value}")
    yield from times(case, "all pairs", {side: [seconds for _, seconds in turns] for side, turns in found.items()})


@benchmark("numpy", "torch", "sacrebleu", "nltk", "rouge-score", "bert-score")
@click.option("--reviews", type=click.Path(path_type=Path, exists=True), default=lambda: real_data() / REVIEWS)
@click.option("--pairs", "count", default=10_000)
@click.option("--rounds", default=3)
@click.option("--encoder", type=click.Path(path_type=Path, exists=True), help="Encoder of BERTScore (else omitted).")
@click.option("--encoder-pairs", default=1000)
def command(reviews: Path, count: int, rounds: int, encoder: Path | None, encoder_pairs: int) -> Iterator[Measure]:
    """See the docstring of the module."""
    pairs = Pairs.draw(reviews, count)
    wordnet = Resources.of(Workspace.here()).wordnet()
    yield Measure.fact("the pairs", "pairs", count)
    yield Measure.fact("the pairs", "of that references as they were found", pairs.found)
    bleu = {"sacrebleu": bleu_by_sacrebleu, METRIC: bleu_by_metric}
    yield from compared("BLEU-1 and BLEU-4", bleu, pairs, rounds)
    rouge = {"rouge_score": rouge_by_package, METRIC: rouge_by_metric}
    yield from compared("ROUGE-1, -2, -L", rouge, pairs, rounds)
    meteor = {"nltk": partial(meteor_by_nltk, wordnet), METRIC: partial(meteor_by_metric, wordnet)}
    yield from compared("METEOR", meteor, pairs, rounds)
    if encoder is not None:
        read = Encoder(encoder.name, encoder, None)
        bert = {"bert_score": partial(bertscore_by_package, read), METRIC: partial(bertscore_by_metric, read)}
        yield from compared(f"BERTScore, {encoder_pairs:,} pairs", bert, pairs.first(encoder_pairs), rounds)
