"""Generative retrieval: item ids, their trie, beam search over it, and pictures as sequences of codes."""
