"""Ids of a corpus: a quantizer is fitted on the features of some items, by default those of the training part."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from importlib import import_module

import numpy as np

from unimp_bench.corpus import Corpus
from unimp_bench.corpus.features.ids import IdSet, Quantization, new_folder, write_ids
from unimp_bench.corpus.features.names import digest_of
from unimp_bench.corpus.features.stored import Stored, open_set
from unimp_bench.corpus.splits import default_split, target_examples
from unimp_bench.errors import UsageError, find
from unimp_bench.generative.item_ids import resolve_collisions
from unimp_bench.generative.quantizers import VERSION, Quantizer, QuantizerSettings, Vectors, as_vectors
from unimp_bench.records import BoolArray, Histories, IntArray, Split

QUANTIZERS = {
    "rkmeans": "unimp_bench.generative.quantizers:ResidualKMeans",
    "rqvae": "unimp_bench.generative.rqvae:RQVAE",
    "letter": "unimp_bench.generative.letter_cost:Letter",
    "cost": "unimp_bench.generative.letter_cost:CoST",
    "opq": "unimp_bench.generative.quantizers:ProductQuantizer",
}
DEFAULTS = {"rkmeans": (3, 256), "rqvae": (3, 256), "letter": (3, 256), "cost": (3, 64), "opq": (16, 256)}
"""Levels and codes."""
UNORDERED = frozenset({"opq"})
"""Quantizers whose codes are no path of a tree: colliding items keep one id."""
BEHAVING = frozenset({"letter"})
"""Quantizers that read behaviour."""
DIRECTIONS = 32
"""Of behaviour, at most."""


def quantizer_class(name: str) -> type[Quantizer]:
    """A quantizer by its name.

    Raises:
        UsageError: there is none of this name.
    """
    module, _, attribute = find(QUANTIZERS, name, "quantizer").partition(":")
    found: type[Quantizer] = getattr(import_module(module), attribute)
    return found


def training_part(corpus: Corpus, split: Split) -> Histories:
    """The training interactions of a split."""
    return target_examples(corpus, split, "train", "recommendation").histories


def training_items(corpus: Corpus, split: Split) -> IntArray:
    """Sorted numbers of the items with an interaction in the training part of a split."""
    items: IntArray = np.unique(training_part(corpus, split).items)
    return items.astype(np.int64)


def behaviour_of(histories: Histories, items: int) -> Vectors:
    """Vectors of items from who interacts with them, (items, at most ``DIRECTIONS``).

    With R (users, items) 1 where a user interacts, D_u and D_i its sums of rows and columns, and U S V^T the leading
    singular vectors of ``D_u^-1/2 R D_i^-1/2``, the row of an item in ``V S``, scaled to a mean square of 1. This is a
    light, deterministic model of the items that the same users have. An item without interactions has zeros.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.linalg import svds

    pairs = np.unique(histories.owners() * items + histories.items)
    users, columns = np.divmod(pairs, items)
    weights = 1 / np.sqrt(np.bincount(users)[users] * np.bincount(columns)[columns])
    matrix = csr_array((weights, (users, columns)), shape=(histories.users, items))
    kept = min(DIRECTIONS, min(matrix.shape) - 1)
    if kept < 1 or not len(pairs):
        return np.zeros((items, 1), dtype=np.float32)
    _, spread, directions = svds(matrix, k=kept, v0=np.ones(min(matrix.shape)))
    found = directions.T * spread
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    return as_vectors(np.where(lengths > 1e-9, found / np.maximum(lengths, 1e-9) * np.sqrt(kept), 0))


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
    vectors: Vectors,
    fitted_on: IntArray,
    quantizer: str,
    settings: QuantizerSettings,
    behaviour: Vectors | None = None,
) -> tuple[IntArray, float]:
    """Codes (items, levels) of all items by a quantizer fitted on some, and its error on these.

    Codes of a tree get a last one that numbers the items with the same others.

    Args:
        vectors: (items, width).
        fitted_on: numbers of the items to fit on.
        behaviour: (items, any), for quantizers that read it.

    Raises:
        UsageError: there is nothing to fit on, or the settings do not fit the vectors.
    """
    if len(fitted_on) < 2 or not np.ptp(vectors[fitted_on], axis=0).any():
        raise UsageError("there are no two items with different features to fit a quantizer on")
    fitted = quantizer_class(quantizer).fit(
        vectors[fitted_on], settings, None if behaviour is None else behaviour[fitted_on]
    )
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
    fitted = list(map(str, chosen.tolist()))
    behaviour = None
    if quantizer in BEHAVING:
        interactions = training_part(corpus, split or default_split(corpus))
        behaviour = behaviour_of(interactions, len(corpus.items))
        arrays = np.concatenate([interactions.offsets, interactions.items])
        fitted.append(hashlib.sha256(arrays.astype(np.int64).tobytes()).hexdigest())
    asked = {
        "quantizer": quantizer,
        "levels": settings.levels,
        "codes": settings.codes,
        "seed": settings.seed,
        "features": {each: stored.record.key for each, stored in sets.items()},
        "fitted_on": len(chosen),
        "fitted": digest_of(*fitted),
        "split": split or "",
        "version": VERSION,
    }
    if (record := _existing(corpus, name, asked)) is not None and not fresh:
        return record, True
    new_folder(corpus.folder, name, fresh=fresh)
    codes, error = quantised(vectors, chosen, quantizer, settings, behaviour)
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
