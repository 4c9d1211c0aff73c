"""Moved."""

from baselines.learning.training import Snapshot as Snapshot
