"""Sections to values of type ``Table``, with their plots, and to text and CSV."""
