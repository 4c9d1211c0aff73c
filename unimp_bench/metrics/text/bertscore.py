"""BERTScore F1 (Zhang et al., 2020, equation 1) without idf weights and without rescaling, as ``evaluate`` calls it.

Tokens are embedded by one layer of an encoder. A token's best cosine to any token of the other text, averaged over
the tokens, gives precision and recall; the start and end marks can be matched but are not averaged over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch.nn.functional import normalize

from unimp_bench.errors import DependencyError
from unimp_bench.machine import device
from unimp_bench.metrics.resources import Encoder
from unimp_bench.records import FloatArray
from unimp_bench.torch_setup import make_torchvision_importable, own_chance

PAIRS_AT_ONCE = 1024
TOKENS_AT_ONCE = 4096


@dataclass(frozen=True)
class Embedded:
    """One text: its tokens' unit vectors (tokens, width), and which of them are not marks (tokens,)."""

    vectors: torch.Tensor
    counted: torch.Tensor


def bertscore_values(predictions: Sequence[str], references: Sequence[str], encoder: Encoder) -> FloatArray:
    """BERTScore F1 of each prediction against its reference, (n,); 0 where either has no tokens.

    Pairs go in blocks sorted by prediction, so memory does not grow with n and a text that is predicted for many
    examples is embedded once; within a block every distinct text is.

    Raises:
        DependencyError: the encoder cannot be read.
    """
    embedder = _Embedder(encoder)
    texts = [(_clean(left), _clean(right)) for left, right in zip(predictions, references, strict=True)]
    order = sorted(range(len(texts)), key=texts.__getitem__)
    values = np.zeros(len(texts))
    for start in range(0, len(order), PAIRS_AT_ONCE):
        block = order[start : start + PAIRS_AT_ONCE]
        embedded = embedder.embed({text for pair in block for text in texts[pair]})
        for pair in block:
            prediction, reference = texts[pair]
            values[pair] = _f1(embedded[prediction], embedded[reference])
    return values


def _f1(prediction: Embedded, reference: Embedded) -> float:
    if not prediction.counted.any() or not reference.counted.any():
        return 0.0
    cosines = prediction.vectors @ reference.vectors.T
    precision = cosines.max(dim=1).values[prediction.counted].mean()
    recall = cosines.max(dim=0).values[reference.counted].mean()
    return float(2 * precision * recall / (precision + recall)) if precision + recall > 0 else 0.0


def _clean(text: str) -> str:
    """The text without outer space, and without halves of surrogate pairs, which no tokeniser takes."""
    return text.encode("utf-8", "replace").decode("utf-8").strip()


class _Embedder:
    """An encoder cut off after the layer that is read, on the GPU where there is one."""

    def __init__(self, encoder: Encoder) -> None:
        self.model, self.tokenizer = _load(encoder)
        self.device = device()
        self.model.eval().to(self.device)
        # The first word of a text is to be the same token as that word later on, as bert-score has it (its own option
        # for that is without effect from transformers 5 on).
        byte_level = type(self.tokenizer).__name__ in ("RobertaTokenizer", "DebertaTokenizer")
        self.before = " " if byte_level else ""
        # A tokeniser says how many tokens fit. Where it does not, RoBERTa's two positions for padding are left out.
        told = self.tokenizer.model_max_length
        positions = getattr(self.model.config, "max_position_embeddings", told)
        self.longest = told if told <= positions else positions - 2

    def embed(self, texts: set[str]) -> dict[str, Embedded]:
        """Each of ``texts`` embedded, in batches of like lengths."""
        ordered = sorted(texts)
        spaced = [text and self.before + text for text in ordered]
        encoded = self.tokenizer(spaced, truncation=True, max_length=self.longest)["input_ids"]
        tokens = sorted(zip(encoded, ordered, strict=True), key=lambda pair: len(pair[0]), reverse=True)
        return {text: embedded for batch in _batches(tokens) for text, embedded in self._batch(batch)}

    @torch.inference_mode()
    def _batch(self, batch: list[tuple[list[int], str]]) -> Iterator[tuple[str, Embedded]]:
        ids = [torch.tensor(tokens) for tokens, _ in batch]
        padded = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True, padding_value=self.tokenizer.pad_token_id)
        mask = torch.arange(padded.shape[1]) < torch.tensor([[len(tokens)] for tokens in ids])
        hidden = self.model(padded.to(self.device), attention_mask=mask.to(self.device)).last_hidden_state
        vectors = normalize(hidden.float(), dim=-1).cpu()
        marks = torch.tensor([self.tokenizer.cls_token_id, self.tokenizer.sep_token_id])
        for row, (tokens, (_, text)) in enumerate(zip(ids, batch, strict=True)):
            yield text, Embedded(vectors[row, : len(tokens)].clone(), ~torch.isin(tokens, marks))


def _load(encoder: Encoder) -> tuple[Any, Any]:
    """The model, cut after ``encoder.layers``, and its tokenizer.

    Raises:
        DependencyError: the folder is damaged, holds weights of another model, or has no marks at a text's ends.
    """
    make_torchvision_importable()
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    source = {"pretrained_model_name_or_path": encoder.folder, "local_files_only": True}
    try:
        with own_chance(), _quiet():  # it would report the layers above the cut as weights left over
            config = AutoConfig.from_pretrained(**source)
            config.num_hidden_layers = min(encoder.layers or config.num_hidden_layers, config.num_hidden_layers)
            tokenizer = AutoTokenizer.from_pretrained(**source)
            model, told = AutoModel.from_pretrained(
                **source, config=config, use_safetensors=True, output_loading_info=True
            )
    except (OSError, ValueError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0].replace(str(encoder.folder), encoder.folder.name)
        raise DependencyError(f"the encoder {encoder.name} cannot be read ({reason})") from None
    absent = sorted(key for key in told["missing_keys"] if not key.startswith("pooler."))
    if absent or told["mismatched_keys"]:
        raise DependencyError(f"the weights of the encoder {encoder.name} are not those of its config.json")
    if None in (tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id):
        raise DependencyError(f"the tokenizer of the encoder {encoder.name} has no start, end or padding token")
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


def _batches(tokens: list[tuple[list[int], str]]) -> Iterator[list[tuple[list[int], str]]]:
    """Consecutive texts of ``tokens``, longest first, of at most ``TOKENS_AT_ONCE`` padded tokens (or one text)."""
    remaining = iter(tokens)
    while first := next(remaining, None):
        yield [first, *islice(remaining, max(0, TOKENS_AT_ONCE // len(first[0]) - 1))]
