"""Language models that answer several tasks by prompts: P5 and VIP5."""

from unimp_bench.contracts import ModelCard

CARDS: tuple[ModelCard, ...] = ()
