"""Shared by tests of recommenders with item graphs: dense propagation, and a store in which features must matter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tests.baselines.multimodal.visual import LOOKS, fitted, hit_rate
from unimp_bench.corpus import Corpus

ITEMS_PER_LOOK = 20
QUICK: dict[str, Any] = {"epochs": 60, "width": 32, "batch_size": 256, "learning_rate": 1e-2}
"""Settings by which recommenders with item graphs learn the store in seconds."""


def dense_adjacency(edges: np.ndarray) -> np.ndarray:
    """``D^-1/2 A D^-1/2`` of a user-item matrix, (U + I, U + I); a node without edge has a row of zeros."""
    users, items = edges.shape
    both = np.block([[np.zeros((users, users)), edges], [edges.T, np.zeros((items, items))]])
    degrees = both.sum(axis=1)
    factors = np.divide(1, np.sqrt(degrees), where=degrees > 0, out=np.zeros_like(degrees))
    adjacency: np.ndarray = both * np.outer(factors, factors)
    return adjacency


def dense_mean(adjacency: np.ndarray, vectors: np.ndarray, layers: int) -> np.ndarray:
    """The mean of all hops."""
    hops = [vectors]
    for _ in range(layers):
        hops.append(adjacency @ hops[-1])
    return np.mean(hops, axis=0)


def dense_neighbours(table: np.ndarray, count: int) -> np.ndarray:
    """The positive cosines of each row with its ``count`` nearest rows, (I, I), by sorting all."""
    unit = table / np.linalg.norm(table, axis=1, keepdims=True)
    kept = np.zeros((len(table), len(table)))
    for row, similar in enumerate(unit @ unit.T):
        for other in np.argsort(-similar)[:count]:
            kept[row, other] = max(similar[other], 0)
    return kept


def sparse_store(make_corpus: Callable[..., Corpus], shuffled: bool, numbered: bool = False) -> Corpus:
    """160 users with four of 160 items each, nearly all of one look: buyers of an item say little, its look says much.

    With ``shuffled`` titles, looks say nothing. ``numbered`` titles differ, else items of a look have one title.
    """
    rng = np.random.default_rng(0)
    look_of = np.arange(len(LOOKS) * ITEMS_PER_LOOK) % len(LOOKS)
    histories = []
    for user in range(160):
        liked = look_of == user % len(LOOKS)
        weights = np.where(liked, 0.95 / liked.sum(), 0.05 / (~liked).sum())
        histories.append(rng.choice(len(look_of), size=4, replace=False, p=weights).tolist())
    titles = rng.permutation(look_of) if shuffled else look_of
    ends = [f" {row}" if numbered else "" for row in range(len(titles))]
    return make_corpus(
        histories, {"title": pa.array([f"{LOOKS[look]} thing{end}" for look, end in zip(titles, ends, strict=True)])}
    )


def features_help(
    name: str, make_corpus: Callable[..., Corpus], folder: Path, *, numbered: bool = False, **settings: Any
) -> None:
    """The model finds more with true than with shuffled titles, and more than popularity."""
    rates = []
    settings = QUICK | settings
    for shuffled in (False, True):
        corpus = sparse_store(make_corpus, shuffled, numbered)
        work = folder / f"{name}-{shuffled}"
        rates.append(hit_rate(fitted(name, corpus, work, **settings), corpus))
    floor = hit_rate(fitted("popularity", corpus, folder / "popularity"), corpus)
    assert rates[0] > rates[1] + 0.15 and rates[0] > floor + 0.15, (rates, floor)
