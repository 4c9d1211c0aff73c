"""Moved."""

from baselines.learning.model import LearnedModel as LearnedModel
