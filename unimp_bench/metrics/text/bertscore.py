"""BERTScore F1 (Zhang et al., 2020, equation 1) without idf weights and without rescaling, as ``evaluate`` calls it.

Tokens are embedded by one layer of an encoder. A token's best cosine to any token of the other text, averaged over
the tokens, gives precision and recall; the start and end marks can be matched but are not averaged over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch.nn.functional import normalize

from unimp_bench.records import FloatArray
from unimp_bench.resources import Encoder
from unimp_bench.torch_setup import make_torchvision_importable

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
    return max(0.0, float(2 * precision * recall / (precision + recall)))


def _clean(text: str) -> str:
    """The text without outer space, and without halves of surrogate pairs, which no tokeniser takes."""
    return text.encode("utf-8", "replace").decode("utf-8").strip()


class _Embedder:
    """An encoder cut off after the layer that is read, on the GPU where there is one."""

    def __init__(self, encoder: Encoder) -> None:
        make_torchvision_importable()
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging

        verbosity = logging.get_verbosity()
        logging.set_verbosity_error()  # the layers above the cut are left out on purpose
        try:
            layers = {} if encoder.layers is None else {"num_hidden_layers": encoder.layers}
            self.model: Any = AutoModel.from_pretrained(
                encoder.folder, local_files_only=True, use_safetensors=True, **layers
            )
            self.tokenizer: Any = AutoTokenizer.from_pretrained(encoder.folder, local_files_only=True)
        finally:
            logging.set_verbosity(verbosity)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model.eval().to(self.device)
        positions = getattr(self.model.config, "max_position_embeddings", self.tokenizer.model_max_length)
        # RoBERTa's tokenisers say how many tokens fit; where one says nothing, two positions may be spent on padding.
        fits = self.tokenizer.model_max_length <= positions
        self.longest = self.tokenizer.model_max_length if fits else positions - 2

    def embed(self, texts: set[str]) -> dict[str, Embedded]:
        """Each of ``texts`` embedded, in batches of like lengths."""
        ordered = sorted(texts)
        encoded = self.tokenizer(ordered, truncation=True, max_length=self.longest)["input_ids"] if ordered else []
        tokens = sorted(zip(encoded, ordered, strict=True), key=lambda pair: len(pair[0]))
        return {text: embedded for batch in _batches(tokens) for text, embedded in self._batch(batch)}

    @torch.inference_mode()
    def _batch(self, batch: list[tuple[list[int], str]]) -> Iterator[tuple[str, Embedded]]:
        ids = [torch.tensor(tokens) for tokens, _ in batch]
        padded = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True, padding_value=self.tokenizer.pad_token_id or 0)
        mask = torch.arange(padded.shape[1]) < torch.tensor([[len(tokens)] for tokens in ids])
        hidden = self.model(padded.to(self.device), attention_mask=mask.to(self.device)).last_hidden_state
        vectors = normalize(hidden.float(), dim=-1).cpu()
        marks = torch.tensor(
            [mark for mark in (self.tokenizer.cls_token_id, self.tokenizer.sep_token_id) if mark is not None]
        )
        for row, (tokens, (_, text)) in enumerate(zip(ids, batch, strict=True)):
            yield text, Embedded(vectors[row, : len(tokens)].clone(), ~torch.isin(tokens, marks))


def _batches(tokens: list[tuple[list[int], str]]) -> Iterator[list[tuple[list[int], str]]]:
    """Consecutive texts, shortest first, at most ``TOKENS_AT_ONCE`` padded tokens together (or one text)."""
    remaining = iter(reversed(tokens))
    while first := next(remaining, None):
        width = max(len(first[0]), 1)
        yield [first, *islice(remaining, max(0, TOKENS_AT_ONCE // width - 1))]
