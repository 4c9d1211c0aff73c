"""Scores of generated texts, one reference each (UniMP, Table 2a).

Every sentence metric is computed by the package that defines it: BLEU by sacrebleu, ROUGE by rouge-score, METEOR by
nltk, BERTScore by bert-score. This module aggregates their values over examples and adds intervals.

``BLEU-1`` is the clipped unigram precision of the corpus *without* the brevity penalty: the column that UniMP's Table
2a calls BLEU is that, ``precisions[0]`` of ``evaluate``'s BLEU. ``BLEU-4`` is the usual metric (Papineni et al., 2002),
unsmoothed, on the tokens of mteval-v13a. ROUGE (Lin, 2004) is the F1 without stemming. METEOR (Lavie and Agarwal, 2007)
and BERTScore (Zhang et al., 2020, without idf weights and rescaling) have the parameters that ``evaluate`` uses.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from unimp_bench.errors import DependencyError
from unimp_bench.machine import device
from unimp_bench.metrics.resources import DEFAULT_ENCODER, Encoder, Resources
from unimp_bench.metrics.scores import Missing, Score, Scores, mean_score
from unimp_bench.records import FloatArray

BLEU_RESAMPLES = 1000
ROUGE = {"ROUGE-1": "rouge1", "ROUGE-2": "rouge2", "ROUGE-L": "rougeL"}
BERTSCORE_BLOCK = 1024


def text_scores(predictions: Sequence[str], references: Sequence[str], resources: Resources) -> Scores:
    """``BLEU-1``, ``BLEU-4``, ``ROUGE-1``, ``-2`` and ``-L``, ``METEOR`` and ``BERTScore F1 (<encoder>)``.

    METEOR and BERTScore need resources (``unimp-bench resources``); without them they are ``Missing``. Every metric is
    a fraction, not a percentage, and 0 for an empty prediction or reference.

    Args:
        predictions: (n,) texts.
        references: (n,) the reference of each.
        resources: where WordNet and the encoder of BERTScore are.

    Raises:
        ValueError: there are no examples, or not one reference for each prediction.
    """
    if not len(predictions) or len(predictions) != len(references):
        raise ValueError(f"{len(predictions)} predictions cannot be scored against {len(references)} references")
    scores: dict[str, Score | Missing] = {
        **bleu_scores(predictions, references),
        **rouge_scores(predictions, references),
    }
    try:
        scores["METEOR"] = mean_score(meteor_values(predictions, references, resources.wordnet()))
    except DependencyError as error:
        scores["METEOR"] = Missing(str(error))
    name = DEFAULT_ENCODER  # the paper's column stays empty where there is no encoder
    try:
        encoder = resources.encoder()
        name = encoder.name
        score: Score | Missing = mean_score(bertscore_values(predictions, references, encoder))
    except DependencyError as error:
        score = Missing(str(error))
    return scores | {f"BERTScore F1 ({name})": score}


def bleu_scores(predictions: Sequence[str], references: Sequence[str]) -> Scores:
    """``BLEU-1`` and ``BLEU-4`` of n predictions against one reference each, n at least 1.

    The interval resamples examples and computes the corpus's score anew from their n-gram counts (Koehn, 2004).
    Per-example values are None: a sentence's BLEU is another metric.
    """
    from sacrebleu import BLEU

    # With an effective order sacrebleu has no complaint about the score of a sentence, of which only counts are read.
    scorer = BLEU(smooth_method="none", effective_order=True, force=True)
    found = [scorer.sentence_score(text, [reference]) for text, reference in zip(predictions, references, strict=True)]
    counts = np.array([[*each.counts, *each.totals, each.sys_len, each.ref_len] for each in found])

    def corpus_scores(summed: Any) -> tuple[float, float]:
        """(BLEU-1, BLEU-4) of summed counts: matches and n-grams of orders 1 to 4, tokens of both sides."""
        *grams, predicted, reference = summed.tolist()
        bleu = BLEU.compute_bleu(grams[:4], grams[4:], predicted, reference, smooth_method="none")
        return bleu.precisions[0] / 100, min(1.0, bleu.score / 100)  # a rounding error may exceed 1

    generator = np.random.default_rng(0)
    size = len(counts)
    times = (np.bincount(generator.integers(size, size=size), minlength=size) for _ in range(BLEU_RESAMPLES))
    low, high = np.quantile([corpus_scores(drawn @ counts) for drawn in times], [0.025, 0.975], axis=0)
    values = corpus_scores(counts.sum(axis=0))
    return {
        name: Score(values[order], float(low[order]), float(high[order]), None)
        for order, name in enumerate(("BLEU-1", "BLEU-4"))
    }


def rouge_scores(predictions: Sequence[str], references: Sequence[str]) -> Scores:
    """``ROUGE-1``, ``ROUGE-2`` and ``ROUGE-L`` of n predictions against one reference each, n at least 1."""
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(list(ROUGE.values()))
    found = [scorer.score(reference, text) for text, reference in zip(predictions, references, strict=True)]
    # Equal fractions differ in their last bits, and the bootstrap counts equal values.
    values = {name: np.array([each[key].fmeasure for each in found]).round(12) for name, key in ROUGE.items()}
    return {name: mean_score(column) for name, column in values.items()}


def meteor_values(predictions: Sequence[str], references: Sequence[str], wordnet: Path) -> FloatArray:
    """METEOR of each prediction against its reference, (n,).

    Tokens are those of nltk's word tokenizer on the text as one line, which needs no sentence model.

    Args:
        predictions: (n,) texts.
        references: (n,) the reference of each.
        wordnet: a folder where nltk expects it, ``<nltk data>/corpora/wordnet``.

    Raises:
        DependencyError: WordNet cannot be read.
    """
    from nltk.tokenize import NLTKWordTokenizer
    from nltk.translate.meteor_score import single_meteor_score

    tokenize, reader = cache(NLTKWordTokenizer().tokenize), wordnet_reader(wordnet)
    pairs = zip(predictions, references, strict=True)
    return np.array(
        [single_meteor_score(tokenize(reference), tokenize(text), wordnet=reader) for text, reference in pairs]
    )


@cache
def wordnet_reader(folder: Path) -> Any:
    """Nltk's reader of the WordNet in ``folder``.

    Raises:
        DependencyError: WordNet cannot be read.
    """
    import nltk.data
    from nltk.corpus.reader.wordnet import WordNetCorpusReader, WordNetError

    class English(WordNetCorpusReader):  # type: ignore[misc]
        """WordNet without the map to other languages, which takes seconds to build."""

        def map_wn(self, version: str = "wordnet") -> None:
            return None

    data = str(folder.parent.parent)
    if data not in nltk.data.path:
        nltk.data.path.append(data)  # nltk reads nothing outside of these folders
    no_other_languages: Any = object()
    try:
        return English(str(folder), no_other_languages)
    except (OSError, ValueError, AssertionError, WordNetError) as error:
        reason = type(error).__name__
        raise DependencyError(f"WordNet cannot be read ({reason}): run 'unimp-bench resources get wordnet'") from None


def bertscore_values(predictions: Sequence[str], references: Sequence[str], encoder: Encoder) -> FloatArray:
    """BERTScore F1 of each prediction against its reference, (n,); 0 where either is empty.

    The package embeds all texts of a call at once, so pairs go in blocks: memory does not grow with n. Blocks are
    sorted by prediction, so that a text predicted for many examples is embedded once.

    Raises:
        DependencyError: the encoder cannot be read.
    """
    from unimp_bench.torch_setup import make_torchvision_importable  # loads torch

    make_torchvision_importable()
    from bert_score.utils import bert_cos_score_idf

    model, tokenizer = _load(encoder)
    place = device()
    model.eval().to(place)
    weights: defaultdict[int, float] = defaultdict(lambda: 1.0)  # of tokens; start and end are not averaged over
    weights |= {tokenizer.cls_token_id: 0.0, tokenizer.sep_token_id: 0.0}
    texts = [(_clean(left), _clean(right)) for left, right in zip(predictions, references, strict=True)]
    order = sorted((row for row, pair in enumerate(texts) if all(pair)), key=texts.__getitem__)
    values = np.zeros(len(texts))
    for start in range(0, len(order), BERTSCORE_BLOCK):
        block = order[start : start + BERTSCORE_BLOCK]
        left, right = ([texts[row][side] for row in block] for side in (0, 1))
        values[block] = bert_cos_score_idf(model, right, left, tokenizer, weights, device=place)[:, 2]
    return values


def _clean(text: str) -> str:
    """The text without outer space, and without unpaired surrogates, which no tokenizer accepts."""
    return text.encode("utf-8", "replace").decode("utf-8").strip()


def _load(encoder: Encoder) -> tuple[Any, Any]:
    """The model, cut after ``encoder.layers``, and its tokenizer, from the local folder and from safetensors only.

    Raises:
        DependencyError: the folder is damaged, has weights of another model, or no tokens for a text's start and end.
    """
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    from unimp_bench.torch_setup import own_chance

    source = {"pretrained_model_name_or_path": encoder.folder, "local_files_only": True}
    try:
        with own_chance(), _quiet():  # it would report the layers above the cut as unused weights
            config = AutoConfig.from_pretrained(**source)
            config.num_hidden_layers = min(encoder.layers or config.num_hidden_layers, config.num_hidden_layers)
            tokenizer = AutoTokenizer.from_pretrained(**source)
            if type(tokenizer).__name__ in ("RobertaTokenizer", "DebertaTokenizer"):
                # The first word is to be the same token as that word later on. The package asks for this too, in a way
                # without effect from transformers 5 on.
                tokenizer = AutoTokenizer.from_pretrained(**source, add_prefix_space=True)
            model, info = AutoModel.from_pretrained(
                **source, config=config, use_safetensors=True, output_loading_info=True
            )
    except (OSError, ValueError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0].replace(str(encoder.folder), encoder.folder.name)
        raise DependencyError(f"the encoder {encoder.name} cannot be read ({reason})") from None
    absent = [key for key in info["missing_keys"] if not key.startswith("pooler.")]
    if absent or info["mismatched_keys"]:
        raise DependencyError(f"the weights of the encoder {encoder.name} are not those of its config.json")
    if None in (tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id):
        raise DependencyError(f"the tokenizer of the encoder {encoder.name} has no start, end or padding token")
    # A tokenizer may not say how many tokens fit. Of RoBERTa's positions two are kept for padding.
    positions = getattr(config, "max_position_embeddings", tokenizer.model_max_length)
    if tokenizer.model_max_length > positions:
        tokenizer.model_max_length = positions - 2
    return model, tokenizer


@contextmanager
def _quiet() -> Iterator[None]:
    """Only errors of transformers, and no progress bars, meanwhile."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
