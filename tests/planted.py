"""Moved to unimp_bench.testing.planted."""

from unimp_bench.testing.planted import *  # noqa: F403
