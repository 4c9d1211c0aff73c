"""Moved."""

from baselines.learning.files import reading as reading
