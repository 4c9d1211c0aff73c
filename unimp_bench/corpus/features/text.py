"""Text features: what is written about an item goes through a frozen encoder once, and the result is kept on disk."""

from __future__ import annotations

import hashlib
import html
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from unimp_bench.corpus import Items
from unimp_bench.corpus.features import VERSIONS
from unimp_bench.corpus.features.sentence import Form, SentenceEncoder, encoder_folder
from unimp_bench.corpus.features.vectors import ItemVectors, given_vectors, kept_vectors, moved
from unimp_bench.errors import UsageError
from unimp_bench.pretrained import PACKAGES, UNTRAINED
from unimp_bench.records import BoolArray, FloatArray

TextEncoder = Callable[[list[str]], FloatArray]
"""The vectors of texts as the encoder gives them, not standardised, (texts, width) float32."""

LSA = "lsa"
NO_TEXT = "no item of this corpus has a text"
ATTRIBUTES = ("title", "category", "brand", "description")

_MEAN = "#mean"
_COMPONENTS = 256
_LONGEST = 512


def text_vectors(items: Items, encoder: str, cache: Path) -> ItemVectors | None:
    """The vectors of the texts of items that a model reads: stored ones where a user named some, else the encoder's.

    Args and errors are those of ``encoded_texts``. At test they are those of the fit, moved where a view moves texts.
    """
    if items.origin is not None:
        return moved(text_vectors(items.origin, encoder, cache), items.moved("texts"))
    return given_vectors(items, "text", cache) if "text" in items.features else encoded_texts(items, encoder, cache)


def encoded_texts(items: Items, encoder: str, cache: Path) -> ItemVectors | None:
    """One vector per item's text, from ``cache`` where it was computed before.

    None where no item has a text, or the encoder gives all texts the same vector: standardised it is zero.

    The text of an item is its title, category, brand and description, those that it has, in this order.

    Args:
        encoder: ``lsa``: latent semantic analysis of the corpus itself (Deerwester et al., 1990), words that two items
            share under sublinear TF-IDF in at most 256 dimensions; nothing to download. ``minilm``: all-MiniLM-L6-v2,
            ``smollm2``: the mean states of the decoder SmolLM2-135M-Instruct, of installed packages. Otherwise the name
            or folder of a model of transformers: the last layer's first token ([CLS] of BERT, as UniSRec), or with the
            suffix ``#mean`` the mean of its tokens (as sentence-transformers mostly do).

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


def item_texts(items: Items, attributes: Sequence[str] = ()) -> list[str]:
    """The text of each item on one line, without character references; empty for an item that has none.

    Args:
        attributes: whose values are the text, in this order, those that the corpus has; none for ``ATTRIBUTES``.
    """
    columns = [items.text(name) for name in attributes or ATTRIBUTES if name in items.attributes]
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
    return SentenceEncoder(*form_of(encoder))


def form_of(encoder: str) -> tuple[Path, Form]:
    """The folder and the form of a model of transformers, by name or folder, as settings of the models name it.

    Raises:
        UsageError: there is no such model.
        DependencyError: its package is not installed.
    """
    name = encoder.removesuffix(_MEAN)
    try:
        folder = encoder_folder(name)
    except UsageError as error:
        raise UsageError(f"text encoder {name!r} cannot be read: {error}") from None
    if encoder.endswith(_MEAN):
        return folder, Form("mean")
    if name.removesuffix(UNTRAINED) in PACKAGES:  # a decoder's first token has read nothing
        return folder, Form.of(folder) if (folder / "modules.json").is_file() else Form("mean")
    return folder, Form("cls")
