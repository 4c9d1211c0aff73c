"""Frozen features of items, from pictures and from text: computed once a corpus, for all models that read them."""

VERSIONS = {"ids": 1, "pictures": 1, "text": 1}
"""Of each extractor; goes up when the same picture or text gives other features. Caches and fits are named by it."""
