"""The ceiling of every task on the built-in sample, from what its generator knows (``docs/sample.md``)."""

from baselines.oracle.model import IMPOSSIBLE, Oracle, OracleConfig

__all__ = ["IMPOSSIBLE", "Oracle", "OracleConfig"]
