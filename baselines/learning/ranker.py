"""Moved."""

from baselines.learning.model import LearnedRanker as LearnedRanker
