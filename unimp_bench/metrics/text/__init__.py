"""Scores of written texts against one reference each (UniMP, Table 2a)."""

from __future__ import annotations

from collections.abc import Sequence

from unimp_bench.errors import DependencyError
from unimp_bench.metrics.resources import DEFAULT_ENCODER, Resources
from unimp_bench.metrics.scores import Missing, Score, Scores, mean_score
from unimp_bench.metrics.text.bleu import bleu_scores
from unimp_bench.metrics.text.meteor import meteor_values
from unimp_bench.metrics.text.rouge import rouge_scores

__all__ = ["text_scores"]


def text_scores(predictions: Sequence[str], references: Sequence[str], resources: Resources) -> Scores:
    """``BLEU-1``, ``BLEU-4``, ``ROUGE-1``, ``-2`` and ``-L``, ``METEOR`` and ``BERTScore F1 (<encoder>)``.

    The last two need resources (``unimp-bench resources``); without them they are ``Missing``.
    Every metric is 0 for an empty prediction or reference. All are fractions; none is in per cent.

    Args:
        predictions: (n,) texts.
        references: (n,) the text that each stands for.
        resources: where WordNet and the encoder of BERTScore are.

    Raises:
        ValueError: there are no examples, or not one reference for each prediction.
    """
    if not len(predictions) or len(predictions) != len(references):
        raise ValueError(f"{len(predictions)} predictions cannot be scored against {len(references)} references")
    return {
        **bleu_scores(predictions, references),
        **rouge_scores(predictions, references),
        "METEOR": _meteor(predictions, references, resources),
        **_bertscore(predictions, references, resources),
    }


def _meteor(predictions: Sequence[str], references: Sequence[str], resources: Resources) -> Score | Missing:
    try:
        return mean_score(meteor_values(predictions, references, resources.wordnet()))
    except DependencyError as error:
        return Missing(str(error))


def _bertscore(predictions: Sequence[str], references: Sequence[str], resources: Resources) -> Scores:
    """BERTScore under the name of its encoder; the paper's column stays empty where there is none."""
    try:
        encoder = resources.encoder()
    except DependencyError as error:
        return {_column(DEFAULT_ENCODER): Missing(str(error))}
    from unimp_bench.metrics.text.bertscore import bertscore_values  # brings torch

    try:
        return {_column(encoder.name): mean_score(bertscore_values(predictions, references, encoder))}
    except DependencyError as error:
        return {_column(encoder.name): Missing(str(error))}


def _column(encoder: str) -> str:
    return f"BERTScore F1 ({encoder})"
