"""Frozen features of items, from pictures and from text: computed once a corpus, for all models that read them."""
