"""Recommenders that read pictures and text of the items beside who interacted with what."""

from unimp_bench.contracts import ModelCard

CARDS: tuple[ModelCard, ...] = ()
