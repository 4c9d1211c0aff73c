"""Times the text metrics against nltk, rouge_score and bert_score called directly on the same pairs. From the root:

    python benchmarks/text_metrics.py <reviews.json.gz> [--pairs 10000] [--encoder <folder> --encoder-pairs 1000]

The references are distinct sentences of a raw McAuley review file; where it has fewer than ``--pairs``, more are made
of its words. A prediction is its reference with a third of the words drawn anew. WordNet is taken from the workspace
(``unimp-bench resources get wordnet``) and read anew on both sides in every round, as a run does it; so is the encoder.
Both sides tokenise in their time. Ours also draws the bootstrap intervals, which the libraries do not have; what they
take is printed beside it. The values of both sides must agree.

Rounds alternate between the sides, on one thread each; the fastest round of each side counts, in processor seconds,
which hold on a machine that is busy with other things.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import re
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}

import numpy as np
import torch

from unimp_bench.metrics.scores import Score, Scores, mean_score
from unimp_bench.metrics.text.bertscore import bertscore_values
from unimp_bench.metrics.text.bleu import bleu_scores, tokenize_13a
from unimp_bench.metrics.text.meteor import _synonyms, meteor_values
from unimp_bench.metrics.text.rouge import rouge_scores
from unimp_bench.paths import Workspace
from unimp_bench.resources import Encoder, Resources

ROUGE = {"ROUGE-1": "rouge1", "ROUGE-2": "rouge2", "ROUGE-L": "rougeL"}

Means = dict[str, float]


@dataclass(frozen=True)
class Pairs:
    """Predictions and references, (n,) each."""

    predictions: list[str]
    references: list[str]

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
        print(f"{min(count, len(distinct))} of {count} references are sentences of {reviews.name}")
        predictions = [
            " ".join(word if draw.random() < 2 / 3 else draw.choice(words) for word in text.split())
            for text in references
        ]
        return cls(predictions, references)


def means(scores: Scores) -> Means:
    """The values of scores that are all there."""
    return {name: score.value for name, score in scores.items() if isinstance(score, Score)}


def bleu_by_nltk(pairs: Pairs) -> Means:
    """Two calls; the unigram one is freed of its brevity penalty."""
    from nltk.translate.bleu_score import corpus_bleu

    left, right = tokenize_13a(pairs.predictions), [[tokens] for tokens in tokenize_13a(pairs.references)]
    brevity = corpus_bleu(right, left, weights=(1,))
    lengths = sum(len(tokens) for tokens in left) / sum(len(tokens[0]) for tokens in right)
    return {"BLEU-1": brevity / min(1, np.exp(1 - 1 / lengths)), "BLEU-4": corpus_bleu(right, left)}


def rouge_by_package(pairs: Pairs) -> Means:
    """One scorer, a call a pair."""
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(list(ROUGE.values()))
    scored = [scorer.score(*pair) for pair in zip(pairs.references, pairs.predictions, strict=True)]
    return {ours: float(np.mean([row[theirs].fmeasure for row in scored])) for ours, theirs in ROUGE.items()}


def meteor_by_ours(pairs: Pairs, wordnet: Path) -> Means:
    """Ours, with WordNet read anew."""
    _synonyms.cache_clear()
    return means({"METEOR": mean_score(meteor_values(pairs.predictions, pairs.references, wordnet))})


def meteor_by_nltk(pairs: Pairs, wordnet: Path) -> Means:
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


def bertscore_by_ours(pairs: Pairs, encoder: Encoder) -> Means:
    """Ours, with the encoder read anew."""
    return means({"BERTScore": mean_score(bertscore_values(pairs.predictions, pairs.references, encoder))})


def bertscore_by_package(pairs: Pairs, encoder: Encoder) -> Means:
    """One call, which reads the encoder."""
    from bert_score import score

    layers = encoder.layers or json.loads((encoder.folder / "config.json").read_text())["num_hidden_layers"]
    scores = score(pairs.predictions, pairs.references, model_type=str(encoder.folder), num_layers=layers, device="cpu")
    return {"BERTScore": float(scores[2].mean())}


def compare(name: str, sides: dict[str, Callable[[], Means]], rounds: int) -> None:
    """Time both sides, ours first, and print the ratio."""
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    found = {}
    for _ in range(rounds):
        for side, call in sides.items():
            start = time.process_time()
            found[side] = call()
            seconds[side].append(time.process_time() - start)
    (ours, mine), (theirs, other) = found.items()
    for metric, value in mine.items():
        if not np.isclose(other[metric], value, rtol=0, atol=1e-4 if metric == "BERTScore" else 1e-9):
            raise SystemExit(f"{metric} differs: {ours} {value}, {theirs} {other[metric]}")
    best = {side: min(times) for side, times in seconds.items()}
    values = "  ".join(f"{metric} {value:.4f}" for metric, value in mine.items())
    ratio = best[theirs] / best[ours]
    print(f"{name:10} {ours} {best[ours]:6.2f} s  {theirs} {best[theirs]:6.2f} s  {ratio:5.1f}x  {values}")


def main() -> None:
    """Time every metric beside its library."""
    parser = argparse.ArgumentParser(description="Times text metrics against nltk, rouge_score and bert_score.")
    parser.add_argument("reviews", type=Path)
    parser.add_argument("--pairs", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--encoder", type=Path, help="folder of an encoder; without it BERTScore is left out")
    parser.add_argument("--encoder-pairs", type=int, default=1000)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    pairs = Pairs.draw(arguments.reviews, arguments.pairs)
    predictions, references = pairs.predictions, pairs.references
    wordnet = Resources.of(Workspace.here()).wordnet()
    rounds = arguments.rounds
    ours: dict[str, Callable[[], Means]] = {
        "BLEU": lambda: means(bleu_scores(predictions, references)),
        "ROUGE": lambda: means(rouge_scores(predictions, references)),
        "METEOR": lambda: meteor_by_ours(pairs, wordnet),
    }
    compare("BLEU", {"ours": ours["BLEU"], "nltk": lambda: bleu_by_nltk(pairs)}, rounds)
    compare("ROUGE", {"ours": ours["ROUGE"], "rouge_score": lambda: rouge_by_package(pairs)}, rounds)
    compare("METEOR", {"ours": ours["METEOR"], "nltk": lambda: meteor_by_nltk(pairs, wordnet)}, rounds)
    intervals(pairs, wordnet)
    if arguments.encoder:
        few = Pairs(predictions[: arguments.encoder_pairs], references[: arguments.encoder_pairs])
        encoder = Encoder(arguments.encoder.name, arguments.encoder, None)
        sides = {
            "ours": lambda: bertscore_by_ours(few, encoder),
            "bert_score": lambda: bertscore_by_package(few, encoder),
        }
        compare("BERTScore", sides, rounds)


def intervals(pairs: Pairs, wordnet: Path) -> None:
    """Print what the intervals take of our seconds, where they resample per-example values."""
    scores = rouge_scores(pairs.predictions, pairs.references)
    values = {name: score.values for name, score in scores.items() if isinstance(score, Score)}
    values["METEOR"] = meteor_values(pairs.predictions, pairs.references, wordnet)
    for name, each in values.items():
        start = time.process_time()
        mean_score(np.asarray(each))
        print(f"  of which the interval of {name}: {time.process_time() - start:.2f} s")


if __name__ == "__main__":
    main()
