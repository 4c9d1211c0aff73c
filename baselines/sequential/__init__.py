"""Recommenders that read a user's history in its order."""

from unimp_bench.contracts import ModelCard

CARDS: tuple[ModelCard, ...] = ()
