"""Moved."""

from baselines.learning.network import TrainingSettings as TrainingSettings
