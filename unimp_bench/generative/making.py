"""Ids of a corpus: a quantizer is fitted on the features of some items, by default those of the training part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module

import numpy as np

from unimp_bench.corpus import Corpus
from unimp_bench.corpus.features.ids import IdSet, Quantization, new_folder, write_ids
from unimp_bench.corpus.features.names import digest_of
from unimp_bench.corpus.features.stored import Stored, open_set
from unimp_bench.corpus.splits import target_examples
from unimp_bench.errors import UsageError, find
from unimp_bench.generative.item_ids import resolve_collisions
from unimp_bench.generative.quantizers import VERSION, Quantizer, QuantizerSettings, Vectors, as_vectors
from unimp_bench.records import BoolArray, IntArray, Split

QUANTIZERS = {
    "rkmeans": "unimp_bench.generative.quantizers:ResidualKMeans",
    "rqvae": "unimp_bench.generative.rqvae:RQVAE",
    "opq": "unimp_bench.generative.quantizers:ProductQuantizer",
}
DEFAULTS = {"rkmeans": (3, 256), "rqvae": (3, 256), "opq": (16, 256)}
"""Levels and codes."""
UNORDERED = frozenset({"opq"})
"""Quantizers whose codes are no path of a tree: colliding items keep one id."""


def quantizer_class(name: str) -> type[Quantizer]:
    """A quantizer by its name.

    Raises:
        UsageError: there is none of this name.
    """
    module, _, attribute = find(QUANTIZERS, name, "quantizer").partition(":")
    found: type[Quantizer] = getattr(import_module(module), attribute)
    return found


def training_items(corpus: Corpus, split: Split) -> IntArray:
    """Sorted numbers of the items with an interaction in the training part of a split."""
    items: IntArray = np.unique(target_examples(corpus, split, "train", "recommendation").histories.items)
    return items.astype(np.int64)


def combined(sets: Sequence[Stored]) -> tuple[Vectors, BoolArray]:
    """The features of some sets side by side, (items, sum of widths), and which items have any, (items,).

    Each set is centred and has one variance in total, so that none outweighs another; an item without it has the mean.
    """
    parts = []
    for stored in sets:
        rows = as_vectors(stored.rows())
        rows = rows - rows.mean(axis=0)
        spread = np.sqrt(np.square(rows, dtype=np.float64).sum(axis=1).mean())
        values = np.zeros((len(stored.known), rows.shape[1]), dtype=np.float32)
        values[stored.known] = rows / max(float(spread), 1e-12)
        parts.append(values)
    known: BoolArray = np.any([stored.known for stored in sets], axis=0)
    return np.concatenate(parts, axis=1), known


def quantised(
    vectors: Vectors, fitted_on: IntArray, quantizer: str, settings: QuantizerSettings
) -> tuple[IntArray, float]:
    """Codes (items, levels) of all items by a quantizer fitted on some, and its error on these.

    Codes of a tree get a last one that numbers the items with the same others.

    Args:
        vectors: (items, width).
        fitted_on: numbers of the items to fit on.

    Raises:
        UsageError: there is nothing to fit on, or the settings do not fit the vectors.
    """
    if len(fitted_on) < 2 or not np.ptp(vectors[fitted_on], axis=0).any():
        raise UsageError("there are no two items with different features to fit a quantizer on")
    fitted = quantizer_class(quantizer).fit(vectors[fitted_on], settings)
    codes = fitted.encode(vectors)
    error = fitted.error(vectors[fitted_on])
    return (codes if quantizer in UNORDERED else resolve_collisions(codes)), error


def make_ids(
    corpus: Corpus,
    name: str,
    quantizer: str,
    features: Sequence[str],
    settings: QuantizerSettings,
    split: Split | None,
    *,
    fresh: bool = False,
) -> tuple[IdSet, bool]:
    """Quantise stored features of a corpus and store the ids; the record, and whether it was there already.

    Args:
        name: of the set of ids.
        quantizer: see ``QUANTIZERS``.
        features: names of stored sets, read side by side.
        settings: of the quantizer.
        split: the quantizer is fitted on the items of its training part; None for all items.
        fresh: replaces other ids of this name.

    Raises:
        UsageError: features are not there, or the name is taken by other ids.
    """
    sets = {each: open_set(corpus, each) for each in features}
    vectors, known = combined(list(sets.values()))
    chosen = np.flatnonzero(known) if split is None else training_items(corpus, split)
    chosen = chosen[known[chosen]]
    asked = {
        "quantizer": quantizer,
        "levels": settings.levels,
        "codes": settings.codes,
        "seed": settings.seed,
        "features": {each: stored.record.key for each, stored in sets.items()},
        "fitted_on": len(chosen),
        "fitted": digest_of(*map(str, chosen.tolist())),
        "split": split or "",
        "version": VERSION,
    }
    if (record := _existing(corpus, name, asked)) is not None and not fresh:
        return record, True
    new_folder(corpus.folder, name, fresh=fresh)
    codes, error = quantised(vectors, chosen, quantizer, settings)
    made = Quantization.model_validate({**asked, "error": round(error, 6)})
    return write_ids(corpus.folder, corpus.items.names, name, codes, quantization=made, fresh=fresh), False


def _existing(corpus: Corpus, name: str, asked: Mapping[str, object]) -> IdSet | None:
    """The set of this name where it was made in the same way of the same items."""
    from unimp_bench.corpus.features.ids import all_ids, open_ids

    record = all_ids(corpus.folder).get(name)
    if record is None or record.quantization is None:
        return None
    if record.quantization.model_dump(exclude={"error"}) != dict(asked):
        return None
    return open_ids(corpus, name).record
