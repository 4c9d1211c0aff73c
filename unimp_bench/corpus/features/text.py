"""Text features: what is written about an item goes through a frozen encoder once, and the result is kept on disk."""

from __future__ import annotations

import hashlib
import html
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from unimp_bench.corpus import Items
from unimp_bench.corpus.features import VERSIONS
from unimp_bench.corpus.features.vectors import ItemVectors, kept_vectors
from unimp_bench.errors import UsageError
from unimp_bench.machine import device
from unimp_bench.progress import progress
from unimp_bench.records import BoolArray, FloatArray
from unimp_bench.torch_setup import make_torchvision_importable, own_chance

TextEncoder = Callable[[list[str]], FloatArray]
"""The vectors of texts as the encoder gives them, not standardised, (texts, width) float32."""

LSA = "lsa"
NO_TEXT = "no item of this corpus has a text"
ATTRIBUTES = ("title", "category", "brand", "description")

_MEAN = "#mean"
_COMPONENTS = 256
_BATCH = 64
_LONGEST = 512


def text_vectors(items: Items, encoder: str, cache: Path) -> ItemVectors | None:
    """One vector per item's text, from ``cache`` where it was computed before.

    None where no item has a text, or the encoder gives all texts the same vector: standardised it is zero.

    The text of an item is its title, category, brand and description, those that it has, in this order.

    Args:
        encoder: ``lsa``: latent semantic analysis of the corpus itself (Deerwester et al., 1990), words that two items
            share under sublinear TF-IDF in at most 256 dimensions; nothing to download. Otherwise the name or folder
            of a model of transformers: the last layer's first token ([CLS] of BERT, as UniSRec), or with the suffix
            ``#mean`` the mean of its tokens (as sentence-transformers mostly do).

    Raises:
        UsageError: the model cannot be loaded.
    """
    texts = item_texts(items)
    known = np.array([bool(text) for text in texts])
    if not known.any():
        return None
    inputs = f"{VERSIONS['text']}/{encoder}/{ATTRIBUTES}/{_COMPONENTS}/{_LONGEST}/{items.fingerprint}"
    path = cache / f"text-vectors-{hashlib.sha256(inputs.encode()).hexdigest()[:16]}.npy"

    def compute() -> tuple[FloatArray, BoolArray]:
        written = [text for text in texts if text]
        return text_encoder(encoder, written)(written), known

    return kept_vectors(path, encoder, compute)


def text_encoder(encoder: str, texts: list[str]) -> TextEncoder:
    """An encoder of any texts, for models that compare other words with those of the items.

    Args:
        encoder: as ``text_vectors`` takes it.
        texts: what ``lsa`` is an analysis of; no text of them is empty.

    Raises:
        UsageError: the model cannot be loaded, or ``lsa`` finds no two texts that share a word.
    """
    return _lsa(texts) if encoder == LSA else _transformer(encoder)


def item_texts(items: Items) -> list[str]:
    """The text of each item on one line, without character references; empty for an item that has none."""
    columns = [items.text(name) for name in ATTRIBUTES if name in items.attributes]
    if not columns:
        return [""] * len(items)
    return [" ".join(html.unescape(" ".join(values)).split()) for values in zip(*columns, strict=True)]


def _lsa(texts: list[str]) -> TextEncoder:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    tf_idf = TfidfVectorizer(sublinear_tf=True, min_df=2, dtype=np.float32)
    try:
        weights = tf_idf.fit_transform(texts)
    except ValueError:  # scikit-learn's word for a vocabulary that is empty
        raise UsageError("no two items share a word, so text encoder 'lsa' has nothing to read; name another") from None
    if weights.shape[1] < 2:
        raise UsageError("items share a single word, so text encoder 'lsa' has nothing to compare; name another")
    with np.errstate(invalid="ignore"):  # texts that are all alike have no variance to be explained
        svd = TruncatedSVD(max(1, min(_COMPONENTS, min(weights.shape) - 1)), random_state=0).fit(weights)

    def encode(texts: list[str]) -> FloatArray:
        vectors: FloatArray = svd.transform(tf_idf.transform(texts))
        return vectors

    return encode


def _transformer(encoder: str) -> TextEncoder:
    import torch

    tokenizer, model = _load(encoder.removesuffix(_MEAN))
    model.to(device())
    longest = min(_LONGEST, tokenizer.model_max_length)

    def encode(texts: list[str]) -> FloatArray:
        by_length = np.argsort([len(text) for text in texts], kind="stable")  # little padding in a batch
        vectors = np.empty((len(texts), model.config.hidden_size), dtype=np.float32)
        for start in progress(range(0, len(texts), _BATCH), "encoding texts", unit="batch"):
            rows = by_length[start : start + _BATCH]
            chosen = [texts[row] for row in rows]
            batch = tokenizer(chosen, padding=True, truncation=True, max_length=longest, return_tensors="pt")
            with torch.inference_mode():
                states = model(**batch.to(model.device)).last_hidden_state
            if encoder.endswith(_MEAN):
                mask = batch["attention_mask"][:, :, None]
                pooled = (states * mask).sum(1) / mask.sum(1)
            else:
                pooled = states[:, 0]
            vectors[rows] = pooled.float().cpu().numpy()
        return vectors

    return encode


def _load(name: str) -> tuple[Any, Any]:
    make_torchvision_importable()
    import torch
    from transformers import AutoModel, AutoTokenizer

    safe = {"trust_remote_code": False, "local_files_only": Path(name).is_dir()}
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, **safe)
        with own_chance():
            model, report = AutoModel.from_pretrained(
                name, dtype=torch.float32, weights_only=True, output_loading_info=True, **safe
            )
        absent = sorted(key for key in report["missing_keys"] if not key.startswith("pooler."))
        if absent:
            raise ValueError(f"its weights lack {absent[0]}")
    except Exception as error:  # transformers raises of every kind: OSError, ValueError, KeyError
        reason = " ".join(str(error).split())[:200]
        raise UsageError(
            f"text encoder {name!r} cannot be read ({reason}); write lsa, or the name or folder of a transformers model"
        ) from None
    return tokenizer, model.eval()
