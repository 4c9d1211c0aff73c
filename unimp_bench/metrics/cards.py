"""The metrics that tables show, each with its equation and where it is defined. Data, loads nothing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MetricCard:
    """A metric as the documentation shows it.

    Attributes:
        name: as tables write it, without a cutoff and without the encoder of metrics that have one.
        about: one line.
        equation: in LaTeX.
        definition: ``module:function``, whose docstrings say the rest.
        cutoffs: it is computed at each K of ``unimp_bench.metrics.ranking.CUTOFFS``.
        pooled: it belongs to all examples together and is no mean of their values, so it has no paired test.
    """

    name: str
    about: str
    equation: str
    definition: str
    cutoffs: bool = False
    pooled: bool = False


_RANKING = "unimp_bench.metrics.ranking:rank_metric_values"
_RATING = "unimp_bench.metrics.rating:rating_scores"
_SELECTION = "unimp_bench.metrics.selection:selection_scores"
_BLEU = "unimp_bench.metrics.text:bleu_scores"
_ROUGE = "unimp_bench.metrics.text:rouge_scores"
_PICTURES = "unimp_bench.metrics.pictures:"

CATALOGUE: tuple[MetricCard, ...] = (
    MetricCard(
        "HR",
        "the target is among the first K items",
        r"\mathrm{HR}_K = \frac{1}{n} \sum_{e=1}^{n} [r_e \le K]",
        _RANKING,
        cutoffs=True,
    ),
    MetricCard(
        "NDCG",
        "the target is among the first K items, worth less the lower it stands",
        r"\mathrm{NDCG}_K = \frac{1}{n} \sum_{e=1}^{n} \frac{[r_e \le K]}{\log_2 (r_e + 1)}",
        _RANKING,
        cutoffs=True,
    ),
    MetricCard(
        "MRR",
        "one over the target's rank, where that is within K",
        r"\mathrm{MRR}_K = \frac{1}{n} \sum_{e=1}^{n} \frac{[r_e \le K]}{r_e}",
        _RANKING,
        cutoffs=True,
    ),
    MetricCard("MAE", "mean absolute error, in stars", r"\frac{1}{n} \sum_{e=1}^{n} |\hat{r}_e - r_e|", _RATING),
    MetricCard(
        "RMSE",
        "root of the mean squared error, in stars",
        r"\sqrt{\frac{1}{n} \sum_{e=1}^{n} (\hat{r}_e - r_e)^2}",
        _RATING,
        pooled=True,
    ),
    MetricCard(
        "Unparsable",
        "share of the answers that are no rating",
        r"\frac{1}{n} \sum_{e=1}^{n} [\hat{r}_e \text{ is none}]",
        _RATING,
    ),
    MetricCard(
        "F1",
        "of the chosen candidates C and the suitable ones R of an example, averaged over examples",
        r"\frac{1}{n} \sum_{e=1}^{n} \frac{2 |C_e \cap R_e|}{|C_e| + |R_e|}",
        _SELECTION,
    ),
    MetricCard(
        "Precision",
        "share of the chosen candidates that suit, averaged over examples",
        r"\frac{1}{n} \sum_{e=1}^{n} \frac{|C_e \cap R_e|}{|C_e|}",
        _SELECTION,
    ),
    MetricCard(
        "Recall",
        "share of the suitable candidates that are chosen, averaged over examples",
        r"\frac{1}{n} \sum_{e=1}^{n} \frac{|C_e \cap R_e|}{|R_e|}",
        _SELECTION,
    ),
    MetricCard("Chosen", "mean number of chosen candidates", r"\frac{1}{n} \sum_{e=1}^{n} |C_e|", _SELECTION),
    MetricCard(
        "BLEU-1",
        "clipped unigram precision of the corpus, without the brevity penalty: what the UniMP paper calls BLEU",
        r"p_1 = \frac{\text{matched unigrams}}{\text{predicted unigrams}}",
        _BLEU,
        pooled=True,
    ),
    MetricCard(
        "BLEU-4",
        "BLEU as commonly meant, of c predicted and r reference tokens",
        r"\min(1, e^{1 - r / c}) \, (p_1 p_2 p_3 p_4)^{1/4}",
        _BLEU,
        pooled=True,
    ),
    MetricCard("ROUGE-1", "F1 of shared unigrams", r"\frac{2 \, m}{|\hat{t}| + |t|}", _ROUGE),
    MetricCard("ROUGE-2", "F1 of shared bigrams", r"\frac{2 \, m}{|\hat{t}| + |t|}", _ROUGE),
    MetricCard(
        "ROUGE-L",
        "F1 of the longest common subsequence",
        r"\frac{2 \, \mathrm{LCS}(\hat{t}, t)}{|\hat{t}| + |t|}",
        _ROUGE,
    ),
    MetricCard(
        "METEOR",
        "words in common, their stems and synonyms too, less a penalty for their order",
        r"\frac{P R}{0.9 P + 0.1 R} \left(1 - 0.5 \left(\frac{\text{chunks}}{\text{matches}}\right)^3\right)",
        "unimp_bench.metrics.text:meteor_values",
    ),
    MetricCard(
        "BERTScore F1",
        "F1 of the best cosines between the tokens of two texts, by the encoder that the column names",
        r"\frac{2 P R}{P + R}, \quad P = \frac{1}{|\hat{t}|} \sum_{i} \max_{j} \, \hat{x}_i \cdot x_j",
        "unimp_bench.metrics.text:bertscore_values",
    ),
    MetricCard(
        "Token accuracy",
        "share of a picture's codes that are those of the true picture",
        r"\frac{1}{L} \sum_{l=1}^{L} [\hat{c}_l = c_l]",
        _PICTURES + "picture_scores",
    ),
    MetricCard(
        "Colour similarity",
        "what the colour histograms of two pictures have in common",
        r"\sum_{b} \min(p_b, q_b)",
        _PICTURES + "colour_similarity",
    ),
    MetricCard(
        "SSIM",
        "structural similarity of two pictures",
        r"\frac{(2 \mu_x \mu_y + c_1)(2 \sigma_{xy} + c_2)}"
        r"{(\mu_x^2 + \mu_y^2 + c_1)(\sigma_x^2 + \sigma_y^2 + c_2)}",
        _PICTURES + "structural_similarity",
    ),
    MetricCard(
        "CLIP-I",
        "cosine of the generated and the true picture by the CLIP that the column names",
        r"\frac{1}{n} \sum_{e=1}^{n} \hat{x}_e \cdot x_e",
        _PICTURES + "picture_scores",
    ),
    MetricCard(
        "CLIP-T",
        "cosine of the generated picture and the query by the CLIP that the column names",
        r"\frac{1}{n} \sum_{e=1}^{n} \hat{x}_e \cdot q_e",
        _PICTURES + "picture_scores",
    ),
    MetricCard(
        "CMMD",
        "distance of all generated pictures from all true ones by the CLIP that the column names",
        r"1000 \left(\overline{k(x, x')} + \overline{k(y, y')} - 2 \, \overline{k(x, y)}\right)",
        _PICTURES + "cmmd",
        pooled=True,
    ),
)
