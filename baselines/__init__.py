"""The baselines, one file a system. A new one is one file and one card here."""

from unimp_bench.contracts import ModelCard

CATALOGUE: tuple[ModelCard, ...] = ()
