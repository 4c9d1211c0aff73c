"""Shortcuts to the test targets of a corpus, and the test examples that they solve."""
